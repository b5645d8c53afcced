// RPC and publish where backends decide.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/proxied_node.h"

namespace gyre::client {
namespace {

using proxy::Event;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::string_view kRpc = R"({"id":2,"rpc":{"method":"m","data":{"x": 1}}})";
constexpr std::string_view kPublishAsk =
    R"({"id":2,"publish":{"channel":"ask:a","data":{"x": 1}}})";
constexpr std::string_view kAskFailed =
    R"({"id":2,"error":{"code":100,"message":"internal server error","temporary":true}})";

std::shared_ptr<Settings> anonymous_settings() {
  auto settings = proxied_settings();
  settings->allow_anonymous_connect_without_token = true;
  return settings;
}

struct RpcTest : testing::Test {
  ProxiedNode asking{{Event::rpc, Event::publish}, anonymous_settings()};
  TestNode& node = asking.node;
  TestClient& client = node.connected(0, "ann");

  void TearDown() override { EXPECT_EQ(node.leftovers(), ""); }
};

TEST_F(RpcTest, AnswersWithTheBackendsData) {
  EXPECT_THAT(client.say(kRpc), IsEmpty());
  const outbound::HttpRequest& request = asking.backend.request();
  EXPECT_EQ(request.url, "http://rpc");
  EXPECT_EQ(request.body, R"({"client":")" + client.id() +
                              R"(","transport":"websocket","protocol":"json","encoding":"json",)"
                              R"("user":"ann","method":"m","data":{"x":1}})");
  asking.answer(R"({"result":{"data":{"r": 1}}})");
  EXPECT_THAT(client.heard(), ElementsAre(R"({"id":2,"rpc":{"data":{"r": 1}}})"));
  EXPECT_THAT(asking.say(client, kRpc, R"({"result":{"b64data":"eyJiIjoxfQ=="}})"),
              ElementsAre(R"({"id":2,"rpc":{"data":{"b":1}}})"));
  EXPECT_THAT(asking.say(client, kRpc, "{}"), ElementsAre(R"({"id":2,"rpc":{}})"));
}

TEST_F(RpcTest, HandsOnErrorsAndFailures) {
  EXPECT_THAT(
      asking.say(client, kRpc, R"({"error":{"code":1000,"message":"custom","temporary":true}})"),
      ElementsAre(R"({"id":2,"error":{"code":1000,"message":"custom","temporary":true}})"));
  EXPECT_THAT(asking.say(client, kRpc, "oops", 500), ElementsAre(kAskFailed));
  EXPECT_THAT(asking.say(client, kRpc, "not json"), ElementsAre(kAskFailed));
  EXPECT_THAT(asking.say(client, kRpc, R"({"result":{"b64data":"*"}})"), ElementsAre(kAskFailed));
  client.say(kRpc);
  asking.fail_to_answer();
  EXPECT_THAT(client.heard(), ElementsAre(kAskFailed));
  EXPECT_THAT(asking.say(client, kRpc, R"({"disconnect":{"code":4500,"reason":"bye"}})"),
              IsEmpty());
  EXPECT_EQ(client.ending->code, 4500u);
  EXPECT_EQ(client.ending->reason, "bye");
}

TEST_F(RpcTest, ChoosesTheProxyByTheMethodsNamespace) {
  const auto code = [&](std::string_view method) {
    return client.say(R"({"id":2,"rpc":{"method":")" + std::string(method) + R"("}})");
  };
  EXPECT_THAT(code("none:m"),
              ElementsAre(R"({"id":2,"error":{"code":104,"message":"method not found"}})"));
  EXPECT_THAT(code("off:m"),
              ElementsAre(R"({"id":2,"error":{"code":108,"message":"not available"}})"));
  EXPECT_THAT(code("unbuilt:m"),
              ElementsAre(R"({"id":2,"error":{"code":108,"message":"not available"}})"));
  EXPECT_THAT(code("other:m:n"), IsEmpty());
  EXPECT_EQ(asking.backend.request().url, "http://other");
  asking.answer("{}");
  EXPECT_THAT(client.heard(), ElementsAre(R"({"id":2,"rpc":{}})"));
}

TEST(Rpc, AnswersThePingItself) {
  auto settings = anonymous_settings();
  settings->rpc_ping_method = "ping";
  ProxiedNode asking({Event::rpc}, settings);
  TestClient& client = asking.node.connected();
  EXPECT_THAT(client.say(R"({"id":2,"rpc":{"method":"ping"}})"),
              ElementsAre(R"({"id":2,"rpc":{}})"));
}

