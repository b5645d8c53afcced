#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace gyre::bench {

/// Counts of nanosecond values in buckets 1.6 % wide (64 per power of two), 32 KiB, no allocation.
class Histogram {
 public:
  void record(int64_t nanoseconds) {
    const auto value = static_cast<uint64_t>(nanoseconds < 0 ? 0 : nanoseconds);
    ++counts_[bucket(value)];
    ++total_;
    if (value > max_) max_ = value;
  }

  void merge(const Histogram& other) {
    for (size_t at = 0; at < counts_.size(); ++at) counts_[at] += other.counts_[at];
    total_ += other.total_;
    if (other.max_ > max_) max_ = other.max_;
  }

  void clear() { *this = Histogram(); }
  uint64_t total() const { return total_; }

  /// Microseconds below which `share` of the values lie (upper edge of the bucket); 0 if empty.
  double quantile_us(double share) const {
    if (total_ == 0) return 0;
    const auto wanted = static_cast<uint64_t>(share * static_cast<double>(total_ - 1)) + 1;
    uint64_t seen = 0;
    for (size_t at = 0; at < counts_.size(); ++at) {
      seen += counts_[at];
      if (seen >= wanted) return static_cast<double>(upper_edge(at)) / 1000.0;
    }
    return max_us();
  }

  double max_us() const { return static_cast<double>(max_) / 1000.0; }

 private:
  static constexpr unsigned kFineBits = 6;
  static constexpr uint64_t kFine = uint64_t{1} << kFineBits;

  static size_t bucket(uint64_t value) {
    if (value < kFine) return static_cast<size_t>(value);
    const auto power = static_cast<unsigned>(std::bit_width(value)) - 1 - kFineBits;
    return static_cast<size_t>((uint64_t{power + 1} << kFineBits) + ((value >> power) - kFine));
  }

  static uint64_t upper_edge(size_t bucket) {
    if (bucket < kFine) return bucket;
    const auto power = static_cast<unsigned>(bucket >> kFineBits) - 1;
    return (((bucket & (kFine - 1)) + kFine + 1) << power) - 1;
  }

  std::array<uint64_t, kFine * (64 - kFineBits + 1)> counts_{};
  uint64_t total_ = 0;
  uint64_t max_ = 0;
};

}  // namespace gyre::bench
