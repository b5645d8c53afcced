#include "client/session.h"

#include "base/fault_points.h"
#include "client/census.h"
#include "client/joining.h"
#include "client/rate_limiter.h"
#include "client/streams.h"
#include "net/allowance.h"

namespace gyre::client {

namespace {

// What may wait behind a command in work before the connection is not read any more.
constexpr size_t kBacklogMax = 128 * 1024;
// Who lets so much wait does not read the replies to its commands: the next ones wait as well.
constexpr size_t kClogBytes = 128 * 1024;

// A client that goes on to be refused, faster than so many times a second, is wrong or hostile.
constexpr net::Allowance kErrors{.most = 4000, .pause_ms = 20};

bool is_lonely_pong(protocol::Encoding encoding, std::string_view frame) {
  return encoding == protocol::Encoding::json ? frame == "{}" : frame == std::string_view("\0", 1);
}

// The others are answered by the end of the connection, or by an error always.
bool has_rate(protocol::RequestKind kind) {
  using Kind = protocol::RequestKind;
  return kind != Kind::none && kind != Kind::connect && kind != Kind::ping && kind != Kind::send;
}

}  // namespace

Session::Session(Services& services, net::SocketHandle socket, std::unique_ptr<Transport> transport,
                 std::string_view header_user, proxy::Headers headers)
    : services_(services),
      transport_(std::move(transport)),
      socket_(socket),
      id_(ClientId::make(services.shard.kernel())) {
  if (!header_user.empty()) rare().header_user = header_user;
  if (!headers.empty()) {
    rare().headers = std::make_unique<proxy::ClientHeaders>();
    rare_->headers->transport = std::move(headers);
  }
  const os::Nanos delay = services_.settings->stale_close_delay;
  if (delay > 0) end_due_ = due_in(delay);
  arm();
}

Session::~Session() = default;

Session::Rare& Session::rare() {
  if (!rare_) rare_ = std::make_unique<Rare>();
  return *rare_;
}

// --- Input

uint32_t Session::concurrency() const {
  return services_.settings->concurrency;
}

bool Session::is_clogged() const {
  return services_.sockets.queued_bytes(socket_) > kClogBytes;
}

void Session::receive(std::string_view frame) {
  if (state_ == State::refused || !is_open()) return;
  // What is in front may be free to go by now without having been told.
  if (!is_busy() && (!rare_ || rare_->backlog.empty())) {
    if (const std::string_view rest = process(frame); !rest.empty()) hold_back(rest);
  } else if (flags_ & kPingUnanswered && is_lonely_pong(encoding(), frame)) {
    on_pong();  // must not wait: its time is running
  } else {
    hold_back(frame);
    resume();
  }
}

void Session::on_flushed() {
  if (services_.streams) services_.streams->wake(*this);
  if (services_.hub.has_kept()) catch_up();
  resume();
}

// With the channels' newest publications, which are kept for who is behind.
void Session::catch_up() {
  for (const Subscription& subscription : subscriptions_) {
    if (subscription.is(Subscription::kJoining)) continue;
    services_.hub.catch_up(subscription.channel, subscription.receiver);
  }
}

// Returns what has to wait.
std::string_view Session::process(std::string_view frame) {
  flags_ |= kProcessing;
  std::string_view rest;
  protocol::CommandReader reader(encoding(), frame);
  protocol::Command command;
  while (is_open() && state_ != State::refused) {
    // It is about to be closed as slow; the answers to what is left would only take memory.
    if (services_.sockets.is_overflowed(socket_)) break;
    if (is_busy()) {
      rest = reader.rest();
      break;
    }
    const auto next = reader.next(command);
    if (next == protocol::CommandReader::Next::end) break;
    if (next == protocol::CommandReader::Next::malformed) {
      close(protocol::disconnects::kBadRequest);
      break;
    }
    handle(command, reader.command_bytes());
  }
  flags_ &= static_cast<uint8_t>(~kProcessing);
  return rest;
}

void Session::hold_back(std::string_view frame) {
  services_.metrics.queued_frames.add();
  Rare& rare = this->rare();
  rare.backlog.emplace_back(std::string(frame));
  rare.backlog_cost += rare.backlog.back().cost();
  if (is_clogged()) services_.sockets.notify_when_flushed(socket_);
  if ((rare.backlog_cost > kBacklogMax || GYRE_FAULT(small_backlog)) && !(flags_ & kPaused)) {
    flags_ |= kPaused;
    services_.sockets.pause_reading(socket_);
  }
}

// After a command has ended: the next ones.
void Session::resume() {
  if (flags_ & kProcessing || !rare_) return;
  Rare& rare = *rare_;
  while (is_open() && state_ != State::refused && !is_busy() && !rare.backlog.empty()) {
    Rare::Waiting frame = std::move(rare.backlog.front());
    rare.backlog.pop_front();
    rare.backlog_cost -= frame.cost();
    const std::string_view rest = process(std::string_view(frame.bytes).substr(frame.begin));
    if (!rest.empty()) {
      frame.begin = frame.bytes.size() - rest.size();
      rare.backlog_cost += frame.cost();
      if (GYRE_PLANTED(backlog_out_of_order)) {
        rare.backlog.push_back(std::move(frame));
        continue;
      }
      rare.backlog.push_front(std::move(frame));
    }
  }
  if (is_open() && !rare.backlog.empty() && is_clogged()) {
    services_.sockets.notify_when_flushed(socket_);
  }
  if (flags_ & kPaused && is_open() && rare.backlog_cost <= kBacklogMax / 2 &&
      !GYRE_PLANTED(paused_reading_is_forgotten)) {
    flags_ &= static_cast<uint8_t>(~kPaused);
    services_.sockets.resume_reading(socket_);
  }
}

void Session::drop_backlog() {
  if (!rare_) return;
  rare_->backlog.clear();
  rare_->backlog_cost = 0;
  if (!(flags_ & kPaused)) return;
  flags_ &= static_cast<uint8_t>(~kPaused);
  services_.sockets.resume_reading(socket_);
}

void Session::handle(const protocol::Command& command, std::string_view bytes) {
  using Kind = protocol::RequestKind;
  if (state_ == State::fresh) {
    if (command.kind() != Kind::connect || command.id == 0) {
      return close(protocol::disconnects::kBadRequest);
    }
    count_received(frame_type_of(command.kind()), bytes.size());
    state_ = State::connecting;
    return start(command, bytes, &Session::connect);
  }
  if (command.is_pong()) {
    count_received(metrics::FrameType::client_pong, bytes.size());
    return on_pong();
  }
  count_received(frame_type_of(command.kind()), bytes.size());
  if (has_rate(command.kind()) && is_too_fast(command.kind(), user())) {
    return refuse(command.id, command.kind(),
                  protocol::ClientError(protocol::errors::kTooManyRequests));
  }
  switch (command.kind()) {
    case Kind::none:
    case Kind::connect:
      return close(protocol::disconnects::kBadRequest);
    case Kind::ping:
      if (command.is_lonely_ping()) return close(protocol::disconnects::kBadRequest);
      return refuse(command.id, command.kind(),
                    protocol::ClientError(protocol::errors::kNotAvailable));
    case Kind::send:
      return close(protocol::disconnects::kNotAvailable);
    case Kind::rpc:
      return rpc(command, bytes);
    case Kind::subscribe:
      return start(command, bytes, &Session::subscribe);
    case Kind::unsubscribe:
      return unsubscribe(command.id,
                         std::get<protocol::UnsubscribeRequest>(command.request).channel);
    case Kind::publish:
      return publish(command, bytes);
    case Kind::presence:
      return start(command, bytes, &Session::presence);
    case Kind::presence_stats:
      return start(command, bytes, &Session::presence_stats);
    case Kind::history:
      return start(command, bytes, &Session::history);
    case Kind::refresh: {
      const std::string_view token = std::get<protocol::RefreshRequest>(command.request).token;
      if (services_.connection_tokens->missing_key_set(token)) {
        return start(command, bytes, &Session::refresh_with_key_set);
      }
      return refresh(command.id, token);
    }
    case Kind::sub_refresh: {
      const auto& request = std::get<protocol::SubRefreshRequest>(command.request);
      if (services_.subscription_tokens->missing_key_set(request.token)) {
        return start(command, bytes, &Session::sub_refresh_with_key_set);
      }
      return sub_refresh(command.id, request);
    }
  }
}

bool Session::is_too_fast(protocol::RequestKind kind, std::string_view user) {
  const std::shared_ptr<const RateLimits>& limits = services_.settings->rate_limits;
  if (!limits) return false;
  const metrics::ClientMethod method = method_of(kind);
  const auto scope = services_.rate_limiter.count(*limits, method, socket_, user);
  if (scope) services_.metrics.rate_limited[*scope][method].add();
  return scope.has_value();
}

void Session::start(const protocol::Command& command, std::string_view bytes, Handler handler) {
  ++in_flight_;
  services_.shard.tasks().spawn(
      serve(Ref<Session>(this), CommandBox(encoding(), bytes), command.kind(), handler));
}

runtime::Task<void> Session::serve(Ref<Session> self, CommandBox box, protocol::RequestKind kind,
                                   Handler handler) {
  const os::Nanos began = self->services_.shard.now();
  const Answer<void> answer = co_await ((*self).*handler)(box);
  --self->in_flight_;
  self->services_.metrics.commands[method_of(kind)].observe(self->services_.shard.now() - began);
  if (self->is_open() && !answer) self->refuse(box.id(), kind, answer.error());
  self->resume();
}

proxy::Caller Session::caller() const {
  return {.client = id_.text(),
          .transport = metrics::text_of(transport_->traits().name),
          .encoding = encoding(),
          .user = user(),
          .meta = rare_ ? std::string_view(rare_->meta) : std::string_view(),
          .headers = rare_ ? rare_->headers.get() : nullptr,
          .rules = {.has_capabilities = services_.settings->has_capabilities}};
}

void Session::on_pong() {
  if (!(flags_ & kPingUnanswered)) return close(protocol::disconnects::kBadRequest);
  flags_ &= static_cast<uint8_t>(~kPingUnanswered);
  pong_due_ = 0;
  const auto now = static_cast<uint32_t>(services_.shard.now() / os::kMillisecond);
  const uint32_t latency = now - pinged_at_;
  services_.metrics.ping_pong[transport_->traits().name].observe(latency * os::kMillisecond);
  if (rare_ && rare_->introduction) rare_->introduction->latency_ms = latency;
}

// --- Output

void Session::count_received(metrics::FrameType type, size_t bytes) {
  services_.metrics.received[transport_->traits().name][type].add(bytes);
}

void Session::count_sent(metrics::FrameType type, size_t bytes) {
  services_.metrics.sent[transport_->traits().name][type].add(bytes);
}

void Session::send(metrics::FrameType type, std::string_view message) {
  count_sent(type, message.size());
  services_.sockets.send(socket_, Frame::make(message));
  services_.trim_message_buffer();  // which `message` may have been in
}

void Session::refuse(uint32_t id, protocol::RequestKind kind, const Refusal& refusal) {
  if (const auto* disconnect = std::get_if<protocol::Disconnect>(&refusal)) {
    return close(*disconnect);
  }
  if (kErrors.is_exceeded(errors_, services_.shard.now())) {
    return close(protocol::disconnects::kTooManyErrors);
  }
  const auto& error = std::get<protocol::ClientError>(refusal);
  services_.metrics.count_reply_error(frame_type_of(kind), error.code);
  if (state_ == State::connecting) return refuse_connect(id, error);
  std::string& out = services_.message_buffer();
  protocol::encode_error(encoding(), id, error, out);
  send(frame_type_of(kind), out);
}

void Session::push_unsubscribe(std::string_view channel, const protocol::Unsubscribe& reason) {
  std::string& out = services_.message_buffer();
  protocol::encode_push(encoding(), protocol::Envelope::reply, channel,
                        protocol::UnsubscribePush{reason.code, reason.reason}, out);
  services_.metrics.unsubscribes.add(reason.code);
  send(metrics::FrameType::push_unsubscribe, out);
}

// --- The end

void Session::close(const protocol::Disconnect& reason, Transport::Output output) {
  if (!is_open()) return;
  // Pushes that were held back mean nothing without the connect reply.
  if (state_ == State::connecting) output = Transport::Output::drop;
  services_.metrics.disconnects.add(reason.code);
  end();
  transport_->close(reason, output);
}

metrics::ClientName Session::client_name() const {
  return flags_ & kNamed ? metrics::ClientName::unregistered : metrics::ClientName::unnamed;
}

metrics::ShardMetrics::Connections& Session::connections() const {
  const auto version = flags_ & kVersioned ? metrics::ClientVersion::unregistered
                                           : metrics::ClientVersion::unversioned;
  return services_.metrics.connections[transport_->traits().name][client_name()][version];
}

void Session::end() {
  if (!is_open()) return;
  // The connect reply that would let the output go will not come.
  if (state_ == State::connecting) services_.sockets.release(socket_, nullptr);
  state_ = State::closed;
  drop_backlog();
  cancel();
  if (services_.streams) services_.streams->stop_all(*this);
  if (flags_ & kConnected) connections().inflight.subtract();
  note_online();
  const size_t live = live_subscriptions();
  services_.metrics.actions[metrics::Action::remove_subscription].add(live);
  services_.metrics.subscriptions[client_name()].subtract(static_cast<int64_t>(live));
  // Out of all channels first: those who are told may end, and make others tell this one.
  std::vector<Parting> partings;
  for (const Subscription& subscription : subscriptions_) {
    if (subscription.is(Subscription::kJoining)) continue;  // undone by whoever joins
    if (Parting end = parting(subscription); end.leave || end.was_present) {
      partings.push_back(std::move(end));
    }
    services_.hub.drop(subscription.channel, subscription.receiver);
  }
  subscriptions_ = std::vector<Subscription>();
  for (Parting& end : partings) {
    if (GYRE_PLANTED(leave_is_not_told)) end.leave.reset();
    if (GYRE_PLANTED(left_client_stays_present)) end.was_present = false;
    tell(std::move(end));
  }
  if (flags_ & kCounted) services_.census.remove(user());
  services_.rate_limiter.forget(socket_);
  services_.roster.remove(*this);
}

}  // namespace gyre::client
