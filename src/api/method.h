#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace gyre::api {

// The methods of the server API. Those up to shared_poll_publish are commands, in the order in
// which a batch looks for them (spec server-api.md 4); the rest are other labels of metrics (5).
enum class Method : uint8_t {
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
  batch,
  broadcast_publish,  // one channel of a broadcast
  unknown,            // a command of a batch that names no method
};

inline constexpr size_t kCommandMethods = static_cast<size_t>(Method::batch);
inline constexpr size_t kMethods = static_cast<size_t>(Method::unknown) + 1;

// By Method: the names in requests, routes, replies and metrics.
inline constexpr std::array<std::string_view, kMethods> kMethodNames{
    "publish",
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
    "batch",
    "broadcast_publish",
    "unknown",
};

constexpr std::string_view name_of(Method method) {
  return kMethodNames[static_cast<size_t>(method)];
}

}  // namespace gyre::api
