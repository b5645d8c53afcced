// What toml++ 3.3 assumes of a text, some broken ones do not hold to (`a = 1979-05-27T=`): its
// assertions end a debug build and are undefined behaviour in a release. Here one that fails is
// thrown, in all builds.
namespace gyre::config {
struct UnmetAssumption {};
}  // namespace gyre::config
#pragma push_macro("NDEBUG")
#undef NDEBUG
#define TOML_ASSERT(expr) ((expr) ? void() : throw gyre::config::UnmetAssumption())
#include <toml++/toml.h>
#pragma pop_macro("NDEBUG")

#include <algorithm>

#include "config/document.h"

namespace gyre::config {
namespace {

constexpr int kMaxTomlDepth = 64;

// Finds what makes toml++ 3.3 run into undefined behaviour, and TOML 1.0 forbids anyway: outside of
// strings and comments the first byte that is not ASCII, a quote within a word, or a table's name
// that begins with neither a letter, digit, dash, underscore nor quote. Up to the first error,
// where toml++ stops, it knows exactly where it is in the text.
class Precheck {
 public:
  explicit Precheck(std::string_view text) : text_(text) {}

  std::optional<SyntaxError> first_violation() {
    bool is_line_start = true;
    while (at_ < text_.size()) {
      const char c = text_[at_];
      const bool may_begin_table = is_line_start && depth_ == 0;
      is_line_start = c == '\n' || (is_line_start && (c == ' ' || c == '\t'));
      if (static_cast<unsigned char>(c) >= 0x80) {
        return SyntaxError{place(), "only ASCII is allowed outside of strings"};
      }
      if (c == '#') {
        at_ = std::min(text_.find('\n', at_), text_.size());
      } else if (c == '"' || c == '\'') {
        if (!may_begin_string()) return SyntaxError{place(), "a quote was not expected here"};
        const bool is_in_name = at_ > 0 && text_[at_ - 1] == '.';
        const size_t start = at_;
        skip_string(c);
        // In a value that would be no string, and toml++ would read on into it.
        if (is_in_name && !is_ascii(text_.substr(start, at_ - start))) {
          at_ = start;
          return SyntaxError{place(), "only ASCII is allowed in names with dots"};
        }
      } else if (c == '[' && may_begin_table) {
        if (!skip_table_start()) return SyntaxError{place(), "a table needs a name"};
      } else {
        if (c == '[' || c == '{') ++depth_;
        if ((c == ']' || c == '}') && depth_ > 0) --depth_;
        ++at_;
      }
    }
    return std::nullopt;
  }

 private:
  // The brackets and blanks in front of a table's name; whether a name may begin behind them.
  bool skip_table_start() {
    const auto skip_blanks = [this] {
      at_ = std::min(text_.find_first_not_of(" \t", at_), text_.size());
    };
    ++at_;
    skip_blanks();
    if (text_.substr(at_).starts_with('[')) {
      ++at_;
      skip_blanks();
    }
    depth_ = 0;
    if (at_ == text_.size()) return true;
    const char c = text_[at_];
    const bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    return is_letter || (c >= '0' && c <= '9') || std::string_view("-_\"'").contains(c) ||
           static_cast<unsigned char>(c) >= 0x80;  // which is told as such
  }

  // Behind anything else a quote is part of a broken word.
  bool may_begin_string() const {
    return at_ == 0 || std::string_view(" \t\r\n=[{,.").contains(text_[at_ - 1]);
  }
  static bool is_ascii(std::string_view text) {
    return std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
  }

  void skip_string(char quote) {
    bool is_long = text_.substr(at_).starts_with(std::string(3, quote));
    at_ += is_long ? 3 : 1;
    while (at_ < text_.size()) {
      char c = text_[at_];
      if (c == '\\' && quote == '"') {
        at_ = std::min(at_ + 2, text_.size());
      } else if (c == '\n' && !is_long) {
        return;  // not closed: the parser says so
      } else if (c == quote && (!is_long || text_.substr(at_).starts_with(std::string(3, quote)))) {
        at_ += is_long ? 3 : 1;
        while (is_long && at_ < text_.size() && text_[at_] == quote) ++at_;
        return;
      } else {
        ++at_;
      }
    }
  }

