#include "http/server.h"

#include <vector>

namespace gyre::http {

using Waiting = Conversation::Waiting;

namespace {
// So much of a body that nobody wants is taken off the socket for the sake of the answer to it.
constexpr size_t kUnheardBytesMax = 16 << 20;
// An answer of many megabytes is given to the socket in such pieces, each when the one before it
// has left: a copy of all of it would take a whole turn.
constexpr size_t kSliceBytes = 256 * 1024;
}  // namespace

Server::Server(net::Sockets& sockets, const Options& options)
    : sockets_(sockets),
      options_(options),
      rules_{.router = routes_, .limits = options.limits, .date = [this] { return date(); }} {}

void Server::limit_rate(const net::RateLimit& rate, metrics::Counter& too_fast) {
  rules_.rate = rate;
  rules_.now = [this] { return sockets_.shard().now(); };
  rules_.too_fast = &too_fast;
}

std::string_view Server::date() {
  if (const int64_t now = sockets_.shard().unix_seconds(); now != date_second_) {
    date_second_ = now;
    date_ = http_date(now);
  }
  return date_;
}

std::unique_ptr<net::Handler> Server::accept(net::SocketHandle socket) {
  if (is_draining_ || newcomers_ >= options_.newcomers_max) return nullptr;
  return std::make_unique<ServerConnection>(*this, socket);
}

void Server::drain() {
  is_draining_ = true;
  // Those that are closed stay in the list until the end of the turn.
  for (ServerConnection& connection : connections_) connection.drain();
}

ServerConnection::ServerConnection(Server& server, net::SocketHandle socket)
    : server_(server),
      socket_(socket),
      conversation_(server.rules_, *this),
      request_began_(server.sockets_.shard().now()) {
  server_.connections_.push_back(*this);
  ++server_.newcomers_;
  arm_deadline();
}

ServerConnection::~ServerConnection() {
  if (requests_seen_ == 0) --server_.newcomers_;
}

net::Sockets& ServerConnection::sockets() const {
  return server_.sockets_;
}

void ServerConnection::drain() {
  conversation_.drain();
  settle();
}

void ServerConnection::on_bytes(std::span<char> bytes) {
  if (is_lingering_) {
    unheard_ += bytes.size();
    if (unheard_ > kUnheardBytesMax) sockets().close(socket_);
    return;
  }
  conversation_.receive({bytes.data(), bytes.size()});
  settle();
}

void ServerConnection::on_end(net::EndReason reason) {
  // A client may finish its side and still wait for the answer.
  const Waiting waiting = conversation_.waiting_for();
  const bool is_at_work = waiting == Waiting::handler || conversation_.wants_to_go_on();
  const bool may_answer = is_at_work || rest_ || sockets().queued_bytes(socket_) > 0;
  if (reason != net::EndReason::peer_finished || !may_answer) {
    sockets().close(socket_);
    return;
  }
  peer_finished_ = true;
  if (!is_at_work && !rest_) sockets().close_when_flushed(socket_);
}

void ServerConnection::on_flushed() {
  if (!rest_ && conversation_.wants_to_go_on()) conversation_.go_on();
  settle();
}

void ServerConnection::on_timer() {
  if (is_lingering_) {
    // As long as it takes what it was answered, the client gets that.
    if (sockets().queued_bytes(socket_) > 0) return sockets().close_when_flushed(socket_);
    sockets().close(socket_);
    return;
  }
  conversation_.expire();
  settle();
}

// After anything happened to the conversation: its output leaves, and what it waits for decides how
// things go on.
void ServerConnection::settle() {
  if (!sockets().is_open(socket_) || is_lingering_) return;
  send_output();
  if (rest_) {
    pace_input();
    return arm_deadline();
  }
  switch (conversation_.waiting_for()) {
    case Waiting::end:
      return finish();
    case Waiting::takeover:
      return hand_over();
    default:
      if (conversation_.wants_to_go_on()) {
        sockets().notify_when_flushed(socket_);
      } else if (peer_finished_ && conversation_.waiting_for() != Waiting::handler) {
        return finish();
      }
      pace_input();
      arm_deadline();
  }
}

void ServerConnection::send_output() {
  if (conversation_.has_output()) {
    std::string output = conversation_.take_output();
    if (rest_) {
      rest_->bytes += output;
    } else if (output.size() <= kSliceBytes) {
      return sockets().send(socket_, Frame::make_raw(output));
    } else {
      rest_ = std::make_unique<Rest>(Rest{.bytes = std::move(output)});
    }
  }
  if (rest_) send_slice();
}

void ServerConnection::send_slice() {
  if (sockets().queued_bytes(socket_) == 0) {
    const std::string_view slice = std::string_view(rest_->bytes).substr(rest_->at, kSliceBytes);
    sockets().send(socket_, Frame::make_raw(slice));
    rest_->at += slice.size();
    if (rest_->at == rest_->bytes.size()) rest_.reset();
  }
  if (rest_) sockets().notify_when_flushed(socket_);
}

void ServerConnection::finish() {
  cancel();
  if (!conversation_.is_cut_short() || peer_finished_) {
    sockets().close_when_flushed(socket_);
    return;
  }
  // Closing while the client still sends would reset the connection, and the answer could be lost
  // on its way. So read on until the client ends, though not for long.
  is_lingering_ = true;
  if (is_paused_) sockets().resume_reading(socket_);
  server_.sockets_.shard().timers().arm(*this,
                                        server_.sockets_.shard().now() + server_.options_.linger);
}

void ServerConnection::hand_over() {
  cancel();
  if (is_paused_) sockets().resume_reading(socket_);
  auto [takeover, early_bytes] = conversation_.take_takeover();
  takeover->take(*this, std::move(early_bytes));
}

// Reading stops while an answer is waited for that others must come behind, and while the client
// does not read.
void ServerConnection::pace_input() {
  const bool is_clogged =
      rest_ || sockets().queued_bytes(socket_) > server_.options_.output_bytes_max;
  if (is_clogged) sockets().notify_when_flushed(socket_);
  const bool pauses = is_clogged || !conversation_.wants_input();
  if (pauses == is_paused_) return;
  is_paused_ = pauses;
  if (pauses) {
    sockets().pause_reading(socket_);
  } else {
    sockets().resume_reading(socket_);
  }
}

void ServerConnection::arm_deadline() {
  const Server::Options& options = server_.options_;
  runtime::Shard& shard = sockets().shard();
  // An answer of which a part has yet to leave is as one that is still being made: the socket
  // bounds how long the client may leave it unread.
  const Waiting waiting = rest_ ? Waiting::handler : conversation_.waiting_for();
  const bool is_next = conversation_.requests() != requests_seen_;
  const bool was_between =
      was_waiting_for_ == Waiting::idle || was_waiting_for_ == Waiting::handler;
  if (is_next || was_between) request_began_ = shard.now();
  if (is_next && requests_seen_ == 0) --server_.newcomers_;
  requests_seen_ = conversation_.requests();
  was_waiting_for_ = waiting;
  switch (waiting) {
    case Waiting::first_head:
    case Waiting::head:
      shard.timers().arm(*this, request_began_ + options.head_timeout);
      break;
    case Waiting::body:
      shard.timers().arm(*this, request_began_ + options.request_timeout);
      break;
    case Waiting::idle:
      shard.timers().arm(*this, shard.now() + options.idle_timeout);
      break;
    default:  // handlers have deadlines of their own
      cancel();
  }
}

}  // namespace gyre::http
