#include <algorithm>

#include "load/clock.h"
#include "load/histogram.h"
#include "load/loop.h"
#include "load/modes.h"
#include "load/publishers.h"
#include "load/wire.h"

namespace gyre::bench {
namespace {

/// Enough for the server to have always something to do.
constexpr uint32_t kManyPublishers = 256;
constexpr int64_t kProbeEvery = 5 * kMillisecond;
/// Of the probes in a row that must be answered in their usual time.
constexpr uint32_t kUsualInARow = 20;

class CountingObserver final : public Observer {
 public:
  void on_push(uint32_t /*index*/, std::string_view /*message*/) override { ++deliveries_; }
  uint64_t deliveries() const { return deliveries_; }

 private:
  uint64_t deliveries_ = 0;
};

/// What the API answers with --excess times the load that it can carry. The peak is measured first,
/// closed loop; then requests are due at a multiple of it; then it is left alone, until a small
/// request takes no longer than it did before.
class Overload {
 public:
  explicit Overload(const Options& options)
      : options_(options),
        script_(subscriber_script(options)),
        good_(options, script_, loop_, observer_, 0, options.good),
        peak_(options, loop_, kManyPublishers),
        publishers_(options, loop_, kManyPublishers),
        probe_options_(probe_options(options)),
        probe_(probe_options_, loop_, 1) {
    if (options.good > options.batch || options.channels % options.batch != 0) {
      fail(
          "overload: --good subscribers have a channel of the first --batch each, and --channels "
          "is a multiple of that");
    }
    peak_.on_answer([this](uint32_t publisher, const Job& job) {
      count(job);
      if (is_closed_loop_) submit(peak_, publisher);
    });
    publishers_.on_answer([this](uint32_t, const Job& job) { count(job); });
    publishers_.on_refusal([this](uint32_t, const Job&) { ++refused_; });
    probe_.on_answer([this](uint32_t, const Job& job) { on_probe(now_ns() - job.due); });
    probe_.on_refusal([this](uint32_t, const Job&) { on_probe(INT64_MAX); });
  }

  void run() {
    while (good_.live() < good_.size()) {
      good_.open_some();
      loop_.turn(100 * kMillisecond);
    }
    const double peak = measure_peak();
    measure_usual();
    const int64_t rss = process_rss(options_.pid);
    Stopwatch watch(options_.pid);
    watch.start();
    const uint64_t before = answered_;
    overload(peak * options_.excess);
    watch.stop();
    const double goodput = static_cast<double>(answered_ - before) / watch.seconds();
    const int64_t growth = process_rss(options_.pid) - rss;
    const double normal_after = wait_for_usual();
    drain();

    Report report = begin_report(options_);
    const double each = options_.batch;
    report.number("times_peak", options_.excess)
        .number("peak_per_s", peak * each)
        .number("goodput_per_s", goodput * each)
        .number("goodput_lost_percent", std::max(0.0, 100 - 100 * goodput / peak))
        .number("refused_requests", refused_)
        .number("probe_usual_us", static_cast<double>(usual_) / 1e3)
        .number("probe_overload_p99_us", probes_.quantile_us(0.99))
        .number("normal_after_s", normal_after)
        .number("growth_mb", static_cast<double>(growth) / 1e6);
    add_cpu(report, watch, static_cast<double>(answered_ - before) * each, "publication",
            "publications");
    const uint64_t wanted = heard_ * options_.good;
    const uint64_t got = observer_.deliveries();
    report.number("missing", wanted > got ? wanted - got : 0)
        .number("excess", got > wanted ? got - wanted : 0);
    report.print();
  }

 private:
  static Options probe_options(Options options) {
    options.batch = 1;
    options.size = kLeastSize;
    options.channel = "probe";
    options.channels = 1;
    return options;
  }

  void submit(Publishers& to, uint32_t publisher) {
    const uint32_t channel = next_channel_;
    next_channel_ = (next_channel_ + options_.batch) % options_.channels;
    to.submit(publisher, {channel, sequence_++, now_ns()});
  }

