#pragma once

#include <string>
#include <string_view>

// JSON as text: what the protocol, the API and the proxies need when they hand values on without
// looking into them.
namespace gyre::protocol::json {

// Values nested deeper are refused everywhere, as the reference server does.
inline constexpr int kMaxDepth = 10000;

// Whether the text is exactly one JSON value (RFC 8259) with whitespace around it. Strings must be
// valid UTF-8; escaped lone surrogates are allowed. Does not recurse.
bool validate(std::string_view text);

// Whether the text is valid UTF-8.
bool is_utf8(std::string_view text);

// Appends the text as a JSON string with its quotes. `<`, `>`, `&`, U+2028 and U+2029 are escaped,
// so that the result is harmless inside HTML and JavaScript; what is not UTF-8 becomes U+FFFD.
void append_string(std::string& out, std::string_view text);

// Appends a raw value on one line: without its `\n` bytes (framing.md 2.1) and its `\r` bytes,
// which would end a line of an event stream as well. In valid JSON both are insignificant.
void append_raw(std::string& out, std::string_view value);

// Appends a valid value without insignificant whitespace and with the same characters escaped as in
// strings; numbers and other escapes stay byte for byte (server-api.md, "JSON encoding rules").
void append_compact_html_safe(std::string& out, std::string_view value);

}  // namespace gyre::protocol::json
