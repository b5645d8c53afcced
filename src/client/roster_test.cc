// Sessions found by user and client id, the server API's operations on them, and a user's number of
// connections, over several shards.
#include "client/roster.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "client/test_support.h"

namespace gyre::client {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

Target of_user(std::string user) {
  return {.user = std::move(user), .client = {}, .session = {}, .spared = {}};
}

class RosterTest : public testing::Test {
 protected:
  Totals totals() {
    return node_.operate([](Audience& audience) { return audience.totals(); });
  }
  void disconnect(Target target) {
    node_.operate([&](Audience& audience) {
      return audience.disconnect(target, protocol::disconnects::kForceNoReconnect);
    });
  }
  TestNode node_{3};
};

TEST_F(RosterTest, OperationsFindTheUsersSessionsOnAllShards) {
  TestClient& first = node_.connected(0, "ann");
  TestClient& second = node_.connected(1, "ann");
  TestClient& third = node_.connected(2, "ann");
  TestClient& bob = node_.connected(2, "bob");
  TestClient& anonymous = node_.connected(1);
  disconnect({.user = "bob", .client = first.id(), .session = {}, .spared = {}});
  EXPECT_FALSE(first.is_over()) << "the client id must be the user's";
  disconnect({.user = "ann", .client = first.id(), .session = {}, .spared = {}});
  EXPECT_EQ(first.ending->code, 3503u);
  EXPECT_FALSE(second.is_over());
  disconnect({.user = "ann", .client = {}, .session = {}, .spared = {second.id(), bob.id()}});
  EXPECT_TRUE(third.is_over());
  EXPECT_FALSE(second.is_over());
  disconnect({.user = "ann", .client = {}, .session = "some", .spared = {}});
  EXPECT_FALSE(second.is_over());
  disconnect({.user = "ann", .client = "no id", .session = {}, .spared = {}});
  EXPECT_FALSE(second.is_over());
  disconnect(of_user(""));
  EXPECT_TRUE(anonymous.is_over());
  EXPECT_FALSE(second.is_over());
  EXPECT_FALSE(bob.is_over());
  EXPECT_EQ(node_.leftovers(), "");
}

TEST_F(RosterTest, TheApiSubscribesAndUnsubscribes) {
  TestClient& ann = node_.connected(0, "ann");
  TestClient& other = node_.connected(1, "ann");
  TestClient& bob = node_.connected(2, "bob");
  for (TestClient* one : {&ann, &other, &bob}) one->heard();
  const auto subscribe = [&](const std::string& channel) {
    return node_.operate([&](Audience& audience) {
      return audience.subscribe(of_user("ann"), {.channel = channel, .data = "7"});
    });
  };
  EXPECT_TRUE(subscribe("present:a"));
  EXPECT_TRUE(subscribe("present:a")) << "again: nothing happens";
  EXPECT_FALSE(subscribe("nope:a"));
  for (TestClient* one : {&ann, &other}) {
    EXPECT_THAT(one->heard(),
                ElementsAre(R"({"push":{"channel":"present:a","subscribe":{"data":7}}})"));
  }
  EXPECT_THAT(bob.heard(), IsEmpty());
  node_.publish("present:a", "1");
  EXPECT_THAT(ann.heard(), SizeIs(1));
  EXPECT_EQ(totals().subscriptions, 2u);
  node_.operate([](Audience& audience) {
    return audience.unsubscribe(of_user("ann"), "present:a", protocol::unsubscribes::kServer);
  });
  EXPECT_THAT(other.heard(),
              testing::Contains(HasSubstr(R"("channel":"present:a","unsubscribe":{"code":2000)")));
  EXPECT_EQ(totals().subscriptions, 0u);
  EXPECT_EQ(node_.leftovers(), "");
}

TEST_F(RosterTest, OneChannelTooManyEndsThatConnection) {
  node_.settings->channel_limit = 1;
  TestClient& ann = node_.connected(0, "ann");
  ann.say(R"({"id":2,"subscribe":{"channel":"a"}})");
  EXPECT_TRUE(node_.operate(
      [](Audience& audience) { return audience.subscribe(of_user("ann"), {.channel = "b"}); }));
  EXPECT_EQ(ann.ending->code, 3505u);
  EXPECT_EQ(node_.leftovers(), "");
}

TEST_F(RosterTest, AFailingBrokerFailsTheApisSubscribe) {
  TestClient& ann = node_.connected(0, "ann");
  for (const auto& one : node_.shards) one->broker.is_down = true;
  EXPECT_FALSE(node_.operate([](Audience& audience) {
    return audience.subscribe(of_user("ann"), {.channel = "present:b"});
  }));
  EXPECT_FALSE(ann.is_over());
  EXPECT_EQ(node_.leftovers(), "");
}

TEST_F(RosterTest, TheLimitOfAUsersConnectionsHoldsForTheNode) {
  node_.settings->user_connection_limit = 2;
  TestClient& first = node_.connected(0, "ann");
  TestClient& second = node_.connected(1, "ann");
  TestClient& third = node_.connected(2, "ann");
  EXPECT_FALSE(first.is_over());
  EXPECT_FALSE(second.is_over());
  EXPECT_EQ(third.ending->code, 3504u);
  EXPECT_FALSE(node_.connected(0, "bob").is_over());
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(node_.connected(0).is_over()) << "anonymous";
  first.leave();
  EXPECT_FALSE(node_.connected(2, "ann").is_over());
  EXPECT_EQ(node_.connected(1, "ann").ending->code, 3504u);
  EXPECT_EQ(node_.leftovers(), "");
}

TEST_F(RosterTest, WhoLeavesBeforeTheCensusAnswersIsNotCounted) {
  node_.settings->user_connection_limit = 5;
  for (size_t i = 0; i < 3; ++i) {
    TestClient& client = node_.client(i);
    {
      const runtime::TurnScope scope(node_[i].shard);
      client.session().receive(R"({"id":1,"connect":{"token":")" + token(R"({"sub":"ann"})") +
                               "\"}}");
      client.session().on_transport_ended();
    }
    client.ending->is_cut = true;
    node_.settle();
  }
  EXPECT_EQ(totals().users, 0u);
  EXPECT_EQ(node_.leftovers(), "");
}

