#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "channel/rights.h"
#include "hub/local_hub.h"

namespace gyre::client {

// Why there is a subscription; numbers as the server API tells them (ChannelContext.source).
enum class Source : uint8_t {
  unknown = 0,
  connection_token = 1,
  connect_proxy = 2,
  subscription_token = 3,
  subscribe_proxy = 4,
  user_limited = 5,
  client_allowed = 6,
  client_insecure = 7,
  uni_connect = 8,
  user_personal = 9,
  server_api = 10,
  capability = 11,
};

// A session's side of one subscription. Owned by the session; its place in the list may change, so
// nothing keeps a reference over a wait.
struct Subscription {
  enum Flag : uint16_t {
    kJoining = 1,     // not answered yet; counted as a join in the hub
    kServerSide = 2,  // made by a token, the wish list or the API, not by a subscribe command
    kFromToken = 4,   // server-side, from the connection token
    kPositioned = 8,
    kPresent = 16,            // in the channel's presence
    kUnwanted = 32,           // to be ended as soon as it has joined
    kAnnounced = 64,          // the channel has been told of the join, and will be of the end
    kBackendRefreshes = 128,  // a backend is asked when it comes to its end, not the client
    kRefreshing = 256,        // it is being asked
    kByPushId = 512,          // the client knows the channel by its number, too
  };
  static constexpr uint32_t kNever = UINT32_MAX;

  bool is(Flag flag) const { return flags & flag; }

  static uint32_t expiry(std::optional<int64_t> unix_second) {
    if (!unix_second) return kNever;
    return static_cast<uint32_t>(std::clamp<int64_t>(*unix_second, 0, kNever - 1));
  }

  hub::ChannelSlot channel;
  uint32_t receiver = 0;         // index in the channel's array, once joined
  uint32_t expires_at = kNever;  // Unix seconds
  uint16_t flags = 0;
  Source source = Source::unknown;
  channel::Rights rights = {};  // that its token or backend gives
  // chan_info; null if there is none, as with most.
  std::unique_ptr<const std::string> info;
};
static_assert(sizeof(Subscription) <= 24, "a million connections have one or more each");

}  // namespace gyre::client
