// Subscriptions where backends decide, and how long they last.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/proxied_node.h"

namespace gyre::client {
namespace {

using proxy::Event;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::string_view kSubscribe =
    R"({"id":2,"subscribe":{"channel":"ask:a","data":{"q":1}}})";
constexpr std::string_view kSubscribed = R"({"id":2,"subscribe":{}})";

std::shared_ptr<Settings> open_settings(uint32_t concurrency = 1) {
  auto settings = proxied_settings();
  settings->allow_anonymous_connect_without_token = true;
  settings->concurrency = concurrency;
  settings->ping_interval = 0;
  return settings;
}

struct SubscribeProxyTest : testing::Test {
  explicit SubscribeProxyTest(uint32_t concurrency = 1)
      : asking({Event::subscribe, Event::sub_refresh}, open_settings(concurrency)) {}

  ProxiedNode asking;
  TestNode& node = asking.node;
  TestClient& client = node.connected(0, "ann");

  std::string in_seconds(int64_t seconds) { return std::to_string(node.unix_now() + seconds); }
  void TearDown() override { EXPECT_EQ(node.leftovers(), ""); }
};

TEST_F(SubscribeProxyTest, GivesWhatTheBackendSays) {
  EXPECT_THAT(client.say(kSubscribe), IsEmpty());
  EXPECT_EQ(asking.backend.request().body,
            R"({"client":")" + client.id() +
                R"(","transport":"websocket","protocol":"json","encoding":"json",)"
                R"("user":"ann","channel":"ask:a","data":{"q":1}})");
  node.publish("ask:a", "0");  // before the answer: not the client's
  asking.answer(R"({"result":{"info":{"ci": 2},"data":{"sd": 1},"expire_at":)" + in_seconds(60) +
                R"(,"override":{"presence":{"value":true},"force_positioning":{"value":true}}}})");
  const Messages heard = client.heard();
  ASSERT_EQ(heard.size(), 1u);
  EXPECT_THAT(heard[0], HasSubstr(R"("expires":true,"ttl":60)"));
  EXPECT_THAT(heard[0], HasSubstr(R"("positioned":true,"data":{"sd": 1})"));
  EXPECT_EQ(node[0].presence.adds, 1);
  node.publish("ask:a", "1");
  EXPECT_THAT(client.heard(), ElementsAre(HasSubstr(R"("pub":{"data":1)")));
}

TEST_F(SubscribeProxyTest, TakesNoResultForAllowed) {
  EXPECT_THAT(asking.say(client, kSubscribe, "{}"), ElementsAre(kSubscribed));
}

// Only what the namespace forces, and what the backend gives.
TEST_F(SubscribeProxyTest, DoesNotGrantTheClientsWishes) {
  EXPECT_THAT(asking.say(client,
                         R"({"id":2,"subscribe":{"channel":"stream:a","positioned":true,)"
                         R"("recoverable":true,"join_leave":true}})",
                         R"({"result":{}})"),
              ElementsAre(kSubscribed));
  EXPECT_THAT(asking.say(client, R"({"id":3,"subscribe":{"channel":"stream:b","recover":true}})",
                         R"({"result":{"override":{"force_recovery":{"value":true}}}})"),
              ElementsAre(HasSubstr(R"("recoverable":true)")));
}

TEST_F(SubscribeProxyTest, HandsOnErrorsAndFailures) {
  const auto told = [&](const std::string& body, int status = 200) {
    return asking.say(client, kSubscribe, body, status);
  };
  EXPECT_THAT(told(R"({"error":{"code":1000,"message":"no"}})"),
              ElementsAre(R"({"id":2,"error":{"code":1000,"message":"no"}})"));
  EXPECT_THAT(
      told("", 500),
      ElementsAre(
          R"({"id":2,"error":{"code":100,"message":"internal server error","temporary":true}})"));
  EXPECT_THAT(told(R"({"result":{"expire_at":5}})"),
              ElementsAre(R"({"id":2,"error":{"code":110,"message":"expired"}})"));
  EXPECT_EQ(node[0].hub.channels(), 0u);
  EXPECT_THAT(told(R"({"disconnect":{"code":4502,"reason":"bad sub"}})"), IsEmpty());
  EXPECT_EQ(client.ending->code, 4502u);
}

