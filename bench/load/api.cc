#include "load/clock.h"
#include "load/histogram.h"
#include "load/loop.h"
#include "load/modes.h"
#include "load/publishers.h"

namespace gyre::bench {

void run_api(const Options& options) {
  Loop loop;
  Publishers publishers(options, loop, options.publishers != 0 ? options.publishers : 16);
  Histogram latency;
  uint64_t answers = 0;
  bool going = true;
  publishers.on_answer([&](uint32_t publisher, const Job& job) {
    ++answers;
    const int64_t now = now_ns();
    latency.record(now - job.due);
    if (going) publishers.submit(publisher, {job.channel, job.sequence + 1, now});
  });
  const auto turn_for = [&](double seconds) {
    const int64_t end = now_ns() + static_cast<int64_t>(seconds * 1e9);
    for (int64_t now = now_ns(); now < end; now = now_ns()) loop.turn(end - now);
  };
  for (uint32_t at = 0; at < publishers.size(); ++at) {
    publishers.submit(at, {at % options.channels, 0, now_ns()});
  }
  turn_for(options.warmup);
  Stopwatch watch(options.pid);
  latency.clear();
  const uint64_t before = answers;
  watch.start();
  turn_for(options.duration);
  watch.stop();
  const uint64_t requests = answers - before;
  going = false;
  const int64_t patience = now_ns() + 5 * kSecond;
  while (publishers.outstanding() > 0 && now_ns() < patience) loop.turn(10 * kMillisecond);

  Report report = begin_report(options);
  report.number("publishers", publishers.size())
      .number("batch", options.batch)
      .number("broadcast", options.broadcast)
      .number("size", options.size);
  const double each = options.batch * static_cast<double>(options.broadcast);
  add_cpu(report, watch, static_cast<double>(requests) * each, "publication", "publications");
  report.number("requests_per_s", static_cast<double>(requests) / watch.seconds())
      .number("latency_p50_us", latency.quantile_us(0.5))
      .number("latency_p99_us", latency.quantile_us(0.99));
  report.number("missing", publishers.outstanding());
  report.print();
}

}  // namespace gyre::bench
