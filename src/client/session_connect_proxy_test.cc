// Connect and refresh where backends decide.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/proxied_node.h"

namespace gyre::client {
namespace {

using proxy::Event;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::string_view kConnect =
    R"({"id":1,"connect":{"data":{"cd":1},"name":"js","version":"1.2"}})";
constexpr std::string_view kConnected =
    R"({"id":1,"connect":{"client":"CLIENT","version":"test","ping":25,"pong":true}})";
constexpr std::string_view kNotAvailable =
    R"({"id":9,"error":{"code":108,"message":"not available"}})";
// A command whose answer proves that the session lives.
constexpr std::string_view kProbe = R"({"id":9,"rpc":{"method":"off:m"}})";

std::string in_seconds(TestNode& node, int64_t seconds) {
  return std::to_string(node.unix_now() + seconds);
}

struct ConnectProxyTest : testing::Test {
  explicit ConnectProxyTest(const std::vector<Event>& events = {Event::connect}) : asking(events) {}

  ProxiedNode asking;
  TestNode& node = asking.node;

  void TearDown() override { EXPECT_EQ(node.leftovers(), ""); }
};

TEST_F(ConnectProxyTest, GivesTheConnectionWhatTheBackendSays) {
  TestClient& client = node.client();
  EXPECT_THAT(client.say(kConnect), IsEmpty());
  EXPECT_EQ(asking.backend.request().body,
            R"({"client":")" + client.id() +
                R"(","transport":"websocket","protocol":"json","encoding":"json",)"
                R"("data":{"cd":1},"name":"js","version":"1.2"})");
  asking.answer(
      R"({"result":{"user":"u1","info":{"n": 1},"data":{"hello": 1},"channels":["auto","s2","auto"],
          "subs":{"s2":{"info":{"ci": 1},"data":{"d": 2},"override":{"presence":{"value":true}}}},
          "meta":{"m": "x"}}})");
  EXPECT_THAT(
      client.heard(),
      ElementsAre(R"({"id":1,"connect":{"client":"CLIENT","version":"test","data":{"hello": 1},)"
                  R"("subs":{"s2":{"data":{"d": 2}},"auto":{}},"ping":25,"pong":true}})"));
  EXPECT_EQ(client.session().user(), "u1");
  EXPECT_EQ(node[0].presence.adds, 1);
  EXPECT_THAT(
      client.say(R"({"id":2,"publish":{"channel":"s2","data":1}})"),
      ElementsAre(
          R"({"push":{"channel":"s2","pub":{"data":1,"info":{"user":"u1","client":"CLIENT",)"
          R"("conn_info":{"n": 1},"chan_info":{"ci": 1}}}}})",
          R"({"id":2,"publish":{}})"));
}

TEST_F(ConnectProxyTest, TakesAnEmptyUserForAnAnonymousOne) {
  TestClient& client = node.client();
  EXPECT_THAT(asking.say(client, kConnect, R"({"result":{}})"), ElementsAre(kConnected));
  EXPECT_EQ(client.session().user(), "");
}

TEST_F(ConnectProxyTest, HandsOnErrorsAndFailures) {
  const auto told = [&](const std::string& body, int status = 200) {
    return asking.say(node.client(), kConnect, body, status);
  };
  constexpr std::string_view kFailed =
      R"({"id":1,"error":{"code":100,"message":"internal server error","temporary":true}})";
  EXPECT_THAT(told(R"({"error":{"code":1001,"message":"denied"}})"),
              ElementsAre(R"({"id":1,"error":{"code":1001,"message":"denied"}})"));
  EXPECT_THAT(told("", 500), ElementsAre(kFailed));
  EXPECT_THAT(told(R"({"result":{"user":1}})"), ElementsAre(kFailed));
  EXPECT_THAT(told(R"({"result":{"b64info":"*"}})"), ElementsAre(kFailed));
  EXPECT_THAT(told(R"({"result":{"user":"u","channels":["no:x"]}})"),
              ElementsAre(R"({"id":1,"error":{"code":102,"message":"unknown channel"}})"));
  EXPECT_THAT(told(R"({"result":{"expire_at":5}})"),
              ElementsAre(R"({"id":1,"error":{"code":110,"message":"expired"}})"));
  EXPECT_THAT(told(R"({"disconnect":{"code":4501,"reason":"go away"}})"), IsEmpty());
  EXPECT_EQ(node.clients.back()->ending->code, 4501u);
  EXPECT_EQ(node.clients.back()->ending->reason, "go away");
}

