#include "net/allowance.h"

#include <gtest/gtest.h>

namespace gyre::net {
namespace {

using os::kMillisecond;
using os::kSecond;

constexpr os::Nanos kDay = 24 * 3600 * kSecond;
constexpr os::Nanos kStart = 1000 * kSecond;
constexpr Allowance kAllowance{.most = 5, .pause_ms = 20};

int allowed(uint32_t& state, os::Nanos now, int asked) {
  int count = 0;
  for (int i = 0; i < asked; ++i) count += !kAllowance.is_exceeded(state, now);
  return count;
}

TEST(Allowance, GivesSoManyAtOnceAndThenOneForEachPause) {
  uint32_t state = 0;
  EXPECT_EQ(allowed(state, kStart, 100), 5);
  EXPECT_EQ(allowed(state, kStart + 19 * kMillisecond, 100), 0);
  EXPECT_EQ(allowed(state, kStart + 20 * kMillisecond, 100), 1) << "what was refused is not owed";
  EXPECT_EQ(allowed(state, kStart + 60 * kMillisecond, 100), 2);
  EXPECT_EQ(allowed(state, kStart + kSecond, 100), 5);
}

// The state's milliseconds wrap after 49 days.
TEST(Allowance, IsWholeAfterQuietHoweverLong) {
  for (int days = 1; days <= 120; ++days) {
    uint32_t state = 0;
    ASSERT_EQ(allowed(state, kStart, 3), 3);
    EXPECT_EQ(allowed(state, kStart + days * kDay, 100), 5) << days << " days";
  }
}

TEST(Allowance, HoldsWhileItsMillisecondsWrap) {
  const os::Nanos wrap = (os::Nanos{1} << 32) * kMillisecond;
  uint32_t state = 0;
  EXPECT_EQ(allowed(state, wrap - 30 * kMillisecond, 100), 5);
  EXPECT_EQ(allowed(state, wrap - 10 * kMillisecond, 100), 1);
  EXPECT_EQ(allowed(state, wrap + 30 * kMillisecond, 100), 2);
}

}  // namespace
}  // namespace gyre::net