  void count(const Job& job) {
    ++answered_;
    heard_ += job.channel == 0 ? 1 : 0;
  }

  double measure_peak() {
    for (uint32_t at = 0; at < peak_.size(); ++at) submit(peak_, at);
    turn_until(now_ns() + static_cast<int64_t>(options_.warmup * 1e9));
    const uint64_t before = answered_;
    const int64_t start = now_ns();
    turn_until(start + static_cast<int64_t>(std::min(options_.duration, 5.0) * 1e9));
    const double seconds = static_cast<double>(now_ns() - start) / 1e9;
    const double peak = static_cast<double>(answered_ - before) / seconds;
    is_closed_loop_ = false;
    while (peak_.outstanding() > 0) loop_.turn(10 * kMillisecond);
    return peak;
  }

  void turn_until(int64_t end) {
    for (int64_t now = now_ns(); now < end; now = now_ns()) loop_.turn(end - now);
  }

  void measure_usual() {
    const int64_t end = now_ns() + kSecond;
    for (int64_t now = now_ns(); now < end; now = now_ns()) {
      send_probe(now);
      loop_.turn(kMillisecond);
    }
    // A machine that does other work has hiccups of its own.
    usual_ = std::max(static_cast<int64_t>(2e3 * probes_.quantile_us(0.99)), 5 * kMillisecond);
    probes_.clear();
  }

  void send_probe(int64_t now) {
    if (now < next_probe_ || probe_.outstanding() > 0) return;
    next_probe_ = now + kProbeEvery;
    probe_.submit(0, {0, sequence_++, now});
  }
  void on_probe(int64_t took) {
    probes_.record(std::min(took, 60 * kSecond));
    usual_in_a_row_ = took <= usual_ ? usual_in_a_row_ + 1 : 0;
  }

  void overload(double rate) {
    const int64_t start = now_ns();
    const int64_t end = start + static_cast<int64_t>(options_.duration * 1e9);
    uint64_t offered = 0;
    for (int64_t now = start; now < end; now = now_ns()) {
      const auto due = static_cast<uint64_t>(static_cast<double>(now - start) * rate / 1e9);
      for (; offered < due; ++offered) {
        submit(publishers_, static_cast<uint32_t>(offered % kManyPublishers));
      }
      send_probe(now);
      loop_.turn(kMillisecond / 2);
    }
    publishers_.drop_waiting();
  }

  /// Seconds; 0 for never within --patience.
  double wait_for_usual() {
    const int64_t start = now_ns();
    usual_in_a_row_ = 0;
    int64_t since = 0;
    while (usual_in_a_row_ < kUsualInARow) {
      const int64_t now = now_ns();
      if (now > start + static_cast<int64_t>(options_.patience * 1e9)) return options_.patience;
      if (usual_in_a_row_ == 0) since = now;
      send_probe(now);
      loop_.turn(kMillisecond);
    }
    return static_cast<double>(since - start) / 1e9;
  }

  void drain() {
    const int64_t end = now_ns() + 5 * kSecond;
    while ((publishers_.outstanding() > 0 || observer_.deliveries() < heard_ * options_.good) &&
           now_ns() < end) {
      loop_.turn(10 * kMillisecond);
    }
  }

  const Options& options_;
  Loop loop_;
  Script script_;
  CountingObserver observer_;
  Swarm good_;
  Publishers peak_;
  Publishers publishers_;
  const Options probe_options_;
  Publishers probe_;
  Histogram probes_;
  bool is_closed_loop_ = true;
  uint32_t next_channel_ = 0;
  uint32_t sequence_ = 0;
  uint64_t answered_ = 0;
  uint64_t refused_ = 0;
  uint64_t heard_ = 0;  // answered requests whose channels the subscribers have
  int64_t usual_ = 0;
  int64_t next_probe_ = 0;
  uint32_t usual_in_a_row_ = 0;
};

}  // namespace

void run_overload(const Options& options) {
  Overload(options).run();
}

}  // namespace gyre::bench
