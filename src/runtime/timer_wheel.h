#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "os/kernel.h"

namespace gyre::runtime {

class TimerWheel;

// Something that wants to be called at a time. Intrusive: arming and cancelling cost a few pointers
// and no memory. The owner embeds it; destroying an armed timer cancels it.
class Timer {
 public:
  Timer() = default;
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;
  virtual ~Timer() { cancel(); }

  bool is_armed() const { return next_ != nullptr; }
  void cancel();

 protected:
  // Runs on the owner's shard, at or up to one tick after the due time. The timer is not armed any
  // more.
  virtual void on_timer() = 0;

 private:
  friend class TimerWheel;
  Timer* next_ = nullptr;
  Timer* previous_ = nullptr;
  uint64_t due_tick_ = 0;
};

// A hierarchical timing wheel: one per shard, driven by its turn. Ticks of 100 ms; level 0
// covers 25.6 s, each further level 64 times more (Varghese and Lauck 1987). Nothing is exact below
// a tick; nothing fires early.
class TimerWheel {
 public:
  static constexpr os::Nanos kTick = 100 * os::kMillisecond;

  explicit TimerWheel(os::Nanos now);
  ~TimerWheel();
  TimerWheel(const TimerWheel&) = delete;
  TimerWheel& operator=(const TimerWheel&) = delete;

  // Due at `when` (monotonic), rounded up to a tick; re-arms when armed.
  void arm(Timer& timer, os::Nanos when);
  // Fires what is due.
  void advance(os::Nanos now);
  // When `advance` has something to do next: a due timer or a level to unfold. kForever if no timer
  // is armed.
  os::Nanos next_due() const;
  // How many timers are armed; walks them all, for tests.
  size_t armed() const;

 private:
  friend class Timer;
  // Sentinel of a slot's ring.
  struct Slot final : Timer {
    Slot() { next_ = previous_ = this; }
    ~Slot() override { next_ = nullptr; }
    void on_timer() override {}
    bool is_empty() const { return next_ == this; }
    using Timer::next_;
    using Timer::previous_;
  };
  static constexpr uint32_t kNearSlots = 256;
  static constexpr uint32_t kFarSlots = 64;
  static constexpr uint32_t kFarLevels = 3;

  void insert(Timer& timer);
  void unfold(Slot& slot);
  void fire(Slot& slot);

  uint64_t now_tick_;
  // Which near slots may hold timers; a cancelled timer leaves its bit behind, next_due sweeps it.
  mutable std::array<uint64_t, kNearSlots / 64> near_bits_{};
  std::array<Slot, kNearSlots> near_;
  std::array<std::array<Slot, kFarSlots>, kFarLevels> far_;
};

}  // namespace gyre::runtime
