#include "transport/admission.h"

#include <algorithm>

namespace gyre::transport {

namespace {
// More than can ever be used up, and a time that can still be counted with.
constexpr uint64_t kBurstMax = 1'000'000'000;
}  // namespace

Admission::Verdict Admission::admit(os::Nanos now) {
  const uint64_t limit = connections_.load(std::memory_order_relaxed);
  if (limit > 0 && connected_() >= limit) return Verdict::full;
  if (burst_ == 0) return Verdict::welcome;
  // A token comes back per second, whatever their number (spec security.md 5).
  const os::Nanos burst = static_cast<os::Nanos>(std::min(burst_, kBurstMax)) * os::kSecond;
  os::Nanos full_at = full_at_.load(std::memory_order_relaxed);
  for (;;) {
    const os::Nanos after = std::max(full_at, now) + os::kSecond;
    if (after > now + burst) return Verdict::too_fast;
    if (full_at_.compare_exchange_weak(full_at, after, std::memory_order_relaxed)) {
      return Verdict::welcome;
    }
  }
}

}  // namespace gyre::transport
