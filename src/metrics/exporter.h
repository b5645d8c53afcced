#pragma once

#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "metrics/families.h"

namespace gyre::metrics {

// What GET /metrics answers with.
inline constexpr std::string_view kTextContentType =
    "text/plain; version=0.0.4; charset=utf-8; escaping=underscores";

// Adds up the counters of all shards. Owned by app, lives as long as the shards' metrics; any shard
// may ask, since each may accept the request of a scrape.
//
// Quantiles of summaries are those of the last 8 to 10 minutes: sums are remembered every two
// minutes, five of them, and quantiles are of what came after the oldest. Asking remembers; where
// nobody asks for more than two minutes, a timer should call `age`, or the time grows to the last
// time somebody asked.
class Exporter {
 public:
  explicit Exporter(std::vector<const ShardMetrics*> shards);

  // In the Prometheus text format; `now` is monotonic. Some 250 µs for a busy node.
  std::string text(const NodeFacts& facts, os::Nanos now);
  // The node's own families, without those of the process, to any output.
  void write(const NodeFacts& facts, os::Nanos now, Output& output);
  void age(os::Nanos now);

 private:
  struct Moment {
    os::Nanos time;
    std::shared_ptr<const Summarised> sums;
  };
  static constexpr os::Nanos kAgeStep = 120 * os::kSecond;
  static constexpr int kAges = 5;

  // The sums at the beginning of the time that quantiles are of.
  std::shared_ptr<const Summarised> advance(os::Nanos now,
                                            const std::shared_ptr<const Summarised>& sums);

  const std::vector<const ShardMetrics*> shards_;
  std::mutex mutex_;            // scrapes are rare; nothing of the data path comes here
  std::deque<Moment> moments_;  // oldest first
};

}  // namespace gyre::metrics
