#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "http/request.h"

namespace gyre::http {

// What one request may cost before it is refused.
struct Limits {
  uint32_t head_bytes = 64 * 1024;  // request line and fields; a long `cf_connect` of SSE must fit
  uint32_t header_count = 128;
  uint64_t body_bytes = 64 * 1024 * 1024;
};

// An incremental parser of HTTP/1.0 and 1.1 requests (RFC 9112). Sans-IO: takes bytes split
// anywhere, keeps what it needs of them, and says how many it took; what it leaves belongs to the
// next request or to the upgraded protocol.
//
// It is strict where two parsers could disagree about where a request ends: one Content-Length at
// most and never next to a Transfer-Encoding, no codings but `chunked`, no folded lines, no bare CR
// or LF, no space around field names.
//
// Owned by the HTTP side of a connection, lives until the upgrade or the close. All state is behind
// one pointer.
class RequestParser {
 public:
  enum class Progress : uint8_t {
    need_more,
    head,      // request() has everything but the body; feed on, even with nothing, to go on
    complete,  // take() the request
    failed,    // answer with failure() and close: what follows cannot be trusted
  };
  struct Step {
    size_t consumed;
    Progress progress;
  };
  struct Failure {
    int status = 0;
    std::string_view reason;  // static text, for people
  };

  explicit RequestParser(const Limits& limits = {});
  ~RequestParser();
  RequestParser(RequestParser&&) noexcept;
  RequestParser& operator=(RequestParser&&) noexcept;

  Step feed(std::string_view bytes);

  // Between `head` and the body: a bound for this request's body that replaces Limits::body_bytes.
  void limit_body(uint64_t bytes);

  const Request& request() const;
  // After `complete`: gives the request away and begins the next one.
  Request take();

  const Failure& failure() const;
  // Nothing of a request has arrived yet (blank lines aside).
  bool is_idle() const;
  // Head is complete, body is not.
  bool is_in_body() const;
  // Bytes that the parser holds on the heap for the request.
  size_t buffered_bytes() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace gyre::http
