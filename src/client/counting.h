#pragma once

#include "metrics/shard_metrics.h"
#include "protocol/messages.h"

// How the messages of the protocol are called in metrics (spec observability.md 1.1).
namespace gyre::client {

constexpr metrics::ClientMethod method_of(protocol::RequestKind kind) {
  using Kind = protocol::RequestKind;
  using Method = metrics::ClientMethod;
  switch (kind) {
    case Kind::connect:
      return Method::connect;
    case Kind::subscribe:
      return Method::subscribe;
    case Kind::unsubscribe:
      return Method::unsubscribe;
    case Kind::publish:
      return Method::publish;
    case Kind::presence:
      return Method::presence;
    case Kind::presence_stats:
      return Method::presence_stats;
    case Kind::history:
      return Method::history;
    case Kind::rpc:
      return Method::rpc;
    case Kind::send:
      return Method::send;
    case Kind::refresh:
      return Method::refresh;
    case Kind::sub_refresh:
      return Method::sub_refresh;
    case Kind::none:
    case Kind::ping:
      break;
  }
  return Method::unknown;
}

// Of a command, and of the reply to it.
constexpr metrics::FrameType frame_type_of(protocol::RequestKind kind) {
  using Kind = protocol::RequestKind;
  using Type = metrics::FrameType;
  switch (kind) {
    case Kind::connect:
      return Type::connect;
    case Kind::subscribe:
      return Type::subscribe;
    case Kind::unsubscribe:
      return Type::unsubscribe;
    case Kind::publish:
      return Type::publish;
    case Kind::presence:
      return Type::presence;
    case Kind::presence_stats:
      return Type::presence_stats;
    case Kind::history:
      return Type::history;
    case Kind::rpc:
      return Type::rpc;
    case Kind::refresh:
      return Type::refresh;
    case Kind::sub_refresh:
      return Type::sub_refresh;
    case Kind::none:
    case Kind::ping:
    case Kind::send:
      break;
  }
  return Type::send;
}

template <class Result>
inline constexpr metrics::FrameType kTypeOfReply = metrics::FrameType::send;
template <>
inline constexpr auto kTypeOfReply<protocol::SubscribeResult> = metrics::FrameType::subscribe;
template <>
inline constexpr auto kTypeOfReply<protocol::UnsubscribeResult> = metrics::FrameType::unsubscribe;
template <>
inline constexpr auto kTypeOfReply<protocol::PublishResult> = metrics::FrameType::publish;
template <>
inline constexpr auto kTypeOfReply<protocol::PresenceResult> = metrics::FrameType::presence;
template <>
inline constexpr auto kTypeOfReply<protocol::PresenceStatsResult> =
    metrics::FrameType::presence_stats;
template <>
inline constexpr auto kTypeOfReply<protocol::HistoryResult> = metrics::FrameType::history;
template <>
inline constexpr auto kTypeOfReply<protocol::RpcResult> = metrics::FrameType::rpc;
template <>
inline constexpr auto kTypeOfReply<protocol::RefreshResult> = metrics::FrameType::refresh;
template <>
inline constexpr auto kTypeOfReply<protocol::SubRefreshResult> = metrics::FrameType::sub_refresh;

}  // namespace gyre::client