TEST_F(RosterTest, EveryShardHearsOfALossThoughOneLeavesByIt) {
  // Whichever shard is the channel's home, and whoever joined first.
  for (int round = 0; round < 6; ++round) {
    const std::string channel = "stream:" + std::to_string(round);
    std::vector<TestClient*> listeners;
    for (size_t i = 0; i < 3; ++i) {
      listeners.push_back(&node_.connected((i + static_cast<size_t>(round)) % 3));
      listeners.back()->say(R"({"id":2,"subscribe":{"channel":")" + channel + "\"}}");
      listeners.back()->heard();
    }
    for (const auto& one : node_.shards) {
      const runtime::TurnScope scope(one->shard);
      auto gap = make_ref<protocol::Publication>("9");
      gap->offset = 9;
      one->broker.events->on_publication(channel, gap, "other");
    }
    node_.settle();
    for (TestClient* one : listeners) {
      EXPECT_THAT(one->heard(), ElementsAre(HasSubstr(R"("unsubscribe":{"code":2500)"))) << round;
      one->leave();
    }
  }
  EXPECT_EQ(node_.leftovers(), "");
}

TEST_F(RosterTest, TotalsCountEverythingOnce) {
  node_.connected(0, "ann").say(R"({"id":2,"subscribe":{"channel":"a"}})");
  node_.connected(1, "ann").say(R"({"id":2,"subscribe":{"channel":"a"}})");
  node_.connected(2, "bob").say(
      "{\"id\":2,\"subscribe\":{\"channel\":\"a\"}}\n{\"id\":3,\"subscribe\":{\"channel\":\"b\"}}");
  node_.client(0);  // has not connected
  const Totals sum = totals();
  EXPECT_EQ(sum.clients, 3u);
  EXPECT_EQ(sum.users, 2u);
  EXPECT_EQ(sum.channels, 2u);
  EXPECT_EQ(sum.subscriptions, 4u);
  auto channels = node_.operate([](Audience& audience) { return audience.channels(nullptr); });
  EXPECT_THAT(channels,
              testing::UnorderedElementsAre(testing::Pair("a", 3u), testing::Pair("b", 1u)));
  EXPECT_EQ(node_.leftovers(), "");
}

TEST_F(RosterTest, DrainingEndsEverybody) {
  std::vector<TestClient*> clients;
  for (int i = 0; i < 600; ++i) clients.push_back(&node_.client(0));
  TestClient& connected = node_.connected(0, "ann");
  connected.say(R"({"id":2,"subscribe":{"channel":"present:a"}})");
  {
    const runtime::TurnScope scope(node_[0].shard);
    node_[0].shard.tasks().spawn(node_[0].roster.drain(protocol::disconnects::kShutdown, 0));
  }
  node_.settle();
  for (TestClient* one : clients) EXPECT_EQ(one->ending->code, 3001u);
  EXPECT_EQ(connected.ending->code, 3001u);
  EXPECT_EQ(node_[0].roster.sessions(), 0u);
  EXPECT_EQ(node_.leftovers(), "");
}

