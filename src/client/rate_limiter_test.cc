// Rate limits of commands: buckets, what is kept of them, and what sessions do with them.
#include "client/rate_limiter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <map>
#include <numeric>
#include <random>
#include <thread>
#include <vector>

#include "client/test_support.h"

namespace gyre::client {
namespace {

using metrics::ClientMethod;
using metrics::RateScope;
using net::RateLimit;
using os::kMillisecond;
using os::kSecond;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr char kRefused[] =
    R"("error":{"code":111,"message":"too many requests","temporary":true})";

// Against buckets that are never forgotten.
TEST(Buckets, ForgetOnlyWhatIsFull) {
  std::mt19937 random(7);
  const RateLimit limit = RateLimit::of(5, kSecond, 10);
  Buckets buckets;
  std::map<uint64_t, os::Nanos> model;
  os::Nanos now = 5 * kSecond;
  for (int i = 0; i < 200'000; ++i) {
    now += static_cast<os::Nanos>(random() % 8) * kMillisecond;
    if (random() % 1000 == 0) now += 3 * kSecond;
    if (random() % 16 == 0) buckets.age(now);
    const uint64_t subject = random() % 50;
    ASSERT_EQ(buckets.take(subject, limit, now), limit.take(model[subject], now)) << i;
  }
}

TEST(Buckets, KeepNobodyForLongerThanTwoRefills) {
  const RateLimit limit = RateLimit::of(5, kSecond, 10);
  Buckets buckets;
  for (uint64_t subject = 0; subject < 1000; ++subject) buckets.take(subject, limit, kSecond);
  EXPECT_EQ(buckets.size(), 1000u);
  buckets.age(kSecond + limit.most);
  EXPECT_EQ(buckets.size(), 1000u);
  buckets.age(kSecond + 2 * limit.most);
  EXPECT_EQ(buckets.size(), 0u);
}

TEST(UserBuckets, GiveEachOnceWhoeverAsks) {
  constexpr int kThreads = 4;
  RateLimits::Of limits;
  limits.total = RateLimit::of(1, kSecond, 1000);
  limits.commands[ClientMethod::publish] = RateLimit::of(1, kSecond, 700);
  UserBuckets users;
  std::array<int, kThreads> given{};
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back([&, i] {
        for (int asked = 0; asked < 5000; ++asked) {
          const auto method = asked % 2 ? ClientMethod::publish : ClientMethod::history;
          given[static_cast<size_t>(i)] += users.take(42, limits, method, kSecond);
          if (asked % 100 == 0) users.age(kSecond);
        }
      });
    }
  }
  EXPECT_EQ(std::accumulate(given.begin(), given.end(), 0), 1000);
}

class RateLimiterTest : public testing::Test {
 protected:
  // The limits of a fresh node.
  static std::shared_ptr<Settings> with(const RateLimits& limits) {
    auto settings = test_settings();
    settings->rate_limits = std::make_shared<const RateLimits>(limits);
    return settings;
  }
  static uint64_t refused(TestNode& node, RateScope scope, ClientMethod method) {
    uint64_t sum = 0;
    for (const auto& shard : node.shards) sum += shard->metrics.rate_limited[scope][method].value();
    return sum;
  }
  // Whether this command of the client's is let through.
  static bool passes(TestClient& client, const std::string& command) {
    const Messages heard = client.say(R"({"id":9,)" + command + "}");
    return heard.size() != 1 || heard[0].find(kRefused) == std::string::npos;
  }

  const std::string publish_ = R"("publish":{"channel":"a","data":1})";
  const std::string stats_ = R"("presence_stats":{"channel":"present:a"})";
};

