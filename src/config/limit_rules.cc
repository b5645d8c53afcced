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
  for (const Key* scope :
       KeyTable::instance().children(*KeyTable::instance().find("gyre.rate_limits"))) {
    for (const Key* one : KeyTable::instance().children(*scope)) {
      auto context = report.in(fmt::format("in {}", one->path));
      const bool has_default =
          one->name != "total" && one->name != "default" && one->name != "unsubscribe";
      check_limit(report, limits.section(fmt::format("{}.{}", scope->name, one->name)),
                  has_default ? -1 : 0);
    }
  }
}

}  // namespace gyre::config::rules
