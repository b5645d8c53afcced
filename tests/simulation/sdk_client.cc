#include "tests/simulation/sdk_client.h"

#include <fmt/format.h>

#include <algorithm>

#include "protocol/encoder.h"

namespace gyre::sim {

namespace {

using protocol::Encoding;

std::string_view shortened(std::string_view payload) {
  return payload.substr(0, 14);
}

}  // namespace

SdkClient::SdkClient(SimNetwork& network, Agenda& agenda, Ledger& ledger, Record& record,
                     Options options)
    : SimWebSocket(network),
      agenda_(agenda),
      ledger_(ledger),
      record_(record),
      options_(std::move(options)) {}

// --- The connection

void SdkClient::start() {
  if (state_ != State::away) return;
  state_ = State::opening;
  ++connection_;
  const bool is_protobuf = options_.encoding == Encoding::protobuf;
  open(options_.port,
       is_protobuf ? "/connection/websocket?format=protobuf" : "/connection/websocket",
       "X-User: " + options_.user + "\r\n");
}

void SdkClient::on_open() {
  state_ = State::connecting;
  std::string out;
  protocol::ConnectRequest request;
  request.name = "simulation";
  ask({.kind = Question::Kind::connect, .channel = {}, .payload = {}}, request, out);
  if (!options_.connects_first) {
    for (auto& [name, subscription] : subscriptions_) {
      if (subscription.is_wanted) ask_to_subscribe(subscription, out);
    }
  }
  flush(out);
}

void SdkClient::flush(std::string& out) {
  if (out.empty()) return;
  send_message(options_.encoding == Encoding::protobuf, out);
  out.clear();
}

uint32_t SdkClient::ask(Question question, const protocol::Request& request, std::string& out) {
  const uint32_t id = next_id_++;
  questions_.emplace(id, std::move(question));
  if (options_.encoding == Encoding::json && !out.empty()) out += '\n';
  protocol::encode_command(options_.encoding, id, request, out);
  return id;
}

void SdkClient::ask_now(Question question, const protocol::Request& request) {
  std::string out;
  ask(std::move(question), request, out);
  flush(out);
}

void SdkClient::forget_connection() {
  questions_.clear();
  client_id_.clear();
  for (auto& [name, subscription] : subscriptions_) {
    subscription.state = Subscription::State::none;
    subscription.is_unbroken = false;
  }
}

void SdkClient::on_close(uint16_t code) {
  if (state_ == State::gone) return;  // the server's half of our goodbye
  note(fmt::format("disconnected: {}", code));
  ++counts_.disconnects[code];
  forget_connection();
  switch (code) {
    case 3008:
    case 3012:
      // A stalled network delays a pong; it does not fill queues of clients that read.
      if (code == 3008 && !options_.may_be_slow) violation("called slow, though it reads");
      break;
    case 3004:
      if (options_.promises.is_reliable) violation("an internal error");
      break;
    case 3502:
      if (!record_.has_just_jumped()) violation("called stale");
      break;
    case 3001:
    case 3503:
    case 4000:
    case 4501:
      break;
    default:
      violation(fmt::format("disconnected with {}", code));
  }
  const bool comes_back = protocol::Disconnect{code, {}}.reconnects();
  state_ = comes_back ? State::away : State::gone;
}

void SdkClient::on_lost() {
  if (state_ == State::gone) return;
  if (state_ != State::away) note("connection lost");
  state_ = State::away;
  forget_connection();
  come_back();
}

void SdkClient::come_back() {
  const auto wait = static_cast<os::Nanos>(network().below(static_cast<uint64_t>(patience_)));
  agenda_.after(wait, [this] { start(); });
}

void SdkClient::stop() {
  if (state_ == State::gone) return;
  note("stops");
  state_ = State::gone;
  forget_connection();
  if (is_open() && network().chance(500)) {
    send_close(1000);
    finish();
    pause_reading(false);
  } else if (network().chance(500)) {
    cut();
  } else {
    close();
  }
}

// --- Input

void SdkClient::on_message(std::string_view message) {
  if (state_ == State::gone || state_ == State::away) return;
  const auto messages = read_messages(options_.encoding, message);
  if (!messages) return violation(fmt::format("cannot read {}", message));
  for (const ServerMessage& one : *messages) {
    if (state_ == State::gone || state_ == State::away) return;
    handle(one);
  }
}

void SdkClient::handle(const ServerMessage& message) {
  using Kind = ServerMessage::Kind;
  switch (message.kind) {
    case Kind::ping:
      return send_message(
          options_.encoding == Encoding::protobuf,
          options_.encoding == Encoding::json ? std::string_view("{}") : std::string_view("\0", 1));
    case Kind::push_publication:
      return on_publication(message.channel, message.publications.front());
    case Kind::push_unsubscribe:
      return on_unsubscribe_push(message.channel, message.code);
    case Kind::push_disconnect:
      return violation("a disconnect push on a WebSocket");
    default:
      break;
  }
  const auto found = questions_.find(message.id);
  if (found == questions_.end()) return violation("an answer to no question");
  const Question question = std::move(found->second);
  questions_.erase(found);
  if (message.kind == Kind::error) return on_error(question, message.code);
  const auto expects = [&](Question::Kind kind) {
    if (question.kind != kind) violation("an answer of the wrong kind");
    return question.kind == kind;
  };
  switch (message.kind) {
    case Kind::connect:
      if (expects(Question::Kind::connect)) on_connected(message);
      return;
    case Kind::subscribe:
      if (expects(Question::Kind::subscribe)) on_subscribed(question.channel, message);
      return;
    case Kind::unsubscribe:
      if (expects(Question::Kind::unsubscribe)) on_unsubscribed(question.channel);
      return;
    case Kind::publish:
      if (expects(Question::Kind::publish)) on_published(question);
      return;
    case Kind::presence:
      if (expects(Question::Kind::presence)) on_presence(question, message);
      return;
    case Kind::history:
      if (expects(Question::Kind::history)) on_history(question, message);
      return;
    default:
      return;
  }
}

void SdkClient::on_connected(const ServerMessage& message) {
  ++counts_.connects;
  client_id_ = message.client;
  note(fmt::format("connected as {}", client_id_));
  state_ = State::connected;
  std::string out;
  for (auto& [name, subscription] : subscriptions_) {
    if (subscription.is_wanted && subscription.state == Subscription::State::none) {
      ask_to_subscribe(subscription, out);
    }
  }
  flush(out);
}

void SdkClient::on_error(const Question& question, uint32_t code) {
  note(fmt::format("error {} for {}", code, question.channel));
  // Temporary errors are those of an engine that fails; reading after the end of a subscription is
  // forbidden, and the end may have been on its way.
  const bool may_fail = code == 100 && !options_.promises.is_reliable;
  const bool may_be_late = code == 103 && (question.kind == Question::Kind::presence ||
                                           question.kind == Question::Kind::history ||
                                           question.kind == Question::Kind::publish);
  if (!may_fail && !may_be_late) violation(fmt::format("error {} for {}", code, question.channel));
  if (question.kind != Question::Kind::subscribe) return;
  subscriptions_[question.channel].state = Subscription::State::none;
  subscribe_later(question.channel);
}

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
  subscription.has_asked_to_recover = subscription.kind.is_recoverable && subscription.position;
  if (subscription.has_asked_to_recover) {
    request.recover = true;
    request.offset = subscription.position->offset;
    request.epoch = subscription.position->epoch;
  }
  subscription.state = Subscription::State::asked;
  ask({.kind = Question::Kind::subscribe, .channel = subscription.kind.name, .payload = {}},
      request, out);
}

