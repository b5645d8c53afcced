#include "api/concurrently.h"

#include <gtest/gtest.h>

#include <coroutine>
#include <vector>

#include "net/sockets.h"
#include "os/manual_kernel.h"

namespace gyre::api {
namespace {

// Pieces of work that wait until the test lets them end.
class ConcurrentlyTest : public testing::Test {
 protected:
  ConcurrentlyTest() {
    set_.shards.push_back(&shard_);
    shard_.attach(sockets_, sockets_);
  }

  struct Wait {
    std::vector<std::coroutine_handle<>>& waiting;
    bool await_ready() const { return false; }
    void await_suspend(std::coroutine_handle<> coroutine) { waiting.push_back(coroutine); }
    void await_resume() {}
  };
  static runtime::Task<void> piece(ConcurrentlyTest* test, size_t index, bool waits) {
    test->started_.push_back(index);
    if (waits) co_await Wait{test->waiting_};
    ++test->ended_;
  }
  static runtime::Task<void> run(ConcurrentlyTest* test, size_t count, size_t width, bool waits) {
    co_await concurrently(&test->shard_, count, width,
                          [=](size_t i) { return std::optional(piece(test, i, waits)); });
    test->is_done_ = true;
  }
  void start(size_t count, size_t width, bool waits = true) {
    runtime::TurnScope scope(shard_);
    shard_.tasks().spawn(run(this, count, width, waits));
  }
  void end(size_t number) {
    {
      runtime::TurnScope scope(shard_);
      const auto coroutine = waiting_[number];
      waiting_.erase(waiting_.begin() + static_cast<ptrdiff_t>(number));
      coroutine.resume();
    }
    shard_.turn(0);
  }

  os::ManualKernel kernel_;
  runtime::ShardSet set_;
  runtime::Shard shard_{runtime::ShardId{0}, kernel_, set_};
  net::Sockets sockets_{shard_, {}};
  std::vector<size_t> started_;
  std::vector<std::coroutine_handle<>> waiting_;
  size_t ended_ = 0;
  bool is_done_ = false;
};

TEST_F(ConcurrentlyTest, KeepsToItsWidth) {
  start(5, 2);
  EXPECT_EQ(started_, (std::vector<size_t>{0, 1}));
  end(1);
  EXPECT_EQ(started_, (std::vector<size_t>{0, 1, 2}));
  end(0);
  end(0);
  EXPECT_EQ(started_, (std::vector<size_t>{0, 1, 2, 3, 4}));
  EXPECT_FALSE(is_done_);
  end(1);
  EXPECT_FALSE(is_done_);
  end(0);
  EXPECT_TRUE(is_done_);
  EXPECT_TRUE(shard_.is_idle());
}

TEST_F(ConcurrentlyTest, EndsWhenSeveralEndAtOnce) {
  start(3, 3);
  EXPECT_EQ(waiting_.size(), 3u);
  {
    runtime::TurnScope scope(shard_);
    for (std::coroutine_handle<> each : waiting_) each.resume();
  }
  EXPECT_FALSE(is_done_);
  shard_.turn(0);
  EXPECT_TRUE(is_done_);
}

TEST_F(ConcurrentlyTest, WorkThatNeverWaitsLeavesTurnsToOthers) {
  start(1000, 1, false);
  EXPECT_EQ(ended_, kPiecesPerTurn);
  for (int i = 0; i < 100; ++i) shard_.turn(0);
  EXPECT_EQ(ended_, 1000u);
  EXPECT_TRUE(is_done_);
}

TEST_F(ConcurrentlyTest, NothingToDoIsDone) {
  start(0, 8);
  EXPECT_TRUE(is_done_);
}

}  // namespace
}  // namespace gyre::api
