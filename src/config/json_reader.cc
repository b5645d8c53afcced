#include <simdjson.h>

#include <algorithm>
#include <charconv>
#include <tuple>

#include "config/document.h"

namespace gyre::config {
namespace {

constexpr int kMaxDepth = 64;

void append_utf8(std::string& text, uint32_t code) {
  auto push = [&](uint32_t byte) { text += static_cast<char>(byte); };
  if (code < 0x80) {
    push(code);
  } else if (code < 0x800) {
    push(0xC0 | code >> 6);
    push(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    push(0xE0 | code >> 12);
    push(0x80 | (code >> 6 & 0x3F));
    push(0x80 | (code & 0x3F));
  } else {
    push(0xF0 | code >> 18);
    push(0x80 | (code >> 12 & 0x3F));
    push(0x80 | (code >> 6 & 0x3F));
    push(0x80 | (code & 0x3F));
  }
}

// Recursive descent over RFC 8259, which knows the line and column of every value: simdjson's
// documents do not. The first error ends it.
class JsonReader {
 public:
  explicit JsonReader(std::string_view text) : text_(text) {}

  ReadResult read() {
    if (text_.size() > kMaxFileBytes) return std::unexpected(SyntaxError{{}, "larger than 16 MiB"});
    if (!simdjson::validate_utf8(text_.data(), text_.size())) {
      return std::unexpected(SyntaxError{{}, "not valid UTF-8"});
    }
    Document document;
    value(document, 0);
    skip_blanks();
    if (!failed_ && at_ != text_.size()) fail("unexpected text after the document");
    if (failed_) return std::unexpected(std::move(error_));
    return document;
  }

 private:
  Mark mark() const { return {line_, static_cast<uint32_t>(at_ - line_start_) + 1}; }
  void fail(std::string message) {
    if (failed_) return;
    failed_ = true;
    error_ = {mark(), std::move(message)};
  }
  bool ended() const { return at_ == text_.size(); }
  char peek() const { return ended() ? '\0' : text_[at_]; }

  void skip_blanks() {
    for (; !ended(); ++at_) {
      char c = text_[at_];
      if (c == '\n') {
        ++line_;
        line_start_ = at_ + 1;
      } else if (c != ' ' && c != '\t' && c != '\r') {
        return;
      }
    }
  }

  bool take(char wanted) {
    if (ended() || text_[at_] != wanted) return false;
    ++at_;
    return true;
  }

  bool take_word(std::string_view word) {
    if (!text_.substr(at_).starts_with(word)) return false;
    at_ += word.size();
    return true;
  }

  void value(Document& out, int depth) {
    skip_blanks();
    out.mark = mark();
    if (depth > kMaxDepth) return fail("nested too deeply");
    if (ended()) return fail("unexpected end of the text");
    char c = peek();
    if (c == '{') return object(out, depth);
    if (c == '[') return list(out, depth);
    if (c == '"') {
      out.kind = Document::Kind::text;
      return string(out.text);
    }
    if (c == '-' || (c >= '0' && c <= '9')) return number(out);
    if (take_word("null")) return;
    if (take_word("true")) {
      out.kind = Document::Kind::boolean;
      out.truth = true;
    } else if (take_word("false")) {
      out.kind = Document::Kind::boolean;
    } else {
      fail("a value was expected here");
    }
  }

  void object(Document& out, int depth) {
    out.kind = Document::Kind::object;
    ++at_;
    skip_blanks();
    if (take('}')) return;
    while (!failed_) {
      skip_blanks();
      Document::Field& field = out.fields.emplace_back();
      field.mark = mark();
      if (peek() != '"') return fail("a name in double quotes was expected here");
      string(field.name);
      skip_blanks();
      if (!failed_ && !take(':')) return fail("\":\" was expected here");
      if (failed_) return;
      value(field.value, depth + 1);
      skip_blanks();
      if (take('}')) return keep_last_of_each(out.fields);
      if (!failed_ && !take(',')) return fail("\",\" or \"}\" was expected here");
    }
  }

  static void keep_last_of_each(std::vector<Document::Field>& fields) {
    std::vector<size_t> order(fields.size());
    for (size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::ranges::sort(order, [&](size_t a, size_t b) {
      return std::tie(fields[a].name, a) < std::tie(fields[b].name, b);
    });
    std::vector<bool> replaced(fields.size());
    bool any = false;
    for (size_t i = 1; i < order.size(); ++i) {
      if (fields[order[i - 1]].name != fields[order[i]].name) continue;
      replaced[order[i - 1]] = true;
      any = true;
    }
    if (!any) return;
    size_t kept = 0;
    for (size_t i = 0; i < fields.size(); ++i) {
      if (replaced[i]) continue;
      if (kept != i) fields[kept] = std::move(fields[i]);
      ++kept;
    }
    fields.resize(kept);
  }

  void list(Document& out, int depth) {
    out.kind = Document::Kind::list;
    ++at_;
    skip_blanks();
    if (take(']')) return;
    while (!failed_) {
      value(out.items.emplace_back(), depth + 1);
      skip_blanks();
      if (take(']')) return;
      if (!failed_ && !take(',')) return fail("\",\" or \"]\" was expected here");
    }
  }

  void string(std::string& out) {
    ++at_;
    while (true) {
      if (ended() || peek() == '\n') return fail("a string without its closing quote");
      char c = text_[at_];
      if (static_cast<unsigned char>(c) < 0x20) return fail("a control character inside a string");
      ++at_;
      if (c == '"') return;
      if (c != '\\') {
        out += c;
      } else if (!escape(out)) {
        return fail("a wrong escape sequence");
      }
    }
  }

  bool escape(std::string& out) {
    static constexpr std::string_view kNames = "\"\\/bfnrt";
    static constexpr std::string_view kValues = "\"\\/\b\f\n\r\t";
    if (ended()) return false;
    char c = text_[at_++];
    if (size_t known = kNames.find(c); known != std::string_view::npos) {
      out += kValues[known];
      return true;
    }
    uint32_t code = 0;
    if (c != 'u' || !hex(code)) return false;
    if (code >= 0xD800 && code < 0xDC00) {
      uint32_t low = 0;
      size_t before = at_;
      if (take_word("\\u") && hex(low) && low >= 0xDC00 && low < 0xE000) {
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
      } else {
        at_ = before;
        code = 0xFFFD;
      }
    } else if (code >= 0xDC00 && code < 0xE000) {
      code = 0xFFFD;  // half of a pair, as the reference replaces it
    }
    append_utf8(out, code);
    return true;
  }

  bool hex(uint32_t& code) {
    if (text_.size() - at_ < 4) return false;
    const char* begin = text_.data() + at_;
    auto [end, error] = std::from_chars(begin, begin + 4, code, 16);
    if (error != std::errc() || end != begin + 4) return false;
    at_ += 4;
    return true;
  }

  size_t skip_digits() {
    size_t from = at_;
    while (peek() >= '0' && peek() <= '9') ++at_;
    return at_ - from;
  }

  void number(Document& out) {
    size_t from = at_;
    take('-');
    bool begins_with_zero = peek() == '0';
    size_t digits = skip_digits();
    if (digits == 0 || (begins_with_zero && digits > 1)) return fail("a wrong number");
    bool is_whole = true;
    if (take('.')) {
      is_whole = false;
      if (skip_digits() == 0) return fail("a wrong number");
    }
    if (peek() == 'e' || peek() == 'E') {
      is_whole = false;
      ++at_;
      if (peek() == '+' || peek() == '-') ++at_;
      if (skip_digits() == 0) return fail("a wrong number");
    }
    const char* begin = text_.data() + from;
    const char* end = text_.data() + at_;
    out.kind = Document::Kind::integer;
    if (is_whole && std::from_chars(begin, end, out.integer).ec == std::errc()) return;
    out.kind = Document::Kind::real;
    if (std::from_chars(begin, end, out.real).ec != std::errc()) fail("a number out of range");
  }

  std::string_view text_;
  size_t at_ = 0;
  uint32_t line_ = 1;
  size_t line_start_ = 0;
  bool failed_ = false;
  SyntaxError error_;
};

}  // namespace

ReadResult read_json(std::string_view text) {
  return JsonReader(text).read();
}

}  // namespace gyre::config
