#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/http_api.h"
#include "app/demo.h"
#include "auth/token_verifier.h"
#include "base/result.h"
#include "client/moderation.h"
#include "client/settings.h"
#include "client/user_statuses.h"
#include "config/tree.h"
#include "http/origin.h"
#include "net/rate_limit.h"
#include "net/sockets.h"
#include "proxy/proxies.h"
#include "transport/admission.h"
#include "transport/websocket.h"

namespace gyre::app {

// What a node is built from: the configuration in the words of the modules. Only here does anybody
// know the shape of the file.
struct NodeOptions {
  std::string name;
  std::string version;  // as clients, `info` and metrics show it

  net::SocketLimits sockets;
  uint64_t memory_limit = 0;    // bytes; 0: none
  uint64_t shutdown_rate = 0;   // connections that are told per second; 0: all at once
  os::Nanos shutdown_most = 0;  // in which all must have been told, at any rate
  size_t connections_max = 0;   // that an answer of the API tells of; 0: it tells of none
  std::optional<client::UserStatuses::Limits> user_statuses;  // none: they are not kept
  std::optional<client::Moderation::Limits> moderation;       // none: it is off
  size_t wildcards_max = 0;  // different ones at once, if the namespaces have any
  std::shared_ptr<const client::Settings> settings;
  auth::VerifierOptions connection_tokens;
  auth::VerifierOptions subscription_tokens;
  // Never null; empty without proxies.
  std::shared_ptr<const proxy::Definitions> proxies =
      std::make_shared<const proxy::Definitions>(std::vector<proxy::Definition>());
  bool has_own_subscription_tokens = false;  // client.subscription_token.enabled
  std::chrono::seconds history_meta_ttl{0};
  os::Nanos position_check_delay = 0;  // 0: never
  os::Nanos position_max_lag = 0;      // 0: any

  http::AllowedOrigins origins;
  transport::Admission::Limits admission;
  net::RateLimit http_rate;  // of the requests of one connection
  // Endpoints; absent ones are switched off.
  std::optional<std::string> websocket_path;
  transport::WebSocketEndpoint::Options websocket;
  std::optional<api::HttpApi::Options> api;
  bool api_is_external = false;
  std::optional<std::string> health_path;
  std::optional<std::string> metrics_path;
  std::shared_ptr<const DemoPage> demo;  // may be null

  os::ListenOptions external;
  std::optional<os::ListenOptions> internal;  // absent: everything is served on the external one
  bool has_own_descriptor_tables = false;
  bool sends_by_ring = true;
};

// An error names the key and what is wrong with it.
Result<NodeOptions> node_options(const config::Tree& tree);

// The channels of the configuration.
Result<std::shared_ptr<const channel::Namespaces>> channel_namespaces(const config::Tree& tree);

// What a reload changes: the channels, the tokens, and what is decided when a client connects or
// subscribes; the rest stays as it was (spec config.md 9).
struct Reloaded {
  std::shared_ptr<const client::Settings> settings;
  auth::VerifierOptions connection_tokens;
  auth::VerifierOptions subscription_tokens;
  uint64_t connection_limit = 0;
  net::RateLimit http_rate;
};
Result<Reloaded> reloaded_options(const config::Tree& tree, const NodeOptions& running);

}  // namespace gyre::app
