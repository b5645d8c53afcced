// What tokens and backends let a session do beyond the options of namespaces
// (docs/capabilities.md).
#include "client/capabilities.h"
#include "client/session.h"

namespace gyre::client {

Result<void> Session::keep_capabilities(std::vector<auth::Capability> given) {
  if (given.empty() || !services_.regexes) {
    if (rare_) rare_->capabilities = nullptr;
    return {};
  }
  GYRE_TRY(Capabilities capabilities, Capabilities::create(std::move(given), *services_.regexes));
  rare().capabilities = std::make_unique<const Capabilities>(std::move(capabilities));
  return {};
}

bool Session::keep_capabilities_of(proxy::Backend& backend, proxy::Capabilities caps) {
  const Result<void> kept = keep_capabilities(std::move(caps.list));
  if (!kept) {
    backend.note_failure({kept.error().code, "caps of the answer: " + kept.error().context});
  }
  return kept.has_value();
}

channel::Rights Session::rights(std::string_view channel) const {
  if (!rare_ || !rare_->capabilities) return {};
  const Capabilities& capabilities = *rare_->capabilities;
  const channel::Namespaces& namespaces = *services_.settings->namespaces;
  // A name that no channel can have is not held against patterns, which takes time by its length.
  if (channel.size() > namespaces.rules().max_length) return {};
  if (namespaces.parse(channel).is_private) return {};
  return namespaces.is_wildcard(channel)
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