void SdkClient::subscribe_later(const std::string& channel) {
  const auto wait = static_cast<os::Nanos>(network().below(300 * os::kMillisecond));
  agenda_.after(wait, [this, channel, connection = connection_] {
    const Subscription& subscription = subscriptions_[channel];
    if (subscription.is_wanted && connection == connection_) subscribe(subscription.kind);
  });
}

void SdkClient::on_subscribed(const std::string& channel, const ServerMessage& message) {
  Subscription& subscription = subscriptions_[channel];
  // A question that was asked before an unsubscribe is answered before it, too.
  if (subscription.state == Subscription::State::asked) {
    subscription.state = Subscription::State::live;
  }
  ++subscription.life;
  subscription.seen.clear();
  subscription.is_unbroken = false;
  const ChannelKind& kind = subscription.kind;
  if (message.positioned != kind.is_positioned || message.recoverable != kind.is_recoverable) {
    violation(fmt::format("{} was not subscribed to as asked", channel));
  }
  if (message.was_recovering != subscription.has_asked_to_recover) {
    violation(fmt::format("was_recovering of {} is wrong", channel));
  }
  if (!kind.is_positioned) {
    if (!message.epoch.empty() || message.offset != 0 || !message.publications.empty()) {
      violation(fmt::format("a position for {}", channel));
    }
    note(fmt::format("subscribed to {}", channel));
    return;
  }
  note(fmt::format(
      "subscribed to {} at {}@{}{} with {}", channel, message.offset, message.epoch,
      message.was_recovering ? message.recovered ? ", recovered" : ", NOT recovered" : "",
      message.publications.size()));
  if (message.epoch.empty()) violation(fmt::format("{} has no epoch", channel));
  check_recovery(subscription, message);
}

