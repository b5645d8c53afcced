#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace gyre::http {

struct Request;

// The standard text of a status, "Unknown" for one without.
std::string_view status_text(int status);

// What depends on the connection and not on the handler.
struct Envelope {
  std::string_view
      date;  // "Tue, 15 Nov 1994 08:12:31 GMT", cached by the caller; empty leaves the field out
  bool keep_alive = true;     // false says "Connection: close"
  uint8_t version_minor = 1;  // of the request: 1.0 must be told that it may keep the connection
  bool is_head_request = false;
};

// A whole response, kept until it is written.
class Response {
 public:
  Response() = default;
  explicit Response(int status_code) : status(status_code) {}
  Response(int status_code, std::string_view content_type, std::string text);

  // `text` plus a newline as text/plain with `nosniff`, which is how the reference answers an error
  // that has a body.
  static Response error(int status, std::string_view text);
  // The same with the status' own text: "Bad Request\n".
  static Response error(int status) { return error(status, status_text(status)); }
  static Response not_found() { return error(404, "404 page not found"); }
  static Response json(std::string text) {
    return Response(200, "application/json", std::move(text));
  }
  // A redirect as the reference's router sends it: with a link for people who GET.
  static Response redirect(int status, std::string_view location, const Request& request);

  // Values lose CR, LF and NUL, so no text from outside can begin a field of its own.
  Response& add(std::string_view name, std::string_view value);
  bool has(std::string_view name) const;

  // Status line, fields, blank line and body in one piece. Content-Length is added unless the
  // status forbids a body.
  std::string encode(const Envelope& envelope = {}) const;
  // The same behind what `out` has.
  void append_to(std::string& out, const Envelope& envelope) const;
  // The same in the body's own memory, for one of many megabytes.
  std::string encode_in_place(const Envelope& envelope) &&;
  // Status line and fields only, for a body that is streamed: no Content-Length; `add` what frames
  // it.
  std::string encode_head(const Envelope& envelope = {}) const;

  int status = 200;
  std::string body;

 private:
  void append_head(std::string& out, const Envelope& envelope) const;
  void append_length(std::string& out) const;

  std::string fields_;  // "Name: value\r\n"…
};

// The value of a Date field (RFC 9110, 5.6.7).
std::string http_date(int64_t unix_seconds);

}  // namespace gyre::http
