// What a session tells of itself to the server API (docs/connections.md, docs/user-status.md).
#include "client/connection_facts.h"

#include <algorithm>

#include "client/session.h"
#include "client/user_statuses.h"

namespace gyre::client {

namespace {

// The beginning, without half a character at its end.
std::string shortened(std::string_view text) {
  size_t size = std::min(text.size(), Introduction::kTextBytesMax);
  const auto is_inside = [&](size_t i) {
    return i < text.size() && (static_cast<unsigned char>(text[i]) & 0xc0) == 0x80;
  };
  while (size > 0 && is_inside(size)) --size;
  return std::string(text.substr(0, size));
}

}  // namespace

size_t ConnectionFacts::bytes() const {
  size_t sum = sizeof(*this) + client.size() + user.size() + introduction.app_name.size() +
               introduction.app_version.size() + meta.size();
  for (const auto& [name, source] : channels) sum += sizeof(channels[0]) + name.size();
  for (const auto& [name, mark] : subscription_tokens) {
    sum += sizeof(subscription_tokens[0]) + name.size() + mark.uid.size();
  }
  if (token) sum += token->uid.size();
  return sum;
}

bool AnswerRoom::take(const ConnectionFacts& facts) {
  const size_t wanted = facts.bytes();
  if (connections == 0 || bytes < wanted) return false;
  --connections;
  bytes -= wanted;
  return true;
}

void Session::introduce(const protocol::ConnectRequest& request) {
  if (!services_.tells_of_connections) return;
  rare().introduction = std::make_unique<Introduction>(
      Introduction{.app_name = shortened(request.name), .app_version = shortened(request.version)});
}

void Session::note_online() const {
  if (!services_.user_statuses || !(flags_ & kConnected) || user().empty()) return;
  services_.user_statuses->note_online(user(), services_.shard.unix_seconds());
}

std::optional<ConnectionFacts> Session::facts() const {
  if (state_ != State::connected) return std::nullopt;
  const Transport::Traits traits = transport_->traits();
  ConnectionFacts facts{
      .client = id_.text(),
      .user = std::string(user()),
      .transport = metrics::kLabelValues<metrics::Transport>[static_cast<size_t>(traits.name)],
      .protocol = traits.encoding == protocol::Encoding::json ? "json" : "protobuf"};
  for (const Subscription& one : subscriptions_) {
    if (one.is(Subscription::kJoining)) continue;
    facts.channels.emplace_back(services_.hub.name(one.channel), one.source);
  }
  if (!rare_) return facts;
  if (rare_->introduction) facts.introduction = *rare_->introduction;
  facts.token = rare_->token;
  for (const auto& [channel, mark] : rare_->subscription_tokens) {
    facts.subscription_tokens.emplace_back(services_.hub.name(channel), mark);
  }
  facts.meta = rare_->meta;
  return facts;
}

}  // namespace gyre::client
