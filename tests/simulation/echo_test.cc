#include "tests/simulation/echo.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/simulation/real_shards.h"
#include "tests/simulation/sim_world.h"

namespace gyre::sim {
namespace {

constexpr uint64_t kSeeds = 300;

// Text in which every place can be told from every other.
std::string script(uint64_t client, size_t size) {
  std::string text;
  for (uint64_t i = 0; text.size() < size; ++i) {
    text += std::to_string(client) + ":" + std::to_string(i) + ";";
  }
  text.resize(size);
  return text;
}

// What each client says, and what it has got when everything is over.
struct Talk {
  Talk(SimWorld& world, uint64_t number, size_t size)
      : text(script(number, size)), client(world.network()) {
    world.add(client);
  }
  const std::string text;
  SimClient client;
};

// One run of the scenario; checks itself and returns its hash.
uint64_t run_echo(uint64_t seed, Weather weather, bool relays) {
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  const size_t shards = 1 + seed % 3;
  SimWorld world(seed, shards, weather, {.write_timeout = 600 * os::kSecond});
  EchoStats stats;
  std::vector<std::unique_ptr<EchoAcceptor>> acceptors;
  uint16_t port = 0;
  for (size_t i = 0; i < shards; ++i) {
    runtime::Shard* relay = relays ? &world.shard((i + 1) % shards) : nullptr;
    acceptors.push_back(std::make_unique<EchoAcceptor>(world.sockets(i), relay, stats));
    const Result<uint16_t> got = world.sockets(i).listen({.port = port}, *acceptors.back());
    EXPECT_TRUE(got);
    port = *got;
  }
  std::vector<std::unique_ptr<Talk>> talks;
  const uint64_t clients = 2 + world.network().below(6);
  for (uint64_t i = 0; i < clients; ++i) {
    talks.push_back(std::make_unique<Talk>(world, i, world.network().below(30'000)));
    Talk& talk = *talks.back();
    talk.client.connect(port);
    talk.client.send(talk.text);
    talk.client.finish();
  }
  EXPECT_TRUE(world.run());
  for (const auto& talk : talks) {
    const std::string& got = talk->client.received();
    if (talk->client.is_broken()) {
      EXPECT_NE(weather.breaks, 0u);
      EXPECT_EQ(got, talk->text.substr(0, got.size()));
    } else {
      EXPECT_TRUE(talk->client.has_end());
      EXPECT_EQ(got, talk->text);
    }
    talk->client.close();
  }
  EXPECT_TRUE(world.run());
  EXPECT_EQ(stats.destroyed, stats.opened);
  EXPECT_EQ(stats.mistakes, 0u);
  EXPECT_EQ(world.network().open_connections(), 0u);
  for (size_t i = 0; i < shards; ++i) {
    EXPECT_TRUE(world.shard(i).is_idle());
    EXPECT_EQ(world.sockets(i).open_sockets(), 0u);
    EXPECT_EQ(world.kernel(i).open_sockets(), 1u);  // the listener
  }
  return world.hash();
}

TEST(EchoSimulationTest, EveryByteComesBackOnceAndInOrder) {
  for (uint64_t seed = 1; seed <= kSeeds && !testing::Test::HasFailure(); ++seed) {
    run_echo(seed, {}, false);
  }
}

TEST(EchoSimulationTest, EveryByteComesBackFromADetourOverAnotherShard) {
  for (uint64_t seed = 1; seed <= kSeeds && !testing::Test::HasFailure(); ++seed) {
    run_echo(seed, {}, true);
  }
}

TEST(EchoSimulationTest, BrokenConnectionsEndTheirHandlersOnce) {
  for (uint64_t seed = 1; seed <= kSeeds && !testing::Test::HasFailure(); ++seed) {
    run_echo(seed, {.breaks = 500}, seed % 2 == 0);
  }
}

TEST(EchoSimulationTest, OneSeedIsOneRun) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    const Weather weather{.breaks = 300};
    const uint64_t hash = run_echo(seed, weather, true);
    EXPECT_EQ(hash, run_echo(seed, weather, true));
    EXPECT_NE(hash, run_echo(seed + 1, weather, true));
  }
}

// --- The same over the real kernel.

class RealEchoTest : public testing::TestWithParam<bool> {
 protected:
  RealEchoTest() {
    shards_.set().lends = GetParam();
    for (size_t i = 0; i < shards_.size(); ++i) {
      acceptors_.push_back(std::make_unique<EchoAcceptor>(
          shards_.sockets(i), &shards_.shard((i + 1) % shards_.size()), stats_));
      const Result<uint16_t> port =
          shards_.sockets(i).listen({.address = "127.0.0.1", .port = port_}, *acceptors_.back());
      GYRE_CHECK(port);
      port_ = *port;
    }
    shards_.start();
  }
  int connect() const {
    const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port_);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    GYRE_CHECK(::connect(socket, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
    return socket;
  }
  static void send_all(int socket, std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return;
      bytes.remove_prefix(static_cast<size_t>(sent));
    }
  }
  // So many bytes, or less at the end of the stream.
  static std::string receive(int socket, size_t wanted) {
    std::string bytes(wanted, '\0');
    size_t size = 0;
    while (size < wanted) {
      const ssize_t got = ::recv(socket, bytes.data() + size, wanted - size, 0);
      if (got <= 0) break;
      size += static_cast<size_t>(got);
    }
    bytes.resize(size);
    return bytes;
  }
  void expect_all_gone(uint64_t connections) {
    stats_.wait_for_destroyed(connections);
    shards_.stop();
    EXPECT_EQ(stats_.opened, connections);
    EXPECT_EQ(stats_.destroyed, connections);
    EXPECT_EQ(stats_.mistakes, 0u);
    for (size_t i = 0; i < shards_.size(); ++i) {
      EXPECT_EQ(shards_.sockets(i).open_sockets(), 0u);
      EXPECT_TRUE(shards_.shard(i).is_idle());
    }
  }

  EchoStats stats_;
  std::vector<std::unique_ptr<EchoAcceptor>> acceptors_;
  RealShards shards_{2, {.write_timeout = 600 * os::kSecond}};
  uint16_t port_ = 0;
};

TEST_P(RealEchoTest, EveryMessageComesBack) {
  constexpr uint64_t kClients = 8;
  std::vector<int> clients;
  for (uint64_t i = 0; i < kClients; ++i) clients.push_back(connect());
  for (size_t round = 0; round < 60; ++round) {
    for (uint64_t i = 0; i < kClients; ++i) send_all(clients[i], script(i, 1 + round * 37));
    for (uint64_t i = 0; i < kClients; ++i) {
      ASSERT_EQ(receive(clients[i], 1 + round * 37), script(i, 1 + round * 37));
    }
  }
  for (const int client : clients) {
    shutdown(client, SHUT_WR);
    EXPECT_EQ(receive(client, 1), "");
    close(client);
  }
  expect_all_gone(kClients);
  EXPECT_EQ(stats_.finished, kClients);
}

// More than the system's buffers hold: sends are cut short and reading is paused.
TEST_P(RealEchoTest, AFloodComesBackWhole) {
  constexpr uint64_t kClients = 2;
  std::vector<std::thread> threads;
  for (uint64_t i = 0; i < kClients; ++i) {
    threads.emplace_back([this, i] {
      const std::string text = script(i, 8'000'000);
      const int client = connect();
      std::thread writer([&] {
        send_all(client, text);
        shutdown(client, SHUT_WR);
      });
      EXPECT_TRUE(receive(client, text.size() + 1) == text);
      writer.join();
      close(client);
    });
  }
  for (std::thread& thread : threads) thread.join();
  expect_all_gone(kClients);
}

TEST_P(RealEchoTest, ResetConnectionsEndTheirHandlersOnce) {
  constexpr uint64_t kClients = 20;
  for (uint64_t i = 0; i < kClients; ++i) {
    const int client = connect();
    send_all(client, script(i, 5'000));
    ASSERT_EQ(receive(client, 1).size(), 1u);
    // Closing with unread bytes, or this, resets.
    const linger reset{.l_onoff = 1, .l_linger = 0};
    setsockopt(client, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    close(client);
  }
  expect_all_gone(kClients);
  EXPECT_EQ(stats_.lost, kClients);
}

INSTANTIATE_TEST_SUITE_P(LendingAndWaking, RealEchoTest, testing::Bool(),
                         [](const auto& parameter) {
                           return parameter.param ? "Lending" : "Waking";
                         });

// Pausing and resuming after the peer has finished must not report its end again.
struct EndCounter final : os::EventSink {
  os::Descriptor descriptor(os::Token) const override { return socket; }
  void on_connection(os::Token, os::Descriptor) override {}
  void on_bytes(os::Token, std::span<char>) override {}
  void on_end(os::Token, bool) override { ++ends; }
  void on_room(os::Token) override {}
  os::Descriptor socket = os::kNoDescriptor;
  int ends = 0;
};

TEST(LinuxKernelTest, AnEndIsReportedOnce) {
  auto kernel = os::LinuxKernel::create();
  ASSERT_TRUE(kernel && (*kernel)->open());
  int pair[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
  EndCounter sink;
  sink.socket = pair[0];
  std::string buffer(1024, '\0');
  ASSERT_TRUE((*kernel)->attach(pair[0], 7));
  shutdown(pair[1], SHUT_WR);
  for (int i = 0; i < 3; ++i) {
    (*kernel)->wait(0);
    (*kernel)->dispatch(sink, buffer);
    (*kernel)->pause(pair[0], 7);
    (*kernel)->resume(pair[0], 7);
  }
  EXPECT_EQ(sink.ends, 1);
  (*kernel)->close(pair[0]);
  close(pair[1]);
}

}  // namespace
}  // namespace gyre::sim
