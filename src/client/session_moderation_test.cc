// Sessions of users that are blocked, and with tokens that are revoked (docs/moderation.md).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/moderation.h"
#include "client/test_support.h"

namespace gyre::client {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::string_view kUnsubscribed =
    R"({"push":{"channel":"chat","unsubscribe":{"code":2000,"reason":"server unsubscribe"}}})";

std::string connect(const std::string& claims) {
  return R"({"id":1,"connect":{"token":")" + token(claims) + "\"}}";
}
std::string subscribe(const std::string& claims) {
  return R"({"id":2,"subscribe":{"channel":"chat","token":")" + token(claims) + "\"}}";
}

struct SessionModeration : testing::Test {
  SessionModeration() {
    for (const auto& one : node.shards) one->services.moderation = &moderation;
  }
  ~SessionModeration() override { EXPECT_EQ(node.leftovers(), ""); }

  TestClient& with_token(const std::string& claims, size_t shard = 0) {
    TestClient& client = node.client(shard);
    client.say(connect(claims));
    return client;
  }
  void end_what_is_revoked(std::optional<std::string> user = std::nullopt) {
    node.operate([&](Audience& audience) { return audience.end_what_is_revoked(user); });
  }
  int64_t now() { return node.unix_now(); }

  Moderation moderation{{.entries = 100}};
  TestNode node{2};
};

TEST_F(SessionModeration, ABlockedUserDoesNotComeIn) {
  moderation.block("ann", now() + 60, now());
  EXPECT_EQ(with_token(R"({"sub":"ann"})").ending->code, 3507u);
  EXPECT_FALSE(with_token(R"({"sub":"bob"})").is_over());
  TestClient& by_header = node.client(0, "ann");
  by_header.say(R"({"id":1,"connect":{}})");
  EXPECT_FALSE(by_header.is_over()) << "anonymous, as that is allowed";
  node.pass(60 * os::kSecond);
  EXPECT_FALSE(with_token(R"({"sub":"ann"})").is_over());
}

// What began before the block finds it when it is done: nobody slips in between.
TEST_F(SessionModeration, WhoIsBlockedWhileConnectingDoesNotStay) {
  node[0].broker.histories.is_shut = true;
  TestClient& client = node.client();
  client.say(connect(R"({"sub":"ann","channels":["both:a"]})"));
  moderation.block("ann", 0, now());
  node.operate([&](Audience& audience) {
    return audience.disconnect({.user = "ann", .client = {}, .session = {}, .spared = {}},
                               protocol::disconnects::kForceNoReconnect);
  });
  {
    const runtime::TurnScope scope(node[0].shard);
    node[0].broker.histories.open();
  }
  node.settle();
  EXPECT_EQ(client.ending->code, 3503u);
}

TEST_F(SessionModeration, ARevokedTokenDoesNotConnect) {
  moderation.revoke("t1", 0, now());
  EXPECT_EQ(with_token(R"({"sub":"ann","jti":"t1"})").ending->code, 3500u);
  EXPECT_FALSE(with_token(R"({"sub":"ann","jti":"t2"})").is_over());
  EXPECT_FALSE(with_token(R"({"sub":"ann"})").is_over());
}

TEST_F(SessionModeration, RevokingATokenEndsItsConnections) {
  TestClient& first = with_token(R"({"sub":"ann","jti":"t1"})", 0);
  TestClient& second = with_token(R"({"sub":"ann","jti":"t1"})", 1);
  TestClient& other = with_token(R"({"sub":"ann","jti":"t2"})", 1);
  moderation.revoke("t1", 0, now());
  end_what_is_revoked();
  EXPECT_EQ(first.ending->code, 3500u);
  EXPECT_EQ(second.ending->code, 3500u);
  EXPECT_FALSE(other.is_over());
}

TEST_F(SessionModeration, InvalidatingEndsOlderConnectionsOfTheUser) {
  TestClient& older = with_token(R"({"sub":"ann","iat":)" + std::to_string(now() - 5) + "}");
  TestClient& newer = with_token(R"({"sub":"ann","iat":)" + std::to_string(now()) + "}", 1);
  TestClient& undated = with_token(R"({"sub":"ann"})", 1);
  TestClient& other = with_token(R"({"sub":"bob","iat":1})");
  TestClient& anonymous = node.connected();
  moderation.invalidate("ann", "", now(), 0, now());
  end_what_is_revoked("ann");
  EXPECT_EQ(older.ending->code, 3500u);
  EXPECT_EQ(undated.ending->code, 3500u);
  EXPECT_FALSE(newer.is_over());
  EXPECT_FALSE(other.is_over());
  EXPECT_FALSE(anonymous.is_over());
  EXPECT_EQ(with_token(R"({"sub":"ann","iat":1})").ending->code, 3500u);
}

