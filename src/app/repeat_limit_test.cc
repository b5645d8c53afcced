#include "app/repeat_limit.h"

#include <gtest/gtest.h>

namespace gyre::app {
namespace {

TEST(RepeatLimit, LetsSomeOfASecondPassAndTellsOfTheRest) {
  RepeatLimit limit;
  for (uint32_t i = 0; i < RepeatLimit::kLinesPerSecond; ++i) {
    EXPECT_TRUE(limit.judge("error publishing", 100).passes) << i;
  }
  for (int i = 0; i < 5; ++i) EXPECT_FALSE(limit.judge("error publishing", 100).passes);
  EXPECT_TRUE(limit.judge("another", 100).passes) << "each message has a limit of its own";
  const RepeatLimit::Verdict next = limit.judge("error publishing", 101);
  EXPECT_TRUE(next.passes);
  EXPECT_EQ(next.left_out, 5u);
  EXPECT_EQ(limit.judge("error publishing", 101).left_out, 0u) << "told once";
}

TEST(RepeatLimit, AClockThatIsSetBackSilencesNobody) {
  RepeatLimit limit;
  for (int i = 0; i < 100; ++i) limit.judge("m", 100);
  EXPECT_TRUE(limit.judge("m", 50).passes);
}

TEST(RepeatLimit, IsBounded) {
  RepeatLimit limit;
  for (size_t i = 0; i < 3 * RepeatLimit::kMessagesMax; ++i) {
    EXPECT_TRUE(limit.judge(std::to_string(i), 1).passes);
  }
}

}  // namespace
}  // namespace gyre::app
