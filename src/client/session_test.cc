// What a session does with its input: order, what waits behind a command in work, and its bounds.
#include "client/session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/test_support.h"

namespace gyre::client {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using testing::StartsWith;

constexpr uint32_t kBadRequest = protocol::disconnects::kBadRequest.code;

class SessionTest : public testing::Test {
 protected:
  TestShard& shard() { return node_[0]; }
  // Lets the held answers go.
  void open(Gate& gate) {
    {
      const runtime::TurnScope scope(shard().shard);
      gate.open();
    }
    node_.settle();
  }

  TestNode node_;
};

TEST_F(SessionTest, ConnectsAnonymously) {
  TestClient& client = node_.client();
  EXPECT_THAT(client.say(R"({"id":1,"connect":{}})"),
              ElementsAre(R"({"id":1,"connect":{"client":"CLIENT","version":"test","ping":25,)"
                          R"("pong":true}})"));
  EXPECT_EQ(shard().roster.clients(), 1u);
  EXPECT_EQ(shard().census.users(), 1u);
  EXPECT_EQ(node_.leftovers(), "");
}

TEST_F(SessionTest, NothingButConnectComesFirst) {
  for (const char* first : {R"({"id":1,"subscribe":{"channel":"a"}})", "{}", R"({"connect":{}})",
                            R"({"id":1})", "", "\n", "nonsense"}) {
    TestClient& client = node_.client();
    EXPECT_THAT(client.say(first), IsEmpty()) << first;
    EXPECT_EQ(client.ending->code, kBadRequest) << first;
  }
  EXPECT_EQ(node_.leftovers(), "");
}

TEST_F(SessionTest, WhatConnectedSessionsRefuse) {
  const std::pair<const char*, uint32_t> cases[] = {
      {R"({"id":2,"connect":{}})", kBadRequest},
      {R"({"id":2})", kBadRequest},
      {"{}", kBadRequest},
      {R"({"id":2,"ping":{}})", kBadRequest},
      {R"({"send":{"data":1}})", protocol::disconnects::kNotAvailable.code},
      {R"({"id":2,"send":{"data":1}})", protocol::disconnects::kNotAvailable.code},
      {R"({"id":2,"subscribe":{}})", kBadRequest},
      {R"({"id":2,"subscribe":{"channel":"a","delta":"other"}})", kBadRequest},
      {R"({"id":2,"unsubscribe":{}})", kBadRequest},
      {R"({"id":2,"publish":{"data":1}})", kBadRequest},
      {R"({"id":2,"presence":{}})", kBadRequest},
      {R"({"id":2,"presence_stats":{}})", kBadRequest},
      {R"({"id":2,"history":{}})", kBadRequest},
      {R"({"id":2,"refresh":{}})", kBadRequest},
      {R"({"id":2,"sub_refresh":{}})", kBadRequest},
  };
  for (const auto& [command, code] : cases) {
    TestClient& client = node_.connected();
    EXPECT_THAT(client.say(command), IsEmpty()) << command;
    EXPECT_EQ(client.ending->code, code) << command;
  }
  EXPECT_EQ(node_.leftovers(), "");
}

TEST_F(SessionTest, CommandsBeforeABrokenOneCount) {
  TestClient& client = node_.connected();
  client.heard();
  EXPECT_THAT(client.say("{\"id\":2,\"subscribe\":{\"channel\":\"a\"}}\n\n"
                         "{\"id\":3,\"subscribe\":{\"channel\":\"b\"}}"),
              ElementsAre(R"({"id":2,"subscribe":{}})"));
  EXPECT_EQ(client.ending->code, kBadRequest);
}

TEST_F(SessionTest, CommandsWaitInOrderBehindTheOneInWork) {
  TestClient& client = node_.client();
  shard().broker.subscribes.is_shut = true;
  EXPECT_THAT(client.say("{\"id\":1,\"connect\":{}}\n{\"id\":2,\"subscribe\":{\"channel\":\"a\"}}\n"
                         "{\"id\":3,\"publish\":{\"channel\":\"a\",\"data\":1}}\n"),
              ElementsAre(StartsWith(R"({"id":1,)")));
  EXPECT_THAT(client.say(R"({"id":4,"unsubscribe":{"channel":"a"}})"), IsEmpty());
  EXPECT_THAT(client.say(R"({"id":5,"unsubscribe":{"channel":"a"}})"), IsEmpty());
  open(shard().broker.subscribes);
  EXPECT_THAT(client.heard(),
              ElementsAre(R"({"id":2,"subscribe":{}})",
                          StartsWith(R"({"push":{"channel":"a","pub":{"data":1,)"),
                          R"({"id":3,"publish":{}})", R"({"id":4,"unsubscribe":{}})",
                          R"({"id":5,"unsubscribe":{}})"));
  EXPECT_EQ(node_.leftovers(), "");
}

TEST_F(SessionTest, ALongFrameIsWorkedOffAcrossManyWaits) {
  TestClient& client = node_.connected();
  client.heard();
  shard().broker.subscribes.is_shut = true;
  std::string frame;
  for (int i = 0; i < 100; ++i) {
    frame += R"({"id":)" + std::to_string(i + 2) + R"(,"subscribe":{"channel":"c)" +
             std::to_string(i) + "\"}}\n";
  }
  EXPECT_THAT(client.say(frame), IsEmpty());
  for (int i = 0; i < 100; ++i) {
    {
      const runtime::TurnScope scope(shard().shard);
      ASSERT_THAT(shard().broker.subscribes.waiting, SizeIs(1)) << i;
      shard().broker.subscribes.let_through();
    }
    node_.settle();
    EXPECT_THAT(client.heard(),
                ElementsAre(R"({"id":)" + std::to_string(i + 2) + R"(,"subscribe":{}})"));
  }
  EXPECT_FALSE(client.is_over());
  EXPECT_EQ(node_.leftovers(), "");
}

