#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/fields.h"
#include "protocol/codes.h"
#include "protocol/publication.h"

// The messages of the client protocol (framing.md 3) as described structs. Requests are decoded
// into views, which live as long as the frame and the reader they came from. Results are made to be
// encoded at once; they hold views too, of what the caller keeps until then.
namespace gyre::protocol {

// A `bytes` field: a raw JSON value in JSON, arbitrary bytes in Protobuf. Empty means absent.
struct RawView {
  std::string_view bytes;

  RawView() = default;
  RawView(std::string_view raw) : bytes(raw) {}
  RawView(const std::string& raw) : bytes(raw) {}
  operator std::string_view() const { return bytes; }
  bool empty() const { return bytes.empty(); }
  friend bool operator==(const RawView&, const RawView&) = default;
};

// A Protobuf map; in JSON an object. Keys are unique after decoding.
template <class Value>
using MapOf = std::vector<std::pair<std::string_view, Value>>;

// ---- requests ----

// A node of a publication filter (subscriptions.md 7).
struct FilterNode {
  std::string_view op;
  std::string_view key;
  std::string_view cmp;
  std::string_view val;
  std::vector<std::string_view> vals;
  std::vector<FilterNode> nodes;

  static constexpr auto fields =
      describe(field<1>("op", &FilterNode::op), field<2>("key", &FilterNode::key),
               field<3>("cmp", &FilterNode::cmp), field<4>("val", &FilterNode::val),
               field<5>("vals", &FilterNode::vals), field<6>("nodes", &FilterNode::nodes));
  friend bool operator==(const FilterNode&, const FilterNode&) = default;
};

// Bits of SubscribeRequest::flag.
inline constexpr int64_t kSubscribeFlagChannelCompaction = 1;
inline constexpr int64_t kSubscribeFlagRejectUnrecovered = 2;

// SubscribeRequest::type and SubscribeResult::type.
enum SubscriptionType : int32_t {
  kSubscriptionStream = 0,
  kSubscriptionMap = 1,
  kSubscriptionMapClients = 2,
  kSubscriptionMapUsers = 3,
  kSubscriptionSharedPoll = 4,
};

// SubscribeRequest::phase.
enum MapPhase : int32_t { kMapPhaseLive = 0, kMapPhaseStream = 1, kMapPhaseState = 2 };

struct SubscribeRequest {
  std::string_view channel;
  std::string_view token;
  bool recover = false;
  std::string_view epoch;
  uint64_t offset = 0;
  RawView data;
  bool positioned = false;
  bool recoverable = false;
  bool join_leave = false;
  std::string_view delta;
  std::optional<FilterNode> tf;
  int64_t flag = 0;
  int32_t type = 0;
  int32_t phase = 0;
  std::string_view cursor;
  int32_t limit = 0;
  bool asc = false;

  static constexpr auto fields = describe(
      field<1>("channel", &SubscribeRequest::channel), field<2>("token", &SubscribeRequest::token),
      field<3>("recover", &SubscribeRequest::recover), field<6>("epoch", &SubscribeRequest::epoch),
      field<7>("offset", &SubscribeRequest::offset), field<8>("data", &SubscribeRequest::data),
      field<9>("positioned", &SubscribeRequest::positioned),
      field<10>("recoverable", &SubscribeRequest::recoverable),
      field<11>("join_leave", &SubscribeRequest::join_leave),
      field<12>("delta", &SubscribeRequest::delta), field<13>("tf", &SubscribeRequest::tf),
      field<14>("flag", &SubscribeRequest::flag), field<15>("type", &SubscribeRequest::type),
      field<16>("phase", &SubscribeRequest::phase), field<17>("cursor", &SubscribeRequest::cursor),
      field<18>("limit", &SubscribeRequest::limit), field<19>("asc", &SubscribeRequest::asc));
  friend bool operator==(const SubscribeRequest&, const SubscribeRequest&) = default;
};

// What a client says at connect about a server-side subscription: of a SubscribeRequest, under the
// same numbers, what counts there (subscriptions.md 2.3).
struct SubscriptionWish {
  bool recover = false;
  std::string_view epoch;
  uint64_t offset = 0;
  std::string_view delta;

  static constexpr auto fields = describe(
      field<3>("recover", &SubscriptionWish::recover), field<6>("epoch", &SubscriptionWish::epoch),
      field<7>("offset", &SubscriptionWish::offset), field<12>("delta", &SubscriptionWish::delta));
  friend bool operator==(const SubscriptionWish&, const SubscriptionWish&) = default;
};

struct ConnectRequest {
  std::string_view token;
  RawView data;
  MapOf<SubscriptionWish> subs;
  std::string_view name;
  std::string_view version;
  MapOf<std::string_view> headers;
  int64_t flag = 0;

