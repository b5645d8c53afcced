// How subscriptions come to be, and what is left when they do not: every stage of a join, of
// connects with server-side subscriptions, and presence.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/test_support.h"

namespace gyre::client {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing::StartsWith;

constexpr engine::HistoryOptions kHistory{
    .size = 10, .ttl = std::chrono::seconds(600), .meta_ttl = std::chrono::seconds(0)};

class JoinTest : public testing::Test {
 protected:
  TestShard& shard() { return node_[0]; }
  void open(Gate& gate) {
    {
      const runtime::TurnScope scope(shard().shard);
      gate.open();
    }
    node_.settle();
  }
  template <class Work>
  void in_turn(Work work) {
    {
      const runtime::TurnScope scope(shard().shard);
      work();
    }
    node_.settle();
  }
  // From "a", each with a frame of its own.
  static void unsubscribe(TestNode& node, TestClient& client, int count) {
    const runtime::TurnScope scope(node[0].shard);
    for (int i = 0; i < count; ++i) {
      client.session().receive(R"({"id":)" + std::to_string(i + 3) +
                               R"(,"unsubscribe":{"channel":"a"}})");
    }
  }
  static std::string connect_with(std::string_view channels) {
    return R"({"id":1,"connect":{"token":")" +
           token(R"({"sub":"ann","channels":[)" + std::string(channels) + "]}") + "\"}}";
  }

  TestNode node_;
};

TEST_F(JoinTest, APlainSubscriptionGetsWhatFollows) {
  TestClient& client = node_.connected();
  client.heard();
  node_.publish("a", "1");
  EXPECT_THAT(client.say(R"({"id":2,"subscribe":{"channel":"a"}})"),
              ElementsAre(R"({"id":2,"subscribe":{}})"));
  node_.publish("a", "2");
  EXPECT_THAT(client.heard(), ElementsAre(R"({"push":{"channel":"a","pub":{"data":2}}})"));
  EXPECT_THAT(client.say(R"({"id":3,"subscribe":{"channel":"a"}})"),
              ElementsAre(HasSubstr(R"("code":105)")));
  EXPECT_THAT(client.say(R"({"id":4,"unsubscribe":{"channel":"a"}})"),
              ElementsAre(R"({"id":4,"unsubscribe":{}})"));
  node_.publish("a", "3");
  EXPECT_THAT(client.heard(), IsEmpty());
  EXPECT_EQ(node_.leftovers(), "");
}

TEST_F(JoinTest, LeavingAtEachStageLeavesNothing) {
  // Before the broker has confirmed, and while history is read.
  for (const bool is_reading : {false, true}) {
    TestNode node;
    TestClient& client = node.connected();
    Gate& gate = is_reading ? node[0].broker.histories : node[0].broker.subscribes;
    gate.is_shut = true;
    client.say(R"({"id":2,"subscribe":{"channel":"both:a"}})");
    ASSERT_THAT(gate.waiting, SizeIs(1));
    EXPECT_EQ(node[0].presence.adds, 1);
    client.leave();
    {
      const runtime::TurnScope scope(node[0].shard);
      gate.open();
    }
    node.settle();
    EXPECT_EQ(node[0].presence.removes, 1) << is_reading;
    EXPECT_EQ(node.leftovers(), "") << is_reading;
  }
}

TEST_F(JoinTest, AFailedJoinEndsTheConnectionAndLeavesNothing) {
  shard().broker.is_down = true;
  TestClient& client = node_.connected();
  client.heard();
  EXPECT_THAT(client.say(R"({"id":2,"subscribe":{"channel":"both:a"}})"), IsEmpty());
  EXPECT_EQ(client.ending->code, 3004u);
  EXPECT_EQ(shard().presence.removes, 1);
  EXPECT_EQ(node_.leftovers(), "");
}

