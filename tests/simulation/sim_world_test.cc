#include "tests/simulation/sim_world.h"

#include <gtest/gtest.h>

#include "tests/simulation/echo.h"

namespace gyre::sim {
namespace {

std::unique_ptr<runtime::Timer> make_timer(bool& fired) {
  struct Flag final : runtime::Timer {
    explicit Flag(bool& value) : flag(value) {}
    void on_timer() override { flag = true; }
    bool& flag;
  };
  return std::make_unique<Flag>(fired);
}

TEST(SimWorldTest, AQuietWorldStandsStill) {
  SimWorld world(1, 3);
  EXPECT_TRUE(world.run(1'000));
  EXPECT_EQ(world.network().now(), 1'000 * os::kSecond);
}

TEST(SimWorldTest, TimeJumpsToTheNextTimer) {
  SimWorld world(1, 1);
  bool fired = false;
  const auto timer = make_timer(fired);
  world.shard(0).timers().arm(*timer, world.network().now() + 3'600 * os::kSecond);
  EXPECT_TRUE(world.run(1'000));
  EXPECT_TRUE(fired);
  EXPECT_GE(world.network().now(), 4'600 * os::kSecond);
  EXPECT_LE(world.network().now(), 4'601 * os::kSecond);
}

TEST(SimWorldTest, AConnectionToNobodyBreaks) {
  SimWorld world(1, 1);
  SimClient client(world.network());
  world.add(client);
  client.connect(80);
  EXPECT_TRUE(world.run(1'000));
  EXPECT_TRUE(client.is_broken());
  EXPECT_EQ(world.network().open_connections(), 0u);
}

// A peer that does not read lets its connection run into the write timeout.
TEST(SimWorldTest, AReaderThatStandsStillIsGivenUp) {
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    SimWorld world(seed, 1, {}, {.write_timeout = 5 * os::kSecond});
    EchoStats stats;
    EchoAcceptor acceptor(world.sockets(0), nullptr, stats);
    const Result<uint16_t> port = world.sockets(0).listen({}, acceptor);
    ASSERT_TRUE(port);
    SimClient client(world.network());
    world.add(client);
    client.connect(*port);
    client.pause_reading(true);
    client.send(std::string(100'000, 'x'));
    ASSERT_TRUE(world.run());
    EXPECT_TRUE(client.is_broken());
    EXPECT_EQ(stats.lost, 1u);
    EXPECT_EQ(stats.destroyed, 1u);
    EXPECT_EQ(stats.mistakes, 0u);
    EXPECT_TRUE(world.shard(0).is_idle());
  }
}

// Whoever was still waiting is refused; whoever was accepted is served to the end.
TEST(SimWorldTest, StopsListeningWithConnectionsWaiting) {
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    SimWorld world(seed, 2);
    EchoStats stats;
    EchoAcceptor acceptor(world.sockets(0), nullptr, stats);
    const Result<uint16_t> port = world.sockets(0).listen({}, acceptor);
    ASSERT_TRUE(port);
    std::vector<std::unique_ptr<SimClient>> clients;
    for (int i = 0; i < 5; ++i) {
      clients.push_back(std::make_unique<SimClient>(world.network()));
      world.add(*clients.back());
      clients.back()->connect(*port);
      clients.back()->send("hello");
      clients.back()->finish();
    }
    for (uint64_t i = 0; i < seed; ++i) world.step();
    world.sockets(0).stop_listening();
    ASSERT_TRUE(world.run());
    for (const auto& client : clients) {
      EXPECT_TRUE(client->is_broken() || (client->has_end() && client->received() == "hello"));
      client->close();
    }
    ASSERT_TRUE(world.run());
    EXPECT_EQ(world.network().open_connections(), 0u) << seed;
    EXPECT_EQ(stats.destroyed, stats.opened) << seed;
    EXPECT_EQ(world.kernel(0).open_sockets(), 0u);
  }
}

}  // namespace
}  // namespace gyre::sim