  static constexpr auto fields = describe(
      field<1>("token", &ConnectRequest::token), field<2>("data", &ConnectRequest::data),
      field<3>("subs", &ConnectRequest::subs), field<4>("name", &ConnectRequest::name),
      field<5>("version", &ConnectRequest::version), field<6>("headers", &ConnectRequest::headers),
      field<7>("flag", &ConnectRequest::flag));
  friend bool operator==(const ConnectRequest&, const ConnectRequest&) = default;
};

struct UnsubscribeRequest {
  std::string_view channel;

  static constexpr auto fields = describe(field<1>("channel", &UnsubscribeRequest::channel));
  friend bool operator==(const UnsubscribeRequest&, const UnsubscribeRequest&) = default;
};

// PublishRequest::type.
enum PublishType : int32_t { kPublishRegular = 0, kPublishMap = 1 };

struct PublishRequest {
  std::string_view channel;
  RawView data;
  int32_t type = 0;
  std::string_view key;
  bool removed = false;

  static constexpr auto fields = describe(
      field<1>("channel", &PublishRequest::channel), field<2>("data", &PublishRequest::data),
      field<3>("type", &PublishRequest::type), field<4>("key", &PublishRequest::key),
      field<5>("removed", &PublishRequest::removed));
  friend bool operator==(const PublishRequest&, const PublishRequest&) = default;
};

struct PresenceRequest {
  std::string_view channel;

  static constexpr auto fields = describe(field<1>("channel", &PresenceRequest::channel));
  friend bool operator==(const PresenceRequest&, const PresenceRequest&) = default;
};

struct PresenceStatsRequest {
  std::string_view channel;

  static constexpr auto fields = describe(field<1>("channel", &PresenceStatsRequest::channel));
  friend bool operator==(const PresenceStatsRequest&, const PresenceStatsRequest&) = default;
};

struct StreamPositionView {
  uint64_t offset = 0;
  std::string_view epoch;

  static constexpr auto fields = describe(field<1>("offset", &StreamPositionView::offset),
                                          field<2>("epoch", &StreamPositionView::epoch));
  friend bool operator==(const StreamPositionView&, const StreamPositionView&) = default;
};

struct HistoryRequest {
  std::string_view channel;
  int32_t limit = 0;
  std::optional<StreamPositionView> since;
  bool reverse = false;

  static constexpr auto fields = describe(
      field<1>("channel", &HistoryRequest::channel), field<7>("limit", &HistoryRequest::limit),
      field<8>("since", &HistoryRequest::since), field<9>("reverse", &HistoryRequest::reverse));
  friend bool operator==(const HistoryRequest&, const HistoryRequest&) = default;
};

struct PingRequest {
  static constexpr auto fields = describe();
  friend bool operator==(const PingRequest&, const PingRequest&) = default;
};

struct SendRequest {
  RawView data;

  static constexpr auto fields = describe(field<1>("data", &SendRequest::data));
  friend bool operator==(const SendRequest&, const SendRequest&) = default;
};

struct RpcRequest {
  RawView data;
  std::string_view method;

  static constexpr auto fields =
      describe(field<1>("data", &RpcRequest::data), field<2>("method", &RpcRequest::method));
  friend bool operator==(const RpcRequest&, const RpcRequest&) = default;
};

struct RefreshRequest {
  std::string_view token;

  static constexpr auto fields = describe(field<1>("token", &RefreshRequest::token));
  friend bool operator==(const RefreshRequest&, const RefreshRequest&) = default;
};

struct KeyedItem {
  std::string_view key;
  uint64_t version = 0;

  static constexpr auto fields =
      describe(field<1>("key", &KeyedItem::key), field<2>("version", &KeyedItem::version));
  friend bool operator==(const KeyedItem&, const KeyedItem&) = default;
};

struct TrackBatch {
  std::string_view signature;
  std::vector<KeyedItem> items;

  static constexpr auto fields = describe(field<1>("signature", &TrackBatch::signature),
                                          field<2>("items", &TrackBatch::items));
  friend bool operator==(const TrackBatch&, const TrackBatch&) = default;
};

// SubRefreshRequest::type.
enum SubRefreshType : int32_t { kSubRefresh = 0, kSubTrack = 1, kSubUntrack = 2 };

struct SubRefreshRequest {
  std::string_view channel;
  std::string_view token;
  int32_t type = 0;
  std::vector<TrackBatch> track;
  std::vector<std::string_view> untrack;

