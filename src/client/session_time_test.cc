// What sessions do by time: pings, ends, refreshes, expired subscriptions, presence.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/test_support.h"

namespace gyre::client {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::string at(int64_t unix_second) {
  return std::to_string(unix_second);
}
std::string connect_with(const std::string& claims) {
  return R"({"id":1,"connect":{"token":")" + token(claims) + "\"}}";
}

TEST(SessionTime, WhoDoesNotConnectIsStale) {
  TestNode node;
  TestClient& client = node.client();
  node.pass(9 * os::kSecond);
  EXPECT_FALSE(client.is_over());
  node.pass(2 * os::kSecond);
  EXPECT_EQ(client.ending->code, 3502u);
  EXPECT_EQ(node.leftovers(), "");
}

// The client has shown who it is; that the engine is slow is no fault of its, so it may come back.
TEST(SessionTime, AConnectThatTheEngineHoldsIsUndone) {
  TestNode node;
  node[0].broker.histories.is_shut = true;
  TestClient& client = node.client();
  client.say(connect_with(R"({"sub":"ann","channels":["both:a"]})"));
  node.pass(11 * os::kSecond);
  EXPECT_EQ(client.ending->code, 3004u);
  {
    const runtime::TurnScope scope(node[0].shard);
    node[0].broker.histories.open();
  }
  EXPECT_EQ(node.leftovers(), "");
}

TEST(SessionTime, ZeroIsOff) {
  auto settings = test_settings();
  settings->stale_close_delay = 0;
  settings->ping_interval = 0;
  TestNode node(1, settings);
  TestClient& silent = node.client();
  TestClient& connected = node.client();
  EXPECT_THAT(connected.say(R"({"id":1,"connect":{}})"),
              ElementsAre(testing::Not(HasSubstr("ping"))));
  node.pass(3600 * os::kSecond);
  EXPECT_FALSE(silent.is_over());
  EXPECT_THAT(connected.heard(), IsEmpty());
}

TEST(SessionTime, DelaysOfDecadesAreNever) {
  for (const os::Nanos delay : {429'496'729 * os::kSecond, INT64_MAX}) {
    auto settings = test_settings();
    settings->stale_close_delay = delay;
    settings->expired_close_delay = delay;
    TestNode node(1, settings);
    TestClient& silent = node.client();
    TestClient& expiring = node.client();
    expiring.say(connect_with(R"({"sub":"ann","exp":)" + at(node.unix_now() + 1) + "}"));
    node.pass(10 * os::kSecond);
    EXPECT_FALSE(silent.is_over()) << delay;
    EXPECT_FALSE(expiring.is_over()) << delay;
  }
}

TEST(SessionTime, PingsAndPongs) {
  TestNode node;
  TestClient& client = node.connected();
  client.heard();
  node.pass(12 * os::kSecond);
  EXPECT_THAT(client.heard(), IsEmpty()) << "not before half of the interval";
  node.pass(14 * os::kSecond);
  EXPECT_THAT(client.heard(), ElementsAre("{}"));
  EXPECT_THAT(client.say("{}"), IsEmpty());
  node.pass(24 * os::kSecond);
  EXPECT_THAT(client.heard(), IsEmpty());
  node.pass(2 * os::kSecond);
  EXPECT_THAT(client.heard(), ElementsAre("{}"));
  client.say(R"({"id":2,"history":{"channel":"a"}})");  // is no pong
  node.pass(7 * os::kSecond);
  EXPECT_FALSE(client.is_over());
  node.pass(2 * os::kSecond);
  EXPECT_EQ(client.ending->code, 3012u);
  EXPECT_EQ(node.leftovers(), "");
}

TEST(SessionTime, AnythingWithoutIdIsAPongWhenOneIsDue) {
  TestNode node;
  TestClient& client = node.connected();
  node.pass(26 * os::kSecond);
  client.heard();
  EXPECT_THAT(client.say(R"({"subscribe":{"channel":"x"}})"), IsEmpty());
  EXPECT_FALSE(client.is_over());
  EXPECT_EQ(node[0].hub.channels(), 0u);
  client.say("{}");
  EXPECT_EQ(client.ending->code, 3501u) << "one pong per ping";
}

TEST(SessionTime, WithoutAPongTimeoutNobodyIsWaitedFor) {
  auto settings = test_settings();
  settings->pong_timeout = 0;
  TestNode node(1, settings);
  TestClient& client = node.client();
  EXPECT_THAT(client.say(R"({"id":1,"connect":{}})"), ElementsAre(testing::Not(HasSubstr("pong"))));
  for (int i = 0; i < 10; ++i) node.pass(26 * os::kSecond);
  EXPECT_FALSE(client.is_over());
}

