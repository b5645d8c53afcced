#include <atomic>
#include <bit>
#include <numeric>

#include "load/clock.h"
#include "load/fleet.h"
#include "load/histogram.h"
#include "load/modes.h"
#include "load/publishers.h"
#include "load/wire.h"

namespace gyre::bench {
namespace {

/// Which of the publications in flight have reached everybody. A subscriber's n-th message is
/// taken for publication n: whether that is true is what --verify is for.
struct Progress {
  explicit Progress(uint32_t window)
      : mask(std::bit_ceil(2 * window + 2) - 1), swarms_done(mask + 1) {}

  uint32_t mask;
  std::vector<std::atomic<uint32_t>> swarms_done;
};

class FanoutObserver final : public Observer {
 public:
  FanoutObserver(const Options& options, Progress& progress, std::function<void()> ring,
                 uint32_t count, uint32_t publishers)
      : progress_(progress),
        ring_(std::move(ring)),
        count_(count),
        received_(count),
        arrived_(progress.mask + 1) {
    if (options.verify) verifier_ = std::make_unique<Verifier>(count, publishers);
  }

  void on_push(uint32_t index, std::string_view message) override {
    deliveries_.store(deliveries_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    message_size_ = message.size();
    if (verifier_) verify(index, message);
    const uint32_t slot = received_[index]++ & progress_.mask;
    if (++arrived_[slot] < count_) return;
    arrived_[slot] = 0;
    progress_.swarms_done[slot].fetch_add(1, std::memory_order_release);
    if (ring_) ring_();
  }

  uint64_t deliveries() const { return deliveries_.load(std::memory_order_relaxed); }
  size_t message_size() const { return message_size_; }
  Verifier* verifier() { return verifier_.get(); }

 private:
  void verify(uint32_t index, std::string_view message) {
    if (const auto stamp = find_stamp(message, hint_)) {
      verifier_->see(index, *stamp);
    } else {
      verifier_->unreadable();
    }
  }

  Progress& progress_;
  std::function<void()> ring_;  // only set where the waiting thread is another one
  uint32_t count_;
  std::atomic<uint64_t> deliveries_ = 0;
  std::vector<uint32_t> received_;
  std::vector<uint32_t> arrived_;  // subscribers that have the publication of a slot
  size_t hint_ = 0;
  size_t message_size_ = 0;
  std::unique_ptr<Verifier> verifier_;
};

/// The closed loop: `window` publications under way, the next when one has reached everybody.
class Fanout {
 public:
  explicit Fanout(const Options& options)
      : options_(options),
        publisher_count_(options.publishers != 0 ? options.publishers : options.window),
        progress_(options.window),
        fleet_(options, subscriber_script(options), options.connections,
               [this](uint32_t swarm, uint32_t, uint32_t count) {
                 std::function<void()> ring;
                 if (swarm > 0) ring = [this] { fleet_.wake(); };
                 return std::make_unique<FanoutObserver>(options_, progress_, ring, count,
                                                         publisher_count_);
               }),
        publishers_(options, fleet_.loop(), publisher_count_),
        sent_(publisher_count_),
        begun_(progress_.mask + 1) {}

  void run() {
    fleet_.open_all();
    publish_for(options_.warmup);
    Stopwatch watch(options_.pid);
    to_all_.clear();
    const uint64_t before = deliveries();
    const uint64_t completed_before = completed_;
    watch.start();
    publish_for(options_.duration);
    watch.stop();
    const uint64_t after = deliveries();
    const uint64_t completed = completed_ - completed_before;
    drain();
    fleet_.stop();
    report(watch, after - before, completed);
  }

 private:
  FanoutObserver& observer(uint32_t swarm) {
    return static_cast<FanoutObserver&>(fleet_.observer(swarm));
  }

  uint64_t deliveries() {
    uint64_t sum = 0;
    for (uint32_t at = 0; at < fleet_.swarms(); ++at) sum += observer(at).deliveries();
    return sum;
  }

  void turn(int64_t timeout_ns) {
    fleet_.turn(timeout_ns);
    while (completed_ < published_) {
      std::atomic<uint32_t>& done = progress_.swarms_done[completed_ & progress_.mask];
      if (done.load(std::memory_order_acquire) < fleet_.swarms()) break;
      done.store(0, std::memory_order_relaxed);
      to_all_.record(now_ns() - begun_[completed_++ & progress_.mask]);
    }
  }

  void publish_for(double seconds) {
    const int64_t end = now_ns() + static_cast<int64_t>(seconds * 1e9);
    for (int64_t now = now_ns(); now < end; now = now_ns()) {
      while (published_ - completed_ < options_.window) {
        const uint32_t free = publishers_.find_free();
        if (free == publishers_.size()) break;
        begun_[published_++ & progress_.mask] = now;
        publishers_.submit(free, {0, sent_[free]++, now});
      }
      turn(end - now);
    }
  }

  void drain() {
    const int64_t end = now_ns() + 5 * kSecond;
    while ((completed_ < published_ || publishers_.outstanding() > 0) && now_ns() < end) {
      turn(10 * kMillisecond);
    }
    fleet_.idle(0.05);  // anything that comes now is one too many
  }

  void report(const Stopwatch& watch, uint64_t delivered, uint64_t completed) {
    Report report = begin_report(options_);
    report.number("connections", options_.connections)
        .number("window", options_.window)
        .number("size", options_.size)
        .number("message_bytes", observer(0).message_size());
    add_cpu(report, watch, static_cast<double>(delivered), "delivery", "deliveries");
    report.number("publications_per_s", static_cast<double>(completed) / watch.seconds());
    report.number("to_all_p50_us", to_all_.quantile_us(0.5))
        .number("to_all_p99_us", to_all_.quantile_us(0.99));
    const uint64_t wanted = published_ * options_.connections;
    const uint64_t got = deliveries();
    report.number("missing", wanted > got ? wanted - got : 0)
        .number("excess", got > wanted ? got - wanted : 0);
    if (options_.verify) add_faults(report, faults());
    report.print();
  }

  Faults faults() {
    Faults all;
    for (uint32_t at = 0; at < fleet_.swarms(); ++at) {
      all.add(observer(at).verifier()->finish(sent_, true));
      if (observer(at).verifier()->order_of(0) != observer(0).verifier()->order_of(0)) {
        ++all.diverged;
      }
    }
    return all;
  }

  const Options& options_;
  uint32_t publisher_count_;
  Progress progress_;
  Fleet fleet_;
  Publishers publishers_;
  std::vector<uint32_t> sent_;
  std::vector<int64_t> begun_;
  uint64_t published_ = 0;
  uint64_t completed_ = 0;
  Histogram to_all_;
};

}  // namespace

void run_fanout(const Options& options) {
  Fanout(options).run();
}

}  // namespace gyre::bench