  Mark place() const {
    std::string_view before = text_.substr(0, at_);
    size_t line_start = before.rfind('\n') + 1;
    return {static_cast<uint32_t>(std::ranges::count(before, '\n')) + 1,
            static_cast<uint32_t>(at_ - line_start) + 1};
  }

  std::string_view text_;
  size_t at_ = 0;
  int depth_ = 0;  // of arrays and inline tables
};

Mark toml_mark(const toml::source_region& region) {
  return {region.begin.line, region.begin.column};
}

bool convert(const toml::node& node, Document& out, int depth, SyntaxError& error) {
  out.mark = toml_mark(node.source());
  if (depth > kMaxTomlDepth) {
    error = {out.mark, "nested too deeply"};
    return false;
  }
  if (const auto* table = node.as_table()) {
    out.kind = Document::Kind::object;
    for (const auto& [key, value] : *table) {
      Document::Field& field = out.fields.emplace_back();
      field.name = std::string(key.str());
      field.mark = toml_mark(key.source());
      if (!convert(value, field.value, depth + 1, error)) return false;
    }
  } else if (const auto* array = node.as_array()) {
    out.kind = Document::Kind::list;
    for (const auto& item : *array) {
      if (!convert(item, out.items.emplace_back(), depth + 1, error)) return false;
    }
  } else if (const auto* text = node.as_string()) {
    out.kind = Document::Kind::text;
    out.text = text->get();
  } else if (const auto* integer = node.as_integer()) {
    out.kind = Document::Kind::integer;
    out.integer = integer->get();
  } else if (const auto* real = node.as_floating_point()) {
    out.kind = Document::Kind::real;
    out.real = real->get();
  } else if (const auto* truth = node.as_boolean()) {
    out.kind = Document::Kind::boolean;
    out.truth = truth->get();
  } else {
    error = {out.mark, "no setting is a date or a time"};
    return false;
  }
  return true;
}

// The first line that toml++ gives up at. Up to the line before it comes to an end, or to an error
// of its own.
Mark place_of_unmet_assumption(std::string_view text) {
  std::vector<size_t> line_ends;
  for (size_t end = 0; end < text.size();) {
    end = std::min(text.find('\n', end), text.size() - 1) + 1;
    line_ends.push_back(end);
  }
  const auto first = std::ranges::partition_point(line_ends, [text](size_t end) {
    try {
      static_cast<void>(toml::parse(text.substr(0, end)));
    } catch (const UnmetAssumption&) {
      return false;
    } catch (const toml::parse_error&) {
      return true;
    }
    return true;
  });
  return {static_cast<uint32_t>(first - line_ends.begin()) + 1, 1};
}

}  // namespace

ReadResult read_toml(std::string_view text) {
  if (text.size() > kMaxFileBytes) return std::unexpected(SyntaxError{{}, "larger than 16 MiB"});
  if (auto error = Precheck(text).first_violation()) return std::unexpected(std::move(*error));
  try {
    toml::table table = toml::parse(text);
    Document document;
    SyntaxError error;
    if (!convert(table, document, 0, error)) return std::unexpected(std::move(error));
    return document;
  } catch (const toml::parse_error& error) {
    return std::unexpected(
        SyntaxError{toml_mark(error.source()), std::string(error.description())});
  } catch (const UnmetAssumption&) {
    return std::unexpected(SyntaxError{place_of_unmet_assumption(text), "no valid TOML"});
  } catch (const std::exception& error) {
    return std::unexpected(SyntaxError{{}, error.what()});
  }
}

}  // namespace gyre::config
