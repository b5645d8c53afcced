// What the simulated client holds against the word of others: of the backend that was asked, and of
// the API that has blocked its user or revoked its token.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "tests/simulation/sdk_client.h"

namespace gyre::sim {

namespace {

// In which a command is answered that waits for no backend; backends may take longer.
constexpr os::Nanos kPromptly = 2'500 * os::kMillisecond;

}  // namespace

// --- Backends

const Ruling* SdkClient::ruling(const Question& question) const {
  if (question.key.empty()) return nullptr;
  using Kind = Question::Kind;
  const auto event = question.kind == Kind::connect     ? proxy::Event::connect
                     : question.kind == Kind::subscribe ? proxy::Event::subscribe
                     : question.kind == Kind::publish   ? proxy::Event::publish
                                                        : proxy::Event::rpc;
  return options_.backend->find(event, question.key);
}

bool SdkClient::is_waiting_for_backend() const {
  return std::ranges::any_of(questions_, [](const auto& one) { return !one.second.key.empty(); });
}

void SdkClient::check_accepted(const Question& question) const {
  if (question.key.empty()) return;
  const Ruling* ruled = ruling(question);
  if (ruled && ruled->answered > 0 && ruled->kind == Ruling::Kind::accepts) return;
  violation(fmt::format("{} in {} without its backend's consent", name_of(question.kind),
                        question.channel));
}

bool SdkClient::is_refused_by_backend(const Question& question, uint32_t code) const {
  const Ruling* ruled = ruling(question);
  if (!ruled || ruled->answered == 0) return false;
  switch (ruled->kind) {
    case Ruling::Kind::refuses:
      return code == ruled->code;
    case Ruling::Kind::fails:
    case Ruling::Kind::breaks_base64:
      return code == 100;
    case Ruling::Kind::accepts:
      // What it has granted was over when it came.
      return code == 110 && ruled->end > 0 &&
             (ruled->end * os::kSecond < network().wall() || record_.has_just_jumped());
    default:
      return false;
  }
}

void SdkClient::on_refused_by_backend(const Question& question, uint32_t code) {
  if (question.kind == Question::Kind::connect) {
    state_ = State::away;
    forget_connection();
    return cut();
  }
  if (question.kind == Question::Kind::publish) {
    if (ledger_.find(question.channel, question.payload)) {
      violation(fmt::format("{} was refused and published", question.payload));
    }
    return;
  }
  if (question.kind != Question::Kind::subscribe) return;
  Subscription& subscription = subscriptions_[question.channel];
  if (code != 100) subscription.is_wanted = false;
  if (subscription.state != Subscription::State::asked) return;
  set_state(subscription, Subscription::State::none);
  subscribe_later(question.channel);
}

// Whether the code is the backend's word, or what it means.
bool SdkClient::is_ended_by_backend(uint16_t code) const {
  if (!options_.backend) return false;
  const SimBackend& backend = *options_.backend;
  if (client_id_.empty()) {
    const Ruling* connect = backend.find(proxy::Event::connect, connect_key_);
    if (!connect || connect->answered == 0) return false;
    if (connect->kind == Ruling::Kind::knows_nobody) return code == 3501;
    return connect->kind == Ruling::Kind::disconnects && code == connect->code;
  }
  if (code == 3004) return backend.has_broken_base64_for(client_id_);
  if (code == 3005) {
    const Ruling* refresh = backend.find(proxy::Event::refresh, client_id_);
    return refresh && refresh->answered > 0 && refresh->is_over;
  }
  return code >= 4000 && backend.has_disconnected(client_id_, code);
}

void SdkClient::call() {
  if (state_ != State::connected) return;
  Question question = question_of(Question::Kind::rpc, {});
  question.key = options_.backend->next_key(options_.user);
  const std::string data = question.key;
  ask_now(std::move(question),
          protocol::RpcRequest{.data = std::string_view(data), .method = "method"});
}

void SdkClient::on_called(const Question& question, const ServerMessage& message) {
  check_accepted(question);
  const Ruling* ruled = ruling(question);
  if (ruled && ruled->said != message.data) {
    violation(fmt::format("called {} and got {}", question.key, message.data));
  }
}

// A backend that hangs holds up those who ask it, and nobody else.
void SdkClient::check_promptness(const Question& question) const {
  if (!question.key.empty() || question.may_wait || !options_.promises.is_reliable) return;
  if (!hears(10 * os::kSecond) || record_.has_jumped_within(10 * os::kSecond)) return;
  if (network().now() - question.asked < kPromptly) return;
  violation(fmt::format("{} of {} took {} ms", name_of(question.kind), question.channel,
                        (network().now() - question.asked) / os::kMillisecond));
}

uint64_t SdkClient::watch(const std::string& channel) const {
  if (!hears(20 * os::kSecond)) return 0;
  if (channel.empty()) return connection_;
  const auto found = subscriptions_.find(channel);
  if (found == subscriptions_.end()) return 0;
  const Subscription& subscription = found->second;
  const bool is_its_own =
      subscription.state == Subscription::State::live && !subscription.is_server_side;
  return is_its_own ? subscription.life : 0;
}

// --- Who is let in

void SdkClient::check_let_in(const Question& question, const ServerMessage& message) {
  check_accepted(question);
  const os::Nanos blocked = options_.bans->user_since(options_.user);
  if (blocked > 0 && opened_ > blocked) violation("was let in, though its user is blocked");
  std::optional<int64_t> end;
  token_ = TokenSeal();
  if (options_.has_token) {
    token_ = made_;
    end = made_end_;
    const os::Nanos revoked = options_.bans->token_since(options_.user, token_);
    if (revoked > 0 && opened_ > revoked) violation("was let in by a token that was revoked");
  }
  std::set<std::string> expected;
  if (!options_.own_channel.empty()) expected.insert(options_.own_channel);
  if (const Ruling* ruled = ruling(question)) {
    expected.insert(ruled->channels.begin(), ruled->channels.end());
    if (ruled->end > 0) end = ruled->end;
  }
  std::set<std::string> given;
  for (const ServerMessage& sub : message.subs) given.insert(sub.channel);
  if (given != expected) {
    violation(fmt::format("connected with {} channels, not {}", given.size(), expected.size()));
  }
  const bool asks_backend = options_.backend && options_.backend->options().asks_refresh;
  if (message.expires != (end && !asks_backend)) violation("was not told how long it lives");
  if (end && asks_backend) options_.backend->lives_until(client_id_, *end, opened_);
}

void SdkClient::check_banned(uint16_t code) const {
  const Bans& bans = *options_.bans;
  if (code == 3500) {
    if (!bans.may_be_revoked(options_.user, token_) && !bans.may_be_revoked(options_.user, made_)) {
      violation(fmt::format("its token was called invalid: {} of {}", made_.uid, made_.issued_at));
    }
  } else if (!bans.may_be_blocked(options_.user)) {
    violation(fmt::format("was sent away with {}", code));
  }
}

// Another connection of the user has taken its place; that was let in later, or at the same time.
void SdkClient::check_displaced() const {
  if (!options_.may_be_displaced || !options_.may_be_displaced(options_.user, connect_asked_)) {
    violation("had to make way for nobody");
  }
}

bool SdkClient::holds_own_channel() const {
  if (state_ != State::connected || options_.own_channel.empty()) return false;
  const auto own = subscriptions_.find(options_.own_channel);
  return own != subscriptions_.end() && own->second.state == Subscription::State::live &&
         own->second.live_since == let_in_;
}

// What was published after the answer that it must go is not for it.
void SdkClient::check_allowed_to_hear(const Subscription& subscription,
                                      const Ledger::Entry& entry) const {
  const os::Nanos blocked = options_.bans->user_since(options_.user);
  if (blocked > 0 && entry.time > blocked) violation("hears something, though its user is blocked");
  check_seal(subscription, entry);
  // What it has been refreshed by it may not know yet.
  if (token_.uid.empty() || is_refreshing()) return;
  const os::Nanos revoked = options_.bans->token_since(options_.user, token_);
  if (revoked > 0 && entry.time > revoked) violation("hears something by a token that was revoked");
}

}  // namespace gyre::sim