TEST_F(ConnectProxyTest, KnowsNobodyWithoutAResult) {
  TestClient& client = node.client();
  EXPECT_THAT(asking.say(client, kConnect, "{}"), IsEmpty());
  EXPECT_EQ(client.ending->code, 3501u);
}

TEST(ConnectProxy, LeavesRoomForAnonymousClients) {
  auto settings = proxied_settings();
  settings->allow_anonymous_connect_without_token = true;
  ProxiedNode asking({Event::connect}, settings);
  EXPECT_THAT(asking.say(asking.node.client(), kConnect, "{}"), ElementsAre(kConnected));
}

TEST_F(ConnectProxyTest, IsNotAskedAboutATokenOfItsOwn) {
  TestClient& client = node.connected(0, "ann");
  EXPECT_EQ(asking.backend.waiting(), 0u);
  EXPECT_EQ(client.session().user(), "ann");
}

TEST_F(ConnectProxyTest, TellsOfTheChannelsWishedForAndAddsNoneOfThem) {
  TestClient& client = node.client();
  client.say(R"({"id":1,"connect":{"subs":{"a":{},"no:x":{},"stream:b":{}}}})");
  EXPECT_THAT(asking.backend.request().body, HasSubstr(R"("channels":["a","no:x","stream:b"])"));
  asking.answer(R"({"result":{"channels":["a"]}})");
  EXPECT_THAT(client.heard(), ElementsAre(HasSubstr(R"("subs":{"a":{}})")));
}

TEST_F(ConnectProxyTest, HoldsTheOtherCommandsBack) {
  TestClient& client = node.client();
  client.say(kConnect);
  EXPECT_THAT(client.say(kProbe), IsEmpty());
  asking.answer(R"({"result":{}})");
  EXPECT_THAT(client.heard(), ElementsAre(kConnected, kNotAvailable));
}

TEST_F(ConnectProxyTest, ForgetsAClientThatHasLeftMeanwhile) {
  TestClient& client = node.client();
  client.say(kConnect);
  client.leave();
  asking.answer(R"({"result":{"user":"u1","channels":["a"]}})");
  EXPECT_THAT(client.heard(), IsEmpty());
  EXPECT_EQ(node[0].hub.channels(), 0u);
}

// A backend may take longer than a connection may be without credentials.
TEST_F(ConnectProxyTest, IsTooLateForAStaleConnection) {
  TestClient& client = node.client();
  client.say(kConnect);
  node.pass(11 * os::kSecond);
  EXPECT_EQ(client.ending->code, 3502u);
  client.heard();
  asking.answer(R"({"error":{"code":1001,"message":"denied"}})");
  EXPECT_THAT(client.heard(), IsEmpty());
}

TEST_F(ConnectProxyTest, TellsOfTheEndThatTheClientHasToSeeTo) {
  TestClient& client = node.client();
  EXPECT_THAT(
      asking.say(client, kConnect, R"({"result":{"expire_at":)" + in_seconds(node, 60) + "}}"),
      ElementsAre(
          R"({"id":1,"connect":{"client":"CLIENT","version":"test","expires":true,"ttl":60,"ping":25,"pong":true}})"));
}

// Names of both lists are forwarded to later calls as well, whatever the case.
TEST(ConnectProxy, ForwardsHeadersFromNowOn) {
  proxy::HttpOptions options;
  options.emulated_headers = {"x-emu"};
  ProxiedNode asking({Event::connect, Event::rpc}, proxied_settings(), options);
  TestClient& client = asking.node.client();
  const std::pair<std::string, std::string> kEmulated{"X-Emu", "E1"};
  client.say(R"({"id":1,"connect":{"headers":{"X-EMU":"E1","cookie":"spoofed"}}})");
  EXPECT_THAT(asking.backend.request().headers,
              ElementsAre(kEmulated, std::pair("Content-Type", "application/json")));
  asking.answer(R"({"result":{}})");
  client.say(R"({"id":2,"rpc":{"method":"m"}})");
  EXPECT_THAT(asking.backend.request().headers, testing::Contains(kEmulated));
  asking.answer("{}");
  EXPECT_EQ(asking.node.leftovers(), "");
}

struct RefreshProxyTest : ConnectProxyTest {
  RefreshProxyTest() : ConnectProxyTest({Event::connect, Event::refresh, Event::rpc}) {}

