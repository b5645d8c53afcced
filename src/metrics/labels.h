#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace gyre::metrics {

// Labels with a closed set of values are enumerations, so that a counter is an array element.
// kLabelValues has their texts (observability.md 1.1 to 1.3); By is an array by such a label.
template <class Label>
inline constexpr auto kLabelValues = nullptr;

template <class Label, class Cell>
class By {
 public:
  Cell& operator[](Label label) { return cells_[static_cast<size_t>(label)]; }
  const Cell& operator[](Label label) const { return cells_[static_cast<size_t>(label)]; }

 private:
  std::array<Cell, kLabelValues<Label>.size()> cells_;
};

template <class Label>
constexpr std::string_view text_of(Label label) {
  return kLabelValues<Label>[static_cast<size_t>(label)];
}

// Calls visit(label) for each value.
template <class Label, class Visit>
constexpr void for_each_label(Visit&& visit) {
  for (size_t i = 0; i < kLabelValues<Label>.size(); ++i) visit(static_cast<Label>(i));
}

// How a client is connected.
enum class Transport : uint8_t {
  websocket,
  http_stream,
  sse,
  webtransport,
  uni_websocket,
  uni_http_stream,
  uni_sse,
  uni_grpc,
};
template <>
inline constexpr auto kLabelValues<Transport> =
    std::to_array<std::string_view>({"websocket", "http_stream", "sse", "webtransport",
                                     "uni_websocket", "uni_http_stream", "uni_sse", "uni_grpc"});

// What a message to or from a client is.
enum class FrameType : uint8_t {
  server_ping,
  client_pong,
  push_connect,
  push_subscribe,
  push_publication,
  push_join,
  push_leave,
  push_unsubscribe,
  push_message,
  push_refresh,
  push_disconnect,
  connect,
  subscribe,
  publish,
  unsubscribe,
  rpc,
  presence,
  presence_stats,
  history,
  refresh,
  sub_refresh,
  send,
};
template <>
inline constexpr auto kLabelValues<FrameType> =
    std::to_array<std::string_view>({"server_ping",      "client_pong",
                                     "push_connect",     "push_subscribe",
                                     "push_publication", "push_join",
                                     "push_leave",       "push_unsubscribe",
                                     "push_message",     "push_refresh",
                                     "push_disconnect",  "connect",
                                     "subscribe",        "publish",
                                     "unsubscribe",      "rpc",
                                     "presence",         "presence_stats",
                                     "history",          "refresh",
                                     "sub_refresh",      "send"});

// What a client asked for. `unknown` is for commands that ask for nothing known.
enum class ClientMethod : uint8_t {
  connect,
  subscribe,
  unsubscribe,
  publish,
  presence,
  presence_stats,
  history,
  send,
  rpc,
  refresh,
  sub_refresh,
  unknown,
};
template <>
inline constexpr auto kLabelValues<ClientMethod> = std::to_array<std::string_view>(
    {"connect", "subscribe", "unsubscribe", "publish", "presence", "presence_stats", "history",
     "send", "rpc", "refresh", "sub_refresh", "unknown"});

// Whose limit a command was over.
enum class RateScope : uint8_t { client, user };
template <>
inline constexpr auto kLabelValues<RateScope> = std::to_array<std::string_view>({"client", "user"});

// Whether clients said what they are; no name is registered, so a name is never told.
enum class ClientName : uint8_t { unnamed, unregistered };
template <>
inline constexpr auto kLabelValues<ClientName> =
    std::to_array<std::string_view>({"unnamed", "unregistered"});
constexpr ClientName client_name(std::string_view name) {
  return name.empty() ? ClientName::unnamed : ClientName::unregistered;
}

enum class ClientVersion : uint8_t { unversioned, unregistered };
template <>
inline constexpr auto kLabelValues<ClientVersion> =
    std::to_array<std::string_view>({"unversioned", "unregistered"});
constexpr ClientVersion client_version(std::string_view version) {
  return version.empty() ? ClientVersion::unversioned : ClientVersion::unregistered;
}

enum class YesNo : uint8_t { no, yes };
template <>
inline constexpr auto kLabelValues<YesNo> = std::to_array<std::string_view>({"no", "yes"});
constexpr YesNo yes_no(bool truth) {
  return truth ? YesNo::yes : YesNo::no;
}