TEST_F(JoinTest, FailingPresenceEndsTheConnection) {
  shard().presence.is_down = true;
  TestClient& client = node_.connected();
  client.say(R"({"id":2,"subscribe":{"channel":"present:a"}})");
  EXPECT_EQ(client.ending->code, 3004u);
  EXPECT_EQ(shard().presence.removes, 0) << "it has never been there";
  EXPECT_EQ(node_.leftovers(), "");
}

TEST_F(JoinTest, RefusingTheUnrecoveredUndoesTheJoin) {
  TestClient& client = node_.connected();
  client.heard();
  EXPECT_THAT(client.say(R"({"id":2,"subscribe":{"channel":"both:a","recover":true,"offset":7,)"
                         R"("epoch":"old","flag":2}})"),
              ElementsAre(HasSubstr(R"("code":112)")));
  EXPECT_EQ(shard().presence.removes, 1);
  EXPECT_EQ(shard().hub.channels(), 0u);
  EXPECT_THAT(client.say(R"({"id":3,"subscribe":{"channel":"both:a"}})"),
              ElementsAre(StartsWith(R"({"id":3,"subscribe":{)")));
  EXPECT_EQ(node_.leftovers(), "");
}

TEST_F(JoinTest, WhatArrivesDuringARecoveryIsInTheReplyOnce) {
  node_.publish("stream:a", "1", kHistory);
  TestClient& client = node_.connected();
  client.heard();
  shard().broker.histories.is_shut = true;
  client.say(R"({"id":2,"subscribe":{"channel":"stream:a","recover":true}})");
  node_.publish("stream:a", "2", kHistory);
  open(shard().broker.histories);
  EXPECT_THAT(client.heard(), ElementsAre(testing::AllOf(HasSubstr(R"("recovered":true)"),
                                                         HasSubstr(R"({"data":1,"offset":1)"),
                                                         HasSubstr(R"({"data":2,"offset":2)"))));
  node_.publish("stream:a", "3", kHistory);
  EXPECT_THAT(client.heard(), ElementsAre(HasSubstr(R"("pub":{"data":3,"offset":3)")));
  EXPECT_EQ(node_.leftovers(), "");
}

TEST_F(JoinTest, PresenceIsAddedAndRemovedOnce) {
  TestClient& client = node_.connected();
  client.say(R"({"id":2,"subscribe":{"channel":"present:a"}})");
  EXPECT_EQ(shard().presence.adds, 1);
  client.say(R"({"id":3,"unsubscribe":{"channel":"present:a"}})");
  EXPECT_EQ(shard().presence.removes, 1);
  client.say(R"({"id":4,"unsubscribe":{"channel":"present:a"}})");
  client.say(R"({"id":5,"subscribe":{"channel":"present:b"}})");
  client.leave();
  EXPECT_EQ(shard().presence.adds, 2);
  EXPECT_EQ(shard().presence.removes, 2);
  EXPECT_EQ(node_.leftovers(), "");
}

TEST_F(JoinTest, AnUnsubscribeDuringTheJoinIsAnsweredBehindIt) {
  node_.settings->concurrency = 4;
  TestClient& client = node_.connected();
  client.heard();
  shard().broker.subscribes.is_shut = true;
  client.say(R"({"id":2,"subscribe":{"channel":"present:a"}})");
  EXPECT_THAT(client.say(R"({"id":3,"unsubscribe":{"channel":"present:a"}})"), IsEmpty());
  EXPECT_THAT(client.say(R"({"id":4,"unsubscribe":{"channel":"present:a"}})"), IsEmpty());
  EXPECT_THAT(client.say(R"({"id":5,"subscribe":{"channel":"present:a"}})"),
              ElementsAre(HasSubstr(R"("code":105)")));
  open(shard().broker.subscribes);
  EXPECT_THAT(client.heard(),
              ElementsAre(R"({"id":2,"subscribe":{}})", R"({"id":3,"unsubscribe":{}})",
                          R"({"id":4,"unsubscribe":{}})"));
  EXPECT_EQ(shard().hub.channels(), 0u);
  EXPECT_EQ(shard().presence.channels(), 0u);
  EXPECT_FALSE(client.is_over());
  EXPECT_EQ(node_.leftovers(), "");
}