// A slow backend holds up the connection that asks, and nobody else.
TEST_F(RpcTest, KeepsTheOrderOfAConnectionAlone) {
  TestClient& other = node.connected();
  EXPECT_THAT(client.say(kRpc), IsEmpty());
  EXPECT_THAT(client.say(R"({"id":3,"rpc":{"method":"second"}})"), IsEmpty());
  EXPECT_THAT(client.say(R"({"id":4,"publish":{"channel":"plain","data":1}})"), IsEmpty());
  EXPECT_EQ(asking.backend.waiting(), 1u);
  EXPECT_THAT(other.say(R"({"id":2,"subscribe":{"channel":"plain"}})"),
              ElementsAre(R"({"id":2,"subscribe":{}})"));
  EXPECT_THAT(other.say(kRpc), IsEmpty());
  EXPECT_EQ(asking.backend.waiting(), 2u);
  asking.answer(R"({"result":{"data":1}})");
  EXPECT_THAT(client.heard(), ElementsAre(R"({"id":2,"rpc":{"data":1}})"));
  asking.answer(R"({"result":{"data":2}})");
  EXPECT_THAT(other.heard(), ElementsAre(R"({"id":2,"rpc":{"data":2}})"));
  asking.answer(R"({"result":{"data":3}})");
  EXPECT_THAT(client.heard(),
              ElementsAre(R"({"id":3,"rpc":{"data":3}})", R"({"id":4,"publish":{}})"));
}

TEST(Rpc, AsksSideBySideWithConcurrency) {
  auto settings = anonymous_settings();
  settings->concurrency = 2;
  ProxiedNode asking({Event::rpc}, settings);
  TestClient& client = asking.node.connected();
  client.say(kRpc);
  client.say(R"({"id":3,"rpc":{"method":"second"}})");
  client.say(R"({"id":4,"rpc":{"method":"third"}})");
  EXPECT_EQ(asking.backend.waiting(), 2u);
  asking.answer("{}");
  EXPECT_EQ(asking.backend.waiting(), 2u);  // the third is on its way now
  asking.answer("{}");
  asking.answer("{}");
  EXPECT_THAT(client.heard(),
              ElementsAre(R"({"id":2,"rpc":{}})", R"({"id":3,"rpc":{}})", R"({"id":4,"rpc":{}})"));
  EXPECT_EQ(asking.node.leftovers(), "");
}

TEST_F(RpcTest, SaysNothingToAClientThatHasGone) {
  client.say(kRpc);
  client.leave();
  asking.answer(R"({"disconnect":{"code":4500,"reason":"bye"}})");
  EXPECT_THAT(client.heard(), IsEmpty());
  EXPECT_EQ(client.ending->code, 0u);
}

TEST_F(RpcTest, SaysNothingToAClientThatWasDisconnectedMeanwhile) {
  client.say(kRpc);
  node.operate([&](Audience& audience) {
    return audience.disconnect({.user = "ann", .client = {}, .session = {}, .spared = {}},
                               protocol::disconnects::kForceNoReconnect);
  });
  EXPECT_EQ(client.ending->code, 3503u);
  client.heard();
  asking.answer(R"({"result":{"data":1}})");
  EXPECT_THAT(client.heard(), IsEmpty());
}

TEST(Rpc, IsNotAvailableWhereNoProxyWasMade) {
  TestNode node;
  TestClient& client = node.connected();
  EXPECT_THAT(client.say(R"({"id":2,"rpc":{"method":"m"}})"),
              ElementsAre(R"({"id":2,"error":{"code":108,"message":"not available"}})"));
}

struct PublishTest : RpcTest {
  TestClient& reader = node.connected();

  PublishTest() {
    reader.say(R"({"id":2,"subscribe":{"channel":"plain"}})");
    const std::string claims = R"({"sub":"","channel":")";
    for (const char* channel : {"ask:a", "stream:a"}) {
      reader.say(R"({"id":3,"subscribe":{"channel":")" + std::string(channel) + R"(","token":")" +
                 token(claims + channel + R"("})") + R"("}})");
    }
  }
};

