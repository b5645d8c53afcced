// The simulated client's subscriptions: how they begin, recover and end.
#include <fmt/format.h>

#include <algorithm>

#include "tests/simulation/sdk_client.h"

namespace gyre::sim {

// --- Subscriptions

void SdkClient::subscribe(const ChannelKind& channel) {
  Subscription& subscription = subscriptions_[channel.name];
  subscription.kind = channel;
  subscription.is_wanted = true;
  if (state_ != State::connected || subscription.state != Subscription::State::none) return;
  std::string out;
  ask_to_subscribe(subscription, out);
  flush(out);
}

void SdkClient::ask_to_subscribe(Subscription& subscription, std::string& out) {
  protocol::SubscribeRequest request;
  request.channel = subscription.kind.name;
  request.recoverable = subscription.kind.is_recoverable;
  request.positioned = subscription.kind.is_positioned;
  subscription.progress.recovers =
      subscription.kind.is_recoverable && subscription.progress.position;
  if (subscription.progress.recovers) {
    request.recover = true;
    request.offset = subscription.progress.position->offset;
    request.epoch = subscription.progress.position->epoch;
  }
  request.join_leave = subscription.kind.has_members;
  if (options_.takes_numbers) request.flag = protocol::kSubscribeFlagChannelCompaction;
  // Whether it has the publication that it stands at, or not.
  subscription.progress.has_delta = subscription.kind.has_delta;
  if (subscription.progress.has_delta) request.delta = "fossil";
  if (subscription.kind.has_filter && subscription.filter.empty()) {
    subscription.filter = network().chance(500) ? "a" : "b";
  }
  if (!subscription.filter.empty() && !subscription.progress.has_delta) {
    request.tf = protocol::FilterNode{
        .op = {}, .key = "k", .cmp = "eq", .val = subscription.filter, .vals = {}, .nodes = {}};
  }
  set_state(subscription, Subscription::State::asked);
  note(fmt::format("asks for {}", subscription.kind.name));
  options_.attendance->may_come(subscription.kind.name, options_.user);
  Question question = question_of(Question::Kind::subscribe, subscription.kind.name);
  question.progress = subscription.progress;
  question.top = newest(subscription.kind.name);
  if (subscription.kind.is_ruled) {
    question.key = options_.backend->next_key(options_.user);
    request.data = std::string_view(question.key);
  }
  if (subscription.kind.needs_token) {
    question.shown = make_subscription_token(subscription.kind.name);
    request.token = question.shown->text;
  }
  ask(std::move(question), request, out);
}

void SdkClient::subscribe_later(const std::string& channel) {
  const auto wait = static_cast<os::Nanos>(network().below(300 * os::kMillisecond));
  agenda_.after(wait, [this, channel, connection = connection_] {
    const Subscription& subscription = subscriptions_[channel];
    if (subscription.is_wanted && connection == connection_) subscribe(subscription.kind);
  });
}

void SdkClient::set_state(Subscription& subscription, Subscription::State state) {
  if (subscription.state == state) return;
  ++subscription.changes;
  const std::string& channel = subscription.kind.name;
  if (state == Subscription::State::live) {
    options_.attendance->is_live(channel, client_id_, options_.user);
  } else if (subscription.state == Subscription::State::live) {
    options_.attendance->is_leaving(channel, client_id_);
  }
  subscription.state = state;
  if (state == Subscription::State::none) subscription.number = 0;
}

size_t SdkClient::count(bool is_live) const {
  return static_cast<size_t>(std::ranges::count_if(subscriptions_, [is_live](const auto& one) {
    return is_live ? one.second.state == Subscription::State::live
                   : one.second.state != Subscription::State::none;
  }));
}

void SdkClient::on_subscribed(const Question& question, const ServerMessage& message) {
  const std::string& channel = question.channel;
  Subscription& subscription = subscriptions_[channel];
  subscription.progress = question.progress;
  const ChannelKind& kind = subscription.kind;
  if (!question.shown && !kind.may_subscribe(options_.user)) {
    violation(fmt::format("{} is not for it", channel));
  }
  check_accepted(question);
  const Ruling* ruled = ruling(question);
  subscription.end = ruled ? ruled->end : 0;
  subscription.end_told = network().now();
  subscription.is_server_side = false;
  // A question that was asked before an unsubscribe of its own is answered before it, too. One that
  // the API ends was there by the API, if the question comes to its turn only after that.
  if (subscription.state == Subscription::State::asked ||
      subscription.state == Subscription::State::none) {
    set_state(subscription, Subscription::State::live);
  }
  const bool is_positioned = kind.is_positioned || kind.forces_positioning || kind.forces_recovery;
  if (message.positioned != is_positioned ||
      message.recoverable != (kind.is_recoverable || kind.forces_recovery)) {
    violation(fmt::format("{} was not subscribed to as asked", channel));
  }
  if (message.was_recovering != (subscription.progress.recovers || kind.recovers_always)) {
    violation(fmt::format("was_recovering of {} is wrong", channel));
  }
  if (message.has_delta != subscription.progress.has_delta) {
    violation(fmt::format("deltas of {} are not as asked for", channel));
  }
  take_number(subscription, message);
  subscription.seal = question.shown ? question.shown->seal : TokenSeal();
  go_live(subscription, &question, message);
  if (question.shown) {
    check_token_accepted(question, message);
    return lives_by(subscription, *question.shown);
  }
  const bool asks_backend = kind.is_ruled && options_.backend->options().asks_sub_refresh;
  if (message.expires != (subscription.end > 0 && !asks_backend)) {
    violation(fmt::format("was not told until when {} goes on", channel));
  }
}

void SdkClient::take_number(Subscription& subscription, const ServerMessage& message) {
  const std::string& channel = subscription.kind.name;
  if ((message.number > 0) != (options_.takes_numbers && subscription.kind.has_numbers)) {
    violation(fmt::format("{} stands under {}", channel, message.number));
  }
  for (const auto& [name, other] : subscriptions_) {
    if (message.number != 0 && other.number == message.number && name != channel) {
      violation(fmt::format("{} stands under the number of {}", channel, name));
    }
  }
  subscription.number = message.number;
}

bool SdkClient::name_channel(ServerMessage& push) const {
  using Kind = ServerMessage::Kind;
  if (push.kind != Kind::push_publication && push.kind != Kind::push_join &&
      push.kind != Kind::push_leave) {
    return true;
  }
  if (push.number == 0) {
    const auto named = subscriptions_.find(push.channel);
    if (named == subscriptions_.end() || named->second.number == 0) return true;
    violation(fmt::format("a push of {} without its number", push.channel));
    return false;
  }
  const auto found = std::ranges::find_if(
      subscriptions_, [&push](const auto& one) { return one.second.number == push.number; });
  if (found == subscriptions_.end() || !push.channel.empty()) {
    violation(fmt::format("a push under {}, and of \"{}\"", push.number, push.channel));
    return false;
  }
  push.channel = found->first;
  return true;
}

// By the connect reply, or by a push.
void SdkClient::on_subscribed_by_server(const std::string& channel, const ServerMessage& message) {
  if (state_ != State::connected) return violation("a server-side subscription before connect");
  const auto kind = options_.channels->find(channel);
  if (kind == options_.channels->end()) return violation("subscribed to a foreign channel");
  Subscription& subscription = subscriptions_[channel];
  if (subscription.kind.name.empty()) {
    subscription.kind = kind->second;
    subscription.is_wanted = false;
  }
  if (subscription.state == Subscription::State::live) {
    return violation(fmt::format("{} was subscribed to once more", channel));
  }
  subscription.is_server_side = true;
  subscription.number = 0;
  if (message.number != 0) violation(fmt::format("{} stands under {}", channel, message.number));
  subscription.end = 0;
  subscription.seal = TokenSeal();
  subscription.progress.recovers = subscription.progress.has_delta = false;
  // An unsubscribe on its way ends this one, too.
  if (subscription.state != Subscription::State::leaving) {
    set_state(subscription, Subscription::State::live);
  }
  if (message.recoverable != kind->second.forces_recovery ||
      message.positioned != (kind->second.forces_positioning || kind->second.forces_recovery)) {
    violation(fmt::format("{} was not subscribed to as it is", channel));
  }
  go_live(subscription, nullptr, message);
}

void SdkClient::go_live(Subscription& subscription, const Question* question,
                        const ServerMessage& message) {
  const std::string& channel = subscription.kind.name;
  ++subscription.life;
  subscription.seen.clear();
  subscription.is_unbroken = false;
  subscription.is_positioned = message.positioned;
  subscription.live_since = network().now();
  subscription.is_prompt =
      has_read_for(10 * os::kSecond) && !record_.has_jumped_within(30 * os::kSecond);
  subscription.members.reset();
  // Who may not see presence is not told.
  if (subscription.kind.has_members && !subscription.is_server_side &&
      subscription.kind.may(subscription.kind.seeing_presence, options_.user, true)) {
    subscription.members.emplace();
  }
  if (count(true) > options_.channel_limit) violation("more channels than the limit");
  if (!message.positioned) {
    if (!message.epoch.empty() || message.offset != 0 || !message.publications.empty()) {
      violation(fmt::format("a position for {}", channel));
    }
    subscription.progress.base.reset();
    if (subscription.kind.is_wildcard) open_streams(subscription);
    note(fmt::format("subscribed to {}", channel));
    return;
  }
  note(fmt::format(
      "subscribed to {} at {}@{}{} with {}", channel, message.offset, message.epoch,
      message.was_recovering ? message.recovered ? ", recovered" : ", NOT recovered" : "",
      message.publications.size()));
  if (message.epoch.empty()) violation(fmt::format("{} has no epoch", channel));
  // A push says nothing of recovery; what there is of it follows.
  subscription.may_jump = subscription.kind.recovers_always && message.offset == 0 &&
                          message.kind == ServerMessage::Kind::push_subscribe;
  if (subscription.kind.has_cache) {
    check_cache(subscription, question, message);
  } else {
    check_recovery(subscription, message);
  }
}

void SdkClient::check_recovery(Subscription& subscription, const ServerMessage& message) {
  const std::string& channel = subscription.kind.name;
  if (!message.recovered) {
    if (!message.publications.empty())
      violation(fmt::format("{}: not recovered with publications", channel));
    if (subscription.progress.recovers) {
      ++counts_.unrecovered;
      if (was_recoverable(subscription)) {
        violation(fmt::format("{} could have been recovered from {}@{}", channel,
                              subscription.progress.position->offset,
                              subscription.progress.position->epoch));
      }
    }
    subscription.progress.position = {message.offset, message.epoch};
    subscription.progress.base.reset();
    return;
  }
  if (!subscription.progress.recovers) return violation("recovered without having asked");
  ++counts_.recovered;
  counts_.recovered_publications += message.publications.size();
  if (message.epoch != subscription.progress.position->epoch ||
      message.offset != subscription.progress.position->offset) {
    violation(fmt::format("{} recovered from another position", channel));
  }
  for (ReadPublication one : message.publications) {
    take_payload(subscription, one);
    check_positioned(subscription, one);
  }
}

// What the channel has, as far as anybody knows.
std::optional<protocol::StreamPosition> SdkClient::newest(const std::string& channel) const {
  for (size_t i = ledger_.count(channel); i-- > 0;) {
    const Ledger::Entry& entry = ledger_.at(channel, i);
    if (ledger_.is_forgotten(channel, i)) return std::nullopt;
    if (entry.offset > 0) return protocol::StreamPosition{entry.offset, entry.epoch};
  }
  return std::nullopt;
}

// Where only the newest publication counts (spec subscriptions.md 5.3).
void SdkClient::check_cache(Subscription& subscription, const Question* question,
                            const ServerMessage& message) {
  const std::string& channel = subscription.kind.name;
  Progress& progress = subscription.progress;
  const bool recovers = progress.recovers || subscription.kind.recovers_always;
  const protocol::StreamPosition since =
      progress.recovers ? *progress.position : protocol::StreamPosition();
  const auto known = question ? question->top : std::nullopt;
  progress.position = {message.offset, message.epoch};
  if (!message.recovered) {
    if (!message.publications.empty()) {
      violation(fmt::format("{}: not recovered with publications", channel));
    }
    if (recovers && known && options_.promises.recovers_surely) {
      const Ledger::Entry* entry = ledger_.find(channel, known->epoch, known->offset);
      const os::Nanos age = network().now() - entry->time;
      if (age < (subscription.kind.history_ttl - 1) * os::kSecond && newest(channel).has_value()) {
        violation(fmt::format("{} could have been recovered from its newest", channel));
      }
    }
    progress.base.reset();
    return;
  }
  if (!recovers) violation("recovered without having asked");
  ++counts_.recovered;
  if (message.offset != since.offset) {
    violation(fmt::format("{} recovered from another position", channel));
  }
  if (message.publications.size() > 1) violation(fmt::format("{}: more than its newest", channel));
  const bool is_behind = [&] {
    if (!known || known->epoch != message.epoch) return false;
    return known->offset >
           (message.publications.empty() ? message.offset : message.publications.front().offset);
  }();
  if (is_behind) violation(fmt::format("{} was recovered to less than its newest", channel));
  if (message.publications.empty()) {
    if (since.epoch != message.epoch) violation(fmt::format("{} begins with nothing", channel));
    return;
  }
  ++counts_.from_cache;
  progress.position->offset = message.publications.front().offset - 1;
  ReadPublication one = message.publications.front();
  take_payload(subscription, one);
  check_positioned(subscription, one);
}

// Whether it could surely have been recovered: with a broker that forgets nothing early, when all
// that was missed is kept even now. Times of brokers are whole seconds.
bool SdkClient::was_recoverable(const Subscription& subscription) const {
  if (!options_.promises.recovers_surely) return false;
  const ChannelKind& kind = subscription.kind;
  const auto& [offset, epoch] = *subscription.progress.position;
  const std::optional<protocol::StreamPosition> last = newest(kind.name);
  if (!last || last->epoch != epoch || last->offset <= offset) return false;
  const uint64_t missed = last->offset - offset;
  if (missed > static_cast<uint64_t>(std::min(kind.history_size, options_.recovery_limit))) {
    return false;
  }
  // Publications go when none has followed for a while; positions live longer.
  os::Nanos followed = network().now();
  for (uint64_t i = last->offset; i > offset; --i) {
    const Ledger::Entry* entry = ledger_.find(kind.name, epoch, i);
    if (!entry || followed - entry->time > (kind.history_ttl - 1) * os::kSecond) return false;
    followed = entry->time;
  }
  return true;
}

void SdkClient::unsubscribe(const std::string& channel) {
  Subscription& subscription = subscriptions_[channel];
  subscription.is_wanted = false;
  if (subscription.state != Subscription::State::asked &&
      subscription.state != Subscription::State::live) {
    return;
  }
  note(fmt::format("unsubscribes from {}", channel));
  subscription.is_left_early = subscription.state == Subscription::State::asked;
  set_state(subscription, Subscription::State::leaving);
  protocol::UnsubscribeRequest request{.channel = channel};
  ask_now(question_of(Question::Kind::unsubscribe, channel), request);
}

void SdkClient::on_unsubscribed(const std::string& channel) {
  ++counts_.unsubscribes;
  Subscription& subscription = subscriptions_[channel];
  // It tells of an unsubscribe by the server during the join as well.
  if (std::exchange(subscription.is_left_early, false)) ++endings_[channel];
  if (subscription.state == Subscription::State::leaving) {
    set_state(subscription, Subscription::State::none);
    subscription.is_server_side = false;
  }
  // The application may have changed its mind meanwhile.
  if (subscription.is_wanted) subscribe(subscription.kind);
}

void SdkClient::on_unsubscribe_push(const std::string& channel, uint32_t code) {
  note(fmt::format("{} was unsubscribed: {}", channel, code));
  ++endings_[channel];
  if (code != 2500 && code != 2000 && code != 2501) {
    violation(fmt::format("unsubscribed with {}", code));
  }
  const auto found = subscriptions_.find(channel);
  if (found == subscriptions_.end()) return;
  Subscription& subscription = found->second;
  if (code == 2501) on_subscription_expired(subscription);
  if (code == 2500) {
    ++counts_.losses;
    if (!subscription.kind.is_positioned && !subscription.kind.forces_positioning &&
        !subscription.kind.forces_recovery) {
      violation("a loss in a channel without positions");
    }
    if (subscription.is_server_side) violation("a server-side subscription is lost alone");
  }
  // One that overtakes the answer to a subscribe was for an earlier subscription.
  if (subscription.state != Subscription::State::live) return;
  set_state(subscription, Subscription::State::none);
  subscription.is_server_side = false;
  // The application asks again after 2000, the SDK after 2500 and 2501.
  subscribe_later(channel);
}

}  // namespace gyre::sim
