// The simulated client's tokens: of its connection and of its subscriptions, and the ends that they
// set.
#include <fmt/format.h>

#include <algorithm>

#include "auth/token_issuer.h"
#include "tests/simulation/sdk_client.h"

namespace gyre::sim {

namespace {

// How late the end of a subscription may be noticed, beyond what the server takes for it.
constexpr os::Nanos kLate = 4 * os::kSecond;

}  // namespace

// --- The token of the connection

std::string SdkClient::make_token(bool is_ours) {
  auth::TokenContent content;
  content.user = is_ours ? options_.user : "somebody else";
  const int64_t now = network().wall() / os::kSecond;
  // One that has been taken back is shown again, at times.
  const bool is_lasting = !made_end_ || *made_end_ > now + 3;
  if (is_ours && is_lasting && options_.bans->may_be_revoked(options_.user, made_) &&
      network().chance(300)) {
    content.expires = made_end_;
  } else {
    made_ = {.uid = fmt::format("{}-{}", options_.name, next_token_++), .issued_at = now};
    if (!is_calm_ && network().chance(600))
      content.expires = now + 3 + static_cast<int64_t>(network().below(20));
    made_end_ = content.expires;
  }
  note(fmt::format("makes token {} of {}", made_.uid, made_.issued_at));
  content.uid = made_.uid;
  content.issued_at = made_.issued_at;
  return auth::issue_token(content, kSecret);
}

// What a reply or a push says of the connection's end.
void SdkClient::on_expiry(const ServerMessage& message) {
  ++expiries_;
  end_.reset();
  if (!message.expires) return;
  if (options_.backend && options_.backend->options().asks_refresh) {
    violation("told of an end that is the backend's");
  }
  const os::Nanos ttl = os::Nanos{message.ttl} * os::kSecond;
  // The word may have been on its way while time stood still.
  end_slack_ = (record_.has_just_jumped() ? 60 : 2) * os::kSecond;
  end_ = network().now() + ttl + options_.expired_close_delay;
  note(fmt::format("expires in {} s", message.ttl));
  // Some forget it, and are cut off.
  if (network().chance(800))
    refresh_later(ttl * 3 / 4 + static_cast<os::Nanos>(network().below(os::kSecond / 2)));
}

void SdkClient::refresh_later(os::Nanos wait) {
  agenda_.after(wait, [this, expiries = expiries_, connection = connection_] {
    if (expiries != expiries_ || connection != connection_ || state_ != State::connected) return;
    has_sent_foreign_token_ = has_sent_foreign_token_ || network().chance(10);
    const std::string token = make_token(!has_sent_foreign_token_);
    protocol::RefreshRequest request{.token = token};
    note("asks to be refreshed");
    ++refreshes_;
    Question question = question_of(Question::Kind::refresh, {});
    question.token = made_;
    ask_now(std::move(question), request);
  });
}

void SdkClient::on_refreshed(const Question& question, const ServerMessage& message) {
  token_ = question.token;
  if (has_sent_foreign_token_) violation("refreshed by somebody else's token");
  note(fmt::format("refreshed: {} s", message.expires ? message.ttl : 0));
  on_expiry(message);
}

void SdkClient::check_expiry() {
  check_ends();
  if (!end_ || record_.has_jumped_within(10 * os::kSecond)) return;
  if (has_read_for(10 * os::kSecond) && network().now() > *end_ + 5 * os::kSecond) {
    violation("lives on with an expired token");
  }
}

// --- Tokens of subscriptions

SdkClient::ShownToken SdkClient::make_subscription_token(const std::string& channel) {
  using Flaw = ShownToken::Flaw;
  ShownToken token;
  if (!is_calm_ && network().chance(80)) {
    token.flaw = static_cast<Flaw>(1 + network().below(5));
  }
  if (token.flaw == Flaw::absent) return token;
  const int64_t now = network().wall() / os::kSecond;
  token.seal = {.uid = fmt::format("{}-{}", options_.name, next_token_++), .issued_at = now};
  if (token.flaw == Flaw::expired) {
    token.end = now - static_cast<int64_t>(network().below(5));
  } else if (token.flaw == Flaw::none && !is_calm_ && network().chance(600)) {
    token.end = now + 2 + static_cast<int64_t>(network().below(12));
  }
  auth::TokenContent content;
  content.user = token.flaw == Flaw::of_other_user ? "somebody else" : options_.user;
  content.channel = channel;
  if (token.flaw == Flaw::of_other_channel) {
    const auto other = options_.channels->begin();
    content.channel = other->first == channel ? std::next(other)->first : other->first;
  }
  content.uid = token.seal.uid;
  content.issued_at = now;
  if (token.end > 0) content.expires = token.end;
  token.text = auth::issue_token(content, token.flaw == Flaw::forged ? "another secret" : kSecret);
  note(fmt::format("shows token {} for {}, until {}", static_cast<int>(token.flaw), channel,
                   token.end));
  return token;
}

// Whether the token of the question may have been over when the server looked at it.
bool SdkClient::is_over(const Question& question) const {
  const int64_t end = question.shown->end;
  return end > 0 &&
         (end * os::kSecond <= network().wall() || record_.has_jumped_since(question.asked));
}

// The token's word is what the answer says, in the second in which the server has looked at it.
void SdkClient::check_token_accepted(const Question& question, const ServerMessage& message) const {
  using Flaw = ShownToken::Flaw;
  const ShownToken& token = *question.shown;
  const std::string_view what = name_of(question.kind);
  if (token.flaw != Flaw::none && token.flaw != Flaw::expired) {
    violation(fmt::format("{} of {} by a token with flaw {}", what, question.channel,
                          static_cast<int>(token.flaw)));
  }
  const os::Nanos revoked =
      options_.bans->token_since(Bans::scope(options_.user, question.channel), token.seal);
  if (revoked > 0 && question.asked > revoked) {
    violation(fmt::format("{} of {} by a token that was revoked", what, question.channel));
  }
  if (message.expires != (token.end > 0)) {
    violation(fmt::format("was not told until when {} goes on", question.channel));
  }
  if (token.end == 0 || record_.has_jumped_since(question.asked)) return;
  const os::Nanos asked = network().wall() - (network().now() - question.asked);
  if (token.end * os::kSecond <= asked) {
    violation(fmt::format("{} of {} by a token that was over", what, question.channel));
  }
  const int64_t judged = token.end - int64_t{message.ttl};
  if (judged < asked / os::kSecond || judged > network().wall() / os::kSecond) {
    violation(
        fmt::format("{} goes on for {} s, until {}", question.channel, message.ttl, token.end));
  }
}

// Whether the error is about the token; if it is, it must be the right one.
bool SdkClient::is_refused_by_token(const Question& question, uint32_t code) {
  using Flaw = ShownToken::Flaw;
  const ShownToken& token = *question.shown;
  const bool is_good = token.flaw == Flaw::none;
  // What comes before the token or, if that is good, after it.
  if (code == 105 || code == 106 || (is_good && code == 100)) return false;
  const bool is_revoked =
      options_.bans->may_be_revoked(Bans::scope(options_.user, question.channel), token.seal);
  const bool is_right =
      (code == 109 && (is_good || token.flaw == Flaw::expired) && is_over(question)) ||
      (code == 103 && (token.flaw == Flaw::absent || token.flaw == Flaw::forged)) ||
      (code == 103 && !token.is_foreign() && is_revoked);
  if (!is_right) {
    violation(fmt::format("error {} for {}, whose token has flaw {}", code, question.channel,
                          static_cast<int>(token.flaw)));
  }
  Subscription& subscription = subscriptions_[question.channel];
  if (code != 109) subscription.is_wanted = false;
  if (subscription.state != Subscription::State::asked) return true;
  set_state(subscription, Subscription::State::none);
  subscribe_later(question.channel);
  return true;
}

// One of somebody else, which ends the connection; so does any that is not valid, where the
// subscription goes on already.
bool SdkClient::is_showing_foreign_token() const {
  return std::ranges::any_of(questions_, [](const auto& one) {
    const Question& question = one.second;
    if (!question.shown) return false;
    return question.shown->is_foreign() || (question.kind == Question::Kind::sub_refresh &&
                                            question.shown->flaw == ShownToken::Flaw::forged);
  });
}

void SdkClient::lives_by(Subscription& subscription, const ShownToken& token) {
  subscription.end = token.end;
  subscription.end_told = network().now();
  subscription.seal = token.seal;
  // Some forget it, and are cut off.
  if (token.end > 0 && network().chance(700)) refresh_subscription_later(subscription);
}

void SdkClient::refresh_subscription_later(const Subscription& subscription) {
  const os::Nanos left = subscription.end * os::kSecond - network().wall();
  const os::Nanos wait = std::max<os::Nanos>(left, 0) * 3 / 4 +
                         static_cast<os::Nanos>(network().below(os::kSecond / 2));
  agenda_.after(wait, [this, channel = subscription.kind.name, life = subscription.life,
                       connection = connection_] {
    const Subscription& one = subscriptions_[channel];
    const bool is_live = one.state == Subscription::State::live && !one.is_server_side;
    if (is_live && one.life == life && connection == connection_) refresh_subscription(one);
  });
}

void SdkClient::refresh_subscription(const Subscription& subscription) {
  const std::string& channel = subscription.kind.name;
  Question question = question_of(Question::Kind::sub_refresh, channel);
  question.shown = make_subscription_token(channel);
  note(fmt::format("asks for {} to go on", channel));
  const std::string token = question.shown->text;
  ask_now(std::move(question), protocol::SubRefreshRequest{
                                   .channel = channel, .token = token, .track = {}, .untrack = {}});
}

void SdkClient::on_sub_refreshed(const Question& question, const ServerMessage& message) {
  Subscription& subscription = subscriptions_[question.channel];
  note(fmt::format("{} goes on", question.channel));
  check_token_accepted(question, message);
  if (subscription.state != Subscription::State::live &&
      subscription.state != Subscription::State::leaving) {
    return violation(fmt::format("{} goes on, and is not subscribed to", question.channel));
  }
  // If the API has subscribed the client meanwhile, that is what goes on by the token.
  lives_by(subscription, *question.shown);
}

void SdkClient::on_sub_refresh_refused(const Question& question, uint32_t code) {
  using Flaw = ShownToken::Flaw;
  const Flaw flaw = question.shown->flaw;
  const Subscription& subscription = subscriptions_[question.channel];
  const bool is_live = subscription.state == Subscription::State::live;
  const bool is_revoked = options_.bans->may_be_revoked(
      Bans::scope(options_.user, question.channel), question.shown->seal);
  const bool is_right =
      (code == 103 && (!is_live || is_revoked)) || (code == 107 && flaw == Flaw::absent) ||
      (code == 109 && (flaw == Flaw::none || flaw == Flaw::expired) && is_over(question));
  if (!is_right) {
    violation(fmt::format("error {} for {}, which was to go on by a token with flaw {}", code,
                          question.channel, static_cast<int>(flaw)));
  }
  if (is_live && subscription.life == question.life && network().chance(500)) {
    refresh_subscription_later(subscription);
  }
}

// What was published after the answer that its token is revoked does not come by it.
void SdkClient::check_seal(const Subscription& subscription, const Ledger::Entry& entry) const {
  if (subscription.seal.issued_at == 0 || is_asking(Question::Kind::sub_refresh)) return;
  const os::Nanos revoked = options_.bans->token_since(
      Bans::scope(options_.user, subscription.kind.name), subscription.seal);
  if (revoked > 0 && entry.time > revoked) {
    violation(fmt::format("hears {} by a token that was revoked", subscription.kind.name));
  }
}

std::pair<std::string, std::string> SdkClient::subscription_by_token() const {
  for (const auto& [channel, one] : subscriptions_) {
    const bool is_live = one.state == Subscription::State::live;
    if (is_live && one.seal.issued_at > 0) return {channel, one.seal.uid};
  }
  return {};
}

// --- The ends of subscriptions

// It was told that its subscription has expired.
void SdkClient::on_subscription_expired(const Subscription& subscription) const {
  const std::string& channel = subscription.kind.name;
  if (record_.has_jumped_since(subscription.end_told)) return;
  if (subscription.kind.is_ruled && options_.backend->options().asks_sub_refresh) {
    const Ruling* ruled = options_.backend->find_sub_refresh(client_id_, channel);
    if (!ruled || ruled->answered == 0 || !ruled->is_over) {
      violation(fmt::format("{} has expired by nobody's word", channel));
    }
  } else if (subscription.end == 0 ||
             network().wall() < subscription.end * os::kSecond + options_.expired_sub_close_delay) {
    violation(fmt::format("{} has expired too early", channel));
  }
}

// It was disconnected for the end of a subscription, which is then one that the server has made.
void SdkClient::check_subscription_end() const {
  const bool is_right = std::ranges::any_of(subscriptions_, [this](const auto& entry) {
    const Subscription& one = entry.second;
    return one.is_server_side && one.end > 0 &&
           (record_.has_jumped_since(one.end_told) ||
            network().wall() >= one.end * os::kSecond + options_.expired_sub_close_delay);
  });
  if (!is_right) violation("disconnected for the end of a subscription, and none has ended");
}

void SdkClient::check_ends() {
  if (!hears(20 * os::kSecond) || record_.has_jumped_within(20 * os::kSecond)) return;
  const bool asks_backend = options_.backend && options_.backend->options().asks_sub_refresh;
  for (const auto& [channel, one] : subscriptions_) {
    if (one.end == 0 || one.state != Subscription::State::live) continue;
    if (one.kind.is_ruled && asks_backend) continue;
    const os::Nanos most = (one.end + 1) * os::kSecond + options_.expired_sub_close_delay +
                           2 * options_.presence_update_interval + kLate;
    if (network().wall() > most && !record_.has_jumped_since(one.end_told)) {
      violation(fmt::format("{} lives on, though it has expired", channel));
    }
  }
}

}  // namespace gyre::sim
