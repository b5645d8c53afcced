// What a session's tokens let it do beyond the options of namespaces (docs/capabilities.md).
#include "client/capabilities.h"
#include "client/session.h"

namespace gyre::client {

Answer<void> Session::keep_capabilities(std::vector<auth::Capability> claims) {
  if (claims.empty() || !services_.regexes) {
    if (rare_) rare_->capabilities = nullptr;
    return {};
  }
  auto capabilities = Capabilities::create(std::move(claims), *services_.regexes);
  if (!capabilities) return client::refuse(protocol::disconnects::kInvalidToken);
  rare().capabilities = std::make_unique<const Capabilities>(std::move(*capabilities));
  return {};
}

channel::Rights Session::rights(std::string_view channel) const {
  if (!rare_ || !rare_->capabilities) return {};
  const Capabilities& capabilities = *rare_->capabilities;
  return services_.settings->namespaces->is_wildcard(channel)
             ? capabilities.rights_to_wildcard(channel, *services_.regexes)
             : capabilities.rights(channel, *services_.regexes);
}

void Session::end_what_is_not_granted() {
  std::vector<std::string> channels;
  for (const Subscription& one : subscriptions_) {
    if (one.source != Source::capability) continue;
    const std::string_view name = services_.hub.name(one.channel);
    if (!rights(name).has(channel::Rights::kSubscribe)) channels.emplace_back(name);
  }
  for (const std::string& channel : channels) {
    unsubscribe_by_server(channel, protocol::unsubscribes::kServer);
  }
}

}  // namespace gyre::client
