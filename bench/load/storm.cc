#include "load/clock.h"
#include "load/histogram.h"
#include "load/loop.h"
#include "load/modes.h"
#include "load/publishers.h"
#include "load/wire.h"

namespace gyre::bench {
namespace {

/// Learns the position of each channel from one subscription to it.
class PositionObserver final : public Observer {
 public:
  explicit PositionObserver(uint32_t channels) : positions_(channels) {}

  void on_push(uint32_t /*index*/, std::string_view /*message*/) override {}
  void on_reply(uint32_t index, std::string_view message) override {
    if (auto position = find_position(message)) {
      positions_[index] = std::move(*position);
      ++found_;
    }
  }
  void on_live(uint32_t /*index*/) override { ++live_; }

  uint32_t live() const { return live_; }
  uint32_t found() const { return found_; }
  const std::vector<Position>& positions() const { return positions_; }

 private:
  std::vector<Position> positions_;
  uint32_t live_ = 0;
  uint32_t found_ = 0;
};

class StormObserver final : public Observer {
 public:
  explicit StormObserver(uint32_t count) : recovered_(count) {}

  void on_push(uint32_t /*index*/, std::string_view /*message*/) override {}
  void on_reply(uint32_t index, std::string_view message) override {
    recovered_[index] += static_cast<uint32_t>(count_stamps(message));
  }
  // Not closed here: the swarm is still reading that connection.
  void on_live(uint32_t index) override { live_.push_back(index); }

  std::vector<uint32_t> take_live() { return std::exchange(live_, {}); }
  uint32_t take_recovered(uint32_t index) { return std::exchange(recovered_[index], 0); }

 private:
  std::vector<uint32_t> live_;
  std::vector<uint32_t> recovered_;
};

/// Who is in the channel all the time, and is told of those who come and go where the server does
/// that.
class MembersObserver final : public Observer {
 public:
  void on_push(uint32_t /*index*/, std::string_view /*message*/) override { ++told_; }
  uint64_t told() const { return told_; }

 private:
  uint64_t told_ = 0;
};

class Storm {
 public:
  explicit Storm(const Options& options)
      : options_(options),
        script_(make_script()),
        observer_(options.concurrency),
        swarm_(options_, script_, loop_, observer_, 0, options.concurrency),
        opened_(options.concurrency) {}

  void run() {
    if (options_.mode == Mode::recover) prepare_history();
    open_members();
    for (uint32_t at = 0; at < swarm_.size(); ++at) open(at);
    cycle_for(options_.warmup);
    Stopwatch watch(options_.pid);
    took_.clear();
    const uint64_t before = cycles_;
    const uint64_t recovered_before = recovered_;
    const uint64_t told_before = members_observer_.told();
    watch.start();
    cycle_for(options_.duration);
    watch.stop();
    told_ = members_observer_.told() - told_before;
    report(watch, cycles_ - before, recovered_ - recovered_before);
  }

 private:
  Script make_script() {
    if (options_.mode == Mode::connect) {
      return {[this](uint32_t) { return subscriber_.login(logins_++); }, subscriber_.replies};
    }
    return {[this](uint32_t) {
              const uint32_t channel = logins_++ % options_.channels;
              return login_frame(options_.protocol, token_of(options_, logins_),
                                 {channel_name(options_, channel)}, &positions_[channel]);
            },
            2};
  }

  void prepare_history() {
    Options json = options_;
    json.protocol = Protocol::json;
    json.subscriptions = 1;
    PositionObserver observer(options_.channels);
    const Script script = subscriber_script(json);
    Swarm probes(json, script, loop_, observer, 0, options_.channels);
    while (observer.live() < options_.channels) {
      probes.open_some();
      loop_.turn(kSecond);
    }
    if (observer.found() < options_.channels) fail("a channel without history cannot recover");
    positions_ = observer.positions();
    for (uint32_t at = 0; at < options_.channels; ++at) probes.close(at);

    Publishers publishers(options_, loop_, 1);
    for (uint32_t at = 0; at < options_.missed * options_.channels; ++at) {
      publishers.submit(0, {at % options_.channels, at / options_.channels, now_ns()});
    }
    while (publishers.outstanding() > 0) loop_.turn(kSecond);
  }

  void open_members() {
    if (options_.members == 0) return;
    members_ = std::make_unique<Swarm>(options_, subscriber_, loop_, members_observer_, 0,
                                       options_.members);
    while (members_->live() < members_->size()) {
      members_->open_some();
      loop_.turn(kSecond);
    }
    loop_.gather(int64_t{options_.gather_us} * kMicrosecond);
  }

  void open(uint32_t index) {
    opened_[index] = now_ns();
    swarm_.open(index);
  }

  void cycle_for(double seconds) {
    const int64_t end = now_ns() + static_cast<int64_t>(seconds * 1e9);
    for (int64_t now = now_ns(); now < end; now = now_ns()) {
      loop_.turn(end - now);
      for (const uint32_t index : observer_.take_live()) {
        took_.record(now_ns() - opened_[index]);
        const uint32_t recovered = observer_.take_recovered(index);
        recovered_ += recovered;
        if (options_.mode == Mode::recover && recovered != options_.missed) {
          fail("{} publications recovered, {} were missed", recovered, options_.missed);
        }
        ++cycles_;
        swarm_.close(index);
        open(index);
      }
    }
  }

  void report(const Stopwatch& watch, uint64_t cycles, uint64_t recovered) {
    Report report = begin_report(options_);
    report.number("concurrency", options_.concurrency)
        .number("tokens", options_.token_secret.empty() ? 0 : 1);
    if (options_.mode == Mode::recover) {
      report.number("missed", options_.missed)
          .number("size", options_.size)
          .number("recovered", recovered);
    }
    if (options_.members > 0) {
      report.number("members", options_.members)
          .number("told_per_connection", static_cast<double>(told_) / static_cast<double>(cycles));
    }
    add_cpu(report, watch, static_cast<double>(cycles), "connection", "connections");
    report.number("latency_p50_us", took_.quantile_us(0.5))
        .number("latency_p99_us", took_.quantile_us(0.99));
    report.print();
  }

  const Options& options_;
  Loop loop_;
  Script subscriber_ = subscriber_script(options_);
  Script script_;
  StormObserver observer_;
  MembersObserver members_observer_;
  std::unique_ptr<Swarm> members_;
  Swarm swarm_;
  std::vector<int64_t> opened_;
  std::vector<Position> positions_;
  uint32_t logins_ = 0;
  uint64_t cycles_ = 0;
  uint64_t recovered_ = 0;
  uint64_t told_ = 0;  // pushes to members
  Histogram took_;
};

}  // namespace

void run_storm(const Options& options) {
  Storm(options).run();
}

}  // namespace gyre::bench
