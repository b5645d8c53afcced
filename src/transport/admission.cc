#include "transport/admission.h"

#include <algorithm>

namespace gyre::transport {

Admission::Verdict Admission::admit(os::Nanos now) {
  if (memory_.refuses_connect()) return Verdict::short_of_memory;
  const uint64_t limit = connections_.load(std::memory_order_relaxed);
  if (limit > 0 && connected_() >= limit) return Verdict::full;
  if (per_second_ == 0) return Verdict::welcome;
  // As many come back per second. The reference gives back one, whatever the rate: a known defect
  // (spec client-protocol/README.md), which would lock a node out for hours after a restart.
  const auto rate = std::min<uint64_t>(per_second_, os::kSecond);
  const os::Nanos price = os::kSecond / static_cast<os::Nanos>(rate);
  const os::Nanos burst = price * static_cast<os::Nanos>(rate);
  os::Nanos full_at = full_at_.load(std::memory_order_relaxed);
  for (;;) {
    const os::Nanos after = std::max(full_at, now) + price;
    if (after > now + burst) return Verdict::too_fast;
    if (full_at_.compare_exchange_weak(full_at, after, std::memory_order_relaxed)) {
      return Verdict::welcome;
    }
  }
}

}  // namespace gyre::transport
