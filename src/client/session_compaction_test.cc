// Numbers in place of the names of channels (spec subscriptions.md 8).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/test_support.h"

namespace gyre::client {
namespace {

using protocol::Encoding;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

constexpr engine::HistoryOptions kKept{
    .size = 10, .ttl = std::chrono::seconds(600), .meta_ttl = std::chrono::seconds(0)};

// `short` has numbers in both encodings, `json` in JSON, `named` has none; `rich` tells who comes
// and goes, keeps history and sends deltas besides.
std::shared_ptr<Settings> compacting_settings() {
  channel::ChannelOptions json = open_options();
  json.compacts_json = true;
  channel::ChannelOptions both = json;
  both.compacts_protobuf = true;
  channel::ChannelOptions rich = both;
  rich.join_leave = rich.force_push_join_leave = true;
  rich.history_size = 10;
  rich.history_ttl = std::chrono::seconds(600);
  rich.force_recovery = rich.allows_fossil_delta = rich.delta_publish = true;
  auto namespaces = channel::Namespaces::compile(
      {}, open_options(),
      {{"short", both}, {"json", json}, {"named", open_options()}, {"rich", rich}});
  auto result = test_settings();
  result->namespaces = std::make_shared<const channel::Namespaces>(std::move(namespaces).value());
  return result;
}

class CompactionTest : public testing::Test {
 protected:
  static std::string subscribe(std::string_view channel, std::string_view more = R"("flag":1)") {
    return R"({"id":2,"subscribe":{"channel":")" + std::string(channel) + "\"," +
           std::string(more) + "}}";
  }
  static std::string unsubscribe(std::string_view channel) {
    return R"({"id":3,"unsubscribe":{"channel":")" + std::string(channel) + "\"}}";
  }
  // One in Protobuf, connected and subscribed; and what it has heard.
  TestClient& binary(std::string_view channel, Messages& heard) {
    TestClient& client = node_.client(0, {}, {.encoding = Encoding::protobuf});
    client.say(command(1, protocol::ConnectRequest()));
    protocol::SubscribeRequest request;
    request.channel = channel;
    request.flag = protocol::kSubscribeFlagChannelCompaction;
    heard = client.say(command(2, request));
    return client;
  }
  static std::string command(uint32_t id, const protocol::Request& request) {
    std::string out;
    protocol::encode_command(Encoding::protobuf, id, request, out);
    return out;
  }
  static std::string subscribed(int64_t id) {
    std::string out;
    EXPECT_TRUE(
        protocol::encode_reply(Encoding::protobuf, 2, protocol::SubscribeResult{.id = id}, out));
    return out;
  }
  static std::string pushed(const protocol::PushChannel& channel, std::string_view data) {
    std::string out;
    EXPECT_TRUE(protocol::encode_push(Encoding::protobuf, protocol::Envelope::reply, channel,
                                      protocol::Publication(std::string(data)), out));
    return out;
  }

  TestNode node_{1, compacting_settings()};
};

TEST_F(CompactionTest, PushesCarryTheNumberThatTheReplyHasGiven) {
  TestClient& client = node_.connected();
  client.heard();
  EXPECT_THAT(client.say(subscribe("short:a")), ElementsAre(R"({"id":2,"subscribe":{"id":1}})"));
  EXPECT_THAT(client.say(subscribe("short:b")), ElementsAre(R"({"id":2,"subscribe":{"id":2}})"));
  node_.publish("short:b", "1");
  node_.publish("short:a", "2");
  EXPECT_THAT(client.heard(), ElementsAre(R"({"push":{"id":2,"pub":{"data":1}}})",
                                          R"({"push":{"id":1,"pub":{"data":2}}})"));
  // Whatever the client says has names.
  EXPECT_THAT(client.say(R"({"id":4,"publish":{"channel":"short:a","data":3}})"),
              ElementsAre(StartsWith(R"({"push":{"id":1,"pub":{"data":3,"info":)"),
                          R"({"id":4,"publish":{}})"));
  EXPECT_THAT(client.say(unsubscribe("short:a")), ElementsAre(R"({"id":3,"unsubscribe":{}})"));
  node_.publish("short:a", "4");
  EXPECT_THAT(client.heard(), IsEmpty());
  EXPECT_EQ(node_.leftovers(), "");
}