TEST_F(SessionModeration, ARefreshBringsAnotherToken) {
  TestClient& client = with_token(R"({"sub":"ann","jti":"t1"})");
  EXPECT_THAT(
      client.say(R"({"id":2,"refresh":{"token":")" + token(R"({"sub":"ann","jti":"t2"})") + "\"}}"),
      ElementsAre(HasSubstr(R"("refresh")")));
  moderation.revoke("t1", 0, now());
  end_what_is_revoked();
  EXPECT_FALSE(client.is_over());
  client.say(R"({"id":3,"refresh":{"token":")" + token(R"({"sub":"ann","jti":"t1"})") + "\"}}");
  EXPECT_EQ(client.ending->code, 3500u);
}

TEST_F(SessionModeration, ARevokedTokenDoesNotSubscribe) {
  moderation.revoke("s1", 0, now());
  TestClient& client = node.connected(0, "ann");
  EXPECT_THAT(client.say(subscribe(R"({"sub":"ann","channel":"chat","jti":"s1"})")),
              ElementsAre(R"({"id":2,"error":{"code":103,"message":"permission denied"}})"));
  EXPECT_THAT(client.say(subscribe(R"({"sub":"ann","channel":"chat","jti":"s2"})")),
              ElementsAre(HasSubstr(R"("subscribe")")));
}

TEST_F(SessionModeration, RevokingASubscriptionTokenEndsTheSubscriptionAlone) {
  TestClient& client = node.connected(0, "ann");
  client.say(subscribe(R"({"sub":"ann","channel":"chat","jti":"s1"})"));
  TestClient& other = node.connected(1, "ann");
  other.say(subscribe(R"({"sub":"ann","channel":"chat","jti":"s2"})"));
  moderation.revoke("s1", 0, now());
  end_what_is_revoked();
  EXPECT_THAT(client.heard(), ElementsAre(kUnsubscribed));
  EXPECT_FALSE(client.is_over());
  EXPECT_THAT(other.heard(), IsEmpty());
  // It is another subscription now, whose token is another one.
  client.say(subscribe(R"({"sub":"ann","channel":"chat","jti":"s2"})"));
  end_what_is_revoked();
  EXPECT_THAT(client.heard(), IsEmpty());
  moderation.invalidate("ann", "chat", now() + 1, 0, now());
  end_what_is_revoked("ann");
  EXPECT_THAT(client.heard(), ElementsAre(kUnsubscribed));
  EXPECT_THAT(other.heard(), ElementsAre(kUnsubscribed));
}

TEST_F(SessionModeration, ARevocationWhileItJoinsEndsTheSubscription) {
  TestClient& client = node.connected(0, "ann");
  node[0].broker.held_channel = node[1].broker.held_channel = "chat";
  node[0].broker.subscribes.is_shut = node[1].broker.subscribes.is_shut = true;
  EXPECT_THAT(client.say(subscribe(R"({"sub":"ann","channel":"chat","jti":"s1"})")), IsEmpty());
  moderation.revoke("s1", 0, now());
  end_what_is_revoked();
  for (const auto& one : node.shards) {
    const runtime::TurnScope scope(one->shard);
    one->broker.subscribes.open();
  }
  node.settle();
  EXPECT_THAT(client.heard(), ElementsAre(HasSubstr(R"({"id":2,"subscribe")"), kUnsubscribed));
}

TEST_F(SessionModeration, ARefreshOfASubscriptionBringsAnotherToken) {
  TestClient& client = node.connected(0, "ann");
  client.say(subscribe(R"({"sub":"ann","channel":"chat","jti":"s1"})"));
  const auto refresh = [](const std::string& claims) {
    return R"({"id":3,"sub_refresh":{"channel":"chat","token":")" + token(claims) + "\"}}";
  };
  EXPECT_THAT(client.say(refresh(R"({"sub":"ann","channel":"chat","jti":"s2"})")),
              ElementsAre(HasSubstr(R"("sub_refresh")")));
  moderation.revoke("s1", 0, now());
  end_what_is_revoked();
  EXPECT_THAT(client.heard(), IsEmpty());
  EXPECT_THAT(client.say(refresh(R"({"sub":"ann","channel":"chat","jti":"s1"})")),
              ElementsAre(R"({"id":3,"error":{"code":103,"message":"permission denied"}})"));
}

}  // namespace
}  // namespace gyre::client