TEST_F(PublishTest, IsTheBackendsDecisionAlone) {
  // Nobody may publish there by the namespace's permissions.
  EXPECT_THAT(client.say(kPublishAsk), IsEmpty());
  EXPECT_EQ(asking.backend.request().url, "http://publish");
  EXPECT_EQ(asking.backend.request().body,
            R"({"client":")" + client.id() +
                R"(","transport":"websocket","protocol":"json","encoding":"json",)"
                R"("user":"ann","channel":"ask:a","data":{"x":1}})");
  EXPECT_THAT(reader.heard(), IsEmpty());
  asking.answer("{}");
  EXPECT_THAT(client.heard(), ElementsAre(R"({"id":2,"publish":{}})"));
  EXPECT_THAT(
      reader.heard(),
      ElementsAre(
          R"({"push":{"channel":"ask:a","pub":{"data":{"x": 1},"info":{"user":"ann","client":")" +
          client.id() + R"("}}}})"));
}

TEST_F(PublishTest, MayBePutInOtherWords) {
  EXPECT_THAT(
      asking.say(client, kPublishAsk,
                 R"({"result":{"data":{"changed": 1},"tags":{"t":"1"},"idempotency_key":"i"}})"),
      ElementsAre(R"({"id":2,"publish":{}})"));
  EXPECT_THAT(
      reader.heard(),
      ElementsAre(
          R"({"push":{"channel":"ask:a","pub":{"data":{"changed": 1},"info":{"user":"ann","client":")" +
          client.id() + R"("},"tags":{"t":"1"}}}})"));
  // The same key again: nothing is published.
  EXPECT_THAT(asking.say(client, kPublishAsk, R"({"result":{"idempotency_key":"i"}})"),
              ElementsAre(R"({"id":2,"publish":{}})"));
  EXPECT_THAT(reader.heard(), IsEmpty());
}

TEST_F(PublishTest, MaySkipTheHistory) {
  constexpr std::string_view kStream = R"({"id":2,"publish":{"channel":"stream:a","data":{}}})";
  asking.say(client, kStream, R"({"result":{}})");
  asking.say(client, kStream, R"({"result":{"skip_history":true}})");
  const Messages heard = reader.heard();
  ASSERT_EQ(heard.size(), 2u);
  EXPECT_THAT(heard[0], testing::HasSubstr(R"("offset":1)"));
  EXPECT_THAT(heard[1], testing::Not(testing::HasSubstr("offset")));
}

TEST_F(PublishTest, IsRefusedAsTheBackendSays) {
  EXPECT_THAT(asking.say(client, kPublishAsk, R"({"error":{"code":1000,"message":"no"}})"),
              ElementsAre(R"({"id":2,"error":{"code":1000,"message":"no"}})"));
  EXPECT_THAT(asking.say(client, kPublishAsk, "", 500), ElementsAre(kAskFailed));
  EXPECT_THAT(asking.say(client, kPublishAsk, R"({"disconnect":{"code":4501,"reason":"x"}})"),
              IsEmpty());
  EXPECT_EQ(client.ending->code, 4501u);
  EXPECT_THAT(reader.heard(), IsEmpty());
}

TEST_F(PublishTest, IsCheckedBeforeTheBackendIsAsked) {
  EXPECT_THAT(client.say(R"({"id":2,"publish":{"channel":"ask:a"}})"),
              ElementsAre(R"({"id":2,"error":{"code":107,"message":"bad request"}})"));
  EXPECT_THAT(client.say(R"({"id":3,"publish":{"channel":"stream:a","data":[]}})"),
              ElementsAre(R"({"id":3,"error":{"code":107,"message":"bad request"}})"));
  EXPECT_THAT(client.say(R"({"id":4,"publish":{"channel":"no:a","data":{}}})"),
              ElementsAre(R"({"id":4,"error":{"code":102,"message":"unknown channel"}})"));
  EXPECT_THAT(client.say(R"({"id":5,"publish":{"channel":"unbuilt:a","data":{}}})"),
              ElementsAre(R"({"id":5,"error":{"code":108,"message":"not available"}})"));
  EXPECT_EQ(asking.backend.waiting(), 0u);
}

// As it is without a backend: what was said before the client went counts.
TEST_F(PublishTest, ReachesTheOthersThoughTheClientHasGone) {
  client.say(kPublishAsk);
  client.leave();
  asking.answer("{}");
  EXPECT_THAT(
      reader.heard(),
      ElementsAre(
          R"({"push":{"channel":"ask:a","pub":{"data":{"x": 1},"info":{"user":"ann","client":")" +
          client.id() + R"("}}}})"));
}

}  // namespace
}  // namespace gyre::client