TEST(SessionTime, FramePingsReplaceThoseOfTheProtocol) {
  TestNode node;
  TestClient& client = node.client(0, {}, {.has_own_pings = true});
  EXPECT_THAT(client.say(R"({"id":1,"connect":{}})"), ElementsAre(testing::Not(HasSubstr("ping"))));
  node.pass(60 * os::kSecond);
  EXPECT_THAT(client.heard(), IsEmpty());
}

TEST(SessionTime, ConnectionsExpireUnlessRefreshed) {
  auto settings = test_settings();
  settings->ping_interval = 0;
  TestNode node(1, settings);
  const auto connect = [&](int64_t seconds) -> TestClient& {
    TestClient& client = node.client();
    EXPECT_THAT(
        client.say(connect_with(R"({"sub":"ann","exp":)" + at(node.unix_now() + seconds) + "}")),
        ElementsAre(HasSubstr(R"("expires":true,"ttl":)" + std::to_string(seconds))));
    return client;
  };
  const auto refresh = [&](const std::string& claims) {
    return R"({"id":2,"refresh":{"token":")" + token(claims) + "\"}}";
  };
  TestClient& left_alone = connect(10);
  TestClient& refreshed = connect(10);
  EXPECT_THAT(refreshed.say(refresh(R"({"sub":"ann","exp":)" + at(node.unix_now() + 100) + "}")),
              ElementsAre(R"({"id":2,"refresh":{"expires":true,"ttl":100}})"));
  TestClient& other_user = connect(10);
  other_user.say(refresh(R"({"sub":"bob","exp":)" + at(node.unix_now() + 100) + "}"));
  EXPECT_EQ(other_user.ending->code, 3500u);
  TestClient& expired = connect(10);
  expired.say(refresh(R"({"sub":"ann","exp":)" + at(node.unix_now()) + "}"));
  EXPECT_EQ(expired.ending->code, 3005u);
  TestClient& ended = connect(10);
  EXPECT_THAT(ended.say(refresh(R"({"sub":"ann","expire_at":)" + at(node.unix_now()) + "}")),
              ElementsAre(HasSubstr(R"("code":110)")));
  TestClient& changed = connect(10);
  changed.say(refresh(R"({"sub":"ann","channels":["a"]})"));
  EXPECT_EQ(changed.ending->code, 3010u);
  node.pass(34 * os::kSecond);
  EXPECT_FALSE(left_alone.is_over()) << "the client has some time to refresh";
  node.pass(2 * os::kSecond);
  EXPECT_EQ(left_alone.ending->code, 3005u);
  node.pass(80 * os::kSecond);
  EXPECT_FALSE(refreshed.is_over());
  node.pass(20 * os::kSecond);
  EXPECT_EQ(refreshed.ending->code, 3005u);
  EXPECT_EQ(node.leftovers(), "");
}

TEST(SessionTime, TheApiRefreshes) {
  auto settings = test_settings();
  settings->ping_interval = 0;
  TestNode node(1, settings);
  TestClient& client = node.client();
  client.say(connect_with(R"({"sub":"ann","exp":)" + at(node.unix_now() + 10) + "}"));
  const auto refresh = [&](RefreshOrder order) {
    node.operate([&](Audience& audience) {
      return audience.refresh({.user = "ann", .client = {}, .session = {}, .spared = {}}, order);
    });
    return client.heard();
  };
  EXPECT_THAT(refresh({.expire_at = node.unix_now() + 50}),
              ElementsAre(R"({"push":{"refresh":{"expires":true,"ttl":50}}})"));
  EXPECT_THAT(refresh({}), ElementsAre(R"({"push":{"refresh":{}}})"));
  node.pass(3600 * os::kSecond);
  EXPECT_FALSE(client.is_over());
  EXPECT_THAT(refresh({.expire_at = node.unix_now()}), IsEmpty());
  EXPECT_EQ(client.ending->code, 3005u);
  EXPECT_EQ(node.leftovers(), "");
}

