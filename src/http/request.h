#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gyre::http {

// ASCII letters compare equal in both cases; everything else byte by byte.
bool equals_ignoring_case(std::string_view a, std::string_view b);

struct Header {
  std::string_view name;  // as the client wrote it
  std::string_view value;
};

// The header fields of a request in the order of arrival. Views into the request's head.
class Headers {
 public:
  // The first field of that name.
  std::optional<std::string_view> find(std::string_view name) const;
  // The first field's value, or "".
  std::string_view value(std::string_view name) const { return find(name).value_or(""); }
  bool has(std::string_view name) const { return find(name).has_value(); }
  // Whether any field of that name lists the token (comma-separated, any case), as in `Connection:
  // keep-alive, Upgrade`.
  bool has_token(std::string_view name, std::string_view token) const;

  void add(Header header) { list_.push_back(header); }
  void clear() { list_.clear(); }
  size_t size() const { return list_.size(); }
  auto begin() const { return list_.begin(); }
  auto end() const { return list_.end(); }

 private:
  std::vector<Header> list_;
};

// One HTTP request. Owns its bytes, so it can wait with an asynchronous handler while the socket
// reads on; moving it keeps all views valid.
struct Request {
  Request() = default;
  Request(Request&&) = default;
  Request& operator=(Request&&) = default;

  std::string_view method;
  std::string_view target;  // as on the request line
  std::string_view path;   // still percent-encoded; "*" and the authority of CONNECT stand here too
  std::string_view query;  // what follows the '?', still encoded
  Headers headers;
  std::string body;  // has kBodyPadding readable bytes behind it
  bool keep_alive = true;
  bool expects_continue = false;  // the client waits for "100 Continue" before it sends the body
  bool has_body = false;          // announced by Content-Length > 0 or by chunks
  uint8_t version_minor = 1;      // of HTTP/1.x

  std::string head;  // what the views look into; always on the heap

  // So much may be read behind the body's end: simdjson wants it.
  static constexpr size_t kBodyPadding = 64;

  bool is(std::string_view wanted_method) const { return method == wanted_method; }
};

}  // namespace gyre::http
