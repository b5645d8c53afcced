#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/check.h"

namespace gyre {

// A hash index that stores only 4-byte slots of a slab; the keys stay inside the objects, so each
// name is kept once. Linear hashing (Litwin 1980): it grows by one bucket per insertion instead of
// in one stroke, since rehashing a million keys would stop the shard. Collisions chain through a
// link inside each object.
//
// `Access` gives, for a slot: `uint64_t hash(slot)`, `bool equals(slot, key)` and `uint32_t&
// link(slot)`.
template <class Access>
class SlotIndex {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;

  explicit SlotIndex(Access access) : access_(access), buckets_(kInitialBuckets, kNone) {}

  template <class Key>
  uint32_t find(const Key& key, uint64_t hash) const {
    uint32_t slot = buckets_[bucket_of(hash)];
    while (slot != kNone && !access_.equals(slot, key)) slot = access_.link(slot);
    return slot;
  }

  void insert(uint32_t slot, uint64_t hash) {
    if (++size_ > buckets_.size()) grow();
    uint32_t& head = buckets_[bucket_of(hash)];
    access_.link(slot) = head;
    head = slot;
  }

  void erase(uint32_t slot, uint64_t hash) {
    uint32_t* link = &buckets_[bucket_of(hash)];
    while (*link != slot) {
      GYRE_DCHECK(*link != kNone);
      link = &access_.link(*link);
    }
    *link = access_.link(slot);
    --size_;
    if (buckets_.size() > kInitialBuckets && size_ < buckets_.size() / 4) shrink();
  }

  size_t size() const { return size_; }

 private:
  static constexpr size_t kInitialBuckets = 16;

  size_t bucket_of(uint64_t hash) const {
    const size_t bucket = hash & (2 * base_ - 1);
    return bucket < buckets_.size() ? bucket : bucket - base_;
  }

  // Splits the next bucket in order into itself and its new twin.
  void grow() {
    if (buckets_.size() == 2 * base_) base_ *= 2;
    const size_t split = buckets_.size() - base_;
    buckets_.push_back(kNone);
    uint32_t slot = buckets_[split];
    buckets_[split] = kNone;
    while (slot != kNone) {
      const uint32_t next = access_.link(slot);
      uint32_t& head = buckets_[bucket_of(access_.hash(slot))];
      access_.link(slot) = head;
      head = slot;
      slot = next;
    }
  }

  // Folds the last bucket back into its twin.
  void shrink() {
    if (buckets_.size() == base_) base_ /= 2;
    uint32_t slot = buckets_.back();
    buckets_.pop_back();
    uint32_t* tail = &buckets_[buckets_.size() - base_];
    while (*tail != kNone) tail = &access_.link(*tail);
    *tail = slot;
    if (buckets_.capacity() > 4 * buckets_.size()) buckets_.shrink_to_fit();
  }

  Access access_;
  std::vector<uint32_t> buckets_;
  size_t base_ = kInitialBuckets;  // base_ <= buckets_.size() <= 2 * base_
  size_t size_ = 0;
};

}  // namespace gyre
