#pragma once

#include <functional>

#include "os/kernel.h"
#include "runtime/memory_pressure.h"

namespace gyre::app {

// Tells the shards how much memory is in use, and has the slowest connections cut while that is too
// much. Owned by the thread that waits for signals, so that no shard is held up by it.
class MemoryWatch {
 public:
  static constexpr os::Nanos kInterval = 100 * os::kMillisecond;

  // `cut`: has every shard cut its slowest.
  MemoryWatch(runtime::MemoryPressure& memory, std::function<void()> cut)
      : memory_(memory), cut_(std::move(cut)) {}

  // Once every kInterval; `now` is monotonic.
  void look(uint64_t in_use, os::Nanos now);

 private:
  void tell(os::Nanos now);

  static constexpr os::Nanos kTellInterval = os::kSecond;

  runtime::MemoryPressure& memory_;
  const std::function<void()> cut_;
  runtime::MemoryPressure::Stage told_ = runtime::MemoryPressure::Stage::none;
  os::Nanos next_tell_ = 0;
};

}  // namespace gyre::app