TEST_F(JoinTest, AnUnsubscribeDuringAJoinThatFailsIsAnswered) {
  node_.settings->concurrency = 4;
  TestClient& client = node_.connected();
  client.heard();
  shard().broker.histories.is_shut = true;
  client.say(R"({"id":2,"subscribe":{"channel":"stream:a","recover":true,"offset":9,"flag":2}})");
  client.say(R"({"id":3,"unsubscribe":{"channel":"stream:a"}})");
  open(shard().broker.histories);
  EXPECT_THAT(client.heard(), testing::UnorderedElementsAre(HasSubstr(R"("code":112)"),
                                                            R"({"id":3,"unsubscribe":{}})"));
  EXPECT_EQ(node_.leftovers(), "");
}

TEST_F(JoinTest, AnUnsubscribeDoesNotWaitForEver) {
  node_.settings->concurrency = 4;
  TestClient& client = node_.connected();
  shard().broker.subscribes.is_shut = true;
  client.say(R"({"id":2,"subscribe":{"channel":"a"}})");
  client.say(R"({"id":3,"unsubscribe":{"channel":"a"}})");
  node_.pass(4 * os::kSecond);
  EXPECT_FALSE(client.is_over());
  node_.pass(2 * os::kSecond);
  EXPECT_EQ(client.ending->code, 3004u);
  open(shard().broker.subscribes);
  EXPECT_EQ(node_.leftovers(), "");
}

TEST_F(JoinTest, AnUnsubscribeThatWasAnsweredInTimeEndsNothing) {
  node_.settings->concurrency = 4;
  TestClient& client = node_.connected();
  shard().broker.subscribes.is_shut = true;
  client.say(R"({"id":2,"subscribe":{"channel":"a"}})");
  client.say(R"({"id":3,"unsubscribe":{"channel":"a"}})");
  open(shard().broker.subscribes);
  node_.pass(9 * os::kSecond);
  EXPECT_FALSE(client.is_over());
}

