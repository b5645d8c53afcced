// What a session does by time: pings, the checks of its subscriptions, its end.
#include <algorithm>

#include "base/fault_points.h"
#include "client/session.h"

namespace gyre::client {

namespace {

constexpr os::Nanos kTick = runtime::TimerWheel::kTick;
// Beyond this a due time is as good as never, and would not fit into its 32 bits.
constexpr int64_t kFarSeconds = 10LL * 365 * 24 * 3600;
constexpr os::Nanos kFar = kFarSeconds * os::kSecond;
// How long an unsubscribe waits for the subscribe in front of it (connection-lifecycle.md 10).
constexpr os::Nanos kUnsubscribeWait = 5 * os::kSecond;
// How long a client whose connect was refused may take to leave (spec connection-lifecycle.md 2.1).
constexpr os::Nanos kRefusedGrace = 5 * os::kSecond;

}  // namespace

uint32_t Session::ticks(os::Nanos time) {
  return static_cast<uint32_t>((time + kTick - 1) / kTick);
}

uint32_t Session::due_in(os::Nanos delay) const {
  return std::max(1u, ticks(services_.shard.now() + std::clamp<os::Nanos>(delay, 0, kFar)));
}

void Session::arm() {
  uint32_t next = UINT32_MAX;
  for (const uint32_t due : {ping_due_, pong_due_, presence_due_, end_due_, unsubscribe_due()}) {
    if (due != 0) next = std::min(next, due);
  }
  if (next == UINT32_MAX) {
    cancel();
  } else {
    services_.shard.timers().arm(*this, os::Nanos{next} * kTick);
  }
}

void Session::on_timer() {
  const auto now = static_cast<uint32_t>(services_.shard.now() / kTick);
  const auto take = [now](uint32_t& due) {
    if (due == 0 || due > now) return false;
    due = 0;
    return true;
  };
  if (take(end_due_)) on_end_due();
  uint32_t unsubscribe_due = this->unsubscribe_due();
  if (is_open() && take(unsubscribe_due)) close(protocol::disconnects::kServerError);
  if (is_open() && take(pong_due_)) close(protocol::disconnects::kNoPong);
  if (is_open() && take(ping_due_)) send_ping();
  const uint32_t presence_due = presence_due_;
  if (is_open() && take(presence_due_)) on_presence_tick(presence_due);
  if (is_open()) arm();
}

void Session::on_end_due() {
  switch (state_) {
    case State::fresh:
      return close(protocol::disconnects::kStale);
    case State::connecting:
      // Who has shown who it is waits for us. SDKs take "stale" as final, so that is not for them.
      return close(flags_ & kIdentified ? protocol::disconnects::kServerError
                                        : protocol::disconnects::kStale);
    case State::connected:
      if (!backend(proxy::Event::refresh)) return close(protocol::disconnects::kExpired);
      return services_.shard.tasks().spawn(refresh_by_backend(Ref<Session>(this)));
    case State::refused:
      end();
      return transport_->cut();
    case State::closed:
      return;
  }
}

void Session::send_ping() {
  const Settings& settings = *services_.settings;
  services_.sockets.send(socket_, services_.pings[static_cast<size_t>(encoding())]);
  count_sent(metrics::FrameType::server_ping,
             services_.pings[static_cast<size_t>(encoding())]->size());
  flags_ |= kPingUnanswered;
  pinged_at_ = static_cast<uint32_t>(services_.shard.now() / os::kMillisecond);
  if (settings.pong_timeout > 0) pong_due_ = due_in(settings.pong_timeout);
  if (settings.ping_interval > 0) ping_due_ = due_in(settings.ping_interval);
}

os::Nanos Session::spread(os::Nanos interval) const {
  uint32_t random;
  services_.shard.kernel().random(&random, sizeof(random));
  return interval / 2 +
         static_cast<os::Nanos>(static_cast<double>(interval) / 2 * random / 4294967296.0);
}

void Session::start_duties() {
  const Settings& settings = *services_.settings;
  if (settings.ping_interval > 0 && !transport_->traits().has_own_pings) {
    ping_due_ = due_in(spread(settings.ping_interval));
  }
  arm();
}

void Session::start_presence_ticks() {
  const os::Nanos interval = services_.settings->presence_update_interval;
  if (presence_due_ != 0 || interval <= 0) return;
  presence_due_ = due_in(spread(interval));
  arm();
}

void Session::expire_at(std::optional<int64_t> unix_second) {
  end_due_ = 0;
  if (unix_second && !GYRE_PLANTED(expiry_is_not_armed)) {
    const int64_t left = std::min(*unix_second - services_.shard.unix_seconds(), kFarSeconds);
    // Clients get some time to refresh, a backend is asked at once.
    const os::Nanos grace =
        backend(proxy::Event::refresh) ? 0 : services_.settings->expired_close_delay;
    end_due_ = due_in(left * os::kSecond + std::min(grace, kFar));
  }
  arm();
}

void Session::await_leaving() {
  end_due_ = due_in(kRefusedGrace);
  arm();
}

// The unsubscribe of that id is answered when the channel's join has ended.
void Session::await_join(hub::ChannelSlot channel, uint32_t id) {
  rare().unsubscribes.push_back({channel, id, due_in(kUnsubscribeWait)});
  if (rare_->unsubscribes.size() == 1) arm();
}

// Counted from when the last one was due, not from when it came: sessions that a stall has brought
// together in one turn part again.
uint32_t Session::next_presence_tick(uint32_t due) const {
  const uint32_t interval =
      std::max(1u, ticks(std::min(services_.settings->presence_update_interval, kFar)));
  const uint32_t passed = ticks(services_.shard.now()) - due;
  return due + (passed / interval + 1) * interval;
}

// Only sessions that have something to do here are ticked at all (see Joining::go_live).
void Session::on_presence_tick(uint32_t due) {
  const Settings& settings = *services_.settings;
  const int64_t now = services_.shard.unix_seconds();
  const int64_t grace = GYRE_PLANTED(subscription_is_asked_early)
                            ? 0
                            : settings.expired_sub_close_delay / os::kSecond;
  bool is_needed = false;
  std::vector<hub::ChannelSlot> over;  // whose backends are asked whether they go on
  for (size_t i = subscriptions_.size(); i-- > 0;) {
    Subscription& subscription = subscriptions_[i];
    if (subscription.is(Subscription::kJoining)) continue;
    if (subscription.expires_at != Subscription::kNever) {
      is_needed = true;
      const bool is_over = now > int64_t{subscription.expires_at} + grace;
      if (is_over && subscription.is(Subscription::kBackendRefreshes)) {
        if (!subscription.is(Subscription::kRefreshing)) over.push_back(subscription.channel);
      } else if (is_over) {
        end_expired(subscription);
        if (!is_open()) return;
        continue;
      }
    }
    if (subscription.is(Subscription::kPresent) && services_.directory.presence_forgets()) {
      services_.directory.refresh_presence(std::string(services_.hub.name(subscription.channel)),
                                           info(&subscription));
      is_needed = true;
    }
  }
  if (is_needed) presence_due_ = next_presence_tick(due);
  for (const hub::ChannelSlot channel : over) {
    Subscription& subscription = *find(channel);
    subscription.flags |= Subscription::kRefreshing;
    services_.shard.tasks().spawn(sub_refresh_by_backend(
        Ref<Session>(this), std::string(services_.hub.name(channel)), subscription.expires_at));
    if (!is_open()) return;
  }
}

void Session::end_expired(Subscription& subscription) {
  if (subscription.is(Subscription::kServerSide)) {
    return close(protocol::disconnects::kSubscriptionExpired);
  }
  const std::string channel(services_.hub.name(subscription.channel));
  detach(subscription);
  push_unsubscribe(channel, protocol::unsubscribes::kExpired);
}

}  // namespace gyre::client