  static constexpr auto fields = describe(field<1>("channel", &SubRefreshRequest::channel),
                                          field<2>("token", &SubRefreshRequest::token),
                                          field<3>("type", &SubRefreshRequest::type),
                                          field<4>("track", &SubRefreshRequest::track),
                                          field<5>("untrack", &SubRefreshRequest::untrack));
  friend bool operator==(const SubRefreshRequest&, const SubRefreshRequest&) = default;
};

// The body of POST /emulation; not a command.
struct EmulationRequest {
  std::string_view node;
  std::string_view session;
  RawView data;

  static constexpr auto fields = describe(field<1>("node", &EmulationRequest::node),
                                          field<2>("session", &EmulationRequest::session),
                                          field<3>("data", &EmulationRequest::data));
  friend bool operator==(const EmulationRequest&, const EmulationRequest&) = default;
};

// In order of priority: of several requests in a command the first one in this list is meant
// (framing.md 1).
using Request =
    std::variant<std::monostate, ConnectRequest, PingRequest, SubscribeRequest, UnsubscribeRequest,
                 PublishRequest, PresenceRequest, PresenceStatsRequest, HistoryRequest, RpcRequest,
                 SendRequest, RefreshRequest, SubRefreshRequest>;

// The index of the alternative in Request.
enum class RequestKind : uint8_t {
  none,
  connect,
  ping,
  subscribe,
  unsubscribe,
  publish,
  presence,
  presence_stats,
  history,
  rpc,
  send,
  refresh,
  sub_refresh,
};

// One message from a client (framing.md 3.1). Order of judgement (connection-lifecycle.md 3):
// is_pong() first; then `none` and a lonely ping are bad requests (3501), a ping in company is "not
// available" (108).
struct Command {
  uint32_t id = 0;
  Request request;        // the one that is meant
  bool has_send = false;  // a send request was among those of the command
  bool several = false;   // there were requests of more than one kind

  RequestKind kind() const { return static_cast<RequestKind>(request.index()); }
  // The answer to a ping: any command without id, whatever else it asks for, unless it sends
  // (framing.md 5.1).
  bool is_pong() const { return id == 0 && !has_send; }
  bool is_lonely_ping() const { return kind() == RequestKind::ping && !several; }
};

// ---- results ----

struct SubscribeResult {
  bool expires = false;
  uint32_t ttl = 0;  // seconds
  bool recoverable = false;
  std::string_view epoch;
  std::vector<PublicationRef> publications;
  bool recovered = false;
  uint64_t offset = 0;
  bool positioned = false;
  RawView data;
  bool was_recovering = false;
  bool delta = false;
  int64_t id = 0;
  int32_t type = 0;
  int32_t phase = 0;
  std::string_view cursor;
  std::vector<PublicationRef> state;
  uint32_t publish_debounce = 0;

  static constexpr auto fields = describe(
      field<1>("expires", &SubscribeResult::expires), field<2>("ttl", &SubscribeResult::ttl),
      field<3>("recoverable", &SubscribeResult::recoverable),
      field<6>("epoch", &SubscribeResult::epoch),
      field<7>("publications", &SubscribeResult::publications),
      field<8>("recovered", &SubscribeResult::recovered),
      field<9>("offset", &SubscribeResult::offset),
      field<10>("positioned", &SubscribeResult::positioned),
      field<11>("data", &SubscribeResult::data),
      field<12>("was_recovering", &SubscribeResult::was_recovering),
      field<13>("delta", &SubscribeResult::delta), field<14>("id", &SubscribeResult::id),
      field<15>("type", &SubscribeResult::type), field<16>("phase", &SubscribeResult::phase),
      field<17>("cursor", &SubscribeResult::cursor), field<18>("state", &SubscribeResult::state),
      field<19>("publish_debounce", &SubscribeResult::publish_debounce));
};

struct ConnectResult {
  std::string_view client;
  std::string_view version;
  bool expires = false;
  uint32_t ttl = 0;  // seconds
  RawView data;
  MapOf<SubscribeResult> subs;
  uint32_t ping = 0;  // seconds
  bool pong = false;
  std::string_view session;
  std::string_view node;
  int64_t time = 0;  // unix ms

  static constexpr auto fields = describe(
      field<1>("client", &ConnectResult::client, Emit::always),
      field<2>("version", &ConnectResult::version), field<3>("expires", &ConnectResult::expires),
      field<4>("ttl", &ConnectResult::ttl), field<5>("data", &ConnectResult::data),
      field<6>("subs", &ConnectResult::subs), field<7>("ping", &ConnectResult::ping),
      field<8>("pong", &ConnectResult::pong), field<9>("session", &ConnectResult::session),
      field<10>("node", &ConnectResult::node), field<11>("time", &ConnectResult::time));
};

struct UnsubscribeResult {
  static constexpr auto fields = describe();
};

struct PublishResult {
  static constexpr auto fields = describe();
};

struct PresenceResult {
  std::vector<std::pair<std::string, ClientInfo>> presence;  // by client id