// So many that more would be memory which nobody accounts for.
TEST_F(JoinTest, OnlySoManyUnsubscribesWaitForAJoin) {
  node_.settings->concurrency = 4;
  TestClient& client = node_.connected();
  client.heard();
  shard().broker.subscribes.is_shut = true;
  client.say(R"({"id":2,"subscribe":{"channel":"a"}})");
  unsubscribe(node_, client, 3'000);
  EXPECT_TRUE(client.is_paused());
  open(shard().broker.subscribes);
  EXPECT_THAT(client.heard(), SizeIs(3'001));
  EXPECT_FALSE(client.is_paused());
  EXPECT_EQ(node_.leftovers(), "");
}

TEST_F(JoinTest, OnlySoManyUnsubscribesWaitForAJoinByTheServer) {
  TestClient& client = node_.connected();
  client.heard();
  shard().broker.subscribes.is_shut = true;
  in_turn([&] {
    shard().shard.tasks().spawn(TestNode::ignore(
        Session::subscribe_by_server(Ref<Session>(&client.session()), {.channel = "a"})));
  });
  unsubscribe(node_, client, 3'000);
  EXPECT_TRUE(client.is_paused());
  open(shard().broker.subscribes);
  EXPECT_THAT(client.heard(), SizeIs(3'001)) << "no command's end lets the rest go on";
  EXPECT_FALSE(client.is_paused());
  EXPECT_EQ(node_.leftovers(), "");
}

TEST_F(JoinTest, WhoIsTooSlowGetsNoMoreAnswersToUnsubscribes) {
  auto settings = test_settings();
  settings->concurrency = 4;
  TestNode node(1, settings, {.queue_bytes_max = 500});
  TestClient& client = node.connected();
  node[0].broker.subscribes.is_shut = true;
  client.say(R"({"id":2,"subscribe":{"channel":"a"}})");
  unsubscribe(node, client, 100);
  node[0].kernel.room = 0;
  {
    const runtime::TurnScope scope(node[0].shard);
    node[0].broker.subscribes.open();
  }
  node.settle();
  const auto& sent =
      node[0].metrics.sent[metrics::Transport::websocket][metrics::FrameType::unsubscribe];
  EXPECT_LT(sent.messages.value(), 50u);
  EXPECT_EQ(node.leftovers(), "");
}

TEST_F(JoinTest, EachUnsubscribeWaitsAsLong) {
  node_.settings->concurrency = 4;
  TestClient& client = node_.connected();
  client.heard();
  Gate& joins = shard().broker.subscribes;
  joins.is_shut = true;
  client.say(R"({"id":2,"subscribe":{"channel":"a"}})");
  client.say(R"({"id":3,"unsubscribe":{"channel":"a"}})");
  node_.pass(4900 * os::kMillisecond);
  client.say(R"({"id":4,"subscribe":{"channel":"b"}})");
  client.say(R"({"id":5,"unsubscribe":{"channel":"b"}})");
  ASSERT_THAT(joins.waiting, SizeIs(2));
  in_turn([&] {
    const std::coroutine_handle<> first = joins.waiting.front();
    joins.waiting.erase(joins.waiting.begin());
    first.resume();
  });
  EXPECT_THAT(client.heard(),
              ElementsAre(R"({"id":2,"subscribe":{}})", R"({"id":3,"unsubscribe":{}})"));
  node_.pass(4 * os::kSecond);
  EXPECT_FALSE(client.is_over());
  node_.pass(2 * os::kSecond);
  ASSERT_TRUE(client.is_over());
  EXPECT_EQ(client.ending->code, 3004u);
  open(joins);
  EXPECT_EQ(node_.leftovers(), "");
}

TEST_F(JoinTest, TheApiUnsubscribesDuringAJoin) {
  TestClient& client = node_.connected();
  client.heard();
  shard().broker.subscribes.is_shut = true;
  client.say(R"({"id":2,"subscribe":{"channel":"a"}})");
  node_.operate([](Audience& audience) {
    return audience.unsubscribe({}, "a", protocol::unsubscribes::kServer);
  });
  open(shard().broker.subscribes);
  EXPECT_THAT(client.heard(), ElementsAre(R"({"id":2,"subscribe":{}})",
                                          HasSubstr(R"("unsubscribe":{"code":2000)")));
  EXPECT_EQ(node_.leftovers(), "");
}

// --- connect with server-side subscriptions

TEST_F(JoinTest, TheConnectReplyComesBeforeWhatArrivesMeanwhile) {
  TestClient& client = node_.client();
  shard().broker.histories.is_shut = true;
  EXPECT_THAT(client.say(connect_with(R"("a","stream:b")")), IsEmpty());
  node_.publish("a", "1");
  EXPECT_THAT(client.heard(), IsEmpty()) << "live, but held back";
  open(shard().broker.histories);
  EXPECT_THAT(client.heard(),
              ElementsAre(testing::AllOf(StartsWith(R"({"id":1,"connect":{)"),
                                         HasSubstr(R"("a":{})"), HasSubstr(R"("stream:b":{)")),
                          R"({"push":{"channel":"a","pub":{"data":1}}})"));
  node_.publish("a", "2");
  EXPECT_THAT(client.heard(), SizeIs(1));
  EXPECT_EQ(node_.leftovers(), "");
}

TEST_F(JoinTest, OneFailedSubscriptionUndoesTheOthersAndTheConnect) {
  shard().broker.broken_channel = "present:b";
  TestClient& client = node_.client();
  EXPECT_THAT(client.say(connect_with(R"("a","present:c","present:b")")), IsEmpty());
  EXPECT_EQ(client.ending->code, 3004u);
  EXPECT_TRUE(client.ending->drops_output);
  EXPECT_EQ(shard().presence.channels(), 0u);
  EXPECT_EQ(shard().hub.channels(), 0u);
  EXPECT_EQ(shard().roster.clients(), 0u);
  EXPECT_EQ(shard().census.users(), 0u);
  EXPECT_EQ(node_.leftovers(), "");
}

TEST_F(JoinTest, ClosingDuringAConnectUndoesEverything) {
  TestClient& client = node_.client();
  shard().broker.histories.is_shut = true;
  client.say(connect_with(R"("present:a","both:b")"));
  node_.publish("present:a", "1");
  node_.operate([](Audience& audience) {
    return audience.disconnect({.user = "ann", .client = {}, .session = {}, .spared = {}},
                               protocol::disconnects::kForceNoReconnect);
  });
  EXPECT_EQ(client.ending->code, 3503u);
  EXPECT_TRUE(client.ending->drops_output) << "pushes without a connect reply mean nothing";
  open(shard().broker.histories);
  EXPECT_EQ(shard().presence.adds, 2);
  EXPECT_EQ(shard().presence.removes, 2);
  EXPECT_EQ(node_.leftovers(), "");
}

TEST_F(JoinTest, WhoLeavesDuringAConnectLeavesNoSocketBehind) {
  TestClient& client = node_.client();
  shard().broker.histories.is_shut = true;
  client.say(connect_with(R"("stream:a")"));
  in_turn([&] {
    // As a WebSocket answers a close frame.
    shard().sockets.send(client.socket(), Frame::make("bye"));
    shard().sockets.close_when_flushed(client.socket());
    client.session().on_transport_ended();
  });
  EXPECT_FALSE(shard().sockets.is_open(client.socket()));
  open(shard().broker.histories);
  client.ending->is_cut = true;  // it has been told already
  EXPECT_EQ(node_.leftovers(), "");
}

TEST_F(JoinTest, LosingAServerSideChannelDuringAConnectEndsIt) {
  TestClient& client = node_.client();
  shard().broker.held_channel = "present:b";
  shard().broker.subscribes.is_shut = true;
  client.say(connect_with(R"("stream:a","present:b")"));
  auto gap = make_ref<protocol::Publication>("9");
  gap->offset = 9;
  in_turn([&] { shard().broker.events->on_publication("stream:a", gap, "other"); });
  EXPECT_EQ(client.ending->code, 3010u);
  open(shard().broker.subscribes);
  EXPECT_THAT(client.heard(), IsEmpty());
  EXPECT_EQ(node_.leftovers(), "");
}

TEST_F(JoinTest, ALostClientSideSubscriptionIsToldSo) {
  TestClient& client = node_.connected();
  client.say(R"({"id":2,"subscribe":{"channel":"both:a"}})");
  auto gap = make_ref<protocol::Publication>("9");
  gap->offset = 9;
  in_turn([&] { shard().broker.events->on_publication("both:a", gap, "other"); });
  EXPECT_THAT(client.heard(), ElementsAre(HasSubstr(R"("unsubscribe":{"code":2500)")));
  EXPECT_EQ(shard().presence.channels(), 0u);
  EXPECT_FALSE(client.is_over());
  EXPECT_EQ(node_.leftovers(), "");
}

TEST_F(JoinTest, ARefusedConnectIsDeafAndIsCutInTheEnd) {
  TestClient& client = node_.client();
  const std::string past = std::to_string(node_.unix_now() - 1);
  EXPECT_THAT(client.say(R"({"id":1,"connect":{"token":")" +
                         token(R"({"sub":"ann","expire_at":)" + past + "}") + "\"}}"),
              ElementsAre(R"({"id":1,"error":{"code":110,"message":"expired"}})"));
  EXPECT_EQ(shard().roster.clients(), 0u);
  EXPECT_EQ(shard().census.users(), 0u);
  EXPECT_THAT(client.say(R"({"id":2,"connect":{}})"), IsEmpty());
  node_.pass(4 * os::kSecond);
  EXPECT_FALSE(client.is_over());
  node_.pass(2 * os::kSecond);
  EXPECT_TRUE(client.ending->is_cut);
  EXPECT_EQ(client.ending->code, 0u);
  EXPECT_EQ(node_.leftovers(), "");
}

TEST_F(JoinTest, RefusedConnectsByTheirCodes) {
  const auto with = [](const std::string& claims) {
    return R"({"id":1,"connect":{"token":")" + token(claims) + "\"}}";
  };
  const std::string now = std::to_string(node_.unix_now());
  EXPECT_THAT(node_.client().say(with(R"({"sub":"a","exp":)" + now + "}")),
              ElementsAre(HasSubstr(R"("code":109)")));
  EXPECT_THAT(node_.client().say(with(R"({"sub":"a","channels":["nope:x"]})")),
              ElementsAre(HasSubstr(R"("code":102)")));
  TestClient& invalid = node_.client();
  invalid.say(with(R"({"sub":"a","channel":"x"})"));
  EXPECT_EQ(invalid.ending->code, 3500u);
  TestClient& wisher = node_.client();
  wisher.say(R"({"id":1,"connect":{"subs":{"nope:x":{}}}})");
  EXPECT_EQ(wisher.ending->code, 3501u);
  node_.settings->allow_anonymous_connect_without_token = false;
  TestClient& nobody = node_.client();
  nobody.say(R"({"id":1,"connect":{}})");
  EXPECT_EQ(nobody.ending->code, 3501u);
  node_.settings->disallow_anonymous_connection_tokens = true;
  TestClient& anonymous = node_.client();
  anonymous.say(with("{}"));
  EXPECT_EQ(anonymous.ending->code, 3507u);
  node_.settings->channel_limit = 1;
  TestClient& greedy = node_.client();
  greedy.say(with(R"({"sub":"a","channels":["x","y"]})"));
  EXPECT_EQ(greedy.ending->code, 3505u);
  EXPECT_THAT(node_.client(0, "bob").say(R"({"id":1,"connect":{}})"), SizeIs(1))
      << "named by a header";
  EXPECT_EQ(node_.leftovers(), "");
}

TEST_F(JoinTest, WishesBecomeSubscriptionsOnce) {
  TestClient& client = node_.client();
  EXPECT_THAT(client.say(R"({"id":1,"connect":{"subs":{"a":{},"$private":{},"a":{},"stream:b":{)"
                         R"("recover":true,"offset":3,"epoch":"x"}}}})"),
              ElementsAre(testing::AllOf(HasSubstr(R"("a":{})"), testing::Not(HasSubstr("private")),
                                         HasSubstr(R"("was_recovering":true)"))));
  EXPECT_EQ(shard().hub.subscriptions(), 2u);
  EXPECT_THAT(client.say(R"({"id":2,"subscribe":{"channel":"a"}})"),
              ElementsAre(HasSubstr(R"("code":105)")));
  EXPECT_EQ(node_.leftovers(), "");
}

TEST_F(JoinTest, ClientSubscriptionsStopAtTheLimit) {
  node_.settings->channel_limit = 2;
  TestClient& client = node_.connected();
  client.heard();
  client.say(R"({"id":2,"subscribe":{"channel":"a"}})");
  client.say(R"({"id":3,"subscribe":{"channel":"b"}})");
  EXPECT_THAT(client.say(R"({"id":4,"subscribe":{"channel":"c"}})"),
              ElementsAre(HasSubstr(R"("code":106)")));
  client.say(R"({"id":5,"unsubscribe":{"channel":"a"}})");
  EXPECT_THAT(client.say(R"({"id":6,"subscribe":{"channel":"c"}})"),
              ElementsAre(R"({"id":6,"subscribe":{}})"));
  EXPECT_EQ(node_.leftovers(), "");
}

}  // namespace
}  // namespace gyre::client