TEST_F(RateLimiterTest, ACommandThatComesTooFastIsRefusedAndCounted) {
  RateLimits limits;
  limits.client.commands[ClientMethod::publish] = RateLimit::of(2, kSecond, 2);
  TestNode node(1, with(limits));
  TestClient& client = node.connected();
  TestClient& other = node.connected();
  EXPECT_TRUE(passes(client, publish_));
  EXPECT_TRUE(passes(client, publish_));
  EXPECT_THAT(client.say(R"({"id":7,"publish":{"channel":"a","data":1}})"),
              ElementsAre(R"({"id":7,)" + std::string(kRefused) + "}"));
  EXPECT_TRUE(passes(client, stats_)) << "other commands are not counted";
  EXPECT_TRUE(passes(other, publish_)) << "nor others' commands";
  node.pass(500 * kMillisecond);
  EXPECT_TRUE(passes(client, publish_));
  EXPECT_FALSE(passes(client, publish_));
  EXPECT_EQ(refused(node, RateScope::client, ClientMethod::publish), 2u);
  EXPECT_FALSE(client.is_over());
  EXPECT_EQ(node.leftovers(), "");
}

TEST_F(RateLimiterTest, ATotalCountsAllCommandsButUnsubscribe) {
  RateLimits limits;
  limits.client.total = RateLimit::of(3, kSecond, 3);
  TestNode node(1, with(limits));
  TestClient& client = node.connected();
  EXPECT_TRUE(passes(client, stats_)) << "connect was one";
  EXPECT_TRUE(passes(client, publish_));
  EXPECT_FALSE(passes(client, stats_));
  EXPECT_FALSE(passes(client, publish_));
  EXPECT_TRUE(passes(client, R"("unsubscribe":{"channel":"a"})"));
  EXPECT_EQ(refused(node, RateScope::client, ClientMethod::publish), 1u);
  EXPECT_EQ(refused(node, RateScope::client, ClientMethod::presence_stats), 1u);
}

TEST_F(RateLimiterTest, EveryKindOfCommandCanBeLimited) {
  const std::pair<ClientMethod, const char*> commands[] = {
      {ClientMethod::subscribe, R"("subscribe":{"channel":"a"})"},
      {ClientMethod::unsubscribe, R"("unsubscribe":{"channel":"a"})"},
      {ClientMethod::publish, R"("publish":{"channel":"a","data":1})"},
      {ClientMethod::presence, R"("presence":{"channel":"present:a"})"},
      {ClientMethod::presence_stats, R"("presence_stats":{"channel":"present:a"})"},
      {ClientMethod::history, R"("history":{"channel":"stream:a"})"},
      {ClientMethod::rpc, R"("rpc":{"data":1})"},
      {ClientMethod::refresh, R"("refresh":{"token":"a"})"},
      {ClientMethod::sub_refresh, R"("sub_refresh":{"channel":"a","token":"a"})"},
  };
  for (const auto& [method, command] : commands) {
    RateLimits limits;
    limits.client.commands[method] = RateLimit::of(1, kSecond, 0);
    TestNode node(1, with(limits));
    TestClient& client = node.connected();
    EXPECT_FALSE(passes(client, command)) << command;
    EXPECT_EQ(refused(node, RateScope::client, method), 1u) << command;
  }
}

// A user's connections are on any shard; one without a name is nobody's.
TEST_F(RateLimiterTest, AUsersConnectionsShareALimit) {
  RateLimits limits;
  limits.user.commands[ClientMethod::publish] = RateLimit::of(3, kSecond, 3);
  TestNode node(2, with(limits));
  TestClient& ann = node.connected(0, "ann");
  TestClient& ann_too = node.connected(1, "ann");
  TestClient& bob = node.connected(1, "bob");
  TestClient& nobody = node.connected(0);
  EXPECT_TRUE(passes(ann, publish_));
  EXPECT_TRUE(passes(ann_too, publish_));
  EXPECT_TRUE(passes(ann, publish_));
  EXPECT_FALSE(passes(ann_too, publish_));
  EXPECT_FALSE(passes(ann, publish_));
  EXPECT_TRUE(passes(bob, publish_));
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(passes(nobody, publish_));
  EXPECT_EQ(refused(node, RateScope::user, ClientMethod::publish), 2u);
  EXPECT_EQ(node.leftovers(), "");
}

