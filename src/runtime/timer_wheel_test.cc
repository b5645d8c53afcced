#include "runtime/timer_wheel.h"

#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <vector>

namespace gyre::runtime {
namespace {

constexpr os::Nanos kStart = 1'000 * os::kSecond + 37 * os::kMillisecond;

struct Recorder : Timer {
  os::Nanos* clock = nullptr;
  std::vector<os::Nanos> fired;
  void on_timer() override { fired.push_back(*clock); }
};

TEST(TimerWheel, NeverFiresEarlyAndAtMostATickLate) {
  for (const os::Nanos delay :
       {os::Nanos{1}, TimerWheel::kTick, 25 * os::kSecond, 26 * os::kSecond, 1'000 * os::kSecond,
        3'600 * os::kSecond, 40 * 3'600 * os::kSecond, 720 * 3'600 * os::kSecond}) {
    os::Nanos now = kStart;
    TimerWheel wheel(now);
    Recorder timer;
    timer.clock = &now;
    wheel.arm(timer, now + delay);
    while (timer.fired.empty()) {
      const os::Nanos due = wheel.next_due();
      ASSERT_NE(due, os::kForever);
      ASSERT_GT(due, now);
      now = due;
      wheel.advance(now);
    }
    EXPECT_GE(timer.fired[0], kStart + delay);
    EXPECT_LE(timer.fired[0], kStart + delay + TimerWheel::kTick);
  }
}

TEST(TimerWheel, AgreesWithASortedListUnderRandomUse) {
  std::mt19937_64 random(7);
  os::Nanos now = kStart;
  TimerWheel wheel(now);
  std::vector<std::unique_ptr<Recorder>> timers;
  std::vector<os::Nanos> due(200, -1);
  for (size_t i = 0; i < due.size(); ++i) {
    timers.push_back(std::make_unique<Recorder>());
    timers.back()->clock = &now;
  }
  for (int step = 0; step < 20'000; ++step) {
    const size_t i = random() % due.size();
    if (random() % 4 == 0) {
      timers[i]->cancel();
      due[i] = -1;
    } else {
      due[i] = now + static_cast<os::Nanos>(random() % (1ull << (20 + random() % 26)));
      wheel.arm(*timers[i], due[i]);
    }
    now += static_cast<os::Nanos>(random() % (1ull << (10 + random() % 24)));
    wheel.advance(now);
    for (size_t k = 0; k < due.size(); ++k) {
      if (!timers[k]->fired.empty()) {
        ASSERT_NE(due[k], -1);
        ASSERT_LE(due[k], now);
        timers[k]->fired.clear();
        due[k] = -1;
      } else if (due[k] != -1) {
        ASSERT_GT(due[k] + TimerWheel::kTick, now) << "timer " << k << " is overdue";
      }
    }
  }
}

TEST(TimerWheel, ACancelledTimerDoesNotFireAndLeavesNothingDue) {
  os::Nanos now = kStart;
  TimerWheel wheel(now);
  Recorder timer;
  timer.clock = &now;
  wheel.arm(timer, now + os::kSecond);
  timer.cancel();
  EXPECT_EQ(wheel.next_due(), os::kForever);
  EXPECT_EQ(wheel.armed(), 0u);
}

}  // namespace
}  // namespace gyre::runtime