// What the node does for clients and the API.
enum class Action : uint8_t {
  add_client,
  remove_client,
  add_subscription,
  remove_subscription,
  broker_subscribe,
  broker_unsubscribe,
  map_broker_subscribe,
  map_broker_unsubscribe,
  add_presence,
  remove_presence,
  presence,
  presence_stats,
  history,
  history_recover,
  history_recover_cache,
  history_stream_top,
  history_remove,
  map_state_read,
  map_stream_read,
  map_stream_position,
  map_stats,
  map_publish,
  map_remove,
  map_clear,
  survey,
  notify,
};
template <>
inline constexpr auto kLabelValues<Action> =
    std::to_array<std::string_view>({"add_client",
                                     "remove_client",
                                     "add_subscription",
                                     "remove_subscription",
                                     "broker_subscribe",
                                     "broker_unsubscribe",
                                     "map_broker_subscribe",
                                     "map_broker_unsubscribe",
                                     "add_presence",
                                     "remove_presence",
                                     "presence",
                                     "presence_stats",
                                     "history",
                                     "history_recover",
                                     "history_recover_cache",
                                     "history_stream_top",
                                     "history_remove",
                                     "map_state_read",
                                     "map_stream_read",
                                     "map_stream_position",
                                     "map_stats",
                                     "map_publish",
                                     "map_remove",
                                     "map_clear",
                                     "survey",
                                     "notify"});

// What goes through the broker. The first four exist from the start.
enum class BrokerMessage : uint8_t {
  publication,
  join,
  leave,
  control,
  map_publication,
  map_removal,
};
template <>
inline constexpr auto kLabelValues<BrokerMessage> = std::to_array<std::string_view>(
    {"publication", "join", "leave", "control", "map_publication", "map_removal"});

// Questions to all nodes.
enum class Survey : uint8_t { channels, centrifuge_emulation };
template <>
inline constexpr auto kLabelValues<Survey> =
    std::to_array<std::string_view>({"channels", "centrifuge_emulation"});

// Why a publish was not executed.
enum class Suppression : uint8_t { idempotency, version };
template <>
inline constexpr auto kLabelValues<Suppression> =
    std::to_array<std::string_view>({"idempotency", "version"});

// Why a subscriber is not sent a publication (gyre.delivery).
enum class Skip : uint8_t {
  batch,  // a newer one of the batch took its place
  slow,   // its connection did not take what was there for it
};
template <>
inline constexpr auto kLabelValues<Skip> = std::to_array<std::string_view>({"batch", "slow"});

// How a server API command came.
enum class ApiProtocol : uint8_t { http, grpc, consuming };
template <>
inline constexpr auto kLabelValues<ApiProtocol> =
    std::to_array<std::string_view>({"http", "grpc", "consuming"});

enum class ApiMethod : uint8_t {
  publish,
  broadcast,
  subscribe,
  unsubscribe,
  disconnect,
  history,
  history_remove,
  presence,
  presence_stats,
  info,
  rpc,
  refresh,
  channels,
  map_publish,
  map_remove,
  map_read_state,
  map_read_stream,
  map_stats,
  map_clear,
  shared_poll_publish,
  connections,
  update_user_status,
  get_user_status,
  delete_user_status,
  block_user,
  unblock_user,
  revoke_token,
  invalidate_user_tokens,
  batch,              // of errors only: a body that cannot be read
  broadcast_publish,  // of errors only: one channel of a broadcast
  unknown,            // of errors only: a batch command without a known name
};
template <>
inline constexpr auto kLabelValues<ApiMethod> =
    std::to_array<std::string_view>({"publish",
                                     "broadcast",
                                     "subscribe",
                                     "unsubscribe",
                                     "disconnect",
                                     "history",
                                     "history_remove",
                                     "presence",
                                     "presence_stats",
                                     "info",
                                     "rpc",
                                     "refresh",
                                     "channels",
                                     "map_publish",
                                     "map_remove",
                                     "map_read_state",
                                     "map_read_stream",
                                     "map_stats",
                                     "map_clear",
                                     "shared_poll_publish",
                                     "connections",
                                     "update_user_status",
                                     "get_user_status",
                                     "delete_user_status",
                                     "block_user",
                                     "unblock_user",
                                     "revoke_token",
                                     "invalidate_user_tokens",
                                     "batch",
                                     "broadcast_publish",
                                     "unknown"});

// Errors of the API that are no error codes; codes start at 100.
enum class ApiFault : uint32_t { read_body = 1, unmarshal = 2, marshal = 3 };

static_assert(kLabelValues<Transport>.size() == size_t(Transport::uni_grpc) + 1);
static_assert(kLabelValues<FrameType>.size() == size_t(FrameType::send) + 1);
static_assert(kLabelValues<ClientMethod>.size() == size_t(ClientMethod::unknown) + 1);
static_assert(kLabelValues<Action>.size() == size_t(Action::notify) + 1);
static_assert(kLabelValues<BrokerMessage>.size() == size_t(BrokerMessage::map_removal) + 1);
static_assert(kLabelValues<ApiMethod>.size() == size_t(ApiMethod::unknown) + 1);

}  // namespace gyre::metrics