TEST_F(RateLimiterTest, AUserMayConnectOnlySoOften) {
  RateLimits limits;
  limits.user.commands[ClientMethod::connect] = RateLimit::of(2, 60 * kSecond, 2);
  TestNode node(1, with(limits));
  const std::string connect =
      R"({"id":1,"connect":{"token":")" + token(R"({"sub":"ann"})") + R"("}})";
  for (int i = 0; i < 2; ++i) {
    TestClient& client = node.client();
    EXPECT_THAT(client.say(connect), ElementsAre(HasSubstr(R"("client":"CLIENT")")));
    client.leave();
  }
  TestClient& third = node.client();
  EXPECT_THAT(third.say(connect), ElementsAre(R"({"id":1,)" + std::string(kRefused) + "}"));
  EXPECT_EQ(node[0].roster.clients(), 0u);
  node.pass(30 * kSecond);
  EXPECT_THAT(node.client().say(connect), ElementsAre(HasSubstr(R"("client":"CLIENT")")));
  EXPECT_EQ(refused(node, RateScope::user, ClientMethod::connect), 1u);
  EXPECT_EQ(node.leftovers(), "");
}

// A flood is answered by cheap errors first, and then cut.
TEST_F(RateLimiterTest, WhoGoesOnIsCut) {
  RateLimits limits;
  limits.client.commands[ClientMethod::publish] = RateLimit::of(1, kSecond, 1);
  TestNode node(1, with(limits));
  TestClient& client = node.connected();
  int said = 0;
  for (; !client.is_over() && said < 10'000; ++said)
    client.say(
        "{"
        R"("id":2,)" +
        publish_ + "}");
  EXPECT_EQ(client.ending->code, protocol::disconnects::kTooManyErrors.code);
  EXPECT_EQ(said, 4002) << "one was let through";
}

TEST_F(RateLimiterTest, SettingsOfAReloadCountFromThenOn) {
  RateLimits limits;
  limits.client.commands[ClientMethod::publish] = RateLimit::of(1, 3600 * kSecond, 1);
  TestNode node(1, with(limits));
  TestClient& client = node.connected();
  EXPECT_TRUE(passes(client, publish_));
  EXPECT_FALSE(passes(client, publish_));
  limits.client.commands[ClientMethod::publish] = RateLimit::of(1, kSecond, 1);
  node[0].services.settings = with(limits);
  EXPECT_FALSE(passes(client, publish_));
  node.pass(kSecond);
  EXPECT_TRUE(passes(client, publish_));
  node[0].services.settings = test_settings();
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(passes(client, publish_));
}

TEST_F(RateLimiterTest, NothingIsKeptOfThoseWhoAreQuiet) {
  RateLimits limits;
  limits.client.total = RateLimit::of(1, kSecond, 10);
  limits.user.total = RateLimit::of(1, kSecond, 10);
  TestNode node(2, with(limits));
  for (size_t i = 0; i < 20; ++i) {
    EXPECT_TRUE(passes(node.connected(i % 2, "user" + std::to_string(i % 3)), stats_));
  }
  EXPECT_EQ(node[0].rate_limiter.size(), 10u + 3u);
  for (const auto& client : node.clients) client->leave();
  EXPECT_EQ(node[0].rate_limiter.size(), 3u) << "connections are forgotten with their end";
  for (int i = 0; i < 60; ++i) node.pass(kSecond);
  EXPECT_EQ(node[0].rate_limiter.size(), 0u);
  EXPECT_EQ(node[1].rate_limiter.size(), 0u);
  EXPECT_EQ(node.leftovers(), "");
  EXPECT_EQ(node[0].shard.timers().armed(), 0u);
}

TEST_F(RateLimiterTest, NothingIsKeptWithoutLimits) {
  TestNode node;
  TestClient& client = node.connected(0, "ann");
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(passes(client, publish_));
  EXPECT_EQ(node[0].rate_limiter.size(), 0u);
}

}  // namespace
}  // namespace gyre::client
