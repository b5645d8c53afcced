#include "tests/simulation/sdk_client.h"

#include <fmt/format.h>

#include <algorithm>

#include "protocol/encoder.h"

namespace gyre::sim {

namespace {

// Subscriptions that the API has asked for may count before the client is told of them.
constexpr size_t kUntold = 3;

using protocol::Encoding;

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
  opened_ = network().now();
  const bool is_protobuf = options_.encoding == Encoding::protobuf;
  open(options_.port,
       is_protobuf ? "/connection/websocket?format=protobuf" : "/connection/websocket",
       options_.has_token || options_.is_ruled ? std::string()
                                               : "X-User: " + options_.user + "\r\n");
}

void SdkClient::on_open() {
  state_ = State::connecting;
  note("asks to connect");
  connect_asked_ = network().now();
  std::string out;
  protocol::ConnectRequest request;
  request.name = "simulation";
  std::string token;
  if (options_.has_token) token = make_token(true);
  request.token = token;
  Question question{.kind = Question::Kind::connect, .channel = {}, .payload = {}};
  if (options_.is_ruled) {
    connect_key_ = options_.backend->next_key(options_.user);
    request.data = std::string_view(connect_key_);
    question.key = connect_key_;
  }
  for (const std::string& channel : options_.may_get) {
    options_.attendance->may_come(channel, options_.user);
  }
  ask(std::move(question), request, out);
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
  question.asked = network().now();
  question.may_wait = std::ranges::any_of(
      questions_, [](const auto& one) { return one.second.may_wait || !one.second.key.empty(); });
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
  // What is on its way still arrives.
  if (is_asking(Question::Kind::connect)) connecting_until_ = network().now() + 5 * os::kSecond;
  questions_.clear();
  for (auto& [name, subscription] : subscriptions_) {
    set_state(subscription, Subscription::State::none);
    subscription.is_server_side = false;
    subscription.is_unbroken = false;
    subscription.members.reset();
  }
  if (!client_id_.empty()) options_.attendance->is_gone(client_id_);
  client_id_.clear();
  end_.reset();
  ++expiries_;
  last_answered_ = 0;
}

void SdkClient::on_close(uint16_t code) {
  if (state_ == State::gone) return;  // the server's half of our goodbye
  note(fmt::format("disconnected: {}", code));
  ++counts_.disconnects[code];
  check_disconnect(code);
  forget_connection();
  state_ = returns_after(code) ? State::away : State::gone;
}

// As SDKs do, and as applications do that get a new token or hope to be let in again.
bool SdkClient::returns_after(uint16_t code) const {
  if (code == 3500) return !has_sent_foreign_token_;
  if (code == 3504) return !is_calm_ && network().chance(600);
  return code == 3503 || code == 3507 || protocol::Disconnect{code, {}}.reconnects();
}

void SdkClient::check_disconnect(uint16_t code) {
  if (is_ended_by_backend(code)) return;
  switch (code) {
    case 3008:
      // A stalled network delays a pong; it does not fill queues of clients that read.
      if (!options_.may_be_slow) violation("called slow, though it reads");
      break;
    case 3012:
      // Pongs are given four seconds, and the network takes less. A long backlog is not read on.
      if (!options_.promises.reads_on && is_waiting_for_backend()) break;
      if (!options_.has_floods && has_read_for(30 * os::kSecond) &&
          !record_.has_jumped_within(30 * os::kSecond)) {
        violation("a pong was not heard");
      }
      break;
    case 3004:
      // A jump of the clock may end what is allowed for a connect command, or for an unsubscribe
      // that waits behind the subscribe.
      if (record_.has_just_jumped() &&
          (is_asking(Question::Kind::connect) || is_asking(Question::Kind::unsubscribe))) {
        break;
      }
      if (options_.promises.is_reliable) violation("an internal error");
      break;
    case 3005:
      if (options_.backend && options_.backend->options().asks_refresh) {
        if (!record_.has_jumped_within(30 * os::kSecond)) violation("expired by nobody's word");
        break;
      }
      // A refresh that waits behind slow commands may come with a token that has expired meanwhile.
      if ((!options_.promises.is_reliable || options_.backend) &&
          is_asking(Question::Kind::refresh)) {
        break;
      }
      if (!record_.has_just_jumped() && has_read_for(30 * os::kSecond) &&
          (!end_ || network().now() + end_slack_ < *end_)) {
        violation("expired too early");
      }
      break;
    case 3010:
      // What it is to get with the connection may lose something before the connect is answered.
      if (!is_asking(Question::Kind::connect) &&
          std::ranges::none_of(subscriptions_, [](const auto& one) {
            return one.second.is_server_side && one.second.is_positioned;
          })) {
        violation("a loss in server-side subscriptions that have no positions");
      }
      ++counts_.losses;
      break;
    case 3006:
      return check_subscription_end();
    case 3500:
      if (has_sent_foreign_token_ || is_showing_foreign_token()) break;
      return check_banned(code);
    case 3504:
      return check_displaced();
    case 3503:
    case 3507:
      return check_banned(code);
    case 3502:
      // A client that rests may see it long after the jump that let its time to connect pass.
      if (!record_.has_jumped_since(opened_)) violation("called stale");
      break;
    case 3505:
      if (count(false) + kUntold < options_.channel_limit) {
        violation("not at its limit of channels");
      }
      break;
    case 3001:
    case 4000:
    case 4501:
      break;
    default:
      violation(fmt::format("disconnected with {}", code));
  }
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

void SdkClient::finish_sending() {
  if (state_ != State::connected) return;
  note("half-closes");
  finish();
}

void SdkClient::fall_asleep() {
  if (state_ != State::connected) return;
  note("falls asleep");
  is_asleep_ = true;
  state_ = State::gone;
  forget_connection();
  pause_reading(true);
}

// --- Input

void SdkClient::on_message(std::string_view message) {
  if (state_ == State::gone || state_ == State::away) return;
  auto messages = read_messages(options_.encoding, message);
  if (!messages) return violation(fmt::format("cannot read {}", message));
  for (ServerMessage& one : *messages) {
    if (state_ == State::gone || state_ == State::away) return;
    if (name_channel(one)) handle(one);
  }
}

void SdkClient::handle(const ServerMessage& message) {
  using Kind = ServerMessage::Kind;
  check_expiry();
  switch (message.kind) {
    case Kind::ping:
      return send_message(
          options_.encoding == Encoding::protobuf,
          options_.encoding == Encoding::json ? std::string_view("{}") : std::string_view("\0", 1));
    case Kind::push_publication:
      return on_publication(message.channel, message.publications.front());
    case Kind::push_join:
    case Kind::push_leave:
      return on_member(message);
    case Kind::push_subscribe:
      return on_subscribed_by_server(message.channel, message);
    case Kind::push_unsubscribe:
      return on_unsubscribe_push(message.channel, message.code);
    case Kind::push_refresh:
      return on_expiry(message);
    case Kind::push_disconnect:
      return violation("a disconnect push on a WebSocket");
    default:
      break;
  }
  const auto found = questions_.find(message.id);
  if (found == questions_.end()) return violation("an answer to no question");
  const Question question = std::move(found->second);
  questions_.erase(found);
  // What is in work one at a time is answered in order.
  // An unsubscribe may have to wait for a subscription that the API is making.
  if (question.kind != Question::Kind::unsubscribe) {
    if (options_.concurrency == 1 && message.id < last_answered_) violation("answers out of order");
    last_answered_ = message.id;
  }
  check_promptness(question);
  if (message.kind == Kind::error) return on_error(question, message.code);
  const auto expects = [&](Question::Kind kind) {
    if (question.kind != kind) violation("an answer of the wrong kind");
    return question.kind == kind;
  };
  switch (message.kind) {
    case Kind::connect:
      if (expects(Question::Kind::connect)) on_connected(question, message);
      return;
    case Kind::subscribe:
      if (expects(Question::Kind::subscribe)) on_subscribed(question, message);
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
    case Kind::presence_stats:
      if (expects(Question::Kind::presence_stats)) on_presence_stats(question, message);
      return;
    case Kind::rpc:
      if (expects(Question::Kind::rpc)) on_called(question, message);
      return;
    case Kind::history:
      if (expects(Question::Kind::history)) on_history(question, message);
      return;
    case Kind::refresh:
      if (expects(Question::Kind::refresh)) on_refreshed(question, message);
      return;
    case Kind::sub_refresh:
      if (expects(Question::Kind::sub_refresh)) on_sub_refreshed(question, message);
      return;
    default:
      return;
  }
}

void SdkClient::on_connected(const Question& question, const ServerMessage& message) {
  ++counts_.connects;
  client_id_ = message.client;
  note(fmt::format("connected as {}", client_id_));
  state_ = State::connected;
  connecting_until_ = std::max(connecting_until_, network().now());
  let_in_ = network().now();
  check_let_in(question, message);
  on_expiry(message);
  for (const ServerMessage& sub : message.subs) on_subscribed_by_server(sub.channel, sub);
  std::string out;
  for (auto& [name, subscription] : subscriptions_) {
    if (subscription.is_wanted && subscription.state == Subscription::State::none) {
      ask_to_subscribe(subscription, out);
    }
  }
  flush(out);
}

void SdkClient::on_error(const Question& question, uint32_t code) {
  note(fmt::format("error {} for {} of {}", code, name_of(question.kind), question.channel));
  if (question.kind == Question::Kind::subscribe && code != 105) ++endings_[question.channel];
  // Others make way before the server looks at the end of what lets it in.
  if (question.kind == Question::Kind::connect && code == 110) {
    connecting_until_ = std::max(connecting_until_, network().now());
  }
  if (question.kind == Question::Kind::sub_refresh) return on_sub_refresh_refused(question, code);
  if (question.shown && is_refused_by_token(question, code)) return;
  if (is_refused_by_backend(question, code)) return on_refused_by_backend(question, code);
  if (question.kind == Question::Kind::connect) {
    // A token that was good when it was made.
    if (code != 109 && code != 110) violation(fmt::format("error {} for connect", code));
    if (!record_.has_jumped_within(60 * os::kSecond)) violation("a fresh token has expired");
    state_ = State::away;
    forget_connection();
    cut();
    return;
  }
  if (question.kind == Question::Kind::refresh) {
    if (code != 110 || !record_.has_jumped_within(60 * os::kSecond)) violation("not refreshed");
    return;
  }
  if (code == 103) return on_refused(question, code);
  if (question.kind == Question::Kind::subscribe) {
    Subscription& subscription = subscriptions_[question.channel];
    if (code == 105 && subscription.is_server_side) return;
    if (code == 105) {
      // The server is about to subscribe it; whether it will can be seen by asking again.
      if (++subscription.already > 20) violation(fmt::format("error 105 for {}", question.channel));
    } else if (code == 106) {
      if (count(false) + kUntold < options_.channel_limit) {
        violation("not at its limit of channels");
      }
      subscription.is_wanted = false;
    } else if (code != 100 || options_.promises.is_reliable) {
      violation(fmt::format("error {} for {}", code, question.channel));
    }
    if (subscription.state != Subscription::State::asked) return;
    set_state(subscription, Subscription::State::none);
    return subscribe_later(question.channel);
  }
  if (code != 100 || options_.promises.is_reliable) {
    violation(fmt::format("error {} for {}", code, question.channel));
  }
}

void SdkClient::on_refused(const Question& question, uint32_t code) {
  check_allowed(question, false);
  if (question.kind != Question::Kind::subscribe) return;
  Subscription& subscription = subscriptions_[question.channel];
  if (subscription.kind.may_subscribe(options_.user)) {
    violation(fmt::format("error {} for {}, which it may have", code, question.channel));
  }
  subscription.is_wanted = false;
  if (subscription.state == Subscription::State::asked) {
    set_state(subscription, Subscription::State::none);
  }
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
  if (found == subscriptions_.end() || !found->second.is_positioned) return std::nullopt;
  return found->second.progress.position;
}

bool SdkClient::wants_nothing_behind(const std::string& channel) const {
  const Subscription& subscription = subscriptions_.at(channel);
  const auto& [offset, epoch] = *subscription.progress.position;
  const uint64_t top = ledger_.top(channel, epoch);
  for (uint64_t i = offset + 1; i <= top; ++i) {
    const Ledger::Entry* entry = ledger_.find(channel, epoch, i);
    if (!entry || passes(subscription, *entry)) return false;
  }
  return top > offset;
}

const std::set<std::string>* SdkClient::members(const std::string& channel) const {
  const auto found = subscriptions_.find(channel);
  if (found == subscriptions_.end() || !found->second.members) return nullptr;
  return &*found->second.members;
}

os::Nanos SdkClient::live_since(const std::string& channel) const {
  return subscriptions_.at(channel).live_since;
}

bool SdkClient::was_prompt(const std::string& channel) const {
  return subscriptions_.at(channel).is_prompt;
}

SdkClient::Mark SdkClient::mark(const std::string& channel) const {
  const auto found = endings_.find(channel);
  return {.connection = state_ == State::connected ? connection_ : 0,
          .endings = found == endings_.end() ? 0 : found->second};
}

bool SdkClient::is_as_marked(const Mark& mark) const {
  return mark.connection != 0 && state_ == State::connected && connection_ == mark.connection &&
         !options_.has_floods && has_read_for(20 * os::kSecond);
}

bool SdkClient::is_asking(Question::Kind kind) const {
  return std::ranges::any_of(questions_,
                             [kind](const auto& one) { return one.second.kind == kind; });
}

std::string SdkClient::describe() const {
  constexpr std::string_view kStates[] = {"away", "opening", "connecting", "connected", "gone"};
  std::string text(kStates[static_cast<size_t>(state_)]);
  for (const auto& [id, question] : questions_) {
    text += fmt::format(", asks {} of {}", static_cast<int>(question.kind), question.channel);
  }
  for (const auto& [name, one] : subscriptions_) {
    if (one.is_wanted == (one.state == Subscription::State::live)) continue;
    text += fmt::format(", {} is in state {}", name, static_cast<int>(one.state));
  }
  return text;
}

bool SdkClient::is_settled() const {
  if (state_ == State::gone) return true;
  if (state_ != State::connected || !questions_.empty()) return false;
  return std::ranges::all_of(subscriptions_, [](const auto& one) {
    const Subscription& subscription = one.second;
    if (subscription.is_server_side) return subscription.state == Subscription::State::live;
    return subscription.is_wanted == (subscription.state == Subscription::State::live);
  });
}

}  // namespace gyre::sim