TEST_F(RosterTest, AUserOfVeryManyConnectionsIsDisconnectedInSlices) {
  std::vector<TestClient*> clients;
  for (int i = 0; i < 600; ++i) clients.push_back(&node_.connected(0, "ann"));
  TestClient& other = node_.connected(0, "bob");
  bool is_done = false;
  {
    const runtime::TurnScope scope(node_[0].shard);
    node_[0].shard.tasks().spawn(TestNode::note(
        node_[0].roster.disconnect(of_user("ann"), protocol::disconnects::kForceNoReconnect),
        &is_done));
  }
  EXPECT_EQ(node_[0].roster.clients(), 601u - 256u);
  EXPECT_FALSE(is_done);
  clients[0]->leave();  // some go by themselves meanwhile
  clients[599]->leave();
  node_.settle();
  EXPECT_TRUE(is_done);
  EXPECT_EQ(node_[0].roster.clients(), 1u);
  EXPECT_FALSE(other.is_over());
}

TEST_F(RosterTest, TheBufferOfALargeMessageIsNotKept) {
  Services& services = node_[0].services;
  services.message_buffer().resize(4 * Services::kBufferKept);
  EXPECT_TRUE(services.message_buffer().empty());
  EXPECT_LE(services.message_buffer().capacity(), Services::kBufferKept);

  const engine::HistoryOptions history{.size = 10, .ttl = std::chrono::seconds(60), .meta_ttl = {}};
  for (int i = 0; i < 10; ++i) {
    node_.publish("stream:a", '"' + std::string(Services::kBufferKept / 4, 'x') + '"', history);
  }
  TestClient& client = node_.connected();
  EXPECT_GT(client.say(R"({"id":2,"history":{"channel":"stream:a","limit":10}})")[0].size(),
            2 * Services::kBufferKept);
  EXPECT_LE(services.buffer.capacity(), Services::kBufferKept) << "as soon as it has been sent";
}

TEST_F(RosterTest, DrainingTakesItsTime) {
  std::vector<TestClient*> clients;
  for (int i = 0; i < 100; ++i) clients.push_back(&node_.connected(0, "ann"));
  const auto told = [&] {
    return std::ranges::count_if(clients, [](TestClient* one) { return one->is_over(); });
  };
  {
    const runtime::TurnScope scope(node_[0].shard);
    node_[0].shard.tasks().spawn(
        node_[0].roster.drain(protocol::disconnects::kShutdown, 10 * os::kSecond));
  }
  node_.settle();
  EXPECT_EQ(told(), 1);
  for (int second = 1; second < 10; ++second) {
    for (int i = 0; i < 10; ++i) node_.pass(100 * os::kMillisecond);
    EXPECT_NEAR(static_cast<double>(told()), second * 10, 2);
  }
  for (int i = 0; i < 11; ++i) node_.pass(100 * os::kMillisecond);
  EXPECT_EQ(told(), 100);
  EXPECT_EQ(clients.back()->ending->code, 3001u);
}

TEST_F(RosterTest, IndexesSurviveChurn) {
  std::mt19937 random(7);
  std::vector<std::pair<TestClient*, std::string>> alive;
  std::map<std::string, size_t> by_user;
  for (int step = 0; step < 600; ++step) {
    if (alive.empty() || random() % 3 != 0) {
      const std::string user = "u" + std::to_string(random() % 7);
      TestClient& client = node_.connected(random() % 3, user);
      client.say(R"({"id":2,"subscribe":{"channel":"present:)" + std::to_string(random() % 5) +
                 "\"}}");
      alive.emplace_back(&client, user);
      ++by_user[user];
    } else {
      const size_t which = random() % alive.size();
      auto [client, user] = alive[which];
      alive.erase(alive.begin() + static_cast<ptrdiff_t>(which));
      if (--by_user[user] == 0) by_user.erase(user);
      if (random() % 2 == 0) {
        client->leave();
      } else {
        disconnect({.user = user, .client = client->id(), .session = {}, .spared = {}});
        ASSERT_EQ(client->ending->code, 3503u) << step;
      }
    }
    const Totals sum = totals();
    ASSERT_EQ(sum.clients, alive.size()) << step;
    ASSERT_EQ(sum.users, by_user.size()) << step;
    ASSERT_EQ(sum.subscriptions, alive.size()) << step;
  }
  for (const auto& [user, count] : std::map(by_user)) {
    disconnect(of_user(user));
    std::erase_if(alive, [&](const auto& one) {
      if (one.second != user) return false;
      EXPECT_TRUE(one.first->is_over());
      return true;
    });
    EXPECT_EQ(totals().clients, alive.size());
  }
  EXPECT_EQ(node_.leftovers(), "");
}

}  // namespace
}  // namespace gyre::client
