// Join and leave messages, personal channels, and what else subscriptions tell of their members
// (spec subscriptions.md 4.4, connection-lifecycle.md 2.1).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/test_support.h"

namespace gyre::client {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// `news` tells everybody, `quiet` those who ask, `deltas` sends deltas, `filtered` takes filters.
std::shared_ptr<Settings> settings() {
  channel::ChannelOptions news = open_options();
  news.join_leave = news.force_push_join_leave = true;
  channel::ChannelOptions quiet = open_options();
  quiet.join_leave = true;
  channel::ChannelOptions deltas = open_options();
  deltas.history_size = 10;
  deltas.history_ttl = std::chrono::seconds(600);
  deltas.force_recovery = deltas.allows_fossil_delta = deltas.delta_publish = true;
  channel::ChannelOptions filtered = open_options();
  filtered.allow_tags_filter = true;
  channel::ChannelOptions personal = open_options();
  personal.presence = true;
  channel::ChannelOptions seen = news;
  seen.presence = true;
  auto namespaces = channel::Namespaces::compile({}, open_options(),
                                                 {{"news", news},
                                                  {"quiet", quiet},
                                                  {"deltas", deltas},
                                                  {"filtered", filtered},
                                                  {"personal", personal},
                                                  {"seen", seen}});
  auto result = test_settings();
  result->namespaces = std::make_shared<const channel::Namespaces>(std::move(namespaces).value());
  return result;
}

class MembersTest : public testing::Test {
 protected:
  TestNode node_{1, settings()};
};

TEST_F(MembersTest, EverybodyIsToldWhereTheNamespaceSaysSo) {
  TestClient& ann = node_.connected(0, "ann");
  ann.heard();
  EXPECT_THAT(
      ann.say(R"({"id":2,"subscribe":{"channel":"news:a"}})"),
      ElementsAre(R"({"id":2,"subscribe":{}})", HasSubstr(R"("join":{"info":{"user":"ann")")))
      << "its own join too, behind the reply";
  TestClient& bob = node_.connected(0, "bob");
  bob.say(R"({"id":2,"subscribe":{"channel":"news:a"}})");
  EXPECT_THAT(ann.heard(), ElementsAre(HasSubstr(R"("join":{"info":{"user":"bob")")));
  bob.say(R"({"id":3,"unsubscribe":{"channel":"news:a"}})");
  EXPECT_THAT(ann.heard(), ElementsAre(HasSubstr(R"("leave":{"info":{"user":"bob")")));
  bob.say(R"({"id":4,"subscribe":{"channel":"news:a"}})");
  ann.heard();
  bob.leave();
  EXPECT_THAT(ann.heard(), ElementsAre(HasSubstr(R"("leave":{"info":{"user":"bob")")));
}

TEST_F(MembersTest, OthersHaveToAsk) {
  TestClient& ann = node_.connected(0, "ann");
  ann.say(R"({"id":2,"subscribe":{"channel":"quiet:a"}})");
  TestClient& bob = node_.connected(0, "bob");
  EXPECT_THAT(bob.say(R"({"id":2,"subscribe":{"channel":"quiet:a","join_leave":true}})"),
              ElementsAre(R"({"id":2,"subscribe":{}})", HasSubstr(R"("join")")));
  EXPECT_THAT(ann.heard(), IsEmpty());
  ann.leave();
  EXPECT_THAT(bob.heard(), ElementsAre(HasSubstr(R"("leave":{"info":{"user":"ann")")));
}

TEST_F(MembersTest, ServerSideSubscriptionsAreToldBehindTheConnectReply) {
  TestClient& client = node_.client();
  const Messages heard = client.say(R"({"id":1,"connect":{"token":")" +
                                    token(R"({"sub":"ann","channels":["news:a"]})") + "\"}}");
  EXPECT_THAT(heard, ElementsAre(HasSubstr(R"("connect")"), HasSubstr(R"("join")")));
}

TEST_F(MembersTest, ARefusedConnectIsNotToldOf) {
  TestClient& watcher = node_.connected(0, "watcher");
  watcher.say(R"({"id":2,"subscribe":{"channel":"news:a"}})");
  watcher.heard();
  node_[0].broker.broken_channel = "news:b";
  TestClient& client = node_.client();
  client.say(R"({"id":1,"connect":{"token":")" +
             token(R"({"sub":"ann","channels":["news:a","news:b"]})") + "\"}}");
  EXPECT_TRUE(client.is_over());
  EXPECT_THAT(watcher.heard(), IsEmpty());
}