TEST(SessionTime, SubscriptionsExpireUnlessRefreshed) {
  auto settings = test_settings();
  settings->ping_interval = 0;
  TestNode node(1, settings);
  TestClient& client = node.connected(0, "ann");
  client.heard();
  const auto subscribe = [&](const std::string& channel, int64_t end) {
    const std::string claims =
        R"({"sub":"ann","channel":")" + channel + R"(","expire_at":)" + at(end) + "}";
    return client.say(R"({"id":2,"subscribe":{"channel":")" + channel + R"(","token":")" +
                      token(claims) + "\"}}");
  };
  const auto refresh = [&](const std::string& channel, const std::string& claims) {
    return client.say(R"({"id":3,"sub_refresh":{"channel":")" + channel + R"(","token":")" +
                      token(claims) + "\"}}");
  };
  EXPECT_THAT(subscribe("$past", node.unix_now()), ElementsAre(HasSubstr(R"("code":110)")));
  EXPECT_THAT(subscribe("$a", node.unix_now() + 10),
              ElementsAre(HasSubstr(R"("expires":true,"ttl":10)")));
  subscribe("$b", node.unix_now() + 10);
  EXPECT_THAT(
      refresh("$b", R"({"sub":"ann","channel":"$b","exp":)" + at(node.unix_now() + 500) + "}"),
      ElementsAre(R"({"id":3,"sub_refresh":{"expires":true,"ttl":500}})"));
  EXPECT_THAT(refresh("$c", R"({"sub":"ann","channel":"$c"})"),
              ElementsAre(HasSubstr(R"("code":103)")));
  EXPECT_THAT(refresh("$b", R"({"sub":"ann","channel":"$b","exp":)" + at(node.unix_now()) + "}"),
              ElementsAre(HasSubstr(R"("code":109)")));
  for (int i = 0; i < 4; ++i) node.pass(27 * os::kSecond);
  EXPECT_THAT(client.heard(),
              ElementsAre(HasSubstr(R"("channel":"$a","unsubscribe":{"code":2501)")));
  EXPECT_FALSE(client.is_over());
  refresh("$b", R"({"sub":"bob","channel":"$b"})");
  EXPECT_EQ(client.ending->code, 3500u);
  EXPECT_EQ(node.leftovers(), "");
}

TEST(SessionTime, AnExpiredServerSideSubscriptionEndsTheConnection) {
  auto settings = test_settings();
  settings->ping_interval = 0;
  TestNode node(1, settings);
  TestClient& client = node.connected(0, "ann");
  const auto result = node.operate([&](Audience& audience) {
    return audience.subscribe({.user = "ann", .client = {}, .session = {}, .spared = {}},
                              {.channel = "a", .expire_at = node.unix_now() + 5});
  });
  EXPECT_TRUE(result);
  for (int i = 0; i < 3; ++i) node.pass(27 * os::kSecond);
  EXPECT_EQ(client.ending->code, 3006u);
  EXPECT_EQ(node.leftovers(), "");
}

TEST(SessionTime, AForgetfulPresenceIsRemindedWhileTheClientIsThere) {
  auto settings = test_settings();
  settings->ping_interval = 0;
  TestNode node(1, settings);
  node[0].presence.is_forgetful = true;
  TestClient& client = node.connected();
  client.say(R"({"id":2,"subscribe":{"channel":"present:a"}})");
  for (int i = 0; i < 3; ++i) node.pass(28 * os::kSecond);
  EXPECT_EQ(node[0].presence.adds, 4);
  client.say(R"({"id":3,"unsubscribe":{"channel":"present:a"}})");
  for (int i = 0; i < 3; ++i) node.pass(28 * os::kSecond);
  EXPECT_EQ(node[0].presence.adds, 4);
  EXPECT_EQ(node.leftovers(), "");
}

// Clients that have all come in one turn do not renew their presence in one, and a stall does not
// bring them together for good.
TEST(SessionTime, PresenceIsRenewedSpreadOverTime) {
  constexpr int kClients = 500;
  constexpr int kSteps = 270;  // of a tick of the timers each: the interval
  auto settings = test_settings();
  settings->ping_interval = 0;
  TestNode node(1, settings);
  TestShard& shard = node[0];
  shard.presence.is_forgetful = true;
  for (int i = 0; i < kClients; ++i) {
    node.connected().say(R"({"id":2,"subscribe":{"channel":"present:a"}})");
  }
  const auto most_in_a_turn = [&] {
    int most = 0;
    for (int step = 0; step < kSteps; ++step) {
      const int before = shard.presence.adds;
      node.pass(100 * os::kMillisecond);
      most = std::max(most, shard.presence.adds - before);
    }
    return most;
  };
  ASSERT_EQ(shard.presence.adds, kClients);
  EXPECT_LE(most_in_a_turn(), 15) << "500 over half of the 270 turns";
  node.pass(100 * os::kMillisecond);  // times are rounded up to ticks
  EXPECT_EQ(shard.presence.adds, 2 * kClients);
  node.pass(25 * os::kSecond);
  EXPECT_GT(shard.presence.adds, 2 * kClients + kClients / 2) << "in one turn, by the stall";
  most_in_a_turn();
  const int before = shard.presence.adds;
  EXPECT_LE(most_in_a_turn(), 15);
  EXPECT_EQ(shard.presence.adds, before + kClients);
}

}  // namespace
}  // namespace gyre::client
