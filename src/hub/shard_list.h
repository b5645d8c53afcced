#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <memory>
#include <vector>

#include "runtime/shard.h"

namespace gyre::hub {

// A set of shards, small where nodes have up to 64 of them: one for each channel.
class ShardList {
 public:
  bool empty() const { return near_ == 0 && (!far_ || far_->empty()); }
  bool contains(runtime::ShardId shard) const {
    if (shard.value < kNear) return near_ >> shard.value & 1;
    return far_ && std::ranges::find(*far_, shard) != far_->end();
  }
  void insert(runtime::ShardId shard) {
    if (contains(shard)) return;
    if (shard.value < kNear) {
      near_ |= uint64_t{1} << shard.value;
    } else {
      if (!far_) far_ = std::make_unique<std::vector<runtime::ShardId>>();
      far_->push_back(shard);
    }
  }
  void erase(runtime::ShardId shard) {
    if (shard.value < kNear) {
      near_ &= ~(uint64_t{1} << shard.value);
    } else if (far_) {
      std::erase(*far_, shard);
    }
  }
  // `visit` may erase the shard that it is called with: one that hears of a loss at once may leave
  // the channel by it. Hence from the back.
  template <class Visit>
  void for_each(Visit visit) const {
    for (uint64_t left = near_; left != 0; left &= left - 1) {
      visit(runtime::ShardId{static_cast<uint16_t>(std::countr_zero(left))});
    }
    if (!far_) return;
    for (size_t i = far_->size(); i-- > 0;) visit((*far_)[i]);
  }

 private:
  static constexpr uint16_t kNear = 64;
  uint64_t near_ = 0;
  std::unique_ptr<std::vector<runtime::ShardId>> far_;
};

}  // namespace gyre::hub