  // One that comes to its end in ten seconds.
  TestClient& ending() {
    TestClient& client = node.client();
    const Messages heard = asking.say(
        client, kConnect,
        R"({"result":{"user":"u1","meta":{"m": 1},"expire_at":)" + in_seconds(node, 10) + "}}");
    EXPECT_THAT(heard, ElementsAre(kConnected));  // the end is not the client's business
    return client;
  }
  void come_to_the_end(TestClient& client) {
    node.pass(9 * os::kSecond);
    EXPECT_EQ(asking.backend.waiting(), 0u);
    node.pass(1200 * os::kMillisecond);
    ASSERT_EQ(asking.backend.waiting(), 1u);
    EXPECT_EQ(asking.backend.request().url, "http://refresh");
    client.heard();
  }
};

TEST_F(RefreshProxyTest, GivesTheConnectionLonger) {
  TestClient& client = ending();
  come_to_the_end(client);
  EXPECT_EQ(asking.backend.request().body,
            R"({"client":")" + client.id() +
                R"(","transport":"websocket","protocol":"json","encoding":"json","user":"u1"})");
  asking.answer(R"({"result":{"expire_at":)" + in_seconds(node, 20) + R"(,"info":{"n": 2}}})");
  EXPECT_THAT(client.heard(), IsEmpty());
  node.pass(18 * os::kSecond);
  EXPECT_EQ(asking.backend.waiting(), 0u);
  EXPECT_EQ(client.ending->code, 0u);
  node.pass(3 * os::kSecond);
  ASSERT_EQ(asking.backend.waiting(), 1u);
  asking.answer(R"({"result":{"expired":true}})");
  EXPECT_EQ(client.ending->code, 3005u);
}

TEST_F(RefreshProxyTest, EndsTheConnectionWithoutALaterEnd) {
  for (const std::string& body :
       {std::string("{}"), std::string(R"({"result":{}})"),
        std::string(R"({"result":{"expire_at":7}})"), std::string(R"({"result":{"expired":true}})"),
        std::string(R"({"error":{"code":1,"message":"x"}})"),
        std::string(R"({"disconnect":{"code":4000,"reason":"x"}})")}) {
    TestClient& client = ending();
    come_to_the_end(client);
    asking.answer(body);
    EXPECT_EQ(client.ending->code, 3005u) << body;
  }
}

TEST_F(RefreshProxyTest, AsksAgainAMinuteAfterAFailure) {
  TestClient& client = ending();
  come_to_the_end(client);
  asking.fail_to_answer();
  EXPECT_THAT(client.say(kProbe), ElementsAre(kNotAvailable));
  // Pings would end it before.
  for (int i = 0; i < 12; ++i) {
    EXPECT_EQ(asking.backend.waiting(), 0u) << i;
    node.pass(4900 * os::kMillisecond);
    if (!client.heard().empty()) client.say("{}");
  }
  node.pass(2 * os::kSecond);
  EXPECT_EQ(client.ending->code, 0u);
  ASSERT_EQ(asking.backend.waiting(), 1u);
  asking.answer("oops", 500);
  EXPECT_EQ(client.ending->code, 0u);
}

TEST_F(RefreshProxyTest, EndsTheConnectionForBrokenBase64) {
  TestClient& client = ending();
  come_to_the_end(client);
  asking.answer(R"({"result":{"b64info":"*","expire_at":)" + in_seconds(node, 60) + "}}");
  EXPECT_EQ(client.ending->code, 3004u);
}

// Commands go on while the backend thinks.
TEST_F(RefreshProxyTest, HoldsNothingUp) {
  TestClient& client = ending();
  come_to_the_end(client);
  EXPECT_THAT(client.say(kProbe), ElementsAre(kNotAvailable));
  client.leave();
  asking.answer(R"({"result":{"expire_at":)" + in_seconds(node, 60) + "}}");
}

TEST_F(RefreshProxyTest, LeavesNothingToTheClient) {
  TestClient& client = ending();
  client.say(R"({"id":2,"refresh":{"token":")" + token(R"({"sub":"u1"})") + R"("}})");
  EXPECT_EQ(client.ending->code, 3501u);
}

TEST_F(RefreshProxyTest, SeesToConnectionsWithTokensToo) {
  TestClient& client = node.client();
  client.say(R"({"id":1,"connect":{"token":")" +
             token(R"({"sub":"ann","exp":)" + in_seconds(node, 10) + "}") + R"("}})");
  node.pass(11 * os::kSecond);
  ASSERT_EQ(asking.backend.waiting(), 1u);
  EXPECT_THAT(asking.backend.request().body, HasSubstr(R"("user":"ann")"));
  asking.answer("{}");
  EXPECT_EQ(client.ending->code, 3005u);
}

}  // namespace
}  // namespace gyre::client