void SdkClient::check_recovery(Subscription& subscription, const ServerMessage& message) {
  const std::string& channel = subscription.kind.name;
  if (!message.recovered) {
    if (!message.publications.empty())
      violation(fmt::format("{}: not recovered with publications", channel));
    if (subscription.has_asked_to_recover) {
      ++counts_.unrecovered;
      if (was_recoverable(subscription)) {
        violation(fmt::format("{} could have been recovered from {}@{}", channel,
                              subscription.position->offset, subscription.position->epoch));
      }
    }
    subscription.position = {message.offset, message.epoch};
    return;
  }
  if (!subscription.has_asked_to_recover) return violation("recovered without having asked");
  ++counts_.recovered;
  counts_.recovered_publications += message.publications.size();
  if (message.epoch != subscription.position->epoch ||
      message.offset != subscription.position->offset) {
    violation(fmt::format("{} recovered from another position", channel));
  }
  for (const ReadPublication& one : message.publications) check_positioned(subscription, one);
}

// Whether it could surely have been recovered: with a broker that forgets nothing early, when all
// that was missed is kept even now. Times of brokers are whole seconds.
bool SdkClient::was_recoverable(const Subscription& subscription) const {
  if (!options_.promises.recovers_surely) return false;
  const ChannelKind& kind = subscription.kind;
  const auto& [offset, epoch] = *subscription.position;
  const size_t count = ledger_.count(kind.name);
  if (count == 0) return false;
  const Ledger::Entry& last = ledger_.at(kind.name, count - 1);
  if (last.epoch != epoch || last.offset <= offset) return false;
  const uint64_t missed = last.offset - offset;
  if (missed > static_cast<uint64_t>(std::min(kind.history_size, options_.recovery_limit))) {
    return false;
  }
  // Publications go when none has followed for a while; positions live longer.
  os::Nanos followed = network().now();
  for (uint64_t i = last.offset; i > offset; --i) {
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
  subscription.state = Subscription::State::leaving;
  protocol::UnsubscribeRequest request{.channel = channel};
  ask_now({.kind = Question::Kind::unsubscribe, .channel = channel, .payload = {}}, request);
}

void SdkClient::on_unsubscribed(const std::string& channel) {
  ++counts_.unsubscribes;
  Subscription& subscription = subscriptions_[channel];
  if (subscription.state == Subscription::State::leaving) {
    subscription.state = Subscription::State::none;
  }
  // The application may have changed its mind meanwhile.
  if (subscription.is_wanted) subscribe(subscription.kind);
}

void SdkClient::on_unsubscribe_push(const std::string& channel, uint32_t code) {
  note(fmt::format("{} was unsubscribed: {}", channel, code));
  if (code != 2500 && code != 2000) violation(fmt::format("unsubscribed with {}", code));
  const auto found = subscriptions_.find(channel);
  if (found == subscriptions_.end()) return;
  Subscription& subscription = found->second;
  if (code == 2500) {
    ++counts_.losses;
    if (!subscription.kind.is_positioned) violation("a loss in a channel without positions");
  }
  // One that overtakes the answer to a subscribe was for an earlier subscription.
  if (subscription.state != Subscription::State::live) return;
  subscription.state = Subscription::State::none;
  // The application asks again after 2000, the SDK after 2500.
  subscribe_later(channel);
}

// --- Publications

void SdkClient::on_publication(const std::string& channel, const ReadPublication& publication) {
  ++counts_.publications;
  const auto found = subscriptions_.find(channel);
  if (found == subscriptions_.end()) return violation("a publication of a foreign channel");
  Subscription& subscription = found->second;
  if (subscription.state != Subscription::State::live &&
      subscription.state != Subscription::State::leaving) {
    return violation(
        fmt::format("{} in {}, which is not subscribed to", shortened(publication.data), channel));
  }
  if (subscription.kind.is_positioned) {
    check_positioned(subscription, publication);
  } else {
    check_plain(subscription, publication);
  }
}

void SdkClient::check_positioned(Subscription& subscription, const ReadPublication& publication) {
  const std::string& channel = subscription.kind.name;
  if (!subscription.position) return violation("a publication before a position");
  auto& [offset, epoch] = *subscription.position;
  note(fmt::format("{} {}: {}", channel, publication.offset, shortened(publication.data)));
  if (publication.offset != offset + 1) {
    violation(fmt::format("{}: offset {} after {}@{}", channel, publication.offset, offset, epoch));
  }
  offset = publication.offset;
  const Ledger::Entry* entry = ledger_.find(channel, epoch, offset);
  if (!entry || entry->payload != publication.data) {
    violation(
        fmt::format("{}: {}@{} is not {}", channel, offset, epoch, shortened(publication.data)));
  }
  if (!publication.epoch.empty() && publication.epoch != epoch) {
    violation(fmt::format("{}: epoch {} in {}", channel, publication.epoch, epoch));
  }
  subscription.seen.insert(publication.data);
}

void SdkClient::check_plain(Subscription& subscription, const ReadPublication& publication) {
  const std::string& channel = subscription.kind.name;
  note(fmt::format("{}: {}", channel, shortened(publication.data)));
  const auto place = ledger_.find(channel, publication.data);
  if (!place) return violation(fmt::format("{}: nobody published {}", channel, publication.data));
  const Ledger::Entry& entry = ledger_.at(channel, *place);
  if (entry.offset != publication.offset) {
    violation(fmt::format("{}: offset {} and not {}", channel, publication.offset, entry.offset));
  }
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
      if (!ledger_.at(channel, i).is_lost) {
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
  const auto found = subscriptions_.find(channel);
  const bool is_live =
      found != subscriptions_.end() && found->second.state == Subscription::State::live;
  protocol::PublishRequest request;
  request.channel = channel;
  request.data = std::string_view(payload);
  ask_now({.kind = Question::Kind::publish,
           .channel = channel,
           .payload = payload,
           .life = is_live ? found->second.life : 0},
          request);
}

// A publisher that is subscribed gets its own before the answer (spec subscriptions.md 4.1).
void SdkClient::on_published(const Question& question) {
  if (!ledger_.find(question.channel, question.payload)) violation("published nothing");
  if (!options_.promises.is_reliable || question.life == 0) return;
  const Subscription& subscription = subscriptions_[question.channel];
  if (subscription.state != Subscription::State::live || subscription.life != question.life) return;
  if (!subscription.seen.contains(question.payload)) {
    violation(fmt::format("{}: the answer came before {}", question.channel,
                          shortened(question.payload)));
  }
}

// --- Other questions

void SdkClient::ask_presence(const std::string& channel) {
  const auto found = subscriptions_.find(channel);
  if (state_ != State::connected || found == subscriptions_.end()) return;
  if (found->second.state != Subscription::State::live) return;
  ask_now({.kind = Question::Kind::presence,
           .channel = channel,
           .payload = {},
           .life = found->second.life},
          protocol::PresenceRequest{.channel = channel});
}

void SdkClient::on_presence(const Question& question, const ServerMessage& message) {
  const Subscription& subscription = subscriptions_[question.channel];
  if (subscription.state != Subscription::State::live || subscription.life != question.life) return;
  if (!std::ranges::count(message.present, client_id_)) {
    violation(fmt::format("is not present in {}", question.channel));
  }
}

void SdkClient::ask_history(const std::string& channel, int32_t limit) {
  const auto found = subscriptions_.find(channel);
  if (state_ != State::connected || found == subscriptions_.end()) return;
  if (found->second.state != Subscription::State::live) return;
  protocol::HistoryRequest request;
  request.channel = channel;
  request.limit = limit;
  ask_now({.kind = Question::Kind::history, .channel = channel, .payload = {}, .limit = limit},
          request);
}

void SdkClient::on_history(const Question& question, const ServerMessage& message) {
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

// --- For the end

std::set<std::string> SdkClient::live_channels() const {
  std::set<std::string> live;
  for (const auto& [name, subscription] : subscriptions_) {
    if (subscription.state == Subscription::State::live) live.insert(name);
  }
  return live;
}

std::optional<protocol::StreamPosition> SdkClient::position(const std::string& channel) const {
  const auto found = subscriptions_.find(channel);
  if (found == subscriptions_.end() || !found->second.kind.is_positioned) return std::nullopt;
  return found->second.position;
}

bool SdkClient::is_settled() const {
  if (state_ == State::gone) return true;
  if (state_ != State::connected || !questions_.empty()) return false;
  return std::ranges::all_of(subscriptions_, [](const auto& one) {
    const Subscription& subscription = one.second;
    return subscription.is_wanted == (subscription.state == Subscription::State::live);
  });
}

}  // namespace gyre::sim
