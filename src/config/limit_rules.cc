#include "config/rules.h"

// The rules of gyre.rate_limits.
namespace gyre::config::rules {

namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;

// Nobody is kept in mind for longer than twice this.
constexpr nanoseconds kRefillMost = hours(24);

// `least`: of the rate; -1 where it may say that there is no limit.
void check_limit(Report& report, const Tree& limit, int64_t least) {
  const int64_t rate = limit.integer("rate");
  const int64_t burst = limit.integer("burst");
  const nanoseconds interval = limit.duration("interval");
  if (rate < least) {
    report.add(limit, "rate", fmt::format("rate must not be below {}", least));
  }
  if (interval < milliseconds(1) || interval > kRefillMost) {
    return report.add(limit, "interval", "interval must be from 1ms to 24h");
  }
  if (burst < 0) return report.add(limit, "burst", "burst must not be negative");
  if (rate <= 0) {
    if (burst > 0) report.add(limit, "burst", "burst means nothing without rate");
    return;
  }
  if (nanoseconds(interval / rate) == nanoseconds(0)) {
    return report.add(limit, "rate", "rate must not be above one per nanosecond");
  }
  if (burst > kRefillMost / (interval / rate)) {
    report.add(limit, "burst", "burst would take more than 24h to come back at this rate");
  }
}

}  // namespace

void check_rate_limits(Report& report, const Tree& limits) {
  const KeyTable& table = KeyTable::instance();
  const auto check = [&](std::string_view scope, std::string_view name, int64_t least) {
    const std::string path = fmt::format("{}{}{}", scope, name.empty() ? "" : ".", name);
    auto context = report.in(fmt::format("in gyre.rate_limits.{}", path));
    check_limit(report, limits.section(path), least);
  };
  for (const std::string_view scope : {"client", "user"}) {
    for (const Key* one : table.children(*table.find(fmt::format("gyre.rate_limits.{}", scope)))) {
      const bool has_default =
          one->name != "total" && one->name != "default" && one->name != "unsubscribe";
      check(scope, one->name, has_default ? -1 : 0);
    }
  }
  check("http", "", 0);
}

}  // namespace gyre::config::rules
