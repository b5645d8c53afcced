#include "runtime/shard.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "os/linux_kernel.h"
#include "os/manual_kernel.h"
#include "runtime/call.h"
#include "runtime/test_support.h"

namespace gyre::runtime {
namespace {

// Shards on threads of their own, over the real kernel. `lends` as in production, or always waking.
class ShardsTest : public testing::TestWithParam<bool> {
 protected:
  void start(uint16_t count) {
    set_.lends = GetParam();
    for (uint16_t i = 0; i < count; ++i) {
      kernels_.push_back(std::move(*os::LinuxKernel::create()));
      ASSERT_TRUE(kernels_.back()->open());
      shards_.push_back(std::make_unique<Shard>(ShardId{i}, *kernels_.back(), set_));
      shards_.back()->attach(events_, output_);
      set_.shards.push_back(shards_.back().get());
    }
    for (auto& shard : shards_) threads_.emplace_back([&shard] { shard->run(); });
  }
  // From outside, as guests do.
  template <class Work>
  void tell(size_t shard, Work work) {
    shards_[shard]->post(*new Errand<Work>(std::move(work)));
  }
  void wait_for(std::atomic<int>& value, int wanted) {
    for (int now = value.load(); now != wanted; now = value.load()) value.wait(now);
  }
  void TearDown() override {
    for (auto& shard : shards_) shard->stop();
    for (std::thread& thread : threads_) thread.join();
    for (auto& shard : shards_) {
      EXPECT_EQ(shard->tasks().active(), 0u);
    }
  }

  NoEvents events_;
  NoOutput output_;
  ShardSet set_;
  std::vector<std::unique_ptr<os::LinuxKernel>> kernels_;
  std::vector<std::unique_ptr<Shard>> shards_;
  std::vector<std::thread> threads_;
};

// A ball that goes to and fro, adding up what each shard alone may touch.
struct PingPong {
  Shard* a;
  Shard* b;
  int left = 0;
  long hits_a = 0;  // touched on a's turns only
  long hits_b = 0;
  std::atomic<int> done{0};

