#include <gtest/gtest.h>

#include <atomic>

#include "runtime/call.h"
#include "tests/simulation/real_shards.h"
#include "tests/simulation/sim_world.h"

namespace gyre::sim {
namespace {

using runtime::Shard;
using runtime::Task;

// Numbered errands between all shards. Each column of the tables is touched on its own shard only.
class Gossip {
 public:
  Gossip(runtime::ShardSet& set, uint64_t seed) : set_(set) {
    for (size_t i = 0; i < set.size(); ++i) {
      peers_.push_back(std::make_unique<Peer>());
      peers_[i]->random.seed(seed * 31 + i);
      peers_[i]->sent.resize(set.size());
      peers_[i]->received.resize(set.size());
    }
  }

  // Sends `count` errands to shards of its choice; each one makes its receiver send on until
  // `hops` are spent. On a shard's turn.
  void talk(int count, int hops) {
    const size_t from = Shard::current()->id().value;
    Peer& peer = *peers_[from];
    for (int i = 0; i < count; ++i) {
      const size_t to = peer.random() % peers_.size();
      const uint64_t number = peer.sent[to]++;
      in_flight_.fetch_add(1);
      runtime::send_errand(*set_.shards[to], [this, from, to, number, hops] {
        if (peers_[to]->received[from]++ != number) ++mistakes_;
        if (Shard::current() != set_.shards[to]) ++mistakes_;
        if (hops > 0) talk(1, hops - 1);
        if (in_flight_.fetch_sub(1) == 1) in_flight_.notify_all();
      });
    }
  }

  void start(int count, int hops) {
    for (Shard* shard : set_.shards) {
      in_flight_.fetch_add(1);
      auto work = [this, count, hops] {
        talk(count, hops);
        if (in_flight_.fetch_sub(1) == 1) in_flight_.notify_all();
      };
      shard->post(*new runtime::Errand<decltype(work)>(std::move(work)));
    }
  }
  void wait() {
    for (int64_t now = in_flight_.load(); now != 0; now = in_flight_.load()) in_flight_.wait(now);
  }

  void check(uint64_t messages) const {
    uint64_t received = 0;
    for (size_t from = 0; from < peers_.size(); ++from) {
      for (size_t to = 0; to < peers_.size(); ++to) {
        EXPECT_EQ(peers_[from]->sent[to], peers_[to]->received[from]);
        received += peers_[to]->received[from];
      }
    }
    EXPECT_EQ(received, messages);
    EXPECT_EQ(mistakes_, 0);
    EXPECT_EQ(in_flight_, 0);
  }

 private:
  struct alignas(64) Peer {
    std::minstd_rand random;
    std::vector<uint64_t> sent;      // by receiver
    std::vector<uint64_t> received;  // by sender
  };
  runtime::ShardSet& set_;
  std::vector<std::unique_ptr<Peer>> peers_;
  std::atomic<int64_t> in_flight_{0};
  std::atomic<int> mistakes_{0};
};

// Calls of all shards to all shards. The home counts its calls and tells the caller the count in an
// errand before it answers: on a reply, that errand must have been there.
class Enquiry {
 public:
  explicit Enquiry(runtime::ShardSet& set)
      : set_(set), served_(set.size() * 16), heard_(set.size() * set.size() * 16) {}

  void start(int calls, bool sleeps) {
    for (Shard* shard : set_.shards) {
      running_.fetch_add(1);
      auto work = [this, calls, sleeps] {
        Shard::current()->tasks().spawn(ask_around(calls, sleeps));
      };
      shard->post(*new runtime::Errand<decltype(work)>(std::move(work)));
    }
  }
  void wait() {
    for (int now = running_.load(); now != 0; now = running_.load()) running_.wait(now);
  }
  void check(uint64_t calls_per_shard) const {
    EXPECT_EQ(running_, 0);
    EXPECT_EQ(mistakes_, 0);
    uint64_t served = 0;
    for (size_t i = 0; i < set_.size(); ++i) served += served_[i * 16];
    EXPECT_EQ(served, calls_per_shard * set_.size());
  }

 private:
  uint64_t& heard(size_t caller, size_t home) { return heard_[(caller * set_.size() + home) * 16]; }

