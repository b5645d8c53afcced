#include "websocket/connection.h"

#include "net/allowance.h"
#include "websocket/frame_writer.h"

namespace gyre::websocket {
namespace {

// A peer that lets so much wait does not read its pongs; it gets no more of them (RFC 6455, 5.5.3
// allows that).
constexpr size_t kPongBacklogMax = 64 * 1024;

// Pings and pongs carry nothing: who sends more than so many, faster than so many a second, wants
// our time and nothing else.
constexpr net::Allowance kControlFrames{.most = 1000, .pause_ms = 20};

// What a client had on its way when it was told of the end is taken off the socket, so that closing
// does not reset the connection under the close frame; but no flood of it.
constexpr uint32_t kUnheardBytesMax = 1 << 20;

FrameRef control_frame(Opcode opcode, std::string_view payload) {
  std::string bytes;
  append_frame(bytes, opcode, payload);
  return Frame::make_raw(bytes);
}

// Exactly one close frame of a client. After a failure nothing is parsed any more, but this much
// tells that it has read our own.
bool is_close_frame(std::span<char> bytes) {
  if (bytes.size() < 6 || bytes[0] != static_cast<char>(0x88)) return false;
  const auto second = static_cast<unsigned char>(bytes[1]);
  return (second & 0x80) && bytes.size() == size_t{6} + (second & 0x7F);
}

}  // namespace

// The timer of a connection that has something to wait for, and what its frame pings need.
class Connection::Duties final : public runtime::Timer {
 public:
  explicit Duties(Connection& owner) : owner_(owner) {}

  void arm(os::Nanos delay) {
    runtime::Shard& shard = owner_.sockets().shard();
    shard.timers().arm(*this, shard.now() + delay);
  }

  os::Nanos ping_interval = 0;
  os::Nanos pong_timeout = 0;
  bool awaits_pong = false;

 private:
  void on_timer() override { owner_.on_time(); }
  Connection& owner_;
};

Connection::Connection(const Endpoint& endpoint, net::SocketHandle socket)
    : endpoint_(endpoint), socket_(socket) {}

Connection::~Connection() = default;

Connection::Duties& Connection::duties() {
  if (!duties_) duties_ = std::make_unique<Duties>(*this);
  return *duties_;
}

void Connection::on_bytes(std::span<char> bytes) {
  if (state_ != State::open && has_heard_enough(bytes.size())) {
    sockets().close(socket_);
    return;
  }
  if (state_ == State::lingering) {
    if (is_close_frame(bytes)) sockets().close(socket_);
    return;
  }
  while (state_ == State::open || state_ == State::closing) {
    const FrameParser::Output output = parser_.next(bytes, endpoint_.rules);
    if (output.event == FrameParser::Event::need_more) return;
    handle(output);
  }
}

// Of what comes behind the end. The last piece may be anything up to a receive buffer.
bool Connection::has_heard_enough(size_t bytes) {
  excess_ += static_cast<uint32_t>(bytes);
  return excess_ > kUnheardBytesMax;
}

void Connection::handle(const FrameParser::Output& output) {
  using Event = FrameParser::Event;
  const bool is_ping_or_pong = output.event == Event::ping || output.event == Event::pong;
  if (is_ping_or_pong && state_ == State::open &&
      kControlFrames.is_exceeded(excess_, sockets().shard().now())) {
    return fail(close_code::kPolicyViolation, "too many control frames");
  }
  switch (output.event) {
    case Event::text:
    case Event::binary:
      if (listener_) listener_->on_message(output.payload, output.event == Event::text);
      break;
    case Event::ping:
      if (state_ == State::open) answer_ping(output.payload);
      break;
    case Event::pong:
      if (duties_ && duties_->awaits_pong && state_ == State::open) {
        duties_->awaits_pong = false;
        duties_->arm(duties_->ping_interval);
      }
      break;
    case Event::close:
      answer_close(output.code, output.payload);
      break;
    case Event::failed:
      fail(output.code, output.payload);
      break;
    case Event::need_more:
      break;
  }
}

void Connection::answer_ping(std::string_view payload) {
  if (sockets().queued_bytes(socket_) > kPongBacklogMax) return;
  sockets().send(socket_, control_frame(Opcode::pong, payload));
}

void Connection::answer_close(uint16_t code, std::string_view reason) {
  if (state_ == State::open) {
    send_close(code, "");
    sockets().close_when_flushed(socket_);
  } else {
    sockets().close(socket_);
  }
  end({Ending::Cause::peer_closed, code, reason});
}

void Connection::fail(uint16_t code, std::string_view reason) {
  if (state_ == State::closing) {  // it knows already
    sockets().close(socket_);
    end({Ending::Cause::failed, code, reason});
    return;
  }
  send_close(code, reason);
  end({Ending::Cause::failed, code, reason});
  // Closing while the client still sends would reset the connection and could cost it the close
  // frame.
  state_ = State::lingering;
  excess_ = 0;
  duties().arm(endpoint_.linger);
}

void Connection::send_close(uint16_t code, std::string_view reason) {
  sockets().send(socket_, Frame::make_raw(close_frame(code, reason)));
}

void Connection::close(uint16_t code, std::string_view reason, Output output) {
  listener_ = nullptr;
  if (state_ != State::open) return;
  if (output == Output::drop) sockets().abandon_output(socket_);
  send_close(code, reason);
  state_ = State::closing;
  excess_ = 0;
  duties().arm(endpoint_.close_timeout);
}

void Connection::cut() {
  listener_ = nullptr;
  state_ = State::ended;
  sockets().close_when_flushed(socket_);
}

void Connection::start_pings(os::Nanos interval, os::Nanos timeout) {
  duties().ping_interval = interval;
  duties().pong_timeout = timeout;
  duties().arm(interval);
}

void Connection::on_time() {
  if (state_ != State::open) {
    sockets().close(socket_);
  } else if (duties_->awaits_pong) {
    sockets().close(socket_);
    end({Ending::Cause::no_pong});
  } else {
    duties_->awaits_pong = true;
    duties_->arm(duties_->pong_timeout);
    sockets().send(socket_, control_frame(Opcode::ping, ""));
  }
}

void Connection::on_end(net::EndReason reason) {
  if (reason == net::EndReason::slow) {
    if (listener_) listener_->on_slow();
    // A listener that did not answer, or an end that nobody reads: the connection must not stay.
    if (state_ == State::open) {
      sockets().close(socket_);
      end({Ending::Cause::stalled});
    }
    return;
  }
  if (reason == net::EndReason::peer_finished && state_ != State::open) {
    sockets().close_when_flushed(socket_);  // it may still read our close frame
    return;
  }
  sockets().close(socket_);
  end({reason == net::EndReason::stalled ? Ending::Cause::stalled : Ending::Cause::lost});
}

void Connection::end(const Ending& ending) {
  state_ = State::ended;
  if (Listener* listener = std::exchange(listener_, nullptr)) listener->on_ended(ending);
}

void Upgrade::take(http::ServerConnection& connection, std::string early_bytes) {
  net::Sockets& sockets = connection.sockets();
  const net::SocketHandle socket = connection.socket();
  if (!early_bytes.empty()) {
    sockets.close(socket);
    return;
  }
  auto owned = std::make_unique<Connection>(endpoint_, socket);
  Connection& upgraded = *owned;
  sockets.set_handler(socket, std::move(owned));
  sockets.set_framing(socket, framing_);
  if (Listener* listener = open_(upgraded)) {
    upgraded.set_listener(*listener);
  } else if (upgraded.is_open()) {
    sockets.close_when_flushed(socket);
  }
}

}  // namespace gyre::websocket
