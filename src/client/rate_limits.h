#pragma once

#include "metrics/labels.h"
#include "net/rate_limit.h"

namespace gyre::client {

// How fast commands may come (gyre.rate_limits): of one connection, and of all connections that a
// user has on this node. A part of Settings.
struct RateLimits {
  struct Of {
    net::RateLimit total;  // of all commands together, but for `unsubscribe`
    metrics::By<metrics::ClientMethod, net::RateLimit> commands;
  };
  Of client;
  Of user;
};

}  // namespace gyre::client
