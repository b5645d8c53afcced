#pragma once

#include "hub/home.h"
#include "runtime/timer_wheel.h"

namespace gyre::hub {

// Asks the broker from time to time where the streams of this shard's positioned channels stand, as
// the loss of the last message leaves no gap to see (spec subscriptions.md 5.4). One question for
// each channel, however many clients listen. Owned by the shard's assembly; lives as long as Homes.
class PositionCheck final : runtime::Timer {
 public:
  // `interval`: client.channel_position_check_delay.
  PositionCheck(runtime::Shard& shard, Homes& homes, os::Nanos interval);

  // No more checks; one that is running ends by itself and must find this object.
  void stop() { cancel(); }

 private:
  void on_timer() override;
  runtime::Task<void> check();
  // How many tops are asked for at once.
  static constexpr size_t kBatch = 1000;

  runtime::Shard& shard_;
  Homes& homes_;
  const os::Nanos interval_;
  bool is_running_ = false;
};

}  // namespace gyre::hub
