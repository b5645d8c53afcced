#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "auth/capability.h"
#include "auth/claims.h"
#include "base/fields.h"
#include "base/result.h"
#include "protocol/publication.h"

// What backends answer with (spec proxies.md 3), as described structs: the names are those of the
// JSON, the numbers those of the GRPC service.
namespace gyre::proxy {

// How answers are read; by itself as the reference does.
struct AnswerRules {
  bool has_capabilities = false;  // caps and allow mean something
};

// A value that the backend has chosen: JSON as it stood there, or bytes that came in base64.
struct Raw {
  std::string bytes;
  bool is_json = false;

  bool empty() const { return bytes.empty(); }
};

struct Flag {
  bool value = false;
  static constexpr auto fields = describe(field<1>("value", &Flag::value));
};

struct Override {
  std::optional<Flag> presence;
  std::optional<Flag> join_leave;
  std::optional<Flag> force_recovery;
  std::optional<Flag> force_positioning;
  std::optional<Flag> force_push_join_leave;

  static constexpr auto fields = describe(
      field<1>("presence", &Override::presence), field<2>("join_leave", &Override::join_leave),
      field<3>("force_recovery", &Override::force_recovery),
      field<4>("force_positioning", &Override::force_positioning),
      field<5>("force_push_join_leave", &Override::force_push_join_leave));
};

// Of a server-side subscription.
struct SubscribeOptions {
  Raw info;
  std::string b64info;
  Raw data;
  std::string b64data;
  std::optional<Override> override_options;

  static constexpr auto fields = describe(
      field<2>("info", &SubscribeOptions::info), field<3>("b64info", &SubscribeOptions::b64info),
      field<4>("data", &SubscribeOptions::data), field<5>("b64data", &SubscribeOptions::b64data),
      field<6>("override", &SubscribeOptions::override_options));
};

// What lets somebody do more than the options of namespaces do (docs/capabilities.md): skipped
// unless the rules heed it, and held to the bounds that tokens are held to (auth/capability.h).
struct Allow {
  std::vector<std::string> words;
};
struct CapabilityChannels {
  std::vector<std::string> names;
};
struct ChannelsCapability {
  CapabilityChannels channels;
  Allow allow;
  std::string match;

  static constexpr auto fields = describe(field<1>("channels", &ChannelsCapability::channels),
                                          field<2>("allow", &ChannelsCapability::allow),
                                          field<3>("match", &ChannelsCapability::match));
};
struct Capabilities {
  std::vector<auth::Capability> list;
};

struct ConnectResult {
  std::string user;
  int64_t expire_at = 0;  // Unix seconds; 0: never
  Raw info;
  std::string b64info;
  Raw data;
  std::string b64data;
  std::vector<std::string> channels;
  std::vector<std::pair<std::string, SubscribeOptions>> subs;
  Raw meta;
  Capabilities caps;

  static constexpr auto fields = describe(
      field<1>("user", &ConnectResult::user), field<2>("expire_at", &ConnectResult::expire_at),
      field<3>("info", &ConnectResult::info), field<4>("b64info", &ConnectResult::b64info),
      field<5>("data", &ConnectResult::data), field<6>("b64data", &ConnectResult::b64data),
      field<7>("channels", &ConnectResult::channels), field<8>("subs", &ConnectResult::subs),
      field<9>("meta", &ConnectResult::meta), field<10>("caps", &ConnectResult::caps));
};

struct RefreshResult {
  bool expired = false;
  int64_t expire_at = 0;
  Raw info;
  std::string b64info;
  Raw meta;
  Capabilities caps;

  static constexpr auto fields =
      describe(field<1>("expired", &RefreshResult::expired),
               field<2>("expire_at", &RefreshResult::expire_at),
               field<3>("info", &RefreshResult::info), field<4>("b64info", &RefreshResult::b64info),
               field<5>("meta", &RefreshResult::meta), field<6>("caps", &RefreshResult::caps));
};

struct SubscribeResult {
  int64_t expire_at = 0;
  Raw info;
  std::string b64info;
  Raw data;
  std::string b64data;
  std::optional<Override> override_options;
  Allow allow;

  static constexpr auto fields = describe(
      field<1>("expire_at", &SubscribeResult::expire_at), field<2>("info", &SubscribeResult::info),
      field<3>("b64info", &SubscribeResult::b64info), field<4>("data", &SubscribeResult::data),
      field<5>("b64data", &SubscribeResult::b64data),
      field<6>("override", &SubscribeResult::override_options),
      field<7>("allow", &SubscribeResult::allow));
};

struct PublishResult {
  Raw data;
  std::string b64data;
  bool skip_history = false;
  protocol::Tags tags;
  std::string idempotency_key;
  bool delta = false;
  uint64_t version = 0;
  std::string version_epoch;

  static constexpr auto fields = describe(
      field<1>("data", &PublishResult::data), field<2>("b64data", &PublishResult::b64data),
      field<3>("skip_history", &PublishResult::skip_history),
      field<4>("tags", &PublishResult::tags),
      field<5>("idempotency_key", &PublishResult::idempotency_key),
      field<6>("delta", &PublishResult::delta), field<7>("version", &PublishResult::version),
      field<8>("version_epoch", &PublishResult::version_epoch));
};

struct SubRefreshResult {
  bool expired = false;
  int64_t expire_at = 0;
  Raw info;
  std::string b64info;

  static constexpr auto fields = describe(field<1>("expired", &SubRefreshResult::expired),
                                          field<2>("expire_at", &SubRefreshResult::expire_at),
                                          field<3>("info", &SubRefreshResult::info),
                                          field<4>("b64info", &SubRefreshResult::b64info));
};

struct RpcResult {
  Raw data;
  std::string b64data;

  static constexpr auto fields =
      describe(field<1>("data", &RpcResult::data), field<2>("b64data", &RpcResult::b64data));
};

// Puts what stands in a result in base64 where the plain value stands: it wins, but for a
// publication's data. False: something is no base64.
bool resolve_base64(ConnectResult& result);
bool resolve_base64(RefreshResult& result);
bool resolve_base64(SubscribeResult& result);
bool resolve_base64(PublishResult& result);
bool resolve_base64(SubRefreshResult& result);
bool resolve_base64(RpcResult& result);

// Nothing: its `match` is none of the three.
std::optional<auth::Capability> capability_of(ChannelsCapability given);
// Why an answer is refused whose `caps` or `allow`, which `name` tells, is not as it should be.
Error refused_for(std::string_view name, Errc code);

// The same in the words of tokens, which may grant as much. After resolve_base64.
auth::SubscriptionOptions options_of(SubscribeResult& result);
auth::SubscriptionOptions options_of(SubscribeOptions& options);

}  // namespace gyre::proxy
