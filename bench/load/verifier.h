#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "load/wire.h"

namespace gyre::bench {

/// What happened to publications that should have arrived once and in order.
struct Faults {
  uint64_t lost = 0;
  uint64_t duplicate = 0;
  uint64_t reordered = 0;
  uint64_t unreadable = 0;
  uint64_t diverged = 0;  // subscribers that saw another order than the first one

  void add(const Faults& other);
  bool any() const { return lost + duplicate + reordered + unreadable + diverged != 0; }
};

/// Holds every publication of every subscriber against the sequence of its publisher. 24 bytes
/// per subscriber and publisher, so only built with --verify.
class Verifier {
 public:
  Verifier(uint32_t subscribers, uint32_t publishers);

  void see(uint32_t subscriber, const Stamp& stamp);
  void unreadable() { ++faults_.unreadable; }

  /// Adds what never came: `sent[p]` publications of publisher p should have reached everybody.
  /// With `same_order`, all subscribers must have seen all publishers interleaved the same way.
  Faults finish(const std::vector<uint32_t>& sent, bool same_order);
  /// For channels with a sequence each: `sent(subscriber)` tells how many it should have seen.
  template <class Sent>
  Faults finish_each(Sent sent) {
    for (uint32_t at = 0; at < order_.size(); ++at) finish_lane(at, 0, sent(at));
    return faults_;
  }
  uint64_t order_of(uint32_t subscriber) const { return order_[subscriber]; }

 private:
  struct Lane {
    uint32_t next = 0;     // the sequence expected
    uint64_t missing = 0;  // bit i: next - 1 - i was skipped
  };
  Lane& lane(uint32_t subscriber, uint32_t publisher) {
    return lanes_[subscriber * uint64_t{publishers_} + publisher];
  }
  void finish_lane(uint32_t subscriber, uint32_t publisher, uint32_t sent);

  uint32_t publishers_;
  std::vector<Lane> lanes_;
  std::vector<uint64_t> order_;  // a running hash of what each subscriber saw
  Faults faults_;
};

}  // namespace gyre::bench
