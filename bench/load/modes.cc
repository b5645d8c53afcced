#include "load/modes.h"

#include "load/publishers.h"
#include "load/wire.h"

namespace gyre::bench {
namespace {

/// What a subscribe request says beside its channel. A filter looks at two tags; the second one is
/// what it passes by.
std::string subscribe_members(const Options& options, uint32_t index) {
  if (options.delta) return R"(,"delta":"fossil")";
  if (options.filters == 0) return {};
  return fmt::format(
      R"(,"tf":{{"op":"or","nodes":[{{"key":"kind","cmp":"eq","val":"{}"}},{{"key":"all","cmp":"ex"}}]}})",
      index % options.filters);
}

}  // namespace

Report begin_report(const Options& options) {
  Report report;
  if (!options.label.empty()) report.text("label", options.label);
  report.text("mode", name(options.mode));
  report.text("protocol", options.raw                          ? "raw"
                          : options.protocol == Protocol::json ? "json"
                                                               : "protobuf");
  return report;
}

void add_cpu(Report& report, const Stopwatch& watch, double count, std::string_view unit,
             std::string_view units) {
  report.number(fmt::format("cpu_us_per_{}", unit), watch.server_ns() / 1000.0 / count);
  report.number(fmt::format("{}_per_s", units), count / watch.seconds());
  report.number("server_cores", watch.server_ns() / 1e9 / watch.seconds());
  report.number("server_user_share", watch.server_user_share());
  report.number("generator_cores", watch.generator_ns() / 1e9 / watch.seconds());
  report.number("other_busy_cores", watch.other_busy_cores());
}

void add_faults(Report& report, const Faults& faults) {
  report.number("lost", faults.lost)
      .number("duplicate", faults.duplicate)
      .number("reordered", faults.reordered)
      .number("diverged", faults.diverged)
      .number("unreadable", faults.unreadable);
}

std::string token_of(const Options& options, uint32_t index) {
  if (options.token_secret.empty()) return {};
  return hs256_token(options.token_secret, numbered("user", options.one_user ? 0 : index));
}

Script subscriber_script(const Options& options) {
  const auto login = [&options](uint32_t index) {
    std::vector<std::string> channels;
    for (uint32_t at = 0; at < options.subscriptions; ++at) {
      const uint64_t own = uint64_t{index} * options.subscriptions + at;
      channels.push_back(options.own_channels ? numbered(options.channel, own)
                         : options.subscriptions > 1
                             ? numbered(options.channel, at)
                             : channel_name(options, index % options.channels));
    }
    return login_frame(options.protocol, token_of(options, index), channels, nullptr,
                       subscribe_members(options, index));
  };
  return {login, 1 + options.subscriptions};
}

}  // namespace gyre::bench
