// What the simulated client holds publications and answers against.
#include <fmt/format.h>

#include <algorithm>

#include "protocol/fossil_delta.h"
#include "tests/simulation/sdk_client.h"

namespace gyre::sim {

namespace {

using protocol::Encoding;

std::string_view shortened(std::string_view payload) {
  return payload.substr(0, 14);
}

}  // namespace

// --- Publications

bool SdkClient::passes(const Subscription& subscription, const Ledger::Entry& entry) const {
  if (subscription.filter.empty() || subscription.progress.has_delta ||
      subscription.is_server_side) {
    return true;
  }
  return entry.tag == subscription.filter;
}

// Makes the publication's payload of what the message has.
void SdkClient::take_payload(Subscription& subscription, ReadPublication& publication) {
  const std::string& channel = subscription.kind.name;
  if (!subscription.progress.has_delta) {
    if (publication.is_delta) violation(fmt::format("{}: a delta that was not asked for", channel));
    return;
  }
  if (options_.encoding == Encoding::json && !publication.data.starts_with('"')) {
    violation(fmt::format("{}: no string, though deltas were negotiated", channel));
  }
  publication.data = publication.text;
  if (publication.is_delta) {
    ++counts_.deltas;
    constexpr size_t kMost = 1 << 20;
    auto whole =
        subscription.progress.base
            ? protocol::apply_fossil_delta(*subscription.progress.base, publication.text, kMost)
            : std::nullopt;
    if (!whole) {
      return violation(
          fmt::format("{}: {} is a delta of something else", channel, publication.offset));
    }
    publication.data = std::move(*whole);
  }
  subscription.progress.base = publication.data;
}

void SdkClient::on_publication(const std::string& channel, ReadPublication publication) {
  ++counts_.publications;
  const auto found = subscriptions_.find(channel);
  if (found == subscriptions_.end()) return violation("a publication of a foreign channel");
  Subscription& subscription = found->second;
  if (subscription.state != Subscription::State::live &&
      subscription.state != Subscription::State::leaving) {
    return violation(
        fmt::format("{} in {}, which is not subscribed to", shortened(publication.data), channel));
  }
  take_payload(subscription, publication);
  if (subscription.kind.is_wildcard) return check_of_wildcard(subscription, publication);
  if (!publication.channel.empty()) violation(fmt::format("{} is no wildcard", channel));
  if (subscription.is_positioned) {
    check_positioned(subscription, publication);
  } else {
    check_plain(subscription, publication);
  }
}

void SdkClient::check_positioned(Subscription& subscription, const ReadPublication& publication) {
  const std::string& channel = subscription.kind.name;
  if (!subscription.progress.position) return violation("a publication before a position");
  auto& [offset, epoch] = *subscription.progress.position;
  note(fmt::format("{} {}: {}", channel, publication.offset, shortened(publication.data)));
  if (publication.offset == 0) return check_aside(subscription, publication);
  if (std::exchange(subscription.may_jump, false)) offset = publication.offset - 1;
  // What the filter keeps out leaves gaps that are none.
  uint64_t next = offset + 1;
  for (; next < publication.offset; ++next) {
    const Ledger::Entry* skipped = ledger_.find(channel, epoch, next);
    if (!skipped || passes(subscription, *skipped)) break;
  }
  if (publication.offset != next) {
    violation(fmt::format("{}: offset {} after {}@{}", channel, publication.offset, offset, epoch));
  }
  offset = publication.offset;
  const Ledger::Entry* entry = ledger_.find(channel, epoch, offset);
  if (!entry || entry->payload != publication.data) {
    violation(
        fmt::format("{}: {}@{} is not {}", channel, offset, epoch, shortened(publication.data)));
  }
  if (entry) check_allowed_to_hear(subscription, *entry);
  if (entry && !passes(subscription, *entry)) {
    violation(fmt::format("{}: {} does not pass the filter", channel, offset));
  }
  if (!publication.epoch.empty() && publication.epoch != epoch) {
    violation(fmt::format("{}: epoch {} in {}", channel, publication.epoch, epoch));
  }
  subscription.seen.insert(publication.data);
}

// One that history does not keep: it has no place in the stream.
void SdkClient::check_aside(Subscription& subscription, const ReadPublication& publication) {
  const std::string& channel = subscription.kind.name;
  const auto place = ledger_.find(channel, publication.data);
  if (!place || ledger_.at(channel, *place).offset != 0) {
    return violation(
        fmt::format("{}: nobody published {} aside", channel, shortened(publication.data)));
  }
  const Ledger::Entry& entry = ledger_.at(channel, *place);
  check_allowed_to_hear(subscription, entry);
  if (!passes(subscription, entry)) {
    violation(fmt::format("{}: {} does not pass the filter", channel, shortened(publication.data)));
  }
  if (!subscription.seen.insert(publication.data).second && entry.repeats == 0) {
    violation(fmt::format("{}: {} came twice", channel, shortened(publication.data)));
  }
}

// Its place among what was published in `channel`; what nobody published has none.
std::optional<size_t> SdkClient::find_published(const Subscription& subscription,
                                                const std::string& channel,
                                                const ReadPublication& publication) {
  const auto place = ledger_.find(channel, publication.data);
  if (!place) {
    violation(fmt::format("{}: nobody published {}", channel, publication.data));
    return std::nullopt;
  }
  const Ledger::Entry& entry = ledger_.at(channel, *place);
  check_allowed_to_hear(subscription, entry);
  if (entry.offset != publication.offset) {
    violation(fmt::format("{}: offset {} and not {}", channel, publication.offset, entry.offset));
  }
  if (!passes(subscription, entry)) {
    violation(fmt::format("{}: {} does not pass the filter", channel, shortened(publication.data)));
  }
  return place;
}

void SdkClient::check_plain(Subscription& subscription, const ReadPublication& publication) {
  const std::string& channel = subscription.kind.name;
  note(fmt::format("{}: {}", channel, shortened(publication.data)));
  const auto place = find_published(subscription, channel, publication);
  if (!place) return;
  const Ledger::Entry& entry = ledger_.at(channel, *place);
  const bool is_new = subscription.seen.insert(publication.data).second;
  if (subscription.last_place && *place <= *subscription.last_place) {
    // Only what the broker repeats may come again, or behind its successors.
    if (entry.repeats == 0) {
      violation(fmt::format("{}: {} came {}", channel, shortened(publication.data),
                            is_new ? "late" : "twice"));
    }
    return;
  }
  if (subscription.is_unbroken) {
    for (size_t i = *subscription.last_place + 1; i < *place; ++i) {
      const Ledger::Entry& missed = ledger_.at(channel, i);
      if (!missed.is_lost && passes(subscription, missed)) {
        violation(
            fmt::format("{}: {} is missing", channel, shortened(ledger_.at(channel, i).payload)));
      }
    }
  }
  subscription.last_place = place;
  // What may be a late repetition says nothing of what comes next.
  if (entry.repeats == 0)
    subscription.is_unbroken = subscription.state == Subscription::State::live;
}

void SdkClient::publish(const std::string& channel, const std::string& payload) {
  if (state_ != State::connected) return;
  protocol::PublishRequest request;
  request.channel = channel;
  request.data = std::string_view(payload);
  Question question = question_of(Question::Kind::publish, channel);
  question.payload = payload;
  if (options_.channels->at(channel).is_ruled) question.key = payload;
  ask_now(std::move(question), request);
}

// A publisher that is subscribed gets its own before the answer (spec subscriptions.md 4.1).
void SdkClient::on_published(const Question& question) {
  check_allowed(question, true);
  check_accepted(question);
  const Ruling* ruled = ruling(question);
  const std::string& payload = ruled ? ruled->said : question.payload;
  const auto place = ledger_.find(question.channel, payload);
  if (!place) return violation("published nothing");
  if (!options_.promises.is_reliable || !options_.promises.delivers_at_once) return;
  if (!question.was_live) return;
  const Subscription& subscription = subscriptions_[question.channel];
  if (subscription.state != Subscription::State::live || subscription.life != question.life) return;
  if (!passes(subscription, ledger_.at(question.channel, *place))) return;
  if (!subscription.seen.contains(payload)) {
    violation(fmt::format("{}: the answer came before {}", question.channel, shortened(payload)));
  }
}

// --- Other questions

SdkClient::Question SdkClient::question_of(Question::Kind kind, const std::string& channel) const {
  Question question{.kind = kind, .channel = channel, .payload = {}};
  const auto found = subscriptions_.find(channel);
  question.was_none = found == subscriptions_.end();
  if (question.was_none) return question;
  const Subscription& subscription = found->second;
  question.life = subscription.life;
  question.changes = subscription.changes;
  question.was_live = subscription.state == Subscription::State::live;
  question.was_none = subscription.state == Subscription::State::none;
  return question;
}

std::optional<bool> SdkClient::was_subscribed(const Question& question) const {
  const auto found = subscriptions_.find(question.channel);
  const uint64_t changes = found == subscriptions_.end() ? 0 : found->second.changes;
  if (changes != question.changes) return std::nullopt;
  if (question.was_live) return true;
  if (question.was_none) return false;
  return std::nullopt;
}

Allowed SdkClient::allowed(const Question& question) const {
  const ChannelKind& kind = options_.channels->at(question.channel);
  switch (question.kind) {
    case Question::Kind::publish:
      return kind.publishing;
    case Question::Kind::presence:
    case Question::Kind::presence_stats:
      return kind.seeing_presence;
    case Question::Kind::history:
      return kind.reading_history;
    default:
      return kind.subscribing;
  }
}

std::string_view SdkClient::name_of(Question::Kind kind) {
  constexpr std::string_view kNames[] = {"connect",  "subscribe",  "unsubscribe", "publish",
                                         "presence", "history",    "refresh",     "presence_stats",
                                         "rpc",      "sub_refresh"};
  return kNames[static_cast<size_t>(kind)];
}

// Held against the rules as this side understands them.
void SdkClient::check_allowed(const Question& question, bool was_done) {
  if (question.kind == Question::Kind::subscribe || question.kind == Question::Kind::rpc) return;
  const ChannelKind& kind = options_.channels->at(question.channel);
  const std::optional<bool> is_subscribed = was_subscribed(question);
  const bool may = kind.may(allowed(question), options_.user, is_subscribed.value_or(was_done));
  if (may == was_done) return;
  violation(fmt::format("{} in {} was {}", name_of(question.kind), question.channel,
                        was_done ? "not for it" : "refused"));
}

void SdkClient::ask_presence(const std::string& channel) {
  if (state_ != State::connected) return;
  ask_now(question_of(Question::Kind::presence, channel),
          protocol::PresenceRequest{.channel = channel});
}

void SdkClient::ask_presence_stats(const std::string& channel) {
  if (state_ != State::connected) return;
  ask_now(question_of(Question::Kind::presence_stats, channel),
          protocol::PresenceStatsRequest{.channel = channel});
}

void SdkClient::on_presence_stats(const Question& question, const ServerMessage& message) {
  check_allowed(question, true);
  options_.attendance->answered(
      question.channel, question.asked,
      {.has_counts = true, .num_clients = message.num_clients, .num_users = message.num_users});
}

void SdkClient::on_presence(const Question& question, const ServerMessage& message) {
  check_allowed(question, true);
  options_.attendance->answered(question.channel, question.asked, {.users = message.present});
  const Subscription& subscription = subscriptions_[question.channel];
  if (was_subscribed(question) != true || subscription.life != question.life) return;
  // An entry that is to be renewed may vanish while time jumps.
  if (!options_.promises.is_reliable && record_.has_jumped_within(30 * os::kSecond)) return;
  if (!message.present.contains(client_id_)) {
    violation(fmt::format("is not present in {}", question.channel));
  }
}

void SdkClient::ask_history(const std::string& channel, int32_t limit) {
  if (state_ != State::connected) return;
  protocol::HistoryRequest request;
  request.channel = channel;
  request.limit = limit;
  Question question = question_of(Question::Kind::history, channel);
  question.limit = limit;
  ask_now(std::move(question), request);
}

void SdkClient::on_history(const Question& question, const ServerMessage& message) {
  check_allowed(question, true);
  if (question.limit >= 0 && message.publications.size() > static_cast<size_t>(question.limit)) {
    violation("more history than asked for");
  }
  uint64_t last = 0;
  for (const ReadPublication& one : message.publications) {
    const Ledger::Entry* entry = ledger_.find(question.channel, message.epoch, one.offset);
    if (!entry || entry->payload != one.data || (last != 0 && one.offset != last + 1)) {
      violation(fmt::format("{}: history is wrong at {}", question.channel, one.offset));
    }
    last = one.offset;
  }
  if (last > message.offset) violation("history beyond its top");
}

void SdkClient::on_member(const ServerMessage& message) {
  const bool is_join = message.kind == ServerMessage::Kind::push_join;
  note(fmt::format("{}: {} {}", message.channel, message.client, is_join ? "joins" : "leaves"));
  const auto found = subscriptions_.find(message.channel);
  if (found == subscriptions_.end() || (found->second.state != Subscription::State::live &&
                                        found->second.state != Subscription::State::leaving)) {
    return violation(fmt::format("members of {}, which is not subscribed to", message.channel));
  }
  Subscription& subscription = found->second;
  if (!subscription.members) {
    return violation(fmt::format("members of {}, which were not asked for", message.channel));
  }
  if (!is_join) {
    subscription.members->erase(message.client);
  } else if (!subscription.members->insert(message.client).second) {
    violation(fmt::format("{} joins {} twice", message.client, message.channel));
  }
}

}  // namespace gyre::sim
