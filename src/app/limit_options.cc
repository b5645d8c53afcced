#include "app/limit_options.h"

#include <string>

namespace gyre::app {

namespace {

using metrics::ClientMethod;

net::RateLimit limit_of(const config::Tree& tree) {
  const int64_t rate = tree.integer("rate");
  if (rate <= 0) return {};
  const int64_t burst = tree.integer("burst");
  return net::RateLimit::of(rate, tree.duration("interval").count(), burst > 0 ? burst : rate);
}

// What has a key of its own. Of one connection there is one `connect`, so that has none there.
bool has_key(ClientMethod method, bool is_user) {
  if (method == ClientMethod::connect) return is_user;
  return method != ClientMethod::send && method != ClientMethod::unknown;
}

client::RateLimits::Of limits_of(const config::Tree& tree, bool is_user, bool& is_limited) {
  client::RateLimits::Of limits{.total = limit_of(tree.section("total")), .commands = {}};
  is_limited |= bool(limits.total);
  const net::RateLimit general = limit_of(tree.section("default"));
  metrics::for_each_label<ClientMethod>([&](ClientMethod method) {
    if (!has_key(method, is_user)) return;
    const config::Tree own = tree.section(std::string(metrics::text_of(method)));
    const bool has_default = own.integer("rate") == 0 && method != ClientMethod::unsubscribe;
    limits.commands[method] = has_default ? general : limit_of(own);
    is_limited |= bool(limits.commands[method]);
  });
  return limits;
}

}  // namespace

std::shared_ptr<const client::RateLimits> rate_limits(const config::Tree& tree) {
  const config::Tree section = tree.section("gyre.rate_limits");
  bool is_limited = false;
  client::RateLimits limits{.client = limits_of(section.section("client"), false, is_limited),
                            .user = limits_of(section.section("user"), true, is_limited)};
  if (!is_limited) return nullptr;
  return std::make_shared<const client::RateLimits>(limits);
}

net::RateLimit http_rate_limit(const config::Tree& tree) {
  return limit_of(tree.section("gyre.rate_limits.http"));
}

}  // namespace gyre::app
