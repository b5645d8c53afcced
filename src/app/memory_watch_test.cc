#include "app/memory_watch.h"

#include <gtest/gtest.h>

#include "base/log.h"

namespace gyre::app {
namespace {

struct Lines final : log::Sink {
  void write(log::Level level, std::string_view message,
             std::initializer_list<log::Field> fields) override {
    EXPECT_EQ(level, message.ends_with("any more") ? log::Level::info : log::Level::warn);
    EXPECT_EQ(fields.size(), 5u);
    messages.emplace_back(message);
  }
  std::vector<std::string> messages;
};

class MemoryWatchTest : public testing::Test {
 protected:
  MemoryWatchTest() { log::install(lines_, log::Level::info); }
  ~MemoryWatchTest() override { log::install(nullptr, log::Level::none); }

  std::shared_ptr<Lines> lines_ = std::make_shared<Lines>();
  runtime::MemoryPressure memory_{1000};
  int cuts_ = 0;
  MemoryWatch watch_{memory_, [this] { ++cuts_; }};
};

TEST_F(MemoryWatchTest, HasTheSlowestCutWhileItIsTooMuch) {
  watch_.look(850, 0);
  EXPECT_EQ(cuts_, 0);
  watch_.look(900, 0);
  watch_.look(990, 0);
  EXPECT_EQ(cuts_, 2);
  watch_.look(840, 0);
  EXPECT_EQ(cuts_, 2);
}

TEST_F(MemoryWatchTest, TellsStagesOnceASecondAndNoneIsKeptSecret) {
  watch_.look(850, os::kSecond);
  for (int i = 0; i < 9; ++i) {
    watch_.look(i % 2 == 0 ? 700 : 860, os::kSecond + i * MemoryWatch::kInterval);
  }
  EXPECT_EQ(lines_->messages.size(), 1u);
  watch_.look(700, 2 * os::kSecond);
  watch_.look(700, 3 * os::kSecond);
  ASSERT_EQ(lines_->messages.size(), 2u);
  EXPECT_EQ(lines_->messages[0], "memory limit near: new connections are refused");
  EXPECT_EQ(lines_->messages[1], "memory limit: nothing is refused any more");
}

}  // namespace
}  // namespace gyre::app
