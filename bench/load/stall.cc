#include <algorithm>
#include <atomic>
#include <thread>

#include "load/clock.h"
#include "load/fail.h"
#include "load/histogram.h"
#include "load/loop.h"
#include "load/modes.h"
#include "load/publishers.h"
#include "load/sockets.h"
#include "load/wire.h"

namespace gyre::bench {
namespace {

constexpr uint32_t kPublishers = 16;
constexpr int64_t kLookEvery = 100 * kMillisecond;

/// Subscribers that log in and never read again.
class DeafObserver final : public Observer {
 public:
  void hold(Swarm& swarm) { swarm_ = &swarm; }
  void on_push(uint32_t /*index*/, std::string_view /*message*/) override {}
  void on_live(uint32_t index) override { swarm_->stop_reading(index); }
  bool on_end(uint32_t /*index*/) override { return true; }

 private:
  Swarm* swarm_ = nullptr;
};

/// Subscribers that read, and must not notice those that do not.
class GoodObserver final : public Observer {
 public:
  explicit GoodObserver(uint32_t count) : verifier_(count, kPublishers) {}

  void on_push(uint32_t index, std::string_view message) override {
    ++deliveries_;
    const auto stamp = find_stamp(message, hint_);
    if (!stamp) return verifier_.unreadable();
    latency_.record(now_ns() - stamp->due);
    verifier_.see(index, *stamp);
  }
  bool on_end(uint32_t /*index*/) override {
    ++cut_;
    return true;
  }

  uint64_t deliveries() const { return deliveries_; }
  uint32_t cut() const { return cut_; }
  const Histogram& latency() const { return latency_; }
  Verifier& verifier() { return verifier_; }

 private:
  uint64_t deliveries_ = 0;
  uint32_t cut_ = 0;
  size_t hint_ = 0;
  Histogram latency_;
  Verifier verifier_;
};

/// Looks at the server's memory, its sockets' memory and how many of its connections are left,
/// ten times a second and on a thread of its own: a list of 10,000 sockets takes its time.
class Watcher {
 public:
  struct Seen {
    int64_t rss_peak = 0;
    uint64_t sockets_peak = 0;
    uint64_t sockets_at_end = 0;
    double half_cut_s = 0;  // 0: never
    double all_cut_s = 0;
  };

  Watcher(const Options& options, uint32_t deaf, uint32_t others)
      : options_(options), deaf_(deaf), others_(others), from_(now_ns()) {
    thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
  }

  bool all_cut() const { return all_cut_; }
  Seen stop() {
    thread_.request_stop();
    thread_.join();
    return seen_;
  }

 private:
  void run(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      const int64_t start = now_ns();
      look(static_cast<double>(start - from_) / 1e9);
      const int64_t rest = start + kLookEvery - now_ns();
      const timespec time{0, std::clamp<int64_t>(rest, kMillisecond, kLookEvery)};
      nanosleep(&time, nullptr);
    }
  }

  void look(double at) {
    const SocketMemory sockets = socket_memory(options_.port);
    seen_.rss_peak = std::max(seen_.rss_peak, process_rss(options_.pid));
    seen_.sockets_peak = std::max(seen_.sockets_peak, sockets.bytes);
    seen_.sockets_at_end = sockets.bytes;
    const uint32_t left = sockets.established - std::min(sockets.established, others_);
    if (seen_.half_cut_s == 0 && left <= deaf_ / 2) seen_.half_cut_s = at;
    if (seen_.all_cut_s == 0 && left == 0) seen_.all_cut_s = at;
    all_cut_ = left == 0;
  }

  const Options& options_;
  uint32_t deaf_;
  uint32_t others_;
  int64_t from_;
  Seen seen_;
  std::atomic<bool> all_cut_ = false;
  std::jthread thread_;
};

/// The open loop of `channels` with one channel, most of whose subscribers never read: until the
/// server has cut them all, at least --duration, at most --patience.
class Stall {
 public:
  explicit Stall(const Options& options)
      : options_(options),
        script_{subscriber_script(options)},
        good_observer_(options.good),
        good_(options, script_, loop_, good_observer_, 0, options.good),
        deaf_(options, script_, loop_, deaf_observer_, options.good, options.connections),
        publishers_(options, loop_, kPublishers),
        sent_(kPublishers) {
    if (options.connections > options.per_thread) fail("stall has one thread for its connections");
    deaf_observer_.hold(deaf_);
  }

