// The session's list of subscriptions, and how one gets into it and out again.
#include <algorithm>

#include "base/fault_points.h"
#include "client/joining.h"
#include "client/streams.h"

namespace gyre::client {

uint8_t Session::receiver_flags(const SubscribePlan& plan, const hub::Joined& joined) {
  using Receiver = hub::Receiver;
  uint8_t flags = 0;
  if (plan.is_positioned()) flags |= Receiver::kPositioned;
  if (plan.has_delta) flags |= Receiver::kDelta;
  // Whoever gets the newest with the answer has what the next one is made of. Who has missed
  // nothing may have subscribed at that position, and have got none since.
  const bool has_base = !joined.recovery.publications.empty() ||
                        (joined.recovery.recovered && GYRE_PLANTED(position_is_a_base));
  if (plan.has_delta && (has_base || GYRE_PLANTED(delta_ready_at_once))) {
    flags |= Receiver::kDeltaReady;
  }
  if (plan.wants_announcements) flags |= Receiver::kAnnouncements;
  return flags;
}

Session::Joining::Joining(Session& session, const SubscribePlan& plan)
    : session_(session), channel_(session.services_.hub.reserve(plan.channel)) {
  Subscription subscription;
  subscription.channel = channel_;
  subscription.flags = static_cast<uint16_t>(plan.flags | Subscription::kJoining);
  subscription.source = plan.source;
  session_.subscriptions_.push_back(std::move(subscription));
}

void Session::Joining::set_flags(uint16_t flags) {
  Subscription& subscription = *session_.find(channel_);
  const auto kept = static_cast<uint16_t>(subscription.flags & Subscription::kUnwanted);
  subscription.flags = static_cast<uint16_t>(flags | Subscription::kJoining | kept);
}

Session::Joining::~Joining() {
  if (is_live_) return;
  if (is_present_ && !GYRE_PLANTED(closed_join_stays_present)) {
    session_.withdraw_presence(channel_);
  }
  if (session_.is_open()) {
    session_.answer_waiting_unsubscribes(channel_);
    session_.forget(*session_.find(channel_));
  }
  session_.services_.hub.release(channel_);
}

void Session::Joining::go_live(const SubscribePlan& plan, const hub::Joined& joined) {
  Services& services = session_.services_;
  // Others get what is held for them. Some of them may end by that, and what is told of it may even
  // end this session.
  services.hub.set_rule(channel_, plan.delivery);
  if (!session_.is_open()) return;
  is_live_ = true;
  Subscription& subscription = *session_.find(channel_);
  subscription.receiver =
      services.hub.add(channel_,
                       {.outlet = session_.outlet(),
                        .variant = hub::variant_of(session_.encoding(), plan.is_by_push_id()),
                        .flags = receiver_flags(plan, joined)},
                       plan.filter.get());
  subscription.flags &= static_cast<uint16_t>(~Subscription::kJoining);
  services.metrics.actions[metrics::Action::add_subscription].add();
  services.metrics.subscriptions[session_.client_name()].add();
  if (plan.is_by_push_id()) services.metrics.compacted_subscriptions.add();
  if (!plan.info.empty()) subscription.info = std::make_unique<const std::string>(plan.info);
  const bool is_by_token = plan.source == Source::subscription_token;
  if (!is_by_token || !GYRE_PLANTED(subscription_outlives_token)) {
    subscription.expires_at = Subscription::expiry(plan.end);
  }
  subscription.rights = plan.rights;
  services.hub.release(channel_);
  if (plan.end || (plan.is_present() && services.directory.presence_forgets())) {
    session_.start_presence_ticks();
  }
  if (subscription.is(Subscription::kUnwanted)) {
    const bool is_asked_by_client = session_.has_waiting_unsubscribe(channel_);
    const hub::ChannelSlot channel = channel_;
    const std::string name(services.hub.name(channel));
    if (!GYRE_PLANTED(unwanted_goes_live)) session_.detach(subscription);
    if (is_asked_by_client) {
      session_.answer_waiting_unsubscribes(channel);
    } else {
      session_.push_unsubscribe(name, protocol::unsubscribes::kServer);
    }
  }
}

Subscription* Session::find(hub::ChannelSlot channel) {
  const auto found = std::ranges::find(subscriptions_, channel, &Subscription::channel);
  return found == subscriptions_.end() ? nullptr : &*found;
}

Subscription* Session::find(std::string_view channel) {
  const hub::ChannelSlot slot = services_.hub.find(channel);
  return slot == hub::ChannelSlot() ? nullptr : find(slot);
}

size_t Session::live_subscriptions() const {
  return static_cast<size_t>(std::ranges::count_if(
      subscriptions_, [](const Subscription& one) { return !one.is(Subscription::kJoining); }));
}

void Session::forget(Subscription& subscription) {
  forget_token(subscription.channel);
  if (services_.streams) services_.streams->stop(*this, subscription.channel);
  if (!subscription.is(Subscription::kJoining)) {
    services_.metrics.actions[metrics::Action::remove_subscription].add();
    services_.metrics.subscriptions[client_name()].subtract();
  }
  if (&subscription != &subscriptions_.back()) subscription = std::move(subscriptions_.back());
  subscriptions_.pop_back();
  if (subscriptions_.empty()) subscriptions_ = std::vector<Subscription>();
}

void Session::detach(Subscription& subscription,
                     void (hub::LocalHub::*leave)(hub::ChannelSlot, uint32_t)) {
  const hub::ChannelSlot channel = subscription.channel;
  const uint32_t receiver = subscription.receiver;
  Parting end = parting(subscription);
  forget(subscription);
  (services_.hub.*leave)(channel, receiver);
  tell(std::move(end));
}

Session::Parting Session::parting(const Subscription& subscription) const {
  Parting end;
  end.was_present = subscription.is(Subscription::kPresent);
  const bool is_told = subscription.is(Subscription::kAnnounced);
  if (is_told || end.was_present) end.channel = services_.hub.name(subscription.channel);
  if (is_told) end.leave = make_ref<const protocol::Announcement>(false, info(&subscription));
  return end;
}

void Session::tell(Parting parting) {
  if (!parting.leave && !parting.was_present) return;
  services_.directory.part(std::move(parting.channel),
                           parting.was_present ? id_.text() : std::string(),
                           std::move(parting.leave));
}

void Session::announce_join(const SubscribePlan& plan) {
  if (!plan.announces || !is_open()) return;
  Subscription* subscription = find(plan.channel);
  if (!subscription || subscription->is(Subscription::kJoining)) return;
  subscription->flags |= Subscription::kAnnounced;
  services_.directory.announce(plan.channel,
                               make_ref<const protocol::Announcement>(true, info(subscription)));
}

// Others see at once what has become known of the client. While a join is in work there may be no
// entry to renew; see `join`.
void Session::renew_presence(const Subscription& subscription) {
  constexpr uint16_t kState = Subscription::kPresent | Subscription::kJoining;
  if ((subscription.flags & kState) != Subscription::kPresent) return;
  services_.directory.refresh_presence(std::string(services_.hub.name(subscription.channel)),
                                       info(&subscription));
}

void Session::set_conn_info(std::string_view told) {
  if (told == conn_info()) return;
  rare().conn_info = told;
  for (const Subscription& subscription : subscriptions_) renew_presence(subscription);
}

void Session::set_chan_info(Subscription& subscription, std::string_view told) {
  if (told == (subscription.info ? std::string_view(*subscription.info) : "")) return;
  subscription.info = told.empty() ? nullptr : std::make_unique<const std::string>(told);
  renew_presence(subscription);
}

void Session::withdraw_presence(hub::ChannelSlot channel) {
  services_.directory.withdraw(std::string(services_.hub.name(channel)), id_.text());
}

protocol::ClientInfo Session::info(std::string_view chan_info) const {
  return {.user = std::string(user()),
          .client = id_.text(),
          .conn_info = std::string(conn_info()),
          .chan_info = std::string(chan_info)};
}

protocol::ClientInfo Session::info(const Subscription* subscription) const {
  return info(subscription && subscription->info ? std::string_view(*subscription->info)
                                                 : std::string_view());
}

channel::Requester Session::requester(std::string_view channel) const {
  const Subscription* subscription = find(channel);
  const bool is_subscribed = subscription && !subscription->is(Subscription::kJoining);
  const channel::Rights own = is_subscribed ? subscription->rights : channel::Rights();
  return {.user = user(),
          .is_subscribed = is_subscribed,
          .is_insecure = services_.settings->insecure,
          .rights = own | rights(channel)};
}

Answer<channel::Resolved> Session::resolve(const Settings& settings, std::string_view channel,
                                           bool may_be_wildcard) const {
  if (channel.empty()) return client::refuse(protocol::disconnects::kBadRequest);
  channel::Resolved resolved;
  if (const channel::Refusal refusal = channel::resolve(*settings.namespaces, channel, resolved)) {
    return client::refuse(*refusal);
  }
  if (resolved.is_wildcard && !may_be_wildcard) {
    return client::refuse(protocol::errors::kBadRequest);
  }
  return resolved;
}

// The receiver has been taken out of the channel already.
void Session::on_lost(hub::ChannelSlot channel) {
  Subscription* subscription = find(channel);
  if (!subscription) return;
  const bool is_server_side = subscription->is(Subscription::kServerSide);
  Parting end = parting(*subscription);
  forget(*subscription);
  tell(std::move(end));
  if (is_server_side) return close(protocol::disconnects::kInsufficientState);
  if (GYRE_PLANTED(loss_is_not_told)) return;
  push_unsubscribe(services_.hub.name(channel), protocol::unsubscribes::kInsufficientState);
}

void Session::on_moved(hub::ChannelSlot channel, uint32_t index) {
  find(channel)->receiver = index;
}

bool Session::has_waiting_unsubscribe(hub::ChannelSlot channel) const {
  return rare_ && std::ranges::any_of(rare_->unsubscribes,
                                      [&](const auto& entry) { return entry.channel == channel; });
}

void Session::answer_waiting_unsubscribes(hub::ChannelSlot channel) {
  if (!has_waiting_unsubscribe(channel)) return;
  std::vector<uint32_t> ids;
  std::erase_if(rare_->unsubscribes, [&](const auto& entry) {
    if (entry.channel == channel) ids.push_back(entry.id);
    return entry.channel == channel;
  });
  for (const uint32_t id : ids) {
    // It is about to be closed as slow.
    if (services_.sockets.is_overflowed(socket_)) return;
    reply(id, protocol::UnsubscribeResult());
  }
}

}  // namespace gyre::client
