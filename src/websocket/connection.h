#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "http/server.h"
#include "net/sockets.h"
#include "runtime/timer_wheel.h"
#include "websocket/frame_parser.h"

namespace gyre::websocket {

// How a connection ended.
struct Ending {
  enum class Cause : uint8_t {
    peer_closed,  // by a close frame, whose code and reason stand here
    failed,   // the peer broke the protocol or sent too much; code and reason are what it was told
    lost,     // the stream ended without a close frame
    stalled,  // a write made no progress for too long
    no_pong,  // a frame ping stayed unanswered
  };
  Cause cause;
  uint16_t code = close_code::kAbnormal;
  std::string_view reason = {};
};

// What listens to a connection: a session. Called on the connection's shard, inside of its turn.
class Listener {
 public:
  // The bytes may be looked at until the call returns; 64 behind them are readable.
  virtual void on_message(std::string_view message, bool is_text) = 0;
  // More waits to be sent than may. To be answered by `close` that drops the output, in this call.
  virtual void on_slow() = 0;
  // All output has left, after `sockets.notify_when_flushed`.
  virtual void on_flushed() {}
  // It is over, once. The connection is not to be used any more.
  virtual void on_ended(const Ending& ending) = 0;

 protected:
  ~Listener() = default;
};

// What the connections of one endpoint share on a shard. Outlives them.
struct Endpoint {
  net::Sockets& sockets;
  FrameParser::Rules rules = {};
  os::Nanos close_timeout =
      5 * os::kSecond;             // for the client's close frame (spec transports.md 3.3)
  os::Nanos linger = os::kSecond;  // for a client that has failed to read why
};

// A WebSocket after its handshake, the server's side: takes frames apart, answers pings, closes
// politely. Messages go to the listener; they are sent past this class, straight to the socket's
// outlet (`sockets.send`), which frames them.
//
// Owned by its socket, on that one's shard, until the connection closes. An idle one costs these
// bytes and nothing else.
class Connection final : public net::Handler {
 public:
  Connection(const Endpoint& endpoint, net::SocketHandle socket);
  ~Connection() override;

  // Before the first bytes.
  void set_listener(Listener& listener) { listener_ = &listener; }
  net::SocketHandle socket() const { return socket_; }
  net::Sockets& sockets() const { return endpoint_.sockets; }
  bool is_open() const { return state_ == State::open; }

  // Sends a close frame behind what is queued, or instead of it, and waits for the client's. The
  // listener hears nothing more, not even the end.
  enum class Output : uint8_t { send, drop };
  void close(uint16_t code, std::string_view reason, Output output = Output::send);
  // Closes once what is queued has left, without a close frame.
  void cut();

  // Sends a ping frame every `interval`; no pong within `timeout` ends the connection (spec
  // framing.md 5.3).
  void start_pings(os::Nanos interval, os::Nanos timeout);

  void on_bytes(std::span<char> bytes) override;
  void on_end(net::EndReason reason) override;
  void on_flushed() override {
    if (listener_) listener_->on_flushed();
  }

 private:
  class Duties;
  enum class State : uint8_t {
    open,
    closing,    // our close frame is out; the client's is waited for
    lingering,  // it failed; what comes in is dropped
    ended,
  };

  void handle(const FrameParser::Output& output);
  bool has_heard_enough(size_t bytes);
  void answer_ping(std::string_view payload);
  void answer_close(uint16_t code, std::string_view reason);
  void fail(uint16_t code, std::string_view reason);
  void send_close(uint16_t code, std::string_view reason);
  void end(const Ending& ending);
  void on_time();
  Duties& duties();

  const Endpoint& endpoint_;
  Listener* listener_ = nullptr;  // null once it is told, or has closed the connection
  FrameParser parser_;
  std::unique_ptr<Duties>
      duties_;  // what needs a timer: frame pings, the end of a closing handshake
  const net::SocketHandle socket_;
  // While open, the state of the allowance of control frames; after that the bytes that came behind
  // the end.
  uint32_t excess_ = 0;
  State state_ = State::open;
};
static_assert(sizeof(Connection) <= 64, "every idle WebSocket costs this");

// What makes a WebSocket of an HTTP connection, when the 101 answer is on its way. `open` gets the
// new connection and returns its listener, or null if there is none: then it is closed, politely if
// `open` has called `close`. A client that has sent anything ahead of the answer is dropped (spec
// transports.md 3.1).
class Upgrade final : public http::Takeover {
 public:
  using Open = std::move_only_function<Listener*(Connection& connection)>;
  Upgrade(const Endpoint& endpoint, net::Framing framing, Open open)
      : endpoint_(endpoint), framing_(framing), open_(std::move(open)) {}
  void take(http::ServerConnection& connection, std::string early_bytes) override;

 private:
  const Endpoint& endpoint_;
  net::Framing framing_;
  Open open_;
};

}  // namespace gyre::websocket
