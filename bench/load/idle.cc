#include <unistd.h>

#include "load/clock.h"
#include "load/fleet.h"
#include "load/modes.h"
#include "load/publishers.h"

namespace gyre::bench {
namespace {

class QuietObserver final : public Observer {
 public:
  void on_push(uint32_t /*index*/, std::string_view /*message*/) override {}
};

Fleet::MakeObserver quiet() {
  return [](uint32_t, uint32_t, uint32_t) { return std::make_unique<QuietObserver>(); };
}

void rest(double seconds) {
  const auto nanoseconds = static_cast<int64_t>(seconds * 1e9);
  const timespec time{nanoseconds / kSecond, nanoseconds % kSecond};
  nanosleep(&time, nullptr);
}

/// What a server allocates once and keeps (buffers, code paged in, first chunks of its tables)
/// must not be charged to the connections that are counted.
void warm_up(const Options& options) {
  Fleet fleet(options, subscriber_script(options), options.warm_connections, quiet());
  fleet.open_all();
  Publishers publisher(options, fleet.loop(), 1);
  for (uint32_t at = 0; at < 10; ++at) publisher.submit(0, {0, at, now_ns()});
  const int64_t patience = now_ns() + 10 * kSecond;
  while (publisher.outstanding() > 0 && now_ns() < patience) fleet.turn(10 * kMillisecond);
  if (publisher.outstanding() > 0) fail("the API does not answer");
  fleet.idle(0.2);
}

}  // namespace

void run_idle(const Options& options) {
  if (options.warm_connections > 0) warm_up(options);
  rest(options.settle);
  const int64_t before = process_pss(options.pid);
  const int64_t own_before = process_pss(getpid());
  const int64_t kernel_before = kernel_objects();

  Fleet fleet(options, subscriber_script(options), options.connections, quiet());
  Stopwatch opening(options.pid);
  opening.start();
  fleet.open_all();
  opening.stop();
  fleet.idle(options.settle);
  const int64_t after = process_pss(options.pid);
  const int64_t own_after = process_pss(getpid());
  const int64_t kernel_after = kernel_objects();

  Stopwatch watch(options.pid);
  watch.start();
  fleet.idle(options.cpu_seconds);
  watch.stop();

  Report report = begin_report(options);
  const double count = options.connections;
  report.number("connections", options.connections)
      .number("subscriptions", options.subscriptions)
      .text("channel", options.own_channels ? "own" : "shared")
      .text("users", options.token_secret.empty() ? "anonymous"
                     : options.one_user           ? "one"
                                                  : "own")
      .number("bytes_per_connection", static_cast<double>(after - before) / count)
      .number("pss_before", before)
      .number("pss_after", after)
      .number("generator_bytes_per_connection", static_cast<double>(own_after - own_before) / count)
      .number("kernel_bytes_per_connection",  // of both ends
              static_cast<double>(kernel_after - kernel_before) / count)
      .number("opening_seconds", opening.seconds());
  add_cpu(report, opening, count, "connection", "connections");
  if (options.cpu_seconds > 0) {
    report.number("idle_seconds", watch.seconds())
        .number("idle_cpu_us_per_s", watch.server_ns() / 1000.0 / watch.seconds() / count);
  }
  report.print();
}

}  // namespace gyre::bench
