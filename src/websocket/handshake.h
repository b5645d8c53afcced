#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "http/origin.h"
#include "http/request.h"
#include "http/response.h"

namespace gyre::websocket {

// The answer to a request that is no acceptable upgrade, by the reference's checks in its order
// (spec transports.md 3.1); nothing when the handshake may go on.
std::optional<http::Response> refuse_upgrade(const http::Request& request,
                                             const http::AllowedOrigins& origins);

// The 101 answer to a request that has passed. `subprotocol` may be empty.
http::Response accept_upgrade(const http::Request& request, std::string_view subprotocol);

// Sec-WebSocket-Accept for a Sec-WebSocket-Key (RFC 6455, 4.2.2).
std::string accept_key(std::string_view key);

// What a bidirectional client has asked for (spec framing.md 2.3 and 5.3).
struct Wishes {
  bool is_protobuf = false;
  bool wants_frame_pings = false;  // WebSocket pings instead of the protocol's own
  std::string_view subprotocol;    // to be echoed; static text, empty when none is known
};
Wishes read_wishes(const http::Request& request);

}  // namespace gyre::websocket
