#include "protocol/json.h"

#include <simdjson.h>

#include <algorithm>
#include <array>
#include <iterator>

#include "protocol/json_scanner.h"

namespace gyre::protocol::json {
namespace {

constexpr std::string_view kHexDigits = "0123456789abcdef";

// True for the bytes of a string that cannot simply be copied: those that are escaped, and all
// outside of ASCII, which are looked at more closely.
constexpr std::array<bool, 256> kNeedsCare = [] {
  std::array<bool, 256> table{};
  for (size_t byte = 0; byte < 256; ++byte) {
    table[byte] = byte < 0x20 || byte >= 0x80 || byte == '"' || byte == '\\' || byte == '<' ||
                  byte == '>' || byte == '&';
  }
  return table;
}();

void append_escape(std::string& out, unsigned char byte) {
  switch (byte) {
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    default:
      out += "\\u00";
      out += kHexDigits[byte >> 4];
      out += kHexDigits[byte & 15];
  }
}

// The length of the UTF-8 sequence at the start of the text, 0 if there is none (RFC 3629, 4).
size_t sequence_length(std::string_view text) {
  const auto byte = [text](size_t i) { return static_cast<unsigned char>(text[i]); };
  const auto continues = [&](size_t i, unsigned from = 0x80, unsigned to = 0xbf) {
    return i < text.size() && byte(i) >= from && byte(i) <= to;
  };
  const unsigned first = byte(0);
  if (first >= 0xc2 && first <= 0xdf) return continues(1) ? 2 : 0;
  if (first >= 0xe0 && first <= 0xef) {
    const unsigned from = first == 0xe0 ? 0xa0 : 0x80;
    const unsigned to = first == 0xed ? 0x9f : 0xbf;
    return continues(1, from, to) && continues(2) ? 3 : 0;
  }
  if (first >= 0xf0 && first <= 0xf4) {
    const unsigned from = first == 0xf0 ? 0x90 : 0x80;
    const unsigned to = first == 0xf4 ? 0x8f : 0xbf;
    return continues(1, from, to) && continues(2) && continues(3) ? 4 : 0;
  }
  return 0;
}

// Whether the text begins with U+2028 or U+2029, line ends to JavaScript: E2 80 A8 and E2 80 A9.
bool is_javascript_line_end(std::string_view text) {
  return text.starts_with("\xe2\x80\xa8") || text.starts_with("\xe2\x80\xa9");
}

// Appends what stands for the text's first character, of which kNeedsCare is true, and returns its
// length in the text.
size_t append_with_care(std::string& out, std::string_view text) {
  const auto first = static_cast<unsigned char>(text[0]);
  if (first < 0x80) {
    append_escape(out, first);
    return 1;
  }
  const size_t length = sequence_length(text);
  if (length == 0) {
    out += "\\ufffd";
    return 1;
  }
  if (is_javascript_line_end(text)) {
    out += text[2] == '\xa8' ? "\\u2028" : "\\u2029";
  } else {
    out.append(text.substr(0, length));
  }
  return length;
}

// In a valid value all of these can only occur inside of strings.
bool unsafe_in_html(std::string_view text) {
  return text[0] == '<' || text[0] == '>' || text[0] == '&' || is_javascript_line_end(text);
}

}  // namespace

bool is_utf8(std::string_view text) {
  return simdjson::validate_utf8(text.data(), text.size());
}

bool validate(std::string_view text) {
  Scanner scanner(text);
  if (!scanner.skip_value()) return false;
  scanner.peek();
  return scanner.at_end();
}

void append_string(std::string& out, std::string_view text) {
  out += '"';
  size_t copied = 0;
  size_t i = 0;
  while (i < text.size()) {
    if (!kNeedsCare[static_cast<unsigned char>(text[i])]) {
      ++i;
      continue;
    }
    out.append(text.substr(copied, i - copied));
    i += append_with_care(out, text.substr(i));
    copied = i;
  }
  out.append(text.substr(copied));
  out += '"';
}

void append_raw(std::string& out, std::string_view value) {
  if (!value.contains('\n') && !value.contains('\r')) {
    out.append(value);
    return;
  }
  std::ranges::copy_if(value, std::back_inserter(out),
                       [](char byte) { return byte != '\n' && byte != '\r'; });
}

void append_compact_html_safe(std::string& out, std::string_view value) {
  bool in_string = false;
  size_t i = 0;
  while (i < value.size()) {
    const char byte = value[i];
    if (!in_string) {
      in_string = byte == '"';
      if (byte != ' ' && byte != '\t' && byte != '\r' && byte != '\n') out += byte;
      ++i;
    } else if (byte == '\\') {
      out.append(value.substr(i, 2));
      i += 2;
    } else if (unsafe_in_html(value.substr(i))) {
      i += append_with_care(out, value.substr(i));
    } else {
      in_string = byte != '"';
      out += byte;
      ++i;
    }
  }
}

}  // namespace gyre::protocol::json