TEST_F(CompactionTest, OnlyWhoAsksIsGivenOneAndOnlyWhereItIsAllowed) {
  TestClient& asking = node_.connected();
  TestClient& silent = node_.connected();
  EXPECT_THAT(asking.say(subscribe("named:a")), ElementsAre(R"({"id":2,"subscribe":{}})"));
  asking.say(unsubscribe("named:a"));
  EXPECT_THAT(asking.say(subscribe("short:a")), ElementsAre(R"({"id":2,"subscribe":{"id":1}})"));
  EXPECT_THAT(silent.say(subscribe("short:a", R"("flag":2)")),
              ElementsAre(R"({"id":2,"subscribe":{}})"));
  node_.publish("short:a", "1");
  EXPECT_THAT(asking.heard(), ElementsAre(R"({"push":{"id":1,"pub":{"data":1}}})"));
  EXPECT_THAT(silent.heard(), ElementsAre(R"({"push":{"channel":"short:a","pub":{"data":1}}})"));
}

TEST_F(CompactionTest, EachEncodingIsAllowedByItself) {
  Messages heard;
  TestClient& allowed = binary("short:a", heard);
  EXPECT_THAT(heard, ElementsAre(subscribed(1)));
  TestClient& refused = binary("json:a", heard);
  EXPECT_THAT(heard, ElementsAre(subscribed(0)));
  node_.publish("short:a", "1");
  node_.publish("json:a", "2");
  EXPECT_THAT(allowed.heard(), ElementsAre(pushed({"", 1}, "1")));
  EXPECT_THAT(refused.heard(), ElementsAre(pushed("json:a", "2")));
}

// A number that a client has known for another channel, or in another life of this one, does not
// come again; pushes have that of the newest reply.
TEST_F(CompactionTest, ASubscriptionThatComesBackHasTheNumberOfItsNewestReply) {
  TestClient& client = node_.connected();
  client.say(subscribe("short:a"));
  client.say(unsubscribe("short:a"));
  EXPECT_THAT(client.say(subscribe("short:b")), ElementsAre(R"({"id":2,"subscribe":{"id":2}})"));
  EXPECT_THAT(client.say(subscribe("short:a")), ElementsAre(R"({"id":2,"subscribe":{"id":3}})"));
  node_.publish("short:a", "1");
  EXPECT_THAT(client.heard(), ElementsAre(R"({"push":{"id":3,"pub":{"data":1}}})"));
  // While others listen the channel keeps its number.
  TestClient& other = node_.connected();
  EXPECT_THAT(other.say(subscribe("short:a")), ElementsAre(R"({"id":2,"subscribe":{"id":3}})"));
  client.say(unsubscribe("short:a"));
  EXPECT_THAT(client.say(subscribe("short:a")), ElementsAre(R"({"id":2,"subscribe":{"id":3}})"));
  node_.publish("short:a", "2");
  EXPECT_THAT(client.heard(), ElementsAre(R"({"push":{"id":3,"pub":{"data":2}}})"));
  // And whoever does not ask again is not given it.
  client.say(unsubscribe("short:a"));
  client.say(subscribe("short:a", R"("flag":0)"));
  node_.publish("short:a", "3");
  EXPECT_THAT(client.heard(), ElementsAre(R"({"push":{"channel":"short:a","pub":{"data":3}}})"));
  EXPECT_EQ(node_.leftovers(), "");
}

