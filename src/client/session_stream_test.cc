// Subscriptions whose publications a backend streams.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <proxy.pb.h>

#include "client/streams.h"
#include "client/test_support.h"
#include "grpc/test_support.h"
#include "outbound/test_support.h"
#include "proxy/proxies.h"

namespace gyre::client {
namespace {

namespace pb = centrifugal::centrifugo::proxy;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::string_view kSubscribeToStream =
    R"({"id":2,"subscribe":{"channel":"bidi:a","data":{"q": 1}}})";
constexpr std::string_view kStreamSubscribed = R"({"id":2,"subscribe":{}})";
constexpr std::string_view kStreamFailed =
    R"({"id":2,"error":{"code":100,"message":"internal server error","temporary":true}})";

std::shared_ptr<Settings> streamed_settings() {
  channel::ChannelOptions uni;
  uni.subscribe_stream_proxy = "default";
  uni.allow_user_limited_channels = true;
  uni.allow_subscribe_for_client = true;  // which is not asked for, since the backend decides
  uni.force_recovery = uni.force_positioning = true;
  uni.allows_fossil_delta = true;
  uni.history_size = 10;
  uni.history_ttl = std::chrono::seconds(600);
  channel::ChannelOptions bidi = uni;
  bidi.is_subscribe_stream_bidirectional = true;
  bidi.compacts_json = true;
  channel::ChannelOptions unbuilt = uni;
  unbuilt.subscribe_stream_proxy = "unbuilt";
  auto namespaces = channel::Namespaces::compile(
      {}, open_options(), {{"uni", uni}, {"bidi", bidi}, {"unbuilt", unbuilt}});
  auto settings = std::make_shared<Settings>();
  settings->namespaces = std::make_shared<const channel::Namespaces>(std::move(namespaces).value());
  settings->server_version = "test";
  settings->allow_anonymous_connect_without_token = true;
  settings->ping_interval = 0;
  return settings;
}

std::string begin_message(const std::string& data = "") {
  pb::StreamSubscribeResponse message;
  auto& result = *message.mutable_subscribe_response()->mutable_result();
  result.set_data(data);
  result.mutable_override()->mutable_force_positioning()->set_value(true);
  return message.SerializeAsString();
}

std::string publication_message(const std::string& data) {
  pb::StreamSubscribeResponse message;
  message.mutable_publication()->set_data(data);
  (*message.mutable_publication()->mutable_tags())["t"] = "1";
  return message.SerializeAsString();
}

struct StreamTest : testing::Test {
  StreamTest() : node(1, streamed_settings()) {
    node[0].metrics.proxies.push_back(std::make_unique<metrics::ProxyCalls>());
    proxies.emplace(node[0].shard, http, &grpc,
                    std::make_shared<const proxy::Definitions>(std::vector<proxy::Definition>{
                        {.event = proxy::Event::subscribe_stream,
                         .name = "default",
                         .http = {},
                         .grpc = proxy::GrpcOptions{.timeout = os::kSecond}}}),
                    node[0].metrics);
    node[0].services.proxies = &*proxies;
    node[0].services.streams = &streams;
    expect_stream();
  }
  void TearDown() override {
    EXPECT_EQ(node.leftovers(), "");
    EXPECT_TRUE(!is_open || peer.is_gone());
  }

  void expect_stream() { grpc.stream = peer.stream(); }
  // In a turn, and all that comes of it.
  template <class Work>
  void peer_does(Work work) {
    {
      const runtime::TurnScope scope(node[0].shard);
      work();
    }
    node.settle();
  }
  void say(const std::string& message) {
    peer_does([&] { peer.say(message); });
  }
  void end(Errc code) {
    peer_does([&] { peer.end({code, "test"}); });
  }
  metrics::ProxyCalls& calls() { return *node[0].metrics.proxies[0]; }
  std::string subscribed() {
    is_open = true;
    client.say(kSubscribeToStream);
    say(begin_message());
    const Messages heard = client.heard();
    return heard.size() == 1 ? heard[0] : "no answer";
  }

