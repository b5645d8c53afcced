#include "runtime/memory_pressure.h"

#include <gtest/gtest.h>

namespace gyre::runtime {
namespace {

using Stage = MemoryPressure::Stage;

TEST(MemoryPressure, ShedsInOrderAndLetsGoLater) {
  MemoryPressure memory(1000);
  struct Step {
    uint64_t used;
    Stage stage;
  };
  for (const Step step :
       {Step{849, Stage::none}, Step{850, Stage::refuse_connects},
        Step{899, Stage::refuse_connects}, Step{900, Stage::cut_slowest},
        Step{851, Stage::cut_slowest}, Step{949, Stage::cut_slowest},
        Step{5000, Stage::refuse_publishes}, Step{901, Stage::refuse_publishes},
        Step{899, Stage::cut_slowest}, Step{849, Stage::refuse_connects},
        Step{801, Stage::refuse_connects}, Step{799, Stage::none}, Step{849, Stage::none}}) {
    const Stage before = memory.stage();
    EXPECT_EQ(memory.update(step.used), step.stage != before) << step.used;
    EXPECT_EQ(memory.stage(), step.stage) << step.used;
  }
}

TEST(MemoryPressure, CountsWhatItRefuses) {
  MemoryPressure memory(1000);
  EXPECT_FALSE(memory.refuses_connect());
  memory.update(900);
  EXPECT_TRUE(memory.refuses_connect());
  EXPECT_FALSE(memory.refuses_publish());
  EXPECT_TRUE(memory.cuts_slowest());
  memory.update(1000);
  EXPECT_TRUE(memory.refuses_connect());
  EXPECT_TRUE(memory.refuses_publish());
  memory.count_cut(3);
  const MemoryPressure::Figures figures = memory.figures();
  EXPECT_EQ(figures.refused_connects, 2u);
  EXPECT_EQ(figures.refused_publishes, 1u);
  EXPECT_EQ(figures.cut_connections, 3u);
  EXPECT_EQ(figures.used, 1000u);
}

TEST(MemoryPressure, IsNoneWithoutALimit) {
  MemoryPressure memory(0);
  EXPECT_FALSE(memory.update(UINT64_MAX));
  EXPECT_FALSE(memory.refuses_connect());
  EXPECT_FALSE(memory.cuts_slowest());
}

}  // namespace
}  // namespace gyre::runtime
