#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "channel/namespaces.h"
#include "client/rate_limits.h"
#include "os/kernel.h"

namespace gyre::client {

// Which proxies answer to RPC, by namespaces of methods; an empty name: none (spec config.md 10.8).
struct RpcRules {
  std::string namespace_boundary = ":";
  std::string without_namespace;
  std::map<std::string, std::string, std::less<>> namespaces;

  // The proxy's name; null if the method's namespace is not configured.
  const std::string* proxy_of(std::string_view method) const {
    const size_t end =
        namespace_boundary.empty() ? std::string_view::npos : method.find(namespace_boundary);
    if (end == std::string_view::npos) return &without_namespace;
    const auto found = namespaces.find(method.substr(0, end));
    return found == namespaces.end() ? nullptr : &found->second;
  }
};

// What the configuration says of connections; names are those of the keys under `client`. An
// immutable snapshot that all shards share; a reload makes a new one, and an operation under way
// keeps the one that it began with.
struct Settings {
  std::shared_ptr<const channel::Namespaces> namespaces;

  bool insecure = false;
  bool allow_anonymous_connect_without_token = false;
  bool disallow_anonymous_connection_tokens = false;
  bool connect_include_server_time = false;

  bool has_personal_channels = false;  // subscribe_to_user_personal_channel.enabled
  std::string personal_namespace;
  bool single_connection = false;
  std::string rpc_ping_method;  // empty: there is none
  RpcRules rpc;
  bool has_capabilities =
      false;  // gyre.capabilities.enabled, for backends; verifiers know of it too

  os::Nanos ping_interval = 25 * os::kSecond;  // 0: no pings
  os::Nanos pong_timeout = 8 * os::kSecond;    // 0: pongs are not waited for
  os::Nanos stale_close_delay = 10 * os::kSecond;
  os::Nanos expired_close_delay = 25 * os::kSecond;
  os::Nanos expired_sub_close_delay = 25 * os::kSecond;
  os::Nanos presence_update_interval = 27 * os::kSecond;

  uint32_t channel_limit = 128;  // 0: none, as with the next two
  uint32_t user_connection_limit = 0;
  int32_t history_max_publication_limit = 300;
  int32_t recovery_max_publication_limit = 300;
  uint32_t concurrency = 1;  // commands of a connection that may be in work at once

  std::shared_ptr<const RateLimits> rate_limits;  // null: there are none

  std::string server_version;  // as clients are told it
};

}  // namespace gyre::client