TEST_F(SessionTest, ReadingStopsWhileTheBacklogIsLong) {
  TestClient& client = node_.connected();
  client.heard();
  shard().broker.publishes.is_shut = true;
  const std::string publish =
      R"({"id":2,"publish":{"channel":"a","data":")" + std::string(30'000, 'x') + "\"}}";
  client.say(publish);  // in work
  for (int i = 0; i < 4; ++i) client.say(publish);
  EXPECT_FALSE(client.is_paused());
  client.say(publish);
  EXPECT_TRUE(client.is_paused());
  EXPECT_EQ(shard().metrics.queued_frames.value(), 5u);
  {
    const runtime::TurnScope scope(shard().shard);
    shard().broker.publishes.let_through();
  }
  node_.settle();
  EXPECT_TRUE(client.is_paused()) << "not at once: it would flap";
  open(shard().broker.publishes);
  EXPECT_THAT(client.heard(), SizeIs(6));
  EXPECT_FALSE(client.is_paused());
  EXPECT_EQ(node_.leftovers(), "");
}

TEST_F(SessionTest, FramesWithoutContentFillTheBacklogToo) {
  TestClient& client = node_.connected();
  client.heard();
  shard().broker.publishes.is_shut = true;
  client.say(R"({"id":2,"publish":{"channel":"a","data":1}})");
  {
    const runtime::TurnScope scope(shard().shard);
    for (int i = 0; i < 10'000; ++i) client.session().receive("");
  }
  EXPECT_TRUE(client.is_paused());
  open(shard().broker.publishes);
  EXPECT_THAT(client.heard(), ElementsAre(R"({"id":2,"publish":{}})"));
  EXPECT_EQ(client.ending->code, kBadRequest);
}

TEST_F(SessionTest, WhoIsClosedIsReadFromAgain) {
  // Its answer to the close frame could not be seen otherwise.
  TestClient& client = node_.connected();
  shard().broker.publishes.is_shut = true;
  const std::string publish =
      R"({"id":2,"publish":{"channel":"a","data":")" + std::string(60'000, 'x') + "\"}}";
  for (int i = 0; i < 5; ++i) client.say(publish);
  ASSERT_TRUE(client.is_paused());
  node_.operate([&](Audience& audience) {
    return audience.disconnect({}, protocol::disconnects::kForceNoReconnect);
  });
  EXPECT_EQ(client.ending->code, 3503u);
  EXPECT_FALSE(client.is_paused());
  open(shard().broker.publishes);
  EXPECT_EQ(node_.leftovers(), "");
}

TEST_F(SessionTest, WithConcurrencyRepliesOvertake) {
  node_.settings->concurrency = 2;
  TestClient& client = node_.connected();
  client.heard();
  shard().broker.publishes.is_shut = true;
  EXPECT_THAT(client.say("{\"id\":2,\"publish\":{\"channel\":\"a\",\"data\":1}}\n"
                         "{\"id\":3,\"subscribe\":{\"channel\":\"a\"}}\n"
                         "{\"id\":4,\"publish\":{\"channel\":\"a\",\"data\":2}}\n"
                         "{\"id\":5,\"unsubscribe\":{\"channel\":\"a\"}}\n"),
              ElementsAre(R"({"id":3,"subscribe":{}})"))
      << "two publishes are in work, the rest waits";
  EXPECT_THAT(shard().broker.publishes.waiting, SizeIs(2));
  open(shard().broker.publishes);
  EXPECT_THAT(client.heard(), SizeIs(4)) << "the second one finds nobody subscribed";
  EXPECT_EQ(node_.leftovers(), "");
}

TEST_F(SessionTest, APongIsNotKeptWaiting) {
  TestClient& client = node_.connected();
  client.heard();
  node_.pass(26 * os::kSecond);
  EXPECT_THAT(client.heard(), ElementsAre("{}"));
  shard().broker.publishes.is_shut = true;
  client.say(R"({"id":2,"publish":{"channel":"a","data":1}})");
  client.say("{}");
  node_.pass(9 * os::kSecond);
  EXPECT_FALSE(client.is_over());
  client.say("{}");  // the second one has to wait, and is too much
  open(shard().broker.publishes);
  EXPECT_EQ(client.ending->code, kBadRequest);
}

