#include "runtime/memory_pressure.h"

#include <array>

namespace gyre::runtime {

namespace {

// Percent of the limit from which on a stage holds, and so much less below which it is over: far
// enough that what a stage frees does not at once begin it again.
constexpr std::array<uint64_t, MemoryPressure::kStages> kBegins = {0, 85, 90, 95};
constexpr uint64_t kSlack = 5;

}  // namespace

MemoryPressure& MemoryPressure::unlimited() {
  static MemoryPressure none(0);
  return none;
}

bool MemoryPressure::update(uint64_t used) {
  used_.store(used, std::memory_order_relaxed);
  if (limit_ == 0) return false;
  const Stage before = stage();
  auto now = static_cast<uint8_t>(Stage::none);
  for (uint8_t one = 1; one < kStages; ++one) {
    const uint64_t percent = kBegins[one] - (static_cast<uint8_t>(before) >= one ? kSlack : 0);
    if (used >= limit_ / 100 * percent) now = one;
  }
  stage_.store(static_cast<Stage>(now), std::memory_order_relaxed);
  return static_cast<Stage>(now) != before;
}

MemoryPressure::Figures MemoryPressure::figures() const {
  const auto read = [](const std::atomic<uint64_t>& value) {
    return value.load(std::memory_order_relaxed);
  };
  return {.limit = limit_,
          .used = read(used_),
          .stage = stage(),
          .refused_connects = read(refused_connects_),
          .cut_connections = read(cut_connections_),
          .refused_publishes = read(refused_publishes_)};
}

}  // namespace gyre::runtime
