#include "proxy/results.h"

#include "base/base64.h"

namespace gyre::proxy {

namespace {

bool replace_by(const std::string& text, Raw& value) {
  if (text.empty()) return true;
  std::optional<std::string> bytes = base64::decode(text);
  if (!bytes) return false;
  value = {.bytes = std::move(*bytes), .is_json = false};
  return true;
}

std::optional<bool> value_of(const std::optional<Flag>& flag) {
  return flag ? std::optional(flag->value) : std::nullopt;
}

auth::Override in_words_of_tokens(const std::optional<Override>& given) {
  if (!given) return {};
  return {.presence = value_of(given->presence),
          .join_leave = value_of(given->join_leave),
          .force_push_join_leave = value_of(given->force_push_join_leave),
          .force_positioning = value_of(given->force_positioning),
          .force_recovery = value_of(given->force_recovery)};
}

template <class Options>
auth::SubscriptionOptions take_options(Options& options) {
  return {.info = std::move(options.info.bytes),
          .data = std::move(options.data.bytes),
          .override_options = in_words_of_tokens(options.override_options)};
}

}  // namespace

bool resolve_base64(ConnectResult& result) {
  for (auto& [channel, options] : result.subs) {
    if (!replace_by(options.b64info, options.info) || !replace_by(options.b64data, options.data)) {
      return false;
    }
  }
  return replace_by(result.b64info, result.info) && replace_by(result.b64data, result.data);
}

bool resolve_base64(RefreshResult& result) {
  return replace_by(result.b64info, result.info);
}

bool resolve_base64(SubscribeResult& result) {
  return replace_by(result.b64info, result.info) && replace_by(result.b64data, result.data);
}

bool resolve_base64(PublishResult& result) {
  return !result.data.empty() || replace_by(result.b64data, result.data);
}

bool resolve_base64(SubRefreshResult& result) {
  return replace_by(result.b64info, result.info);
}

bool resolve_base64(RpcResult& result) {
  return replace_by(result.b64data, result.data);
}

std::optional<auth::Capability> capability_of(ChannelsCapability given) {
  const std::optional<auth::Capability::Match> match = auth::match_of(given.match);
  if (!match) return std::nullopt;
  return auth::Capability{.channels = std::move(given.channels.names),
                          .match = *match,
                          .allow = std::move(given.allow.words)};
}

Error refused_for(std::string_view name, Errc code) {
  return {code, std::string(name) + (code == Errc::too_large
                                         ? " of the answer has too many entries, channels or words"
                                         : " of the answer has not the shape that it should have")};
}

auth::SubscriptionOptions options_of(SubscribeResult& result) {
  return take_options(result);
}

auth::SubscriptionOptions options_of(SubscribeOptions& options) {
  return take_options(options);
}

}  // namespace gyre::proxy
