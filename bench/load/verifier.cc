#include "load/verifier.h"

namespace gyre::bench {

void Faults::add(const Faults& other) {
  lost += other.lost;
  duplicate += other.duplicate;
  reordered += other.reordered;
  unreadable += other.unreadable;
  diverged += other.diverged;
}

Verifier::Verifier(uint32_t subscribers, uint32_t publishers)
    : publishers_(publishers), lanes_(uint64_t{subscribers} * publishers), order_(subscribers) {}

void Verifier::see(uint32_t subscriber, const Stamp& stamp) {
  if (stamp.publisher >= publishers_) return unreadable();
  order_[subscriber] = (order_[subscriber] ^ (uint64_t{stamp.publisher} << 32 | stamp.sequence)) *
                       0x9E3779B97F4A7C15;
  Lane& seen = lane(subscriber, stamp.publisher);
  if (stamp.sequence >= seen.next) {
    const uint32_t skipped = stamp.sequence - seen.next;
    faults_.lost += skipped;  // taken back if they come late
    if (skipped < 63) {
      seen.missing = seen.missing << (skipped + 1) | (((uint64_t{1} << skipped) - 1) << 1);
    } else {
      seen.missing = ~uint64_t{1};
    }
    seen.next = stamp.sequence + 1;
    return;
  }
  const uint32_t behind = seen.next - 1 - stamp.sequence;
  if (behind < 64 && (seen.missing >> behind & 1) != 0) {
    seen.missing &= ~(uint64_t{1} << behind);
    ++faults_.reordered;
    --faults_.lost;
  } else {
    ++faults_.duplicate;
  }
}

void Verifier::finish_lane(uint32_t subscriber, uint32_t publisher, uint32_t sent) {
  const Lane& seen = lane(subscriber, publisher);
  if (seen.next < sent) faults_.lost += sent - seen.next;
}

Faults Verifier::finish(const std::vector<uint32_t>& sent, bool same_order) {
  for (uint32_t subscriber = 0; subscriber < order_.size(); ++subscriber) {
    for (uint32_t publisher = 0; publisher < publishers_; ++publisher) {
      finish_lane(subscriber, publisher, sent[publisher]);
    }
    if (same_order && order_[subscriber] != order_[0]) ++faults_.diverged;
  }
  return faults_;
}

}  // namespace gyre::bench
