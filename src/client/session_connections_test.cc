// What is told of connections (docs/connections.md).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/test_support.h"

namespace gyre::client {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;
using testing::UnorderedElementsAre;

struct SessionConnections : testing::Test {
  SessionConnections() { tell(true); }
  ~SessionConnections() override { EXPECT_EQ(node.leftovers(), ""); }

  void tell(bool is_told) {
    for (const auto& one : node.shards) one->services.tells_of_connections = is_told;
  }
  Result<std::vector<ConnectionFacts>> ask(std::optional<std::string> user = std::nullopt,
                                           AnswerRoom room = {.connections = 1000,
                                                              .bytes = 1 << 20}) {
    return node.operate([&](Audience& audience) { return audience.connections(user, room); });
  }
  // Of the only connection.
  ConnectionFacts facts() {
    const auto found = ask();
    EXPECT_TRUE(found && found->size() == 1);
    return found && !found->empty() ? (*found)[0] : ConnectionFacts();
  }
  TestClient& with_token(const std::string& claims, size_t shard = 0,
                         const std::string& more = "") {
    TestClient& client = node.client(shard);
    client.say(R"({"id":1,"connect":{"token":")" + token(claims) + "\"" + more + "}}");
    return client;
  }
  std::vector<std::string> ids(const std::optional<std::string>& user) {
    std::vector<std::string> result;
    for (const ConnectionFacts& one : ask(user).value()) result.push_back(one.client);
    return result;
  }

  TestNode node{2};
};

TEST_F(SessionConnections, TellsWhoConnectedAndWhenAndHow) {
  const TestClient& client = with_token(R"({"sub":"ann","jti":"t1","iat":7,"meta":{"a": 1}})", 1,
                                        R"(,"name":"js","version":"1.2")");
  const ConnectionFacts told = facts();
  EXPECT_EQ(told.client, client.id());
  EXPECT_EQ(told.user, "ann");
  EXPECT_EQ(told.transport, "websocket");
  EXPECT_EQ(told.protocol, "json");
  EXPECT_EQ(told.introduction.app_name, "js");
  EXPECT_EQ(told.introduction.app_version, "1.2");
  EXPECT_EQ(told.introduction.connected_at, node[1].shard.unix_milliseconds());
  ASSERT_TRUE(told.token);
  EXPECT_EQ(told.token->uid, "t1");
  EXPECT_EQ(told.token->issued_at, 7);
  EXPECT_EQ(told.meta, R"({"a": 1})");
}

TEST_F(SessionConnections, TellsOfSubscriptionsAndWhyTheyAreThere) {
  TestClient& client = with_token(R"({"sub":"ann","channels":["present:t"]})");
  client.say(R"({"id":2,"subscribe":{"channel":"open"}})");
  client.say(R"({"id":3,"subscribe":{"channel":"$mine","token":")" +
             token(R"({"sub":"ann","channel":"$mine","jti":"s1","iat":8})") + "\"}}");
  node.operate([](Audience& audience) {
    return audience.subscribe(
        {.user = "ann", .client = {}, .session = {}, .spared = {}},
        {.channel = "api", .info = {}, .data = {}, .override_options = {}, .recover_since = {}});
  });
  ConnectionFacts told = facts();
  EXPECT_THAT(told.channels, UnorderedElementsAre(Pair("present:t", Source::connection_token),
                                                  Pair("open", Source::client_allowed),
                                                  Pair("$mine", Source::subscription_token),
                                                  Pair("api", Source::server_api)));
  ASSERT_EQ(told.subscription_tokens.size(), 1u);
  EXPECT_EQ(told.subscription_tokens[0].first, "$mine");
  EXPECT_EQ(told.subscription_tokens[0].second.uid, "s1");
  EXPECT_EQ(told.subscription_tokens[0].second.issued_at, 8);
  client.say(R"({"id":4,"unsubscribe":{"channel":"$mine"}})");
  told = facts();
  EXPECT_EQ(told.channels.size(), 3u);
  EXPECT_THAT(told.subscription_tokens, IsEmpty());
}

TEST_F(SessionConnections, FindsAUserOnAllShards) {
  const TestClient& first = with_token(R"({"sub":"ann"})", 0);
  const TestClient& second = with_token(R"({"sub":"ann"})", 1);
  const TestClient& other = with_token(R"({"sub":"bob"})", 1);
  EXPECT_THAT(ids("ann"), UnorderedElementsAre(first.id(), second.id()));
  EXPECT_THAT(ids(std::nullopt), UnorderedElementsAre(first.id(), second.id(), other.id()));
  EXPECT_THAT(ids("cid"), IsEmpty());
}

TEST_F(SessionConnections, TellsNothingOfThoseThatAreNotThereYetOrAnyMore) {
  TestClient& refused = with_token("broken");
  TestClient& left = with_token(R"({"sub":"ann"})");
  left.leave();
  node.client();  // has not said a word
  EXPECT_TRUE(refused.is_over());
  EXPECT_THAT(ids(std::nullopt), IsEmpty());
}

TEST_F(SessionConnections, KeepsNothingWhereNobodyIsTold) {
  tell(false);
  with_token(R"({"sub":"ann","jti":"t1"})", 0, R"(,"name":"js")");
  const ConnectionFacts told = facts();
  EXPECT_EQ(told.introduction.app_name, "");
  EXPECT_FALSE(told.token);
}

TEST_F(SessionConnections, ALongNameIsCutBetweenCharacters) {
  with_token(R"({"sub":"ann"})", 0, R"(,"name":")" + std::string(254, 'a') + "\xc3\xa9" + R"(")");
  EXPECT_EQ(facts().introduction.app_name, std::string(254, 'a'));
}

TEST_F(SessionConnections, MeasuresTheLatencyOfAPong) {
  TestClient& client = with_token(R"({"sub":"ann"})");
  EXPECT_EQ(facts().introduction.latency_ms, 0u);
  while (client.heard() != Messages{"{}"}) node.pass(os::kSecond);
  node.pass(os::kSecond / 4);
  client.say("{}");
  EXPECT_EQ(facts().introduction.latency_ms, 250u);
}

TEST_F(SessionConnections, AnAnswerWithoutRoomForAllIsNone) {
  with_token(R"({"sub":"ann"})", 0);
  with_token(R"({"sub":"ann"})", 1);
  EXPECT_TRUE(ask(std::nullopt, {.connections = 2, .bytes = 10'000}));
  EXPECT_FALSE(ask(std::nullopt, {.connections = 1, .bytes = 10'000}));
  const auto few_bytes =
      ask(std::nullopt, {.connections = 2, .bytes = sizeof(ConnectionFacts) * 2});
  ASSERT_FALSE(few_bytes);
  EXPECT_EQ(few_bytes.error().code, Errc::too_large);
}

// With very many connections others must get their turn in between.
TEST_F(SessionConnections, TellsOfManyInSlices) {
  constexpr size_t kClients = 1000;
  for (size_t i = 0; i < kClients; ++i) node.connected(0);
  std::optional<Result<std::vector<ConnectionFacts>>> result;
  const runtime::TurnScope scope(node[0].shard);
  node[0].shard.tasks().spawn(TestNode::keep(
      node[0].roster.connections(std::nullopt, {.connections = kClients, .bytes = 1 << 20}),
      &result));
  EXPECT_FALSE(result);
  int turns = 0;
  for (; !result && turns < 100; ++turns) node[0].shard.turn(0);
  ASSERT_TRUE(result && *result);
  EXPECT_EQ((*result)->size(), kClients);
  EXPECT_GE(turns, 2);
}

}  // namespace
}  // namespace gyre::client