  void hit() {
    Shard* here = Shard::current();
    (here == a ? hits_a : hits_b)++;
    if (--left == 0) {
      done.store(1);
      done.notify_all();
      return;
    }
    send_errand(here == a ? *b : *a, [this] { hit(); });
  }
};

TEST_P(ShardsTest, AMessageGoesToAndFroWithoutGettingLost) {
  start(2);
  PingPong game{.a = shards_[0].get(), .b = shards_[1].get(), .left = 20'000};
  tell(0, [&game] { game.hit(); });
  wait_for(game.done, 1);
  EXPECT_EQ(game.hits_a + game.hits_b, 20'000);
}

TEST_P(ShardsTest, MessagesOfOneSenderArriveInOrderAndOnce) {
  constexpr int kShards = 3;
  constexpr int kMessages = 5'000;
  start(kShards);
  struct Inbox {
    std::vector<int> last = std::vector<int>(kShards, -1);  // by sender; touched on its shard only
    int count = 0;
  };
  std::vector<Inbox> inboxes(kShards);
  std::atomic<int> finished{0};
  std::atomic<int> errors{0};
  for (int sender = 0; sender < kShards; ++sender) {
    tell(sender, [&, sender] {
      for (int i = 0; i < kMessages; ++i) {
        for (int to = 0; to < kShards; ++to) {
          send_errand(*shards_[to], [&, sender, to, i] {
            Inbox& inbox = inboxes[to];
            if (inbox.last[sender] != i - 1) ++errors;
            inbox.last[sender] = i;
            if (++inbox.count == kShards * kMessages) {
              ++finished;
              finished.notify_all();
            }
          });
        }
      }
    });
  }
  wait_for(finished, kShards);
  EXPECT_EQ(errors, 0);
}

Task<int> square(int value) {
  co_await Yield();
  co_return value* value;
}

Task<void> ask(Shard* to, int calls, long* sum, std::atomic<int>* done) {
  const Shard* home = Shard::current();
  for (int i = 0; i < calls; ++i) {
    *sum += co_await call(*to, [i] { return square(i); });
    if (Shard::current() != home) *sum = -1'000'000'000;
  }
  ++*done;
  done->notify_all();
}

Task<void> give_way(int times, int* given) {
  for (; *given < times; ++*given) co_await Yield();
}

struct WakeCounter final : os::ManualKernel {
  void wake() override { ++wakes; }
  int wakes = 0;
};

TEST(Shard, ASleeperIsWokenOnceHoweverManyPost) {
  WakeCounter kernel;
  ShardSet set;
  NoEvents events;
  NoOutput output;
  Shard shard(ShardId{0}, kernel, set);
  shard.attach(events, output);
  set.shards.push_back(&shard);
  int arrived = 0;
  const auto post = [&] {
    const auto work = [&arrived] { ++arrived; };
    shard.post(*new Errand<decltype(work)>(work));
  };
  post();
  post();
  EXPECT_EQ(kernel.wakes, 1);
  shard.turn(0);
  EXPECT_EQ(arrived, 2);
  post();
  EXPECT_EQ(kernel.wakes, 2);
  shard.turn(0);
  EXPECT_EQ(arrived, 3);
}

// Publications that arrive one look at the kernel after the other, each for as many receivers.
struct Arrivals final : os::ManualKernel {
  bool wait(os::Nanos) override { return left > 0; }
  void dispatch(os::EventSink&, std::span<char>) override {
    now += look_takes;
    if (left > 0) --left;
    ++looks;
  }
  int left = 0;
  int looks = 0;
  os::Nanos look_takes = 0;
};

struct FlushCounter final : OutputStage {
  size_t waiting() const override { return receivers; }
  void flush() override { ++flushes; }
  void settle() override {}
  size_t receivers = 0;
  int flushes = 0;
};

class GatheringShard : public testing::Test {
 protected:
  GatheringShard() {
    shard_.attach(events_, output_);
    set_.shards.push_back(&shard_);
  }
  Arrivals kernel_;
  ShardSet set_;
  NoEvents events_;
  FlushCounter output_;
  Shard shard_{ShardId{0}, kernel_, set_};
};

TEST_F(GatheringShard, WhatArrivesBeforeMuchIsSentLeavesWithIt) {
  output_.receivers = 1'000;
  kernel_.left = 6;
  shard_.turn(0);
  EXPECT_EQ(kernel_.looks, 6);
  EXPECT_EQ(output_.flushes, 1);
}

TEST_F(GatheringShard, LittleIsSentAtOnce) {
  output_.receivers = 10;
  kernel_.left = 6;
  shard_.turn(0);
  EXPECT_EQ(kernel_.looks, 1);
  EXPECT_EQ(output_.flushes, 1);
}

TEST_F(GatheringShard, AnEndlessStreamOfArrivalsDoesNotHoldUpTheOutput) {
  output_.receivers = 1'000;
  kernel_.left = 1'000'000;
  kernel_.look_takes = os::kMillisecond / 4;
  shard_.turn(0);
  EXPECT_EQ(kernel_.looks, 5);
  kernel_.look_takes = 0;
  shard_.turn(0);
  EXPECT_LT(kernel_.looks, 30);
  EXPECT_EQ(output_.flushes, 2);
}

// Else a long walk would keep input and output waiting however often it gave way.
TEST(Shard, ATaskThatGivesWayRunsOncePerRound) {
  auto kernel = std::move(*os::LinuxKernel::create());
  ASSERT_TRUE(kernel->open());
  ShardSet set;
  Shard shard({}, *kernel, set);
  set.shards.push_back(&shard);
  NoEvents events;
  NoOutput output;
  shard.attach(events, output);
  int given = 0;
  {
    const TurnScope scope(shard);
    shard.tasks().spawn(give_way(100, &given));
  }
  shard.turn(0);
  EXPECT_LT(given, 10);
  while (shard.tasks().active() > 0) shard.turn(0);
  EXPECT_EQ(given, 100);
}

TEST_P(ShardsTest, ACallRunsThereAndResumesHere) {
  constexpr int kCalls = 2'000;
  start(2);
  std::atomic<int> done{0};
  long sums[2] = {0, 0};
  for (size_t i = 0; i < 2; ++i) {
    tell(i, [&, i] {
      Shard::current()->tasks().spawn(ask(shards_[1 - i].get(), kCalls, &sums[i], &done));
    });
  }
  wait_for(done, 2);
  long expected = 0;
  for (long i = 0; i < kCalls; ++i) expected += i * i;
  EXPECT_EQ(sums[0], expected);
  EXPECT_EQ(sums[1], expected);
}

Task<void> sleep_and_tell(os::Nanos duration, std::atomic<int>* done) {
  co_await SleepUntil(Shard::current()->now() + duration);
  ++*done;
  done->notify_all();
}

// A timer armed by a lent turn is earlier than the owner meant to wake.
TEST_P(ShardsTest, ATimerArmedForASleepingShardFires) {
  start(2);
  std::atomic<int> done{0};
  tell(0, [&] {
    send_errand(*shards_[1], [&] {
      Shard::current()->tasks().spawn(sleep_and_tell(10 * os::kMillisecond, &done));
    });
  });
  wait_for(done, 1);
  EXPECT_EQ(done, 1);
}

INSTANTIATE_TEST_SUITE_P(LendingAndWaking, ShardsTest, testing::Bool(), [](const auto& parameter) {
  return parameter.param ? "Lending" : "Waking";
});

}  // namespace
}  // namespace gyre::runtime