  void run() {
    open_all(good_);
    open_all(deaf_);
    const int64_t rss_before = process_rss(options_.pid);
    const uint64_t sockets_before = socket_memory(options_.port).bytes;
    Stopwatch watch(options_.pid);
    watch.start();
    Watcher watcher(options_, options_.connections, options_.good + kPublishers);
    start_ = now_ns();
    publish(watcher);
    drain();
    watch.stop();
    const Watcher::Seen seen = watcher.stop();

    Report report = begin_report(options_);
    report.number("connections", options_.connections)
        .number("good", options_.good)
        .number("rate", options_.rate)
        .number("size", options_.size)
        .number("all_cut", watcher.all_cut() ? 1 : 0)
        .number("half_cut_s", seen.half_cut_s)
        .number("all_cut_s", seen.all_cut_s)
        .number("growth_mb", megabytes(seen.rss_peak - rss_before))
        .number("sockets_mb", megabytes(static_cast<int64_t>(seen.sockets_peak - sockets_before)))
        .number("sockets_at_end_mb", megabytes(static_cast<int64_t>(seen.sockets_at_end)));
    report_good(report, watch);
    report.print();
  }

 private:
  static double megabytes(int64_t bytes) { return static_cast<double>(bytes) / 1e6; }

  void open_all(Swarm& swarm) {
    const int64_t end = now_ns() + 60 * kSecond;
    while (swarm.live() < swarm.size()) {
      if (now_ns() > end) fail("{} of {} connections came up", swarm.live(), swarm.size());
      swarm.open_some();
      loop_.turn(100 * kMillisecond);
    }
  }

  int64_t due(uint64_t publication) const {
    return start_ + static_cast<int64_t>(static_cast<double>(publication) * 1e9 / options_.rate);
  }

  void publish(const Watcher& watcher) {
    const int64_t least = start_ + static_cast<int64_t>(options_.duration * 1e9);
    const int64_t most = start_ + static_cast<int64_t>(options_.patience * 1e9);
    for (int64_t now = now_ns(); now < most && (now < least || !watcher.all_cut());
         now = now_ns()) {
      for (; due(published_) <= now; ++published_) {
        const auto publisher = static_cast<uint32_t>(published_ % kPublishers);
        publishers_.submit(publisher, {0, sent_[publisher]++, due(published_)});
      }
      loop_.turn(std::clamp<int64_t>(due(published_) - now_ns(), 0, 10 * kMillisecond));
    }
  }

  uint64_t wanted() const { return published_ * options_.good; }

  void drain() {
    const int64_t end = now_ns() + 20 * kSecond;
    while (good_observer_.cut() == 0 &&
           (good_observer_.deliveries() < wanted() || publishers_.outstanding() > 0) &&
           now_ns() < end) {
      loop_.turn(10 * kMillisecond);
    }
  }

  void report_good(Report& report, const Stopwatch& watch) {
    const uint64_t got = good_observer_.deliveries();
    const Histogram& latency = good_observer_.latency();
    report.number("good_share", static_cast<double>(got) / static_cast<double>(wanted()))
        .number("good_lost_percent",
                100.0 - 100.0 * static_cast<double>(got) / static_cast<double>(wanted()))
        .number("good_cut", good_observer_.cut())
        .number("latency_p50_us", latency.quantile_us(0.5))
        .number("latency_p99_us", latency.quantile_us(0.99))
        .number("latency_max_us", latency.max_us());
    add_cpu(report, watch, static_cast<double>(published_), "publication", "publications");
    report.number("missing", wanted() > got ? wanted() - got : 0)
        .number("excess", got > wanted() ? got - wanted() : 0);
    add_faults(report, good_observer_.verifier().finish(sent_, true));
  }

  const Options& options_;
  Loop loop_;
  Script script_;
  GoodObserver good_observer_;
  DeafObserver deaf_observer_;
  Swarm good_;
  Swarm deaf_;
  Publishers publishers_;
  std::vector<uint32_t> sent_;
  int64_t start_ = 0;
  uint64_t published_ = 0;
};

}  // namespace

void run_stall(const Options& options) {
  if (options.pid == 0) fail("stall needs --pid");
  Stall(options).run();
}

}  // namespace gyre::bench
