#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "http/exchange.h"
#include "http/request_parser.h"
#include "http/router.h"
#include "metrics/counter.h"
#include "net/rate_limit.h"

namespace gyre::http {

// The HTTP/1.1 side of one connection, sans-IO: bytes in, requests to the routes' handlers one
// after the other, bytes out. Keeps the order of pipelined requests, sends "100 Continue", decides
// when the connection ends, and says what is being waited for, so that whoever has the socket and
// the timers can put a deadline on it.
//
// Owned by its ServerConnection, on that one's shard, until the connection closes or is taken over.
// Handlers run inside of `receive`; whoever owns a conversation destroys it at the end of the turn
// and not from a handler.
class Conversation {
 public:
  // Told when an answer arrived that nobody was waiting for inside of `receive`: there is output,
  // or an end.
  class Owner {
   public:
    virtual void on_answer() = 0;

   protected:
    ~Owner() = default;
  };

  // What all conversations of a server share. Outlives them.
  struct Rules {
    const Router<Route>& router;
    Limits limits;
    // The current Date field; empty leaves it out.
    std::function<std::string_view()> date = {};
    // How fast requests of one connection may come; one that comes too fast is answered with 429,
    // which is the end. `now` and `too_fast`, which counts them, are needed only with a rate.
    net::RateLimit rate = {};
    std::function<os::Nanos()> now = {};
    metrics::Counter* too_fast = nullptr;
    // Once so many bytes of answers wait to be taken, the next requests of a pipeline wait as well.
    size_t output_bytes_max = 64 * 1024;
  };

  enum class Waiting : uint8_t {
    first_head,  // for the first byte or the rest of the first request's head
    idle,        // for the next request; nothing of it has arrived
    head,        // for the rest of a head
    body,        // for the rest of a body
    handler,     // for an answer
    end,         // for nothing: send the output, then close
    takeover,    // for nothing: send the output, then call `take_takeover`
  };

  Conversation(const Rules& rules, Owner& owner);
  Conversation(const Conversation&) = delete;
  ~Conversation();

  void receive(std::string_view bytes);
  // The deadline for what is being waited for has passed. An answer that is late is not waited for
  // any longer.
  void expire();
  // The process is about to end: this request is the last, and an idle connection has none.
  void drain();

  std::string take_output() { return std::exchange(output_, {}); }
  // Requests wait for their predecessors' output to be taken: to be called when that has left.
  bool wants_to_go_on() const {
    return !backlog_.empty() && !is_answering_ && !takeover_ && !is_over_;
  }
  void go_on() { resume(); }
  bool has_output() const { return !output_.empty(); }
  Waiting waiting_for() const;
  // False while pipelined requests wait for the answer of the one before: stop reading.
  bool wants_input() const { return backlog_.empty() && waiting_for() < Waiting::end; }

  // At Waiting::end: the client has not finished its request, so closing at once could cost it the
  // answer.
  bool is_cut_short() const { return is_cut_short_; }
  // How many requests have arrived completely.
  uint64_t requests() const { return requests_; }

  struct TakenOver {
    std::unique_ptr<Takeover> takeover;
    std::string early_bytes;
  };
  // At Waiting::takeover. The conversation has no further use.
  TakenOver take_takeover();

  size_t buffered_bytes() const { return parser_.buffered_bytes() + backlog_.capacity(); }

 private:
  friend class Exchange;

  size_t run(std::string_view bytes);
  bool is_full() const { return output_.size() >= rules_.output_bytes_max; }
  void on_head();
  bool is_too_fast();
  void on_request();
  void on_failure();
  void send(const Response& response, const Request& request, bool keeps);
  void cut_short(const Response& response, const Request& request);
  void answer(const Response& response, const Request& request);
  void answer_in_place(Response&& response, const Request& request);
  void take_over(const Response& head, const Request& request, std::unique_ptr<Takeover> takeover);
  void after_answer();
  void resume();
  Envelope envelope(const Request& request, bool keeps) const;

  const Rules& rules_;
  Owner& owner_;
  RequestParser parser_;
  Ref<Exchange::Link> link_;
  const Route* route_ = nullptr;     // of the request whose body is being read
  std::optional<Response> refusal_;  // of that request; sent when its body is through
  std::string output_;
  std::string backlog_;  // pipelined bytes behind a request that has no answer yet
  std::unique_ptr<Takeover> takeover_;
  uint64_t requests_ = 0;
  os::Nanos rate_state_ = 0;
  bool is_running_ = false;    // inside of `run`
  bool is_answering_ = false;  // a handler has the exchange
  bool is_over_ = false;
  bool is_cut_short_ = false;
  bool is_draining_ = false;
};

}  // namespace gyre::http