TEST_F(MembersTest, APersonalChannelComesWithTheUser) {
  node_.settings->has_personal_channels = true;
  node_.settings->personal_namespace = "personal";
  TestClient& client = node_.client();
  EXPECT_THAT(client.say(R"({"id":1,"connect":{"token":")" + token(R"({"sub":"ann"})") + "\"}}"),
              ElementsAre(HasSubstr(R"("subs":{"personal:#ann":{}})")));
  node_.publish("personal:#ann", "1");
  EXPECT_THAT(client.heard(), ElementsAre(HasSubstr(R"("personal:#ann")")));
  TestClient& anonymous = node_.client();
  EXPECT_THAT(anonymous.say(R"({"id":1,"connect":{}})"),
              ElementsAre(testing::Not(HasSubstr("subs"))));
}

TEST_F(MembersTest, ASingleConnectionDisplacesTheOthers) {
  node_.settings->has_personal_channels = node_.settings->single_connection = true;
  node_.settings->personal_namespace = "personal";
  TestClient& first = node_.connected(0, "ann");
  TestClient& other = node_.connected(0, "bob");
  TestClient& second = node_.connected(0, "ann");
  EXPECT_EQ(first.ending->code, 3504u);
  EXPECT_FALSE(second.is_over());
  EXPECT_FALSE(other.is_over());
}

TEST_F(MembersTest, DeltasAreNegotiated) {
  TestClient& client = node_.connected();
  EXPECT_THAT(client.say(R"({"id":2,"subscribe":{"channel":"deltas:a","delta":"fossil"}})"),
              ElementsAre(HasSubstr(R"("delta":true)")));
  EXPECT_THAT(client.say(R"({"id":3,"subscribe":{"channel":"a","delta":"fossil"}})"),
              ElementsAre(R"({"id":3,"subscribe":{}})"))
      << "silently off where it is not allowed";
  const engine::HistoryOptions history{
      .size = 10, .ttl = std::chrono::seconds(600), .meta_ttl = std::chrono::seconds(0)};
  const auto publish = [&](int i) {
    auto publication = make_ref<protocol::Publication>(
        "\"The quick brown fox jumps over the lazy dog " + std::to_string(i) + '"');
    publication->wants_delta = true;
    node_.publish("deltas:a", std::move(publication), history);
  };
  publish(1);
  EXPECT_THAT(client.heard(), ElementsAre(testing::Not(HasSubstr(R"("delta":true)"))));
  publish(2);
  EXPECT_THAT(client.heard(), ElementsAre(HasSubstr(R"("delta":true)")));
  // Recovered: the first is whole, the next made of it, and deltas go on at once.
  client.say(R"({"id":4,"unsubscribe":{"channel":"deltas:a"}})");
  const Messages recovered =
      client.say(R"({"id":5,"subscribe":{"channel":"deltas:a","delta":"fossil","recover":true}})");
  ASSERT_THAT(recovered, ElementsAre(HasSubstr(R"("recovered":true)")));
  EXPECT_THAT(recovered[0], HasSubstr(R"("offset":2,"delta":true)"));
  publish(3);
  client.heard();
  publish(4);
  EXPECT_THAT(client.heard(), ElementsAre(HasSubstr(R"("delta":true)")));
}

// Who subscribes at a position has not got the publication that stands there.
TEST_F(MembersTest, DeltasNeedMoreThanAPosition) {
  const auto publish = [&](int i) {
    auto publication = make_ref<protocol::Publication>(
        "\"The quick brown fox jumps over the lazy dog " + std::to_string(i) + '"');
    publication->wants_delta = true;
    node_.publish("deltas:a", std::move(publication),
                  {.size = 10, .ttl = std::chrono::seconds(600), .meta_ttl = {}});
  };
  TestClient& other = node_.connected();
  other.say(R"({"id":2,"subscribe":{"channel":"deltas:a","delta":"fossil"}})");
  publish(1);
  TestClient& client = node_.connected();
  ASSERT_THAT(client.say(R"({"id":2,"subscribe":{"channel":"deltas:a","delta":"fossil",)"
                         R"("recover":true,"offset":1}})"),
              ElementsAre(testing::AllOf(HasSubstr(R"("recovered":true)"),
                                         testing::Not(HasSubstr("publications")))));
  publish(2);
  EXPECT_THAT(client.heard(), ElementsAre(testing::Not(HasSubstr(R"("delta":true)"))));
  publish(3);
  EXPECT_THAT(client.heard(), ElementsAre(HasSubstr(R"("delta":true)")));
}

TEST_F(MembersTest, FiltersAreTakenWhereTheyAreAllowed) {
  TestClient& client = node_.connected();
  const std::string with = R"("tf":{"key":"color","cmp":"eq","val":"red"}}})";
  EXPECT_THAT(client.say(R"({"id":2,"subscribe":{"channel":"a",)" + with),
              ElementsAre(HasSubstr(R"("code":107)")));
  EXPECT_THAT(client.say(R"({"id":3,"subscribe":{"channel":"filtered:a","tf":{"op":"xor"}}})"),
              ElementsAre(HasSubstr(R"("code":107)")));
  EXPECT_THAT(client.say(R"({"id":4,"subscribe":{"channel":"filtered:a",)" + with),
              ElementsAre(R"({"id":4,"subscribe":{}})"));
  const auto publish = [&](std::string color) {
    auto publication = make_ref<protocol::Publication>("1");
    publication->set_tags({{"color", std::move(color)}});
    node_.publish("filtered:a", std::move(publication), {});
  };
  publish("blue");
  EXPECT_THAT(client.heard(), IsEmpty());
  publish("red");
  EXPECT_THAT(client.heard(), ElementsAre(HasSubstr("red")));
  EXPECT_EQ(node_.leftovers(), "");
}

// What others see of a client is what was said of it last, also where the engine keeps entries
// without being reminded of them.
class RefreshedInfoTest : public MembersTest {
 protected:
  RefreshedInfoTest() {
    ann_.say(R"({"id":1,"connect":{"token":")" +
             token(R"({"sub":"ann","exp":4000000000,"info":{"n":1}})") + "\"}}");
    ann_.say(R"({"id":2,"subscribe":{"channel":"personal:a","token":")" +
             token(R"({"sub":"ann","channel":"personal:a","info":{"c":1}})") + "\"}}");
  }
  std::string seen() {
    return watcher_.say(R"({"id":9,"presence":{"channel":"personal:a"}})").at(0);
  }
  TestClient& ann_ = node_.client();
  TestClient& watcher_ = node_.connected(0, "watcher");
};

TEST_F(RefreshedInfoTest, IsThatOfTheConnectionsRefresh) {
  EXPECT_THAT(seen(), HasSubstr(R"("conn_info":{"n":1},"chan_info":{"c":1})"));
  ann_.say(R"({"id":3,"refresh":{"token":")" +
           token(R"({"sub":"ann","exp":4000000000,"info":{"n":2}})") + "\"}}");
  EXPECT_THAT(seen(), HasSubstr(R"("conn_info":{"n":2},"chan_info":{"c":1})"));
  node_.operate([](Audience& audience) {
    return audience.refresh({.user = "ann", .client = {}, .session = {}, .spared = {}},
                            {.is_expired = false, .expire_at = 4'000'000'000, .info = "3"});
  });
  EXPECT_THAT(seen(), HasSubstr(R"("conn_info":3,"chan_info":{"c":1})"));
  const int adds = node_[0].presence.adds;
  ann_.say(R"({"id":4,"refresh":{"token":")" + token(R"({"sub":"ann","exp":4000000001,"info":3})") +
           "\"}}");
  EXPECT_EQ(node_[0].presence.adds, adds) << "nothing has changed";
}

TEST_F(RefreshedInfoTest, IsThatOfTheSubscriptionsRefresh) {
  const auto refresh = [this](const std::string& claims) {
    ann_.say(R"({"id":3,"sub_refresh":{"channel":"personal:a","token":")" +
             token(R"({"sub":"ann","channel":"personal:a")" + claims + "}") + "\"}}");
  };
  refresh(R"(,"info":{"c":2})");
  EXPECT_THAT(seen(), HasSubstr(R"("conn_info":{"n":1},"chan_info":{"c":2})"));
  refresh("");
  EXPECT_THAT(seen(), testing::Not(HasSubstr("chan_info")));
}

// While the home has yet to answer there is no entry that could be renewed, and the one that comes
// would say what was known at the start.
TEST_F(RefreshedInfoTest, IsThatOfARefreshDuringTheJoin) {
  node_[0].broker.subscribes.is_shut = true;
  ann_.say(R"({"id":3,"subscribe":{"channel":"personal:b"}})");
  node_.operate([](Audience& audience) {
    return audience.refresh({.user = "ann", .client = {}, .session = {}, .spared = {}},
                            {.is_expired = false, .expire_at = 4'000'000'000, .info = "2"});
  });
  {
    const runtime::TurnScope scope(node_[0].shard);
    node_[0].broker.subscribes.open();
  }
  node_.settle();
  EXPECT_THAT(watcher_.say(R"({"id":9,"presence":{"channel":"personal:b"}})").at(0),
              HasSubstr(R"("conn_info":2)"));
  ann_.leave();
  EXPECT_EQ(node_.leftovers(), "") << "the entry goes with the client";
}

// Those who stay are told of all together; those who leave are told nothing.
TEST_F(MembersTest, AMassDisconnectIsToldInBatches) {
  constexpr int kLeavers = 200;
  TestClient& watcher = node_.connected(0, "watcher");
  watcher.say(R"({"id":2,"subscribe":{"channel":"news:a"}})");
  for (int i = 0; i < kLeavers; ++i) {
    node_.connected(0, "ann").say(R"({"id":2,"subscribe":{"channel":"news:a"}})");
  }
  watcher.heard();
  const int sends = node_[0].kernel.sends;
  node_.operate([](Audience& audience) {
    return audience.disconnect({.user = "ann", .client = {}, .session = {}, .spared = {}},
                               protocol::disconnects::kForceNoReconnect);
  });
  const Messages leaves = watcher.heard();
  EXPECT_THAT(leaves, testing::SizeIs(kLeavers));
  EXPECT_THAT(leaves, testing::Each(HasSubstr(R"("leave":{"info":{"user":"ann")")));
  EXPECT_LE(node_[0].kernel.sends - sends, 2) << "to all of them, in pieces of 16 KB";
}

// Who asks after a leave does not see the client any more.
TEST_F(MembersTest, WhoHasLeftIsNotPresent) {
  TestClient& watcher = node_.connected(0, "watcher");
  watcher.say(R"({"id":2,"subscribe":{"channel":"seen:a"}})");
  TestClient& bob = node_.connected(0, "bob");
  bob.say(R"({"id":2,"subscribe":{"channel":"seen:a"}})");
  EXPECT_THAT(watcher.say(R"({"id":3,"presence_stats":{"channel":"seen:a"}})").back(),
              HasSubstr(R"("num_clients":2,"num_users":2)"));
  node_[0].presence.log.clear();
  node_[0].broker.log = &node_[0].presence.log;
  bob.leave();
  EXPECT_THAT(node_[0].presence.log, ElementsAre("remove", "leave"));
}

// A reply over the bound of a queue ends its connection; of a very large channel that is seen
// before it is written.
TEST(LargePresence, EndsTheConnectionThatCannotTakeIt) {
  TestNode node(1, settings(), {.queue_bytes_max = 8192});
  TestClient& client = node.connected();
  const auto ask = [&](int members) {
    for (int i = 0; i < members; ++i) {
      const runtime::TurnScope scope(node[0].shard);
      node[0].shard.tasks().spawn(TestNode::ignore(node[0].presence.add(
          "personal:a", {.user = "u",
                         .client = "8b3e7f1c-9b0a-4f0e-9d0e-" + std::to_string(i),
                         .conn_info = "",
                         .chan_info = ""})));
    }
    return client.say(R"({"id":2,"presence":{"channel":"personal:a"}})");
  };
  EXPECT_THAT(ask(40), ElementsAre(HasSubstr(R"("presence":{"presence":{)")));
  EXPECT_THAT(ask(5000), IsEmpty());
  EXPECT_EQ(client.ending->code, 3008u);
  EXPECT_TRUE(client.ending->drops_output);
}

TEST_F(MembersTest, ThePingOfRpc) {
  TestClient& client = node_.connected();
  EXPECT_THAT(client.say(R"({"id":2,"rpc":{"method":"ping"}})"),
              ElementsAre(HasSubstr(R"("code":108)")));
  node_.settings->rpc_ping_method = "ping";
  EXPECT_THAT(client.say(R"({"id":3,"rpc":{"method":"ping"}})"),
              ElementsAre(R"({"id":3,"rpc":{}})"));
  EXPECT_THAT(client.say(R"({"id":4,"rpc":{"method":"pong"}})"),
              ElementsAre(HasSubstr(R"("code":104)")));
}

}  // namespace
}  // namespace gyre::client
