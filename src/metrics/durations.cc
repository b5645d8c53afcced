#include "metrics/durations.h"

#include <limits>
#include <numeric>

namespace gyre::metrics {

uint64_t Distribution::count() const {
  return std::accumulate(bins.begin(), bins.end(), uint64_t{0});
}

uint64_t Distribution::count_up_to(os::Nanos bound) const {
  uint64_t count = 0;
  for (size_t i = 0; i < kDurationBounds && kBinBounds[i] <= bound; ++i) count += bins[i];
  return count;
}

double Distribution::quantile(double q) const {
  const uint64_t total = count();
  if (total == 0) return std::numeric_limits<double>::quiet_NaN();
  const double rank = q * static_cast<double>(total);
  double below = 0;
  for (size_t i = 0; i < kDurationBounds; ++i) {
    const auto inside = static_cast<double>(bins[i]);
    if (inside > 0 && below + inside >= rank) {
      const double low = i == 0 ? 0 : static_cast<double>(kBinBounds[i - 1]);
      const double high = static_cast<double>(kBinBounds[i]);
      return (low + (high - low) * (rank - below) / inside) / os::kSecond;
    }
    below += inside;
  }
  return static_cast<double>(kBinBounds.back()) / os::kSecond;
}

Distribution Distribution::since(const Distribution& earlier) const {
  Distribution difference;
  for (size_t i = 0; i < bins.size(); ++i) difference.bins[i] = bins[i] - earlier.bins[i];
  difference.sum = sum - earlier.sum;
  return difference;
}

}  // namespace gyre::metrics
