#pragma once

#include <memory>
#include <string>

#include "client/roster.h"
#include "http/exchange.h"
#include "http/origin.h"
#include "transport/admission.h"
#include "websocket/connection.h"
#include "websocket/handshake.h"

namespace gyre::transport {

// The way in that browsers and SDKs take: a WebSocket that carries the client protocol, JSON or
// Protobuf (spec transports.md 3, framing.md 2.3). One for each shard, owned by its assembly;
// outlives its connections.
class WebSocketEndpoint {
 public:
  struct Options {
    uint32_t message_bytes_max = 65536;  // websocket.message_size_limit
    std::string user_header;             // client.user_id_http_header; empty: none
    // Of the ping frames that clients may ask for in place of the protocol's pings.
    os::Nanos ping_interval = 25 * os::kSecond;
    os::Nanos pong_timeout = 10 * os::kSecond;
  };
  WebSocketEndpoint(net::Sockets& sockets, client::Roster& roster, Admission& admission,
                    metrics::ShardMetrics& metrics, const http::AllowedOrigins& origins,
                    Options options);
  WebSocketEndpoint(const WebSocketEndpoint&) = delete;

  // What serves the endpoint's path.
  http::Route route();
  // From now on a new connection is told that the server shuts down.
  void drain() { is_draining_ = true; }

 private:
  void warn_of_limit();
  void upgrade(http::Exchange exchange);
  websocket::Listener* open(websocket::Connection& connection, const websocket::Wishes& wishes,
                            const std::string& user, proxy::Headers headers);

  client::Roster& roster_;
  Admission& admission_;
  metrics::ShardMetrics& metrics_;
  const http::AllowedOrigins& origins_;
  const Options options_;
  const websocket::Endpoint endpoint_;
  bool is_draining_ = false;
  static constexpr os::Nanos kWarningInterval = 3 * os::kSecond;
  os::Nanos next_warning_ = 0;
};

}  // namespace gyre::transport
