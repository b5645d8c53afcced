#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/ref.h"
#include "http/request.h"
#include "http/request_parser.h"
#include "http/response.h"

namespace gyre::http {

class Conversation;
class ServerConnection;

// What takes a connection over from HTTP once the head of the response is on its way: a WebSocket,
// or a response that streams. Waits in the conversation until then; destroyed after `take`, or
// instead of it when the client is gone.
class Takeover {
 public:
  virtual ~Takeover() = default;
  // On the connection's shard. `early_bytes` are what the client has sent beyond its request.
  virtual void take(ServerConnection& connection, std::string early_bytes) = 0;
};

// A request and the duty to answer it: given to a handler, which answers at once or keeps it and
// answers later, on the same shard. It may outlive its connection; then the answer goes nowhere.
// One that is dropped unanswered answers 500.
class Exchange {
 public:
  Exchange(Exchange&& other) noexcept = default;
  Exchange& operator=(Exchange&&) = delete;
  ~Exchange();

  const Request& request() const { return request_; }
  // Whether the client is still there to get an answer.
  bool is_open() const;

  void answer(const Response& response);
  void answer(Response&& response);
  // Sends the response's head alone (what frames the rest is among its fields) and gives the
  // connection away.
  void take_over(const Response& head, std::unique_ptr<Takeover> takeover);

 private:
  friend class Conversation;
  // What an exchange knows of its conversation: null when that has gone.
  struct Link : LocalCounted {
    explicit Link(Conversation* owner) : conversation(owner) {}
    Conversation* conversation;
  };
  Exchange(Ref<Link> link, Request request)
      : link_(std::move(link)), request_(std::move(request)) {}

  Ref<Link> link_;  // null once answered
  Request request_;
};

// What serves a path. Both functions are called on the shard of the connection, and belong to the
// server, which outlives all connections.
struct Route {
  // Gets the whole request.
  std::function<void(Exchange exchange)> handle;
  // Asked when the head is there and before the body is read, so that a request without permission
  // costs no memory: an answer (wrong method, missing key, node full), or nothing to go on. May be
  // empty.
  std::function<std::optional<Response>(const Request& head)> admit = {};
  // Whoever is admitted has shown a secret, and may come as fast as they like.
  bool is_trusting = false;
  uint64_t body_bytes_max = Limits{}.body_bytes;
  // How a body over the bound is answered.
  Response too_large = Response(413);
};

}  // namespace gyre::http
