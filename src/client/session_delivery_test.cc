// What delivery rules of namespaces (gyre.delivery) mean to sessions.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/test_support.h"

namespace gyre::client {
namespace {

using channel::DeliveryRule;
using channel::SlowConsumer;
using std::chrono::milliseconds;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

channel::ChannelOptions with_rule(channel::ChannelOptions options, const DeliveryRule& rule) {
  options.delivery = std::make_shared<const DeliveryRule>(rule);
  return options;
}

// `calm` has batches, `ticker` the newest of one, `latest` and `again` rules for who is behind;
// `stream` has batches and history.
std::shared_ptr<Settings> paced_settings() {
  const DeliveryRule batches{.batch_max_size = 10, .batch_max_delay = milliseconds(100)};
  DeliveryRule newest = batches;
  newest.batch_flush_latest = true;
  channel::ChannelOptions stream = open_options();
  stream.history_size = 10;
  stream.history_ttl = std::chrono::seconds(600);
  stream.force_recovery = true;
  auto namespaces = channel::Namespaces::compile(
      {}, open_options(),
      {{"calm", with_rule(open_options(), batches)},
       {"ticker", with_rule(open_options(), newest)},
       {"latest", with_rule(open_options(), {.slow_consumer = SlowConsumer::keep_latest})},
       {"again", with_rule(open_options(), {.slow_consumer = SlowConsumer::resubscribe})},
       {"stream", with_rule(stream, batches)}});
  auto result = test_settings();
  result->namespaces = std::make_shared<const channel::Namespaces>(std::move(namespaces).value());
  return result;
}

// A quarter of what may wait is the bound of rules that have none of their own.
constexpr size_t kQueueMax = 2000;
const std::string kTooMuch = '"' + std::string(kQueueMax / 2, 'x') + '"';
constexpr engine::HistoryOptions kPacedHistory{
    .size = 10, .ttl = std::chrono::seconds(600), .meta_ttl = std::chrono::seconds(0)};

class DeliveryTest : public testing::Test {
 protected:
  TestClient& subscribed(const std::string& channel) {
    TestClient& client = node_.connected();
    client.say(R"({"id":2,"subscribe":{"channel":")" + channel + R"("}})");
    client.heard();
    return client;
  }
  void end_batch() { node_.pass(100 * os::kMillisecond); }
  void stop_reading() { node_[0].kernel.room = 0; }
  void read_on(TestClient& client) {
    node_[0].kernel.room = SIZE_MAX / 2;
    {
      const runtime::TurnScope scope(node_[0].shard);
      const net::SocketHandle socket = client.socket();
      node_[0].sockets.on_room((os::Token{socket.generation} << 32) | socket.slot);
      do node_[0].sockets.flush();
      while (node_[0].sockets.waiting() > 0);
      client.session().on_flushed();
    }
    node_.settle();
  }

