#include "load/clock.h"
#include "load/fail.h"
#include "load/histogram.h"
#include "load/loop.h"
#include "load/modes.h"
#include "load/wire.h"

namespace gyre::bench {
namespace {

/// Clients that publish to a channel nobody listens to; each sends the next publication when the
/// last is acknowledged.
class Clients final : public Observer {
 public:
  explicit Clients(const Options& options)
      : options_(options),
        script_{[this](uint32_t index) {
                  return login_frame(options_.protocol, token_of(options_, index), {});
                },
                1},
        swarm_(options_, script_, loop_, *this, 0, options.connections),
        data_(publication_data(options.size)),
        sent_(options.connections) {}

  void on_push(uint32_t index, std::string_view message) override {
    fail("client {} has no subscription, but gets {}", index, message);
  }

  bool on_answer(uint32_t index, std::string_view message) override {
    if (!options_.raw && options_.protocol == Protocol::json &&
        !message.starts_with(fmt::format(R"({{"id":{},)", sent_[index].id))) {
      fail("client {} awaits the answer to {}, not {}", index, sent_[index].id, message);
    }
    --under_way_;
    ++answers_;
    latency_.record(now_ns() - sent_[index].at);
    if (going_) publish(index);
    return true;
  }

  void run() {
    while (swarm_.live() < swarm_.size()) {
      swarm_.open_some();
      loop_.turn(kSecond);
    }
    going_ = true;
    for (uint32_t index = 0; index < swarm_.size(); ++index) publish(index);
    turn_for(options_.warmup);
    Stopwatch watch(options_.pid);
    latency_.clear();
    const uint64_t before = answers_;
    watch.start();
    turn_for(options_.duration);
    watch.stop();
    const uint64_t count = answers_ - before;
    going_ = false;
    const int64_t patience = now_ns() + 5 * kSecond;
    while (under_way_ > 0 && now_ns() < patience) loop_.turn(10 * kMillisecond);
    report(watch, count);
  }

 private:
  struct Sent {
    uint32_t id = 1;  // that of the login
    int64_t at = 0;
  };

  void publish(uint32_t index) {
    Sent& sent = sent_[index];
    sent.at = now_ns();
    write_stamp(data_.data() + kStampAt, {index & 0xFFFF, ++sent.id, sent.at});
    swarm_.send(index, publish_frame(options_.protocol, sent.id, options_.channel, data_));
    ++under_way_;
  }

  void turn_for(double seconds) {
    const int64_t end = now_ns() + static_cast<int64_t>(seconds * 1e9);
    for (int64_t now = now_ns(); now < end; now = now_ns()) loop_.turn(end - now);
  }

  void report(const Stopwatch& watch, uint64_t count) {
    Report report = begin_report(options_);
    report.number("connections", options_.connections).number("size", options_.size);
    add_cpu(report, watch, static_cast<double>(count), "publication", "publications");
    report.number("latency_p50_us", latency_.quantile_us(0.5))
        .number("latency_p99_us", latency_.quantile_us(0.99))
        .number("latency_p999_us", latency_.quantile_us(0.999))
        .number("missing", under_way_);
    report.print();
  }

  const Options& options_;
  Loop loop_;
  Script script_;
  Swarm swarm_;
  std::string data_;
  std::vector<Sent> sent_;
  bool going_ = false;
  uint64_t under_way_ = 0;
  uint64_t answers_ = 0;
  Histogram latency_;
};

}  // namespace

void run_publish(const Options& options) {
  Clients(options).run();
}

}  // namespace gyre::bench
