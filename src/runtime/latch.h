#pragma once

#include <coroutine>
#include <cstddef>
#include <utility>

#include "base/check.h"

namespace gyre::runtime {

// Lets one coroutine wait until several others, of the same shard, have done their part. Lives in
// the frame of the one that waits.
class Latch {
 public:
  explicit Latch(size_t count) : count_(count) {}
  Latch(const Latch&) = delete;

  void arrive() {
    GYRE_DCHECK(count_ > 0);
    if (--count_ == 0 && waiting_) std::exchange(waiting_, nullptr).resume();
  }

  bool await_ready() const { return count_ == 0; }
  void await_suspend(std::coroutine_handle<> coroutine) { waiting_ = coroutine; }
  void await_resume() const {}

 private:
  size_t count_;
  std::coroutine_handle<> waiting_;
};

}  // namespace gyre::runtime
