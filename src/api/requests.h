#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "api/api_error.h"
#include "api/method.h"
#include "base/fields.h"
#include "protocol/publication.h"

// The requests of the server API (spec server-api.md 3). They own what they hold, since a command
// may wait; numbers and names are those of section 8.
namespace gyre::api {

// A value that is handed on as it is: the source text of a JSON value, or bytes.
struct Raw {
  std::string bytes;
  bool is_json = false;  // has been parsed
};

// What only the reference's PRO edition looks into.
struct IgnoredObject {};

struct Position {
  uint64_t offset = 0;
  std::string epoch;
  static constexpr auto fields =
      describe(field<1>("offset", &Position::offset), field<2>("epoch", &Position::epoch));
};

struct PublishRequest {
  std::string channel;
  Raw data;
  std::string b64data;
  bool skip_history = false;
  protocol::Tags tags;
  std::string idempotency_key;
  bool delta = false;
  uint64_t version = 0;
  std::string version_epoch;
  static constexpr auto fields = describe(
      field<1>("channel", &PublishRequest::channel), field<2>("data", &PublishRequest::data),
      field<3>("b64data", &PublishRequest::b64data),
      field<4>("skip_history", &PublishRequest::skip_history),
      field<5>("tags", &PublishRequest::tags),
      field<6>("idempotency_key", &PublishRequest::idempotency_key),
      field<7>("delta", &PublishRequest::delta), field<8>("version", &PublishRequest::version),
      field<9>("version_epoch", &PublishRequest::version_epoch));
};

struct BroadcastRequest {
  std::vector<std::string> channels;
  Raw data;
  std::string b64data;
  bool skip_history = false;
  protocol::Tags tags;
  std::string idempotency_key;
  bool delta = false;
  uint64_t version = 0;
  std::string version_epoch;
  static constexpr auto fields = describe(
      field<1>("channels", &BroadcastRequest::channels), field<2>("data", &BroadcastRequest::data),
      field<3>("b64data", &BroadcastRequest::b64data),
      field<4>("skip_history", &BroadcastRequest::skip_history),
      field<5>("tags", &BroadcastRequest::tags),
      field<6>("idempotency_key", &BroadcastRequest::idempotency_key),
      field<7>("delta", &BroadcastRequest::delta), field<8>("version", &BroadcastRequest::version),
      field<9>("version_epoch", &BroadcastRequest::version_epoch));
};

struct BoolValue {
  bool value = false;
  static constexpr auto fields = describe(field<1>("value", &BoolValue::value));
};

struct SubscribeOverride {
  std::optional<BoolValue> presence;
  std::optional<BoolValue> join_leave;
  std::optional<BoolValue> force_recovery;
  std::optional<BoolValue> force_positioning;
  std::optional<BoolValue> force_push_join_leave;
  static constexpr auto fields =
      describe(field<1>("presence", &SubscribeOverride::presence),
               field<2>("join_leave", &SubscribeOverride::join_leave),
               field<3>("force_recovery", &SubscribeOverride::force_recovery),
               field<4>("force_positioning", &SubscribeOverride::force_positioning),
               field<5>("force_push_join_leave", &SubscribeOverride::force_push_join_leave));
};

struct SubscribeRequest {
  std::string channel;
  std::string user;
  int64_t expire_at = 0;
  Raw info;
  std::string b64info;
  std::string client;
  Raw data;
  std::string b64data;
  std::optional<Position> recover_since;
  std::optional<SubscribeOverride> override_options;
  std::string session;
  IgnoredObject label_filter;
  bool all_users = false;
  static constexpr auto fields = describe(
      field<1>("channel", &SubscribeRequest::channel), field<2>("user", &SubscribeRequest::user),
      field<3>("expire_at", &SubscribeRequest::expire_at),
      field<4>("info", &SubscribeRequest::info), field<5>("b64info", &SubscribeRequest::b64info),
      field<6>("client", &SubscribeRequest::client), field<7>("data", &SubscribeRequest::data),
      field<8>("b64data", &SubscribeRequest::b64data),
      field<9>("recover_since", &SubscribeRequest::recover_since),
      field<10>("override", &SubscribeRequest::override_options),
      field<11>("session", &SubscribeRequest::session),
      field<12>("label_filter", &SubscribeRequest::label_filter),
      field<13>("all_users", &SubscribeRequest::all_users));
};

struct UnsubscribeRequest {
  std::string channel;
  std::string user;
  std::string client;
  std::string session;
  IgnoredObject label_filter;
  bool all_users = false;
  static constexpr auto fields = describe(
      field<1>("channel", &UnsubscribeRequest::channel),
      field<2>("user", &UnsubscribeRequest::user), field<3>("client", &UnsubscribeRequest::client),
      field<4>("session", &UnsubscribeRequest::session),
      field<5>("label_filter", &UnsubscribeRequest::label_filter),
      field<6>("all_users", &UnsubscribeRequest::all_users));
};

struct DisconnectReason {
  uint32_t code = 0;
  std::string reason;
  static constexpr auto fields = describe(field<1>("code", &DisconnectReason::code),
                                          field<2>("reason", &DisconnectReason::reason));
};

struct DisconnectRequest {
  std::string user;
  std::optional<DisconnectReason> disconnect;
  std::string client;
  std::vector<std::string> whitelist;  // client ids to keep
  std::string session;
  IgnoredObject label_filter;
  bool all_users = false;
  static constexpr auto fields =
      describe(field<1>("user", &DisconnectRequest::user),
               field<2>("disconnect", &DisconnectRequest::disconnect),
               field<3>("client", &DisconnectRequest::client),
               field<4>("whitelist", &DisconnectRequest::whitelist),
               field<5>("session", &DisconnectRequest::session),
               field<6>("label_filter", &DisconnectRequest::label_filter),
               field<7>("all_users", &DisconnectRequest::all_users));
};

struct HistoryRequest {
  std::string channel;
  int32_t limit = 0;  // 0: the position only; negative: all
  std::optional<Position> since;
  bool reverse = false;
  static constexpr auto fields = describe(
      field<1>("channel", &HistoryRequest::channel), field<2>("limit", &HistoryRequest::limit),
      field<3>("since", &HistoryRequest::since), field<4>("reverse", &HistoryRequest::reverse));
};

struct HistoryRemoveRequest {
  std::string channel;
  static constexpr auto fields = describe(field<1>("channel", &HistoryRemoveRequest::channel));
};

// `limit` and `cursor` are ours (docs/presence.md): pages, which the reference has not. Their
// numbers leave room for those that it may add.
struct PresenceRequest {
  std::string channel;
  int32_t limit = 0;   // members at most; 0: all
  std::string cursor;  // of the page before
  static constexpr auto fields = describe(field<1>("channel", &PresenceRequest::channel),
                                          field<1001>("limit", &PresenceRequest::limit),
                                          field<1002>("cursor", &PresenceRequest::cursor));
};

struct PresenceStatsRequest {
  std::string channel;
  static constexpr auto fields = describe(field<1>("channel", &PresenceStatsRequest::channel));
};

struct InfoRequest {
  static constexpr auto fields = describe();
};

struct RpcRequest {
  std::string method;
  Raw params;
  static constexpr auto fields =
      describe(field<1>("method", &RpcRequest::method), field<2>("params", &RpcRequest::params));
};

struct RefreshRequest {
  std::string user;
  std::string client;
  bool expired = false;
  int64_t expire_at = 0;
  Raw info;
  std::string session;
  IgnoredObject label_filter;
  bool all_users = false;
  static constexpr auto fields = describe(
      field<1>("user", &RefreshRequest::user), field<2>("client", &RefreshRequest::client),
      field<3>("expired", &RefreshRequest::expired),
      field<4>("expire_at", &RefreshRequest::expire_at), field<5>("info", &RefreshRequest::info),
      field<6>("session", &RefreshRequest::session),
      field<7>("label_filter", &RefreshRequest::label_filter),
      field<8>("all_users", &RefreshRequest::all_users));
};

struct ChannelsRequest {
  std::string pattern;
  static constexpr auto fields = describe(field<1>("pattern", &ChannelsRequest::pattern));
};

struct MapPublishRequest {
  std::string channel;
  std::string key;
  Raw data;
  std::string b64data;
  Raw stream_data;
  std::string b64stream_data;
  protocol::Tags tags;
  std::string idempotency_key;
  bool delta = false;
  uint64_t version = 0;
  std::string version_epoch;
  int64_t score = 0;
  std::string key_mode;
  static constexpr auto fields = describe(
      field<1>("channel", &MapPublishRequest::channel), field<2>("key", &MapPublishRequest::key),
      field<3>("data", &MapPublishRequest::data), field<4>("b64data", &MapPublishRequest::b64data),
      field<5>("stream_data", &MapPublishRequest::stream_data),
      field<6>("b64stream_data", &MapPublishRequest::b64stream_data),
      field<7>("tags", &MapPublishRequest::tags),
      field<8>("idempotency_key", &MapPublishRequest::idempotency_key),
      field<9>("delta", &MapPublishRequest::delta),
      field<10>("version", &MapPublishRequest::version),
      field<11>("version_epoch", &MapPublishRequest::version_epoch),
      field<12>("score", &MapPublishRequest::score),
      field<13>("key_mode", &MapPublishRequest::key_mode));
};

struct MapRemoveRequest {
  std::string channel;
  std::string key;
  std::string idempotency_key;
  static constexpr auto fields = describe(
      field<1>("channel", &MapRemoveRequest::channel), field<2>("key", &MapRemoveRequest::key),
      field<3>("idempotency_key", &MapRemoveRequest::idempotency_key));
};

struct MapReadStateRequest {
  std::string channel;
  std::string cursor;
  int32_t limit = 0;
  std::string key;
  bool asc = false;
  uint64_t revision_offset = 0;
  std::string revision_epoch;
  static constexpr auto fields = describe(
      field<1>("channel", &MapReadStateRequest::channel),
      field<2>("cursor", &MapReadStateRequest::cursor),
      field<3>("limit", &MapReadStateRequest::limit), field<4>("key", &MapReadStateRequest::key),
      field<5>("asc", &MapReadStateRequest::asc),
      field<6>("revision_offset", &MapReadStateRequest::revision_offset),
      field<7>("revision_epoch", &MapReadStateRequest::revision_epoch));
};

struct MapReadStreamRequest {
  std::string channel;
  uint64_t since_offset = 0;
  std::string since_epoch;
  int32_t limit = 0;
  bool reverse = false;
  static constexpr auto fields =
      describe(field<1>("channel", &MapReadStreamRequest::channel),
               field<2>("since_offset", &MapReadStreamRequest::since_offset),
               field<3>("since_epoch", &MapReadStreamRequest::since_epoch),
               field<4>("limit", &MapReadStreamRequest::limit),
               field<5>("reverse", &MapReadStreamRequest::reverse));
};

struct MapStatsRequest {
  std::string channel;
  static constexpr auto fields = describe(field<1>("channel", &MapStatsRequest::channel));
};

struct MapClearRequest {
  std::string channel;
  static constexpr auto fields = describe(field<1>("channel", &MapClearRequest::channel));
};

struct SharedPollPublishRequest {
  std::string channel;
  std::string key;
  Raw data;
  std::string b64data;
  uint64_t version = 0;
  std::string epoch;
  static constexpr auto fields = describe(field<1>("channel", &SharedPollPublishRequest::channel),
                                          field<2>("key", &SharedPollPublishRequest::key),
                                          field<3>("data", &SharedPollPublishRequest::data),
                                          field<4>("b64data", &SharedPollPublishRequest::b64data),
                                          field<5>("version", &SharedPollPublishRequest::version),
                                          field<6>("epoch", &SharedPollPublishRequest::epoch));
};

struct ConnectionsRequest {
  std::string user;        // empty: of all users
  std::string expression;  // which only the reference's PRO edition evaluates
  std::optional<IgnoredObject> label_filter;
  static constexpr auto fields =
      describe(field<1>("user", &ConnectionsRequest::user),
               field<2>("expression", &ConnectionsRequest::expression),
               field<3>("label_filter", &ConnectionsRequest::label_filter));
};

struct UpdateUserStatusRequest {
  std::vector<std::string> users;
  std::string state;  // empty: as it is
  static constexpr auto fields = describe(field<1>("users", &UpdateUserStatusRequest::users),
                                          field<2>("state", &UpdateUserStatusRequest::state));
};

struct GetUserStatusRequest {
  std::vector<std::string> users;
  static constexpr auto fields = describe(field<1>("users", &GetUserStatusRequest::users));
};

struct DeleteUserStatusRequest {
  std::vector<std::string> users;
  static constexpr auto fields = describe(field<1>("users", &DeleteUserStatusRequest::users));
};

struct BlockUserRequest {
  int64_t expire_at = 0;  // Unix seconds; 0: for good
  std::string user;
  static constexpr auto fields = describe(field<1>("expire_at", &BlockUserRequest::expire_at),
                                          field<2>("user", &BlockUserRequest::user));
};

struct UnblockUserRequest {
  std::string user;
  static constexpr auto fields = describe(field<1>("user", &UnblockUserRequest::user));
};

struct RevokeTokenRequest {
  int64_t expire_at = 0;  // Unix seconds; 0: for good
  std::string uid;        // the claim jti
  static constexpr auto fields = describe(field<1>("expire_at", &RevokeTokenRequest::expire_at),
                                          field<2>("uid", &RevokeTokenRequest::uid));
};

struct InvalidateUserTokensRequest {
  int64_t expire_at = 0;  // Unix seconds; 0: for good
  std::string user;
  int64_t issued_before = 0;  // Unix seconds; 0: now
  std::string channel;        // its subscription tokens; empty: connection tokens
  static constexpr auto fields =
      describe(field<1>("expire_at", &InvalidateUserTokensRequest::expire_at),
               field<2>("user", &InvalidateUserTokensRequest::user),
               field<3>("issued_before", &InvalidateUserTokensRequest::issued_before),
               field<4>("channel", &InvalidateUserTokensRequest::channel));
};

// The index is the Method.
using AnyRequest =
    std::variant<PublishRequest, BroadcastRequest, SubscribeRequest, UnsubscribeRequest,
                 DisconnectRequest, HistoryRequest, HistoryRemoveRequest, PresenceRequest,
                 PresenceStatsRequest, InfoRequest, RpcRequest, RefreshRequest, ChannelsRequest,
                 MapPublishRequest, MapRemoveRequest, MapReadStateRequest, MapReadStreamRequest,
                 MapStatsRequest, MapClearRequest, SharedPollPublishRequest, ConnectionsRequest,
                 UpdateUserStatusRequest, GetUserStatusRequest, DeleteUserStatusRequest,
                 BlockUserRequest, UnblockUserRequest, RevokeTokenRequest,
                 InvalidateUserTokensRequest>;
static_assert(std::variant_size_v<AnyRequest> == kCommandMethods);

inline Method method_of(const AnyRequest& request) {
  return static_cast<Method>(request.index());
}

// One command of a batch, or the error that is its reply: null, or no method that we know.
using Command = Answer<AnyRequest>;

struct BatchRequest {
  std::vector<Command> commands;
  bool parallel = false;
};

}  // namespace gyre::api
