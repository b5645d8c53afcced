#include <algorithm>
#include <atomic>

#include "load/clock.h"
#include "load/fleet.h"
#include "load/histogram.h"
#include "load/modes.h"
#include "load/publishers.h"
#include "load/wire.h"

namespace gyre::bench {
namespace {

class ChannelsObserver final : public Observer {
 public:
  ChannelsObserver(const Options& options, uint32_t first, uint32_t count) : first_(first) {
    if (options.verify) verifier_ = std::make_unique<Verifier>(count, 1);
  }

  void on_push(uint32_t index, std::string_view message) override {
    deliveries_.store(deliveries_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    const auto stamp = find_stamp(message, hint_);
    if (!stamp) {
      ++unreadable_;
      return;
    }
    if (stamp->due >= from_.load(std::memory_order_relaxed)) latency_.record(now_ns() - stamp->due);
    if (verifier_) verifier_->see(index, *stamp);
  }

  /// Only publications due later count.
  void measure_from(int64_t due) { from_ = due; }
  uint64_t deliveries() const { return deliveries_.load(std::memory_order_relaxed); }
  uint64_t unreadable() const { return unreadable_; }
  uint32_t first() const { return first_; }
  const Histogram& latency() const { return latency_; }
  Verifier* verifier() { return verifier_.get(); }

 private:
  uint32_t first_;
  std::atomic<uint64_t> deliveries_ = 0;
  std::atomic<int64_t> from_ = INT64_MAX;
  uint64_t unreadable_ = 0;
  size_t hint_ = 0;
  Histogram latency_;
  std::unique_ptr<Verifier> verifier_;
};

/// The open loop: publication n is due at n / rate, whatever became of the earlier ones, and its
/// latency counts from then; a server that falls behind cannot hide it.
class Channels {
 public:
  explicit Channels(const Options& options)
      : options_(options),
        fleet_(options, subscriber_script(options), options.connections,
               [this](uint32_t, uint32_t first, uint32_t count) {
                 return std::make_unique<ChannelsObserver>(options_, first, count);
               }),
        publishers_(options, fleet_.loop(), options.publishers != 0 ? options.publishers : 16) {
    if (options.connections % options.channels != 0) {
      fail("--connections must be a multiple of --channels");
    }
    if (options.raw && options.verify) fail("--raw has no channels to verify");
    publishers_.stamp_as(0);
  }

  void run() {
    fleet_.open_all();
    start_ = now_ns();
    publish_until(start_ + static_cast<int64_t>(options_.warmup * 1e9));
    Stopwatch watch(options_.pid);
    const uint64_t before = published_;
    for (uint32_t at = 0; at < fleet_.swarms(); ++at) observer(at).measure_from(due(before));
    watch.start();
    publish_until(now_ns() + static_cast<int64_t>(options_.duration * 1e9));
    watch.stop();
    const uint64_t count = published_ - before;
    drain();
    fleet_.stop();
    report(watch, count);
  }

 private:
  ChannelsObserver& observer(uint32_t swarm) {
    return static_cast<ChannelsObserver&>(fleet_.observer(swarm));
  }

  int64_t due(uint64_t publication) const {
    return start_ + static_cast<int64_t>(static_cast<double>(publication) * 1e9 / options_.rate);
  }

  void publish_until(int64_t end) {
    for (int64_t now = now_ns(); now < end; now = now_ns()) {
      for (; due(published_) <= now; ++published_) {
        const auto channel = static_cast<uint32_t>(published_ % options_.channels);
        const auto sequence = static_cast<uint32_t>(published_ / options_.channels);
        // One channel always over the same connection: else the API itself could reorder it.
        publishers_.submit(channel % publishers_.size(), {channel, sequence, due(published_)});
      }
      fleet_.turn(std::max<int64_t>(0, std::min(due(published_), end) - now_ns()));
    }
  }

  uint64_t wanted() const { return published_ * (options_.connections / options_.channels); }

  uint64_t deliveries() {
    uint64_t sum = 0;
    for (uint32_t at = 0; at < fleet_.swarms(); ++at) sum += observer(at).deliveries();
    return sum;
  }

  void drain() {
    const int64_t end = now_ns() + 10 * kSecond;
    while ((deliveries() < wanted() || publishers_.outstanding() > 0) && now_ns() < end) {
      fleet_.turn(10 * kMillisecond);
    }
    fleet_.idle(0.05);
  }

  void report(const Stopwatch& watch, uint64_t count) {
    Report report = begin_report(options_);
    report.number("channels", options_.channels)
        .number("connections", options_.connections)
        .number("rate", options_.rate)
        .number("size", options_.size);
    add_cpu(report, watch, static_cast<double>(count), "publication", "publications");
    Histogram latency;
    Faults faults;
    for (uint32_t at = 0; at < fleet_.swarms(); ++at) {
      ChannelsObserver& one = observer(at);
      latency.merge(one.latency());
      faults.unreadable += one.unreadable();
      if (one.verifier() != nullptr) {
        faults.add(one.verifier()->finish_each([&](uint32_t index) {
          return sequences_of((one.first() + index) % options_.channels);
        }));
      }
    }
    report.number("latency_p50_us", latency.quantile_us(0.5))
        .number("latency_p95_us", latency.quantile_us(0.95))
        .number("latency_p99_us", latency.quantile_us(0.99))
        .number("latency_p999_us", latency.quantile_us(0.999))
        .number("latency_max_us", latency.max_us());
    const uint64_t got = deliveries();
    report.number("missing", wanted() > got ? wanted() - got : 0)
        .number("excess", got > wanted() ? got - wanted() : 0);
    if (options_.verify) add_faults(report, faults);
    report.print();
  }

  uint32_t sequences_of(uint32_t channel) const {
    return static_cast<uint32_t>((published_ + options_.channels - 1 - channel) /
                                 options_.channels);
  }

  const Options& options_;
  Fleet fleet_;
  Publishers publishers_;
  int64_t start_ = 0;
  uint64_t published_ = 0;
};

}  // namespace

void run_channels(const Options& options) {
  Channels(options).run();
}

}  // namespace gyre::bench
