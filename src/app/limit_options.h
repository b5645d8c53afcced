#pragma once

#include <memory>

#include "client/rate_limits.h"
#include "config/tree.h"

namespace gyre::app {

// How fast commands may come: gyre.rate_limits. Null if nothing is limited.
std::shared_ptr<const client::RateLimits> rate_limits(const config::Tree& tree);
// The same of HTTP requests: gyre.rate_limits.http.
net::RateLimit http_rate_limit(const config::Tree& tree);

}  // namespace gyre::app