TEST_F(SubscribeProxyTest, IsNotAskedWhereOthersDecide) {
  const std::string with_token = token(R"({"sub":"ann","channel":"ask:t"})");
  EXPECT_THAT(
      client.say(R"({"id":2,"subscribe":{"channel":"ask:t","token":")" + with_token + R"("}})"),
      ElementsAre(kSubscribed));
  EXPECT_THAT(client.say(R"({"id":2,"subscribe":{"channel":"ask:x#ann"}})"),
              ElementsAre(kSubscribed));
  constexpr std::string_view kDenied =
      R"({"id":2,"error":{"code":103,"message":"permission denied"}})";
  EXPECT_THAT(client.say(R"({"id":2,"subscribe":{"channel":"ask:x#bob"}})"), ElementsAre(kDenied));
  EXPECT_THAT(client.say(R"({"id":2,"subscribe":{"channel":"$ask:p"}})"), ElementsAre(kDenied));
  EXPECT_THAT(client.say(R"({"id":2,"subscribe":{"channel":"unbuilt:a"}})"),
              ElementsAre(R"({"id":2,"error":{"code":108,"message":"not available"}})"));
  EXPECT_EQ(asking.backend.waiting(), 0u);
}

TEST_F(SubscribeProxyTest, ForgetsAClientThatHasLeftMeanwhile) {
  client.say(kSubscribe);
  client.leave();
  asking.answer(R"({"result":{"override":{"presence":{"value":true}}}})");
  EXPECT_THAT(client.heard(), IsEmpty());
  EXPECT_EQ(node[0].presence.adds, 0);
}

TEST_F(SubscribeProxyTest, MindsAnUnsubscribeByTheServerMeanwhile) {
  client.say(kSubscribe);
  node.operate([](Audience& audience) {
    return audience.unsubscribe({.user = "ann", .client = {}, .session = {}, .spared = {}}, "ask:a",
                                protocol::unsubscribes::kServer);
  });
  asking.answer(R"({"result":{}})");
  EXPECT_THAT(
      client.heard(),
      ElementsAre(
          kSubscribed,
          R"({"push":{"channel":"ask:a","unsubscribe":{"code":2000,"reason":"server unsubscribe"}}})"));
}

// A reload meanwhile changes nothing for who has asked before.
TEST_F(SubscribeProxyTest, EndsByTheRulesThatItBeganWith) {
  client.say(kSubscribe);
  node[0].services.settings = test_settings();
  asking.answer(R"({"result":{}})");
  EXPECT_THAT(client.heard(), ElementsAre(kSubscribed));
}

struct ConcurrentSubscribeTest : SubscribeProxyTest {
  ConcurrentSubscribeTest() : SubscribeProxyTest(4) {}
};

TEST_F(ConcurrentSubscribeTest, AsksOnlyOnceForAChannel) {
  client.say(kSubscribe);
  EXPECT_THAT(client.say(R"({"id":3,"subscribe":{"channel":"ask:a"}})"),
              ElementsAre(R"({"id":3,"error":{"code":105,"message":"already subscribed"}})"));
  EXPECT_EQ(asking.backend.waiting(), 1u);
  asking.answer("{}");
  EXPECT_THAT(client.heard(), ElementsAre(kSubscribed));
}

TEST_F(ConcurrentSubscribeTest, MindsAnUnsubscribeMeanwhile) {
  client.say(kSubscribe);
  EXPECT_THAT(client.say(R"({"id":3,"unsubscribe":{"channel":"ask:a"}})"), IsEmpty());
  asking.answer("{}");
  EXPECT_THAT(client.heard(), ElementsAre(kSubscribed, R"({"id":3,"unsubscribe":{}})"));
  node.publish("ask:a", "1");
  EXPECT_THAT(client.heard(), IsEmpty());
}

TEST_F(ConcurrentSubscribeTest, CountsThoseOnTheirWayAgainstTheLimit) {
  node.settings->channel_limit = 1;
  client.say(kSubscribe);
  EXPECT_THAT(client.say(R"({"id":3,"subscribe":{"channel":"ask:b"}})"),
              ElementsAre(R"({"id":3,"error":{"code":106,"message":"limit exceeded"}})"));
  asking.answer("{}");
}

struct SubRefreshProxyTest : SubscribeProxyTest {
  // A subscription that comes to its end at once; it is looked at with the next presence tick.
  void subscribe_ending() {
    EXPECT_THAT(asking.say(client, R"({"id":2,"subscribe":{"channel":"end:a"}})",
                           R"({"result":{"expire_at":)" + in_seconds(1) + "}}"),
                ElementsAre(kSubscribed));  // its end is not the client's business
  }
  // The same by the API.
  void subscribe_ending_by_server() {
    const auto subscribed = node.operate([&](Audience& audience) {
      SubscribeOrder order;
      order.channel = "end:a";
      order.expire_at = node.unix_now() + 1;
      return audience.subscribe({.user = "ann", .client = {}, .session = {}, .spared = {}},
                                std::move(order));
    });
    EXPECT_TRUE(subscribed.has_value());
  }
  void tick(int times = 1) {
    for (int i = 0; i < times; ++i) node.pass(28 * os::kSecond);  // the interval is 27
  }
};

TEST_F(SubRefreshProxyTest, GivesTheSubscriptionLonger) {
  subscribe_ending();
  tick(2);
  ASSERT_EQ(asking.backend.waiting(), 1u);
  EXPECT_EQ(asking.backend.request().url, "http://sub_refresh");
  EXPECT_EQ(asking.backend.request().body,
            R"({"client":")" + client.id() +
                R"(","transport":"websocket","protocol":"json","encoding":"json",)"
                R"("user":"ann","channel":"end:a"})");
  tick();
  EXPECT_EQ(asking.backend.waiting(), 1u);  // once is enough
  asking.answer(R"({"result":{"info":{"ci": 3},"expire_at":)" + in_seconds(40) + "}}");
  tick(2);
  EXPECT_EQ(asking.backend.waiting(), 0u);
  tick();
  EXPECT_EQ(asking.backend.waiting(), 1u);
  // Without an end from now on.
  asking.answer(R"({"result":{}})");
  tick(10);
  EXPECT_EQ(asking.backend.waiting(), 0u);
  node.publish("end:a", "1");
  EXPECT_THAT(client.heard(), ElementsAre(HasSubstr(R"("pub":{"data":1)")));
}

TEST_F(SubRefreshProxyTest, EndsTheSubscription) {
  for (const std::string& body :
       {std::string("{}"), std::string(R"({"result":{"expired":true}})"),
        std::string(R"({"result":{"expire_at":7}})"), std::string(R"({"error":{"code":1}})")}) {
    subscribe_ending();
    tick(2);
    ASSERT_EQ(asking.backend.waiting(), 1u);
    asking.answer(body);
    EXPECT_THAT(
        client.heard(),
        ElementsAre(
            R"({"push":{"channel":"end:a","unsubscribe":{"code":2501,"reason":"subscription expired"}}})"))
        << body;
  }
}

TEST_F(SubRefreshProxyTest, AsksAgainAMinuteAfterAFailure) {
  subscribe_ending();
  tick(2);
  asking.fail_to_answer();
  EXPECT_THAT(client.heard(), IsEmpty());
  tick(3);
  EXPECT_EQ(asking.backend.waiting(), 0u);
  tick(1);
  ASSERT_EQ(asking.backend.waiting(), 1u);
  asking.answer("{}");
  EXPECT_THAT(client.heard(), ElementsAre(HasSubstr("2501")));
}

TEST_F(SubRefreshProxyTest, EndsTheConnectionOfAServerSideSubscription) {
  subscribe_ending_by_server();
  tick(2);
  ASSERT_EQ(asking.backend.waiting(), 1u);
  asking.answer("{}");
  EXPECT_EQ(client.ending->code, 3006u);
}

// Whoever has unsubscribed and comes again is not judged by what was asked before.
TEST_F(SubRefreshProxyTest, LeavesANewSubscriptionAlone) {
  subscribe_ending();
  tick(2);
  ASSERT_EQ(asking.backend.waiting(), 1u);
  client.say(R"({"id":3,"unsubscribe":{"channel":"end:a"}})");
  client.say(R"({"id":4,"subscribe":{"channel":"end:a"}})");
  asking.answer(R"({"result":{"expired":true}})");
  asking.answer("{}");
  EXPECT_THAT(client.heard(), ElementsAre(R"({"id":4,"subscribe":{}})"));
}

// An answer about the first is none about the second, though that is being asked about as well.
TEST_F(SubRefreshProxyTest, TellsTheEndsOfTwoSubscriptionsApart) {
  subscribe_ending();
  tick(2);
  client.say(R"({"id":3,"unsubscribe":{"channel":"end:a"}})");
  subscribe_ending_by_server();
  tick(2);
  ASSERT_EQ(asking.backend.waiting(), 2u);
  asking.answer(R"({"result":{"expired":true}})");
  EXPECT_EQ(client.ending->code, 0u);
  asking.answer(R"({"result":{"expired":true}})");
  EXPECT_EQ(client.ending->code, 3006u);
}

TEST_F(SubRefreshProxyTest, ForgetsAClientThatHasLeftMeanwhile) {
  subscribe_ending();
  tick(2);
  client.leave();
  asking.answer(R"({"result":{"expired":true}})");
  EXPECT_THAT(client.heard(), IsEmpty());
}

TEST_F(SubRefreshProxyTest, LeavesNothingToTheClient) {
  subscribe_ending();
  const std::string again = token(R"({"sub":"ann","channel":"end:a"})");
  client.say(R"({"id":3,"sub_refresh":{"channel":"end:a","token":")" + again + R"("}})");
  EXPECT_EQ(client.ending->code, 3501u);
}

// Clients cannot wish for channels that a backend decides about (subscriptions.md 2.3).
TEST_F(SubscribeProxyTest, IsNoWayIntoTheWishList) {
  TestClient& other = node.client();
  EXPECT_THAT(other.say(R"({"id":1,"connect":{"subs":{"ask:a":{},"plain":{}}}})"),
              ElementsAre(HasSubstr(R"("subs":{"plain":{}})")));
}

}  // namespace
}  // namespace gyre::client