  bool is_open = false;
  outbound::ManualClient http;
  grpc::ManualPeer peer;
  grpc::ManualClient grpc;
  TestNode node;
  std::optional<proxy::Proxies> proxies;
  Streams streams{node[0].shard};
  TestClient& client = node.connected(0, "ann");
};

TEST_F(StreamTest, HandsOnWhatTheBackendSaysToThisClientAlone) {
  is_open = true;
  EXPECT_THAT(client.say(kSubscribeToStream), IsEmpty());
  EXPECT_EQ(grpc.opened().method,
            "/centrifugal.centrifugo.proxy.CentrifugoProxy/SubscribeBidirectional");
  EXPECT_FALSE(grpc.is_last());
  pb::StreamSubscribeRequest request;
  ASSERT_TRUE(request.ParseFromString(grpc.opened().message));
  EXPECT_EQ(request.subscribe_request().channel(), "bidi:a");
  EXPECT_EQ(request.subscribe_request().user(), "ann");
  EXPECT_EQ(request.subscribe_request().data(), R"({"q": 1})");
  EXPECT_EQ(calls().inflight.value(), 1);
  peer_does([&] {
    peer.say(begin_message(R"({"sd":1})"));
    peer.say(publication_message("1"));
  });
  // Without a position, whatever the namespace forces and the backend gives.
  EXPECT_THAT(client.heard(),
              ElementsAre(R"({"id":2,"subscribe":{"data":{"sd":1}}})",
                          R"({"push":{"channel":"bidi:a","pub":{"data":1,"tags":{"t":"1"}}}})"));
  EXPECT_EQ(calls().inflight.value(), 0);
  client.leave();
  EXPECT_TRUE(peer.is_cancelled());
  end(Errc::cancelled);
}

// What its beginning allows is the subscription's, but for positions, which it has none of.
TEST_F(StreamTest, AllowsWhatItsBeginningSays) {
  node.settings->has_capabilities = true;
  is_open = true;
  const auto history = R"({"id":3,"history":{"channel":"uni:a"}})";
  EXPECT_THAT(client.say(history), ElementsAre(HasSubstr(R"("code":103)")));
  client.say(R"({"id":2,"subscribe":{"channel":"uni:a","recoverable":true}})");
  pb::StreamSubscribeResponse beginning;
  beginning.mutable_subscribe_response()->mutable_result()->add_allow("hst");
  say(beginning.SerializeAsString());
  EXPECT_THAT(client.heard(), ElementsAre(kStreamSubscribed));
  EXPECT_THAT(client.say(history), ElementsAre(HasSubstr(R"({"id":3,"history":{)")));
  client.leave();
  end(Errc::cancelled);
}

TEST_F(StreamTest, HasOneMessageOnlyIfItIsUnidirectional) {
  is_open = true;
  client.say(R"({"id":2,"subscribe":{"channel":"uni:a"}})");
  EXPECT_TRUE(grpc.is_last());
  EXPECT_EQ(grpc.opened().method,
            "/centrifugal.centrifugo.proxy.CentrifugoProxy/SubscribeUnidirectional");
  pb::SubscribeRequest request;
  ASSERT_TRUE(request.ParseFromString(grpc.opened().message));
  EXPECT_EQ(request.channel(), "uni:a");
  say(begin_message());
  EXPECT_THAT(client.heard(), ElementsAre(kStreamSubscribed));
  EXPECT_THAT(client.say(R"({"id":3,"publish":{"channel":"uni:a","data":1}})"),
              ElementsAre(R"({"id":3,"error":{"code":108,"message":"not available"}})"));
  client.leave();
  end(Errc::cancelled);
}

TEST_F(StreamTest, HandsItOnUnderTheChannelsNumber) {
  is_open = true;
  client.say(R"({"id":2,"subscribe":{"channel":"bidi:a","flag":1}})");
  say(begin_message());
  EXPECT_THAT(client.heard(), ElementsAre(R"({"id":2,"subscribe":{"id":1}})"));
  say(publication_message("1"));
  EXPECT_THAT(client.heard(),
              ElementsAre(R"({"push":{"id":1,"pub":{"data":1,"tags":{"t":"1"}}}})"));
  end(Errc::closed);
  EXPECT_THAT(client.heard(), ElementsAre(HasSubstr(R"("channel":"bidi:a","unsubscribe":)")));
}

// Which would have to be made of the publication before, by each session for itself.
TEST_F(StreamTest, HasNoDeltas) {
  is_open = true;
  client.say(R"({"id":2,"subscribe":{"channel":"uni:a","delta":"fossil"}})");
  say(begin_message());
  EXPECT_THAT(client.heard(), ElementsAre(kStreamSubscribed));
  say(publication_message(R"({"p":1})"));
  EXPECT_THAT(client.heard(), ElementsAre(HasSubstr(R"("pub":{"data":{"p":1})")));
  client.leave();
  end(Errc::cancelled);
}

TEST_F(StreamTest, GetsWhatTheClientPublishes) {
  constexpr std::string_view kPublish =
      R"({"id":3,"publish":{"channel":"bidi:a","data":{"p": 1}}})";
  EXPECT_THAT(client.say(kPublish),
              ElementsAre(R"({"id":3,"error":{"code":108,"message":"not available"}})"));
  EXPECT_EQ(subscribed(), kStreamSubscribed);
  EXPECT_THAT(client.say(kPublish), ElementsAre(R"({"id":3,"publish":{}})"));
  ASSERT_EQ(peer.written.size(), 1u);
  pb::StreamSubscribeRequest request;
  ASSERT_TRUE(request.ParseFromString(peer.written[0]));
  EXPECT_FALSE(request.has_subscribe_request());
  EXPECT_EQ(request.publication().data(), R"({"p": 1})");
  peer.is_full = true;
  EXPECT_THAT(client.say(kPublish), ElementsAre(HasSubstr(R"("code":111)")));
  client.leave();
  end(Errc::cancelled);
}

TEST_F(StreamTest, EndsTheSubscriptionWithItself) {
  EXPECT_EQ(subscribed(), kStreamSubscribed);
  end(Errc::closed);
  EXPECT_THAT(
      client.heard(),
      ElementsAre(
          R"({"push":{"channel":"bidi:a","unsubscribe":{"code":2000,"reason":"server unsubscribe"}}})"));
  EXPECT_EQ(node[0].hub.channels(), 0u);
}

TEST_F(StreamTest, EndsTheSubscriptionAsLostIfItFails) {
  EXPECT_EQ(subscribed(), kStreamSubscribed);
  end(Errc::unavailable);
  EXPECT_THAT(
      client.heard(),
      ElementsAre(
          R"({"push":{"channel":"bidi:a","unsubscribe":{"code":2500,"reason":"insufficient state"}}})"));
  EXPECT_EQ(calls().errors.value(), 1u);
}

TEST_F(StreamTest, EndsTheSubscriptionAsLostAfterGarbage) {
  EXPECT_EQ(subscribed(), kStreamSubscribed);
  say("\xff");
  EXPECT_THAT(client.heard(), ElementsAre(HasSubstr(R"("code":2500)")));
  EXPECT_TRUE(peer.is_cancelled());
  end(Errc::cancelled);
}

// The reference tells of the end once more.
TEST_F(StreamTest, IsCancelledByAnUnsubscribeWithoutAPush) {
  EXPECT_EQ(subscribed(), kStreamSubscribed);
  EXPECT_THAT(client.say(R"({"id":3,"unsubscribe":{"channel":"bidi:a"}})"),
              ElementsAre(R"({"id":3,"unsubscribe":{}})"));
  EXPECT_TRUE(peer.is_cancelled());
  say(publication_message("1"));
  end(Errc::cancelled);
  EXPECT_THAT(client.heard(), IsEmpty());
}

TEST_F(StreamTest, MindsAnUnsubscribeByTheServerMeanwhile) {
  is_open = true;
  client.say(kSubscribeToStream);
  node.operate([](Audience& audience) {
    return audience.unsubscribe({.user = "ann", .client = {}, .session = {}, .spared = {}},
                                "bidi:a", protocol::unsubscribes::kServer);
  });
  say(begin_message());
  EXPECT_THAT(client.heard(), ElementsAre(kStreamSubscribed, HasSubstr(R"("code":2000)")));
  EXPECT_TRUE(peer.is_cancelled());
  end(Errc::cancelled);
}

TEST_F(StreamTest, FailsTheSubscribeWithoutItsFirstMessage) {
  is_open = true;
  client.say(kSubscribeToStream);
  say(publication_message("1"));
  EXPECT_THAT(client.heard(), ElementsAre(kStreamFailed));
  EXPECT_TRUE(peer.is_cancelled());
  end(Errc::cancelled);
  EXPECT_EQ(node[0].hub.channels(), 0u);
  EXPECT_EQ(calls().errors.value(), 1u);
}

TEST_F(StreamTest, WaitsForItsFirstMessageAsLongAsTheTimeoutSays) {
  is_open = true;
  client.say(kSubscribeToStream);
  node.pass(2 * os::kSecond);
  EXPECT_TRUE(peer.is_cancelled());
  end(Errc::cancelled);
  EXPECT_THAT(client.heard(), ElementsAre(kStreamFailed));
}

TEST_F(StreamTest, FailsTheSubscribeIfTooManyAreOpen) {
  grpc.stream.reset();
  peer.end({Errc::cancelled, "unused"});
  EXPECT_THAT(client.say(kSubscribeToStream), ElementsAre(kStreamFailed));
}

TEST_F(StreamTest, ForgetsAClientThatHasLeftMeanwhile) {
  is_open = true;
  client.say(kSubscribeToStream);
  client.leave();
  EXPECT_TRUE(peer.is_cancelled()) << "the backend may be silent for long";
  end(Errc::cancelled);
  EXPECT_EQ(node[0].hub.channels(), 0u);
}

TEST_F(StreamTest, IsNotPassedByWithAWish) {
  TestClient& other = node.client(0, "bob");
  const Messages said = other.say(R"({"id":1,"connect":{"subs":{"bidi:a":{}}}})");
  EXPECT_THAT(said, ElementsAre(testing::Not(HasSubstr("bidi:a"))));
  EXPECT_EQ(node[0].hub.channels(), 0u);
  other.leave();
  client.leave();
}

TEST_F(StreamTest, IsNotOpenedWhereOthersDecide) {
  EXPECT_THAT(client.say(R"({"id":2,"subscribe":{"channel":"bidi:x#ann"}})"),
              ElementsAre(HasSubstr(R"("subscribe":{)")));
  EXPECT_THAT(client.say(R"({"id":3,"subscribe":{"channel":"$bidi:p"}})"),
              ElementsAre(HasSubstr(R"("code":103)")));
  EXPECT_THAT(client.say(R"({"id":4,"subscribe":{"channel":"unbuilt:a"}})"),
              ElementsAre(HasSubstr(R"("code":108)")));
  EXPECT_EQ(grpc.opened().method, "");
  client.leave();
}

}  // namespace
}  // namespace gyre::client