TEST_F(CompactionTest, JoinsLeavesDeltasAndRecoveryGoTogetherWithIt) {
  TestClient& client = node_.connected(0, "ann");
  client.heard();
  const std::string wish = R"("flag":1,"delta":"fossil","recover":true)";
  EXPECT_THAT(client.say(subscribe("rich:a", wish)),
              ElementsAre(HasSubstr(R"("delta":true,"id":1})"),
                          StartsWith(R"({"push":{"id":1,"join":{"info":{"user":"ann")")));
  const auto publish = [&](int i) {
    auto publication = make_ref<protocol::Publication>(
        "\"The quick brown fox jumps over the lazy dog " + std::to_string(i) + '"');
    publication->wants_delta = true;
    node_.publish("rich:a", std::move(publication), kKept);
  };
  publish(1);
  EXPECT_THAT(client.heard(), ElementsAre(StartsWith(R"({"push":{"id":1,"pub":{"data":)")));
  publish(2);
  EXPECT_THAT(client.heard(), ElementsAre(AllOf(StartsWith(R"({"push":{"id":1,"pub":{"data":)"),
                                                HasSubstr(R"("delta":true)"))));
  TestClient& other = node_.connected(0, "bob");
  other.say(subscribe("rich:a", R"("recover":true,"offset":1)"));
  EXPECT_THAT(client.heard(),
              ElementsAre(StartsWith(R"({"push":{"id":1,"join":{"info":{"user":"bob")")));
  other.leave();
  EXPECT_THAT(client.heard(),
              ElementsAre(StartsWith(R"({"push":{"id":1,"leave":{"info":{"user":"bob")")));
  // What was missed is in the reply; what follows has the number.
  client.say(unsubscribe("rich:a"));
  const Messages back = client.say(subscribe("rich:a", wish + R"(,"offset":1)"));
  ASSERT_THAT(back, testing::SizeIs(2));
  EXPECT_THAT(back[0], AllOf(HasSubstr(R"("recovered":true)"), HasSubstr(R"("offset":2)"),
                             HasSubstr(R"("id":2)")));
  publish(3);
  EXPECT_THAT(client.heard(), ElementsAre(AllOf(StartsWith(R"({"push":{"id":2,"pub":{"data":)"),
                                                HasSubstr(R"("delta":true)"))));
  EXPECT_EQ(node_.leftovers(), "");
}

// SDKs look for the channel's name in what ends a subscription.
TEST_F(CompactionTest, TheEndOfASubscriptionIsToldByName) {
  TestClient& client = node_.connected(0, "ann");
  client.say(subscribe("short:a"));
  node_.operate([](Audience& audience) {
    return audience.unsubscribe({.user = "ann", .client = {}, .session = {}, .spared = {}},
                                "short:a", protocol::unsubscribes::kServer);
  });
  EXPECT_THAT(client.heard(), ElementsAre(HasSubstr(R"({"push":{"channel":"short:a","unsub)")));
}

// Its wishes at connect have no bits, and the SDKs no numbers for what the server subscribes.
TEST_F(CompactionTest, SubscriptionsOfTheServerHaveNone) {
  TestClient& client = node_.client();
  client.say(R"({"id":1,"connect":{"token":")" + token(R"({"sub":"ann","channels":["short:a"]})") +
             R"(","subs":{"short:a":{"flag":1}}}})");
  node_.publish("short:a", "1");
  EXPECT_THAT(client.heard(), ElementsAre(R"({"push":{"channel":"short:a","pub":{"data":1}}})"));
}

// A subscribe that fails has told nobody a number; the next one begins afresh.
TEST_F(CompactionTest, AFailedSubscribeLeavesNothing) {
  TestClient& client = node_.connected();
  client.heard();
  const std::string wish = R"("flag":3,"recover":true,"offset":7,"epoch":"old")";
  EXPECT_THAT(client.say(subscribe("rich:a", wish)), ElementsAre(HasSubstr(R"("code":112)")));
  EXPECT_EQ(node_[0].hub.channels(), 0u);
  EXPECT_THAT(client.say(subscribe("rich:a")),
              ElementsAre(HasSubstr(R"("id":1}})"), HasSubstr(R"("push":{"id":1,"join":)")));
  EXPECT_EQ(node_.leftovers(), "");
}

}  // namespace
}  // namespace gyre::client
