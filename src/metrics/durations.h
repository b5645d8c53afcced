#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

#include "metrics/counter.h"
#include "os/kernel.h"

namespace gyre::metrics {

// The upper ends (inclusive) of the bins in which durations are counted: seven per decade from 1 µs
// to 10 s. Every bound that a family exposes is one of them; quantiles are read from all of them.
inline constexpr size_t kDurationBounds = 50;
inline constexpr size_t kDurationBins = kDurationBounds + 1;  // the last is for what is longer
inline constexpr std::array<os::Nanos, kDurationBounds> kBinBounds = [] {
  constexpr os::Nanos steps[] = {1000, 1500, 2000, 2500, 3500, 5000, 7000};
  std::array<os::Nanos, kDurationBounds> bounds = {};
  size_t at = 0;
  for (os::Nanos decade = 1; decade <= 1'000'000; decade *= 10) {
    for (const os::Nanos step : steps) bounds[at++] = step * decade;
  }
  bounds[at] = 10 * os::kSecond;
  return bounds;
}();

// The bin of a duration. Starts at the first bound of its power of two and looks at three at most.
inline size_t duration_bin(os::Nanos duration) {
  static constexpr auto kStarts = [] {
    std::array<uint8_t, 65> starts = {};
    for (size_t width = 1; width < starts.size(); ++width) {
      const uint64_t least = uint64_t{1} << (width - 1);
      const auto found = std::ranges::lower_bound(
          kBinBounds, least, {}, [](os::Nanos bound) { return static_cast<uint64_t>(bound); });
      starts[width] = static_cast<uint8_t>(found - kBinBounds.begin());
    }
    return starts;
  }();
  size_t bin = kStarts[static_cast<size_t>(std::bit_width(static_cast<uint64_t>(duration)))];
  while (bin < kDurationBounds && kBinBounds[bin] < duration) ++bin;
  return bin;
}

// What was observed, as plain numbers: added up over shards, or the difference of two moments.
struct Distribution {
  std::array<uint64_t, kDurationBins> bins = {};
  uint64_t sum = 0;  // nanoseconds

  uint64_t count() const;
  // How many were at most `bound`, one of kBinBounds.
  uint64_t count_up_to(os::Nanos bound) const;
  // In seconds, interpolated within a bin; NaN when nothing was observed.
  double quantile(double q) const;
  Distribution since(const Distribution& earlier) const;
};

// A histogram of durations. Writing and reading as with Counter.
class Durations {
 public:
  void observe(os::Nanos duration) {
    const os::Nanos length = std::max<os::Nanos>(duration, 0);
    bins_[duration_bin(length)].add();
    sum_.add(static_cast<uint64_t>(length));
  }

  void add_to(Distribution& total) const {
    for (size_t i = 0; i < bins_.size(); ++i) total.bins[i] += bins_[i].value();
    total.sum += sum_.value();
  }

 private:
  std::array<Counter, kDurationBins> bins_;
  Counter sum_;
};

}  // namespace gyre::metrics