  TestNode node_{1, paced_settings(), {.queue_bytes_max = kQueueMax}};
};

TEST_F(DeliveryTest, ANamespaceHasItsBatches) {
  TestClient& calm = subscribed("calm:a");
  TestClient& ticker = subscribed("ticker:a");
  TestClient& plain = subscribed("a");
  for (const char* channel : {"calm:a", "ticker:a", "a"}) {
    node_.publish(channel, "1");
    node_.publish(channel, "2");
  }
  EXPECT_THAT(calm.heard(), IsEmpty());
  EXPECT_THAT(ticker.heard(), IsEmpty());
  EXPECT_THAT(plain.heard(), ElementsAre(HasSubstr("1"), HasSubstr("2")));
  end_batch();
  EXPECT_THAT(calm.heard(), ElementsAre(HasSubstr(R"("data":1)"), HasSubstr(R"("data":2)")));
  EXPECT_THAT(ticker.heard(), ElementsAre(HasSubstr(R"("data":2)")));
  EXPECT_THAT(plain.heard(), IsEmpty());
  EXPECT_EQ(node_.leftovers(), "");
}

// Who comes or comes back into a batch gets each publication once: by recovery, or by delivery.
TEST_F(DeliveryTest, RecoveryAndBatchesHaveNeitherGapsNorRepeats) {
  TestClient& first = subscribed("stream:a");
  node_.publish("stream:a", "1", kPacedHistory);
  TestClient& second = node_.connected();
  second.heard();
  EXPECT_THAT(second.say(R"({"id":2,"subscribe":{"channel":"stream:a","recover":true}})"),
              ElementsAre(AllOf(HasSubstr(R"("recovered":true)"), HasSubstr(R"("data":1)"))));
  EXPECT_THAT(first.heard(), ElementsAre(HasSubstr(R"("offset":1)")));
  node_.publish("stream:a", "2", kPacedHistory);
  EXPECT_THAT(first.say(R"({"id":3,"unsubscribe":{"channel":"stream:a"}})"),
              ElementsAre(HasSubstr(R"("offset":2)"), R"({"id":3,"unsubscribe":{}})"));
  node_.publish("stream:a", "3", kPacedHistory);
  end_batch();
  EXPECT_THAT(second.heard(), ElementsAre(HasSubstr(R"("offset":2)"), HasSubstr(R"("offset":3)")));
  EXPECT_EQ(node_.leftovers(), "");
}

TEST_F(DeliveryTest, AnUnsubscribeByTheServerComesBehindWhatIsHeld) {
  TestClient& client = node_.connected(0, "ann");
  client.say(R"({"id":2,"subscribe":{"channel":"calm:a"}})");
  node_.publish("calm:a", "1");
  node_.operate([](Audience& audience) {
    return audience.unsubscribe({.user = "ann", .client = {}, .session = {}, .spared = {}},
                                "calm:a", protocol::unsubscribes::kServer);
  });
  EXPECT_THAT(client.heard(),
              ElementsAre(HasSubstr(R"("data":1)"), HasSubstr(R"("unsubscribe":{"code":2000)")));
}

TEST_F(DeliveryTest, WhoIsBehindGetsTheNewest) {
  TestClient& client = subscribed("latest:a");
  stop_reading();
  node_.publish("latest:a", kTooMuch);
  for (const char* data : {"2", "3", "4"}) {
    for (int i = 0; i < 100; ++i) node_.publish("latest:a", data);
  }
  EXPECT_FALSE(client.is_over()) << "all of them would be more than may wait";
  read_on(client);
  EXPECT_THAT(client.heard(), ElementsAre(HasSubstr("xxx"), HasSubstr(R"("data":4)")));
  node_.publish("latest:a", "5");
  EXPECT_THAT(client.heard(), ElementsAre(HasSubstr(R"("data":5)")));
  EXPECT_EQ(node_.leftovers(), "");
}

TEST_F(DeliveryTest, WhatIsKeptGoesWithTheConnection) {
  TestClient& client = subscribed("latest:a");
  stop_reading();
  node_.publish("latest:a", kTooMuch);
  node_.publish("latest:a", "2");
  EXPECT_TRUE(node_[0].hub.has_kept());
  client.leave();
  EXPECT_FALSE(node_[0].hub.has_kept());
  EXPECT_EQ(node_.leftovers(), "");
}

TEST_F(DeliveryTest, WhoIsBehindIsToldToSubscribeAgain) {
  TestClient& client = subscribed("again:a");
  stop_reading();
  node_.publish("again:a", kTooMuch);
  for (const char* data : {"2", "3"}) node_.publish("again:a", data);
  read_on(client);
  EXPECT_THAT(client.heard(),
              ElementsAre(HasSubstr("xxx"), HasSubstr(R"("unsubscribe":{"code":2500)")));
  EXPECT_FALSE(client.is_over());
  client.say(R"({"id":3,"subscribe":{"channel":"again:a"}})");
  node_.publish("again:a", "4");
  EXPECT_THAT(client.heard(), ElementsAre(HasSubstr(R"("data":4)")));
  EXPECT_EQ(node_.leftovers(), "");
}

TEST_F(DeliveryTest, ASubscriptionOfTheServerEndsItsConnection) {
  TestClient& client = node_.client();
  client.say(R"({"id":1,"connect":{"token":")" + token(R"({"sub":"ann","channels":["again:a"]})") +
             "\"}}");
  stop_reading();
  node_.publish("again:a", kTooMuch);
  node_.publish("again:a", "2");
  EXPECT_EQ(client.ending->code, 3010u);
  node_[0].kernel.room = SIZE_MAX / 2;
  EXPECT_EQ(node_.leftovers(), "");
}

}  // namespace
}  // namespace gyre::client
