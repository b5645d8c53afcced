#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace gyre::api {

// The methods of the server API. Those up to shared_poll_publish are commands, in the order in
// which a batch looks for them (spec server-api.md 4). So are the next ones up to `batch`, which
// the reference has in another edition, and we where the configuration switches them on. The rest
// are other labels of metrics (5).
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
  connections,
  update_user_status,
  get_user_status,
  delete_user_status,
  block_user,
  unblock_user,
  revoke_token,
  invalidate_user_tokens,
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
    "unknown",
};

constexpr std::string_view name_of(Method method) {
  return kMethodNames[static_cast<size_t>(method)];
}

// The commands that a node knows; others are answered as if they did not exist.
class MethodSet {
 public:
  // Without those that have to be switched on.
  static constexpr MethodSet standard() { return MethodSet(up_to(Method::connections)); }
  static constexpr MethodSet all() { return MethodSet(up_to(Method::batch)); }
  // Those that gyre.connections, gyre.user_status and gyre.moderation switch on.
  constexpr MethodSet with_connections() const {
    return with(Method::connections, Method::update_user_status);
  }
  constexpr MethodSet with_user_status() const {
    return with(Method::update_user_status, Method::block_user);
  }
  constexpr MethodSet with_moderation() const { return with(Method::block_user, Method::batch); }
  constexpr bool has(Method method) const { return bits_ & bit(method); }

 private:
  explicit constexpr MethodSet(uint64_t bits) : bits_(bits) {}
  static constexpr uint64_t bit(Method method) { return uint64_t{1} << static_cast<int>(method); }
  static constexpr uint64_t up_to(Method end) { return bit(end) - 1; }
  constexpr MethodSet with(Method first, Method end) const {
    return MethodSet(bits_ | (up_to(end) & ~up_to(first)));
  }
  uint64_t bits_;
};
static_assert(kMethods <= 64);

}  // namespace gyre::api