  Task<uint64_t> serve(Shard* caller, bool sleeps) {
    Shard* home = Shard::current();
    if (sleeps) {
      co_await runtime::SleepUntil(home->now() + os::kMillisecond);
    } else {
      co_await runtime::Yield();
    }
    if (Shard::current() != home) ++mistakes_;
    const uint64_t number = ++served_[home->id().value * 16];
    runtime::send_errand(*caller, [this, caller, home, number] {
      heard(caller->id().value, home->id().value) = number;
    });
    co_return number;
  }

  Task<void> ask_around(int calls, bool sleeps) {
    Shard* self = Shard::current();
    for (int i = 0; i < calls; ++i) {
      Shard& home = *set_.shards[static_cast<size_t>(i) % set_.size()];
      const uint64_t number =
          co_await runtime::call(home, [=, this] { return serve(self, sleeps); });
      if (Shard::current() != self) ++mistakes_;
      if (heard(self->id().value, home.id().value) != number) ++mistakes_;
    }
    if (running_.fetch_sub(1) == 1) running_.notify_all();
  }

  runtime::ShardSet& set_;
  std::vector<uint64_t> served_;  // by shard, a cache line or two apart
  std::vector<uint64_t> heard_;
  std::atomic<int> running_{0};
  std::atomic<int> mistakes_{0};
};

void expect_idle(SimWorld& world) {
  for (size_t i = 0; i < world.shard_count(); ++i) EXPECT_TRUE(world.shard(i).is_idle());
}

TEST(ConversationSimulationTest, ErrandsArriveOnceAndInOrder) {
  for (uint64_t seed = 1; seed <= 100 && !testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    SimWorld world(seed, 3);
    Gossip gossip(world.set(), seed);
    gossip.start(40, 30);
    ASSERT_TRUE(world.run());
    gossip.check(3 * 40 * 31);
    expect_idle(world);
  }
}

// Beyond the limits of one turn: the rest waits for the next, which must come.
TEST(ConversationSimulationTest, AFloodOfErrandsIsWorkedOff) {
  for (uint64_t seed = 1; seed <= 10 && !testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    SimWorld world(seed, 3);
    Gossip gossip(world.set(), seed);
    gossip.start(10'000, 1);
    ASSERT_TRUE(world.run());
    gossip.check(3 * 10'000 * 2);
    expect_idle(world);
  }
}

TEST(ConversationSimulationTest, CallsResumeAtTheirRepliesPlace) {
  for (uint64_t seed = 1; seed <= 100 && !testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    SimWorld world(seed, 3);
    Enquiry enquiry(world.set());
    enquiry.start(100, seed % 2 == 0);
    ASSERT_TRUE(world.run());
    enquiry.check(100);
    expect_idle(world);
  }
}

// --- The same with threads.

enum class Lending { always, never, by_chance };

class ConversationTest : public testing::TestWithParam<Lending> {
 protected:
  void choose(runtime::ShardSet& set) {
    set.lends = GetParam() == Lending::always;
    if (GetParam() != Lending::by_chance) return;
    set.lend_choice = [] {
      thread_local std::minstd_rand random;
      return random() % 2 == 0;
    };
  }
};

TEST_P(ConversationTest, AHundredThousandErrandsGoToAndFro) {
  RealShards shards(2);
  choose(shards.set());
  Gossip gossip(shards.set(), 1);
  shards.start();
  gossip.start(1, 49'999);
  gossip.wait();
  shards.stop();
  gossip.check(100'000);
}

TEST_P(ConversationTest, ManyErrandsAtOnceStayInOrder) {
  RealShards shards(3);
  choose(shards.set());
  Gossip gossip(shards.set(), 2);
  shards.start();
  gossip.start(2'000, 4);
  gossip.wait();
  shards.stop();
  gossip.check(3 * 2'000 * 5);
}

TEST_P(ConversationTest, CallsResumeAtTheirRepliesPlace) {
  RealShards shards(2);
  choose(shards.set());
  Enquiry enquiry(shards.set());
  shards.start();
  enquiry.start(5'000, false);
  enquiry.wait();
  shards.stop();
  enquiry.check(5'000);
}

INSTANTIATE_TEST_SUITE_P(Lending, ConversationTest,
                         testing::Values(Lending::always, Lending::never, Lending::by_chance),
                         [](const auto& parameter) {
                           switch (parameter.param) {
                             case Lending::always:
                               return "Always";
                             case Lending::never:
                               return "Never";
                             case Lending::by_chance:
                               break;
                           }
                           return "ByChance";
                         });

}  // namespace
}  // namespace gyre::sim
