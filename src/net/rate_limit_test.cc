#include "net/rate_limit.h"

#include <gtest/gtest.h>

namespace gyre::net {
namespace {

using os::kMillisecond;
using os::kSecond;

int taken(const RateLimit& limit, os::Nanos& state, os::Nanos now, int asked) {
  int count = 0;
  for (int i = 0; i < asked; ++i) count += limit.take(state, now);
  return count;
}

TEST(RateLimit, GivesABurstAtOnceAndThenItsRate) {
  const RateLimit limit = RateLimit::of(10, kSecond, 5);
  os::Nanos state = 0;
  os::Nanos now = 1000 * kSecond;
  EXPECT_EQ(taken(limit, state, now, 100), 5);
  EXPECT_EQ(taken(limit, state, now + 99 * kMillisecond, 100), 0);
  EXPECT_EQ(taken(limit, state, now + 100 * kMillisecond, 100), 1);
  EXPECT_EQ(taken(limit, state, now + 300 * kMillisecond, 100), 2);
  EXPECT_EQ(taken(limit, state, now + kSecond, 100), 5) << "it holds no more than a burst";
  EXPECT_EQ(taken(limit, state, now + 3600 * kSecond, 100), 5);
}

TEST(RateLimit, GivesItsRateOverALongTimeWhateverIsAsked) {
  const RateLimit limit = RateLimit::of(7, 60 * kSecond, 3);
  os::Nanos state = 0;
  int count = 0;
  for (int second = 0; second < 3600; ++second) count += taken(limit, state, second * kSecond, 4);
  EXPECT_EQ(count, 3 + 7 * 60 - 1) << "the last one is due at the end of the hour";
}

// After a reload a bucket owes no more than the new one can.
TEST(RateLimit, AnotherLimitTakesTheStateOver) {
  const RateLimit slow = RateLimit::of(1, 3600 * kSecond, 10);
  const RateLimit fast = RateLimit::of(10, kSecond, 10);
  os::Nanos state = 0;
  EXPECT_EQ(taken(slow, state, kSecond, 100), 10);
  EXPECT_EQ(taken(fast, state, kSecond, 100), 0);
  EXPECT_EQ(taken(fast, state, 2 * kSecond, 100), 10);
  EXPECT_EQ(taken(slow, state, 2 * kSecond, 100), 9) << "what was taken fast cost little";
}

TEST(RateLimit, NoneIsNone) {
  EXPECT_FALSE(RateLimit());
  EXPECT_TRUE(RateLimit::of(1'000'000'000, kSecond, 1));
}

}  // namespace
}  // namespace gyre::net
