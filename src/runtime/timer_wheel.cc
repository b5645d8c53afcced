#include "runtime/timer_wheel.h"

#include <algorithm>
#include <bit>

#include "base/check.h"

namespace gyre::runtime {

namespace {
constexpr uint32_t kNearBits = 8;
constexpr uint32_t kFarBits = 6;
// How many ticks the levels up to and including `level` cover; level -1 is the near one.
constexpr uint64_t span_of(int level) {
  return 1ull << (kNearBits + kFarBits * (level + 1));
}
}  // namespace

void Timer::cancel() {
  if (!next_) return;
  next_->previous_ = previous_;
  previous_->next_ = next_;
  next_ = previous_ = nullptr;
}

TimerWheel::TimerWheel(os::Nanos now) : now_tick_(static_cast<uint64_t>(now / kTick)) {}

TimerWheel::~TimerWheel() {
  const auto disarm = [](Slot& slot) {
    while (!slot.is_empty()) slot.next_->cancel();
  };
  std::ranges::for_each(near_, disarm);
  for (auto& level : far_) std::ranges::for_each(level, disarm);
}

void TimerWheel::arm(Timer& timer, os::Nanos when) {
  timer.cancel();
  const auto tick = static_cast<uint64_t>(std::max<os::Nanos>(when, 0) / kTick) + 1;
  timer.due_tick_ = std::max(tick, now_tick_ + 1);
  insert(timer);
}

void TimerWheel::insert(Timer& timer) {
  const uint64_t distance = timer.due_tick_ - now_tick_;
  Slot* slot = nullptr;
  if (distance < kNearSlots) {
    const auto index = static_cast<uint32_t>(timer.due_tick_ % kNearSlots);
    near_bits_[index / 64] |= 1ull << (index % 64);
    slot = &near_[index];
  } else {
    uint32_t level = 0;
    while (level + 1 < kFarLevels && distance >= span_of(static_cast<int>(level))) ++level;
    // What lies beyond the last level waits in its farthest slot and is sorted in again from there.
    const uint64_t due =
        std::min(timer.due_tick_, now_tick_ + span_of(kFarLevels - 1) - span_of(kFarLevels - 2));
    slot = &far_[level][(due >> (kNearBits + kFarBits * level)) % kFarSlots];
  }
  timer.previous_ = slot->previous_;
  timer.next_ = slot;
  timer.previous_->next_ = &timer;
  slot->previous_ = &timer;
}

void TimerWheel::unfold(Slot& slot) {
  Slot waiting;
  if (slot.is_empty()) return;
  // Move the ring aside first: a timer beyond the last level may go back into the same slot.
  waiting.next_ = slot.next_;
  waiting.previous_ = slot.previous_;
  waiting.next_->previous_ = waiting.previous_->next_ = &waiting;
  slot.next_ = slot.previous_ = &slot;
  while (!waiting.is_empty()) {
    Timer& timer = *waiting.next_;
    timer.cancel();
    insert(timer);
  }
}

void TimerWheel::fire(Slot& slot) {
  // One at a time from the front: a handler may cancel its neighbours. Due timers only: on_timer
  // cannot arm into this slot, since a new timer is at least a tick away.
  while (!slot.is_empty()) {
    Timer& timer = *slot.next_;
    timer.cancel();
    timer.on_timer();
  }
}

void TimerWheel::advance(os::Nanos now) {
  const auto target = static_cast<uint64_t>(now / kTick);
  while (now_tick_ < target) {
    // After a long sleep nothing may be armed nearby: jump to the tick that has work.
    const os::Nanos due = next_due();
    const uint64_t next = due == os::kForever ? target : static_cast<uint64_t>(due / kTick);
    now_tick_ = std::min(target, std::max(next, now_tick_ + 1));
    for (uint32_t level = 0; level < kFarLevels; ++level) {
      const uint32_t shift = kNearBits + kFarBits * level;
      if (now_tick_ % (1ull << shift) != 0) break;
      unfold(far_[level][(now_tick_ >> shift) % kFarSlots]);
    }
    fire(near_[now_tick_ % kNearSlots]);
  }
}

os::Nanos TimerWheel::next_due() const {
  // The near level in circular order from the next tick.
  uint64_t best = UINT64_MAX;
  const auto start = static_cast<uint32_t>((now_tick_ + 1) % kNearSlots);
  for (uint32_t step = 0; step <= near_bits_.size() && best == UINT64_MAX; ++step) {
    const uint32_t word = (start / 64 + step) % static_cast<uint32_t>(near_bits_.size());
    uint64_t bits = near_bits_[word];
    if (step == 0) bits &= ~0ull << (start % 64);
    if (step == near_bits_.size()) bits &= (1ull << (start % 64)) - 1;
    while (bits != 0) {
      const auto index = static_cast<uint32_t>(std::countr_zero(bits)) + word * 64;
      bits &= bits - 1;
      if (near_[index].is_empty()) {
        near_bits_[word] &= ~(1ull << (index % 64));
        continue;
      }
      best = now_tick_ + 1 + (index + kNearSlots - start) % kNearSlots;
      break;
    }
  }
  // Far levels unfold at their boundaries.
  for (uint32_t level = 0; level < kFarLevels; ++level) {
    const uint32_t shift = kNearBits + kFarBits * level;
    for (uint32_t step = 1; step <= kFarSlots; ++step) {
      const uint64_t tick = ((now_tick_ >> shift) + step) << shift;
      if (tick >= best) break;
      if (!far_[level][(tick >> shift) % kFarSlots].is_empty()) best = tick;
    }
  }
  return best == UINT64_MAX ? os::kForever : static_cast<os::Nanos>(best) * kTick;
}

size_t TimerWheel::armed() const {
  size_t count = 0;
  const auto add = [&count](const Slot& slot) {
    const Timer* const end = &slot;
    for (const Timer* timer = end->next_; timer != end; timer = timer->next_) ++count;
  };
  std::ranges::for_each(near_, add);
  for (const auto& level : far_) std::ranges::for_each(level, add);
  return count;
}

}  // namespace gyre::runtime