TEST_F(SessionTest, WhoLeavesDuringACommandIsForgotten) {
  TestClient& client = node_.connected();
  shard().broker.publishes.is_shut = true;
  client.say("{\"id\":2,\"publish\":{\"channel\":\"a\",\"data\":1}}\n{\"id\":3,\"history\":{}}");
  client.leave();
  EXPECT_EQ(shard().roster.sessions(), 0u);
  open(shard().broker.publishes);
  EXPECT_EQ(node_.leftovers(), "");
}

TEST_F(SessionTest, TooMuchOutputEndsAsSlow) {
  TestNode node(1, test_settings(), {.queue_bytes_max = 1000});
  TestClient& client = node.connected();
  client.heard();
  client.say(R"({"id":2,"subscribe":{"channel":"a"}})");
  {
    const runtime::TurnScope scope(node[0].shard);
    client.session().on_slow();
  }
  EXPECT_EQ(client.ending->code, 3008u);
  EXPECT_TRUE(client.ending->drops_output);
  EXPECT_EQ(node.leftovers(), "");
}

TEST_F(SessionTest, CommandsOfWhoReadsSlowlyKeepTheirOrder) {
  TestClient& client = node_.connected();
  client.say(R"({"id":2,"subscribe":{"channel":"a"}})");
  client.heard();
  const auto read_on = [&](size_t bytes) {
    shard().kernel.room = bytes;
    const runtime::TurnScope scope(shard().shard);
    const net::SocketHandle socket = client.socket();
    shard().sockets.on_room((os::Token{socket.generation} << 32) | socket.slot);
    do shard().sockets.flush();
    while (shard().sockets.waiting() > 0);
  };
  shard().kernel.room = 0;
  for (int i = 0; i < 10; ++i) node_.publish("a", '"' + std::string(14'000, 'x') + '"');
  client.say(R"({"id":3,"unsubscribe":{"channel":"a"}})");
  read_on(30'000);
  ASSERT_LT(shard().sockets.queued_bytes(client.socket()), 128u * 1024);
  client.say(R"({"id":4,"subscribe":{"channel":"a"}})");
  shard().kernel.sent.clear();
  read_on(SIZE_MAX / 2);
  ASSERT_EQ(shard().kernel.sent.size(), 1u);
  const std::string& sent = shard().kernel.sent.begin()->second;  // begins within a frame
  const size_t first = sent.find(R"({"id":3,"unsubscribe":{}})");
  ASSERT_NE(first, std::string::npos);
  EXPECT_NE(sent.find(R"({"id":4,"subscribe":{}})", first), std::string::npos);
}

TEST_F(SessionTest, WhoDoesNotReadItsRepliesIsNotServed) {
  TestClient& client = node_.connected();
  client.heard();
  shard().kernel.room = 0;
  const std::string command = R"({"id":2,"publish":{"channel":"a","data":1}})";
  std::string frame = command;
  for (int i = 1; i < 10'000; ++i) frame += "\n" + command;
  client.say(frame);
  EXPECT_TRUE(client.is_paused());
  EXPECT_LT(shard().sockets.queued_bytes(client.socket()), 140'000u);
  shard().kernel.room = SIZE_MAX / 2;
  size_t heard = 0;
  for (int i = 0; i < 10 && heard < 10'000; ++i) {
    {
      const runtime::TurnScope scope(shard().shard);
      const net::SocketHandle socket = client.socket();
      shard().sockets.on_room((os::Token{socket.generation} << 32) | socket.slot);
      do shard().sockets.flush();
      while (shard().sockets.waiting() > 0);
      client.session().on_flushed();
    }
    node_.settle();
    heard += client.heard().size();
  }
  EXPECT_EQ(heard, 10'000u);
  EXPECT_FALSE(client.is_paused());
  EXPECT_EQ(node_.leftovers(), "");
}

TEST_F(SessionTest, AFloodOfErrorsEnds) {
  TestClient& slow = node_.connected();
  TestClient& fast = node_.connected();
  for (int i = 0; i < 4'000; ++i) fast.say(R"({"id":2,"rpc":{}})");
  EXPECT_FALSE(fast.is_over());
  fast.say(R"({"id":2,"rpc":{}})");
  EXPECT_EQ(fast.ending->code, 3509u);
  for (int i = 0; i < 6'000; ++i) {
    shard().kernel.now += 20 * os::kMillisecond;
    slow.say(R"({"id":2,"rpc":{}})");
    if (i % 100 == 0) slow.say("{}");
  }
  EXPECT_NE(slow.ending->code, 3509u);
}

TEST_F(SessionTest, ABinaryPublicationEndsJsonClients) {
  TestClient& json = node_.connected();
  json.say(R"({"id":2,"subscribe":{"channel":"a"}})");
  TestClient& other = node_.connected();
  other.say(R"({"id":2,"subscribe":{"channel":"b"}})");
  node_.publish("a", "\x01\x02");
  EXPECT_EQ(json.ending->code, 3506u);
  EXPECT_FALSE(other.is_over());
  EXPECT_EQ(node_.leftovers(), "");
}

}  // namespace
}  // namespace gyre::client