  static constexpr auto fields =
      describe(field<1>("presence", &PresenceResult::presence, Emit::always));
};

struct PresenceStatsResult {
  uint32_t num_clients = 0;
  uint32_t num_users = 0;

  static constexpr auto fields =
      describe(field<1>("num_clients", &PresenceStatsResult::num_clients, Emit::always),
               field<2>("num_users", &PresenceStatsResult::num_users, Emit::always));
};

struct HistoryResult {
  std::vector<PublicationRef> publications;
  std::string_view epoch;
  uint64_t offset = 0;

  static constexpr auto fields =
      describe(field<1>("publications", &HistoryResult::publications, Emit::always),
               field<2>("epoch", &HistoryResult::epoch, Emit::always),
               field<3>("offset", &HistoryResult::offset, Emit::always));
};

struct RpcResult {
  RawView data;

  static constexpr auto fields = describe(field<1>("data", &RpcResult::data));
};

struct RefreshResult {
  std::string_view client;  // never set by the server, as `version`
  std::string_view version;
  bool expires = false;
  uint32_t ttl = 0;  // seconds

  static constexpr auto fields = describe(
      field<1>("client", &RefreshResult::client), field<2>("version", &RefreshResult::version),
      field<3>("expires", &RefreshResult::expires), field<4>("ttl", &RefreshResult::ttl));
};

struct SubRefreshResult {
  bool expires = false;
  uint32_t ttl = 0;  // seconds
  std::vector<PublicationRef> items;

  static constexpr auto fields = describe(field<1>("expires", &SubRefreshResult::expires),
                                          field<2>("ttl", &SubRefreshResult::ttl),
                                          field<3>("items", &SubRefreshResult::items));
};

// ---- pushes, apart from publications (framing.md 3.7) ----

struct JoinPush {
  const ClientInfo& info;
};

struct LeavePush {
  const ClientInfo& info;
};

struct UnsubscribePush {
  uint32_t code = 0;
  std::string_view reason;

  static constexpr auto fields = describe(field<2>("code", &UnsubscribePush::code),
                                          field<3>("reason", &UnsubscribePush::reason));
};

struct MessagePush {
  RawView data;

  static constexpr auto fields = describe(field<1>("data", &MessagePush::data));
};

struct SubscribePush {
  bool recoverable = false;
  std::string_view epoch;
  uint64_t offset = 0;
  bool positioned = false;
  RawView data;

  static constexpr auto fields = describe(
      field<1>("recoverable", &SubscribePush::recoverable),
      field<4>("epoch", &SubscribePush::epoch), field<5>("offset", &SubscribePush::offset),
      field<6>("positioned", &SubscribePush::positioned), field<7>("data", &SubscribePush::data));
};

// What ConnectResult says, under other field numbers in Protobuf.
struct ConnectPush {
  std::string_view client;
  std::string_view version;
  RawView data;
  MapOf<SubscribeResult> subs;
  bool expires = false;
  uint32_t ttl = 0;
  uint32_t ping = 0;
  bool pong = false;
  std::string_view session;
  std::string_view node;
  int64_t time = 0;

  static constexpr auto fields =
      describe(field<1>("client", &ConnectPush::client, Emit::always),
               field<2>("version", &ConnectPush::version), field<3>("data", &ConnectPush::data),
               field<4>("subs", &ConnectPush::subs), field<5>("expires", &ConnectPush::expires),
               field<6>("ttl", &ConnectPush::ttl), field<7>("ping", &ConnectPush::ping),
               field<8>("pong", &ConnectPush::pong), field<9>("session", &ConnectPush::session),
               field<10>("node", &ConnectPush::node), field<11>("time", &ConnectPush::time));
};

struct DisconnectPush {
  uint32_t code = 0;
  std::string_view reason;

  static constexpr auto fields = describe(field<1>("code", &DisconnectPush::code),
                                          field<2>("reason", &DisconnectPush::reason));
};

struct RefreshPush {
  bool expires = false;
  uint32_t ttl = 0;  // seconds

  static constexpr auto fields =
      describe(field<1>("expires", &RefreshPush::expires), field<2>("ttl", &RefreshPush::ttl));
};

}  // namespace gyre::protocol
