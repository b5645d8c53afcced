#include "proxy/protobuf.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <proxy.pb.h>

#include "proxy/decode.h"

namespace gyre::proxy {
namespace {

namespace pb = centrifugal::centrifugo::proxy;
using testing::ElementsAre;
using testing::Pair;

const Caller kAsker{.client = "c1",
                    .transport = "websocket",
                    .encoding = protocol::Encoding::json,
                    .user = "u1",
                    .meta = R"({"m": "x"})",
                    .headers = nullptr};
constexpr wire::Shape kMeta{.is_binary = false, .has_meta = true};
constexpr wire::Shape kBase64{.is_binary = true, .has_meta = false};

template <class Message, class Call>
Message sent(const Call& call, wire::Shape shape) {
  Message message;
  EXPECT_TRUE(message.ParseFromString(encode_protobuf(wire::make(kAsker, call, shape))));
  EXPECT_EQ(message.client(), "c1");
  EXPECT_EQ(message.transport(), "websocket");
  EXPECT_EQ(message.protocol(), "json");
  EXPECT_EQ(message.encoding(), shape.is_binary ? "binary" : "json");
  if constexpr (requires { message.meta(); }) {
    EXPECT_EQ(message.meta(), shape.has_meta ? R"({"m": "x"})" : "");
  }
  if constexpr (requires { message.user(); }) {
    EXPECT_EQ(message.user(), "u1");
  }
  return message;
}

TEST(ProtobufRequest, HasWhatTheCallHas) {
  const auto connect = sent<pb::ConnectRequest>(
      ConnectCall{.data = R"({"c": 1})", .name = "js", .version = "1.2", .channels = {"a", "b"}},
      kMeta);
  EXPECT_EQ(connect.data(), R"({"c": 1})");
  EXPECT_EQ(connect.name(), "js");
  EXPECT_EQ(connect.version(), "1.2");
  EXPECT_THAT(connect.channels(), ElementsAre("a", "b"));
  sent<pb::RefreshRequest>(RefreshCall(), kMeta);
  const auto subscribe =
      sent<pb::SubscribeRequest>(SubscribeCall{.channel = "ch", .data = "1"}, kMeta);
  EXPECT_EQ(subscribe.channel(), "ch");
  EXPECT_EQ(subscribe.data(), "1");
  const auto publish = sent<pb::PublishRequest>(PublishCall{.channel = "ch", .data = "1"}, kMeta);
  EXPECT_EQ(publish.channel(), "ch");
  EXPECT_EQ(publish.data(), "1");
  EXPECT_EQ(sent<pb::SubRefreshRequest>(SubRefreshCall{.channel = "ch"}, kMeta).channel(), "ch");
  const auto rpc = sent<pb::RPCRequest>(RpcCall{.method = "m", .data = "1"}, kMeta);
  EXPECT_EQ(rpc.method(), "m");
  EXPECT_EQ(rpc.data(), "1");
}

// In base64 only if that is wanted: bytes need no encoding here.
TEST(ProtobufRequest, CarriesAnyBytes) {
  const std::string_view bytes("\xff\0{", 3);
  EXPECT_EQ(sent<pb::RPCRequest>(RpcCall{.method = "m", .data = bytes}, {}).data(), bytes);
  const auto encoded = sent<pb::RPCRequest>(RpcCall{.method = "m", .data = bytes}, kBase64);
  EXPECT_EQ(encoded.data(), "");
  EXPECT_EQ(encoded.b64data(), "/wB7");
}

template <class Outcome, class Message>
Outcome result_of(const Message& message) {
  auto response = decode_protobuf<Outcome>(message.SerializeAsString());
  EXPECT_TRUE(response && response->result);
  return response && response->result ? std::move(*response->result) : Outcome();
}

TEST(ProtobufAnswer, OfAConnect) {
  pb::ConnectResponse message;
  auto& result = *message.mutable_result();
  result.set_user("u");
  result.set_expire_at(5);
  result.set_info("i");
  result.set_b64data("ZA==");
  result.add_channels("a");
  result.set_meta("{}");
  (*result.mutable_subs())["z"].set_info("zi");
  auto& sub = (*result.mutable_subs())["b"];
  sub.set_data("bd");
  sub.mutable_override()->mutable_presence()->set_value(true);
  sub.mutable_override()->mutable_force_recovery();
  const auto read = result_of<ConnectResult>(message);
  EXPECT_EQ(read.user, "u");
  EXPECT_EQ(read.expire_at, 5);
  EXPECT_EQ(read.info.bytes, "i");
  EXPECT_EQ(read.data.bytes, "d");
  EXPECT_EQ(read.meta.bytes, "{}");
  EXPECT_THAT(read.channels, ElementsAre("a"));
  ASSERT_EQ(read.subs.size(), 2u);
  EXPECT_EQ(read.subs[0].first, "b");
  EXPECT_EQ(read.subs[0].second.data.bytes, "bd");
  const Override& own = *read.subs[0].second.override_options;
  EXPECT_TRUE(own.presence->value);
  EXPECT_FALSE(own.force_recovery->value);
  EXPECT_FALSE(own.join_leave || own.force_positioning || own.force_push_join_leave);
  EXPECT_EQ(read.subs[1].second.info.bytes, "zi");
  EXPECT_FALSE(read.subs[1].second.override_options);
}

TEST(ProtobufAnswer, OfTheOthers) {
  pb::RefreshResponse refresh;
  refresh.mutable_result()->set_expired(true);
  refresh.mutable_result()->set_expire_at(7);
  refresh.mutable_result()->set_meta("m");
  const auto refreshed = result_of<RefreshResult>(refresh);
  EXPECT_TRUE(refreshed.expired);
  EXPECT_EQ(refreshed.expire_at, 7);
  EXPECT_EQ(refreshed.meta.bytes, "m");
  pb::SubscribeResponse subscribe;
  subscribe.mutable_result()->set_expire_at(8);
  subscribe.mutable_result()->set_b64info("aQ==");
  subscribe.mutable_result()->mutable_override()->mutable_join_leave()->set_value(true);
  const auto subscribed = result_of<SubscribeResult>(subscribe);
  EXPECT_EQ(subscribed.expire_at, 8);
  EXPECT_EQ(subscribed.info.bytes, "i");
  EXPECT_TRUE(subscribed.override_options->join_leave->value);
  pb::SubRefreshResponse sub_refresh;
  sub_refresh.mutable_result()->set_expire_at(9);
  sub_refresh.mutable_result()->set_info("i");
  EXPECT_EQ(result_of<SubRefreshResult>(sub_refresh).expire_at, 9);
  pb::RPCResponse rpc;
  rpc.mutable_result()->set_data("plain");
  rpc.mutable_result()->set_b64data("ZA==");
  EXPECT_EQ(result_of<RpcResult>(rpc).data.bytes, "d");
}

TEST(ProtobufAnswer, OfAPublish) {
  pb::PublishResponse message;
  auto& result = *message.mutable_result();
  result.set_data("{}");
  result.set_b64data("ZA==");
  result.set_skip_history(true);
  (*result.mutable_tags())["t"] = "1";
  (*result.mutable_tags())["a"] = "2";
  result.set_idempotency_key("k");
  result.set_delta(true);
  result.set_version(3);
  result.set_version_epoch("e");
  auto read = result_of<PublishResult>(message);
  EXPECT_EQ(read.data.bytes, "{}");
  EXPECT_TRUE(read.data.is_json);
  EXPECT_TRUE(read.skip_history && read.delta);
  EXPECT_THAT(read.tags, ElementsAre(Pair("a", "2"), Pair("t", "1")));
  EXPECT_EQ(read.idempotency_key, "k");
  EXPECT_EQ(read.version, 3u);
  EXPECT_EQ(read.version_epoch, "e");
  result.set_data("{");
  EXPECT_FALSE(result_of<PublishResult>(message).data.is_json);
}

TEST(ProtobufAnswer, HasErrorsAndDisconnects) {
  pb::RPCResponse message;
  message.mutable_error()->set_code(7);
  message.mutable_error()->set_message("m");
  message.mutable_error()->set_temporary(true);
  message.mutable_disconnect()->set_code(4000);
  message.mutable_disconnect()->set_reason("r");
  const auto response = decode_protobuf<RpcResult>(message.SerializeAsString());
  ASSERT_TRUE(response);
  EXPECT_EQ(response->error, (protocol::ClientError{7, "m", true}));
  EXPECT_EQ(response->disconnect, (protocol::Disconnect{4000, "r"}));
  EXPECT_FALSE(response->result);
  EXPECT_TRUE(decode_protobuf<RpcResult>(""));
}

TEST(ProtobufAnswer, IsRefusedIfItIsNone) {
  const auto refused = [](const std::string& bytes) {
    const auto response = decode_protobuf<ConnectResult>(bytes);
    return response ? Errc::internal : response.error().code;
  };
  pb::ConnectResponse message;
  message.mutable_result()->set_user("user");
  const std::string whole = message.SerializeAsString();
  for (size_t size = 1; size < whole.size(); ++size) {
    EXPECT_EQ(refused(whole.substr(0, size)), Errc::malformed) << size;
  }
  EXPECT_EQ(refused("\xff"), Errc::malformed);
  EXPECT_EQ(refused("\x0a\x03\x0a\x01\xff"), Errc::malformed);  // not UTF-8
  message.mutable_result()->set_b64info("!");
  EXPECT_EQ(refused(message.SerializeAsString()), Errc::invalid);
  pb::ConnectResponse crowded;
  for (size_t i = 0; i < kElementsMax; ++i) crowded.mutable_result()->add_channels("c");
  EXPECT_EQ(refused(crowded.SerializeAsString()), Errc::internal);  // as many as may be
  (*crowded.mutable_result()->mutable_subs())["s"];
  EXPECT_EQ(refused(crowded.SerializeAsString()), Errc::too_large);
}

constexpr AnswerRules kCapsHeeded{.has_capabilities = true};

void add_capability(google::protobuf::RepeatedPtrField<pb::ChannelsCapability>& list,
                    const std::string& match) {
  pb::ChannelsCapability& one = *list.Add();
  one.add_channels("chat:*");
  one.add_channels("news");
  one.add_allow("sub");
  one.set_match(match);
}

TEST(ProtobufCapabilities, AreReadWhereTheyAreHeeded) {
  const std::vector<auth::Capability> expected{
      {.channels = {"chat:*", "news"},
       .match = auth::Capability::Match::wildcard,
       .allow = {"sub"}},
      {.channels = {"chat:*", "news"}, .match = auth::Capability::Match::exact, .allow = {"sub"}}};
  pb::ConnectResponse connect;
  add_capability(*connect.mutable_result()->mutable_caps(), "wildcard");
  add_capability(*connect.mutable_result()->mutable_caps(), "");
  pb::RefreshResponse refresh;
  *refresh.mutable_result()->mutable_caps() = connect.result().caps();
  pb::SubscribeResponse subscribe;
  subscribe.mutable_result()->add_allow("pub");
  subscribe.mutable_result()->add_allow("hst");
  const auto connected = decode_protobuf<ConnectResult>(connect.SerializeAsString(), kCapsHeeded);
  ASSERT_TRUE(connected && connected->result);
  EXPECT_EQ(connected->result->caps.list, expected);
  const auto refreshed = decode_protobuf<RefreshResult>(refresh.SerializeAsString(), kCapsHeeded);
  ASSERT_TRUE(refreshed && refreshed->result);
  EXPECT_EQ(refreshed->result->caps.list, expected);
  const auto subscribed =
      decode_protobuf<SubscribeResult>(subscribe.SerializeAsString(), kCapsHeeded);
  ASSERT_TRUE(subscribed && subscribed->result);
  EXPECT_THAT(subscribed->result->allow.words, ElementsAre("pub", "hst"));
  pb::StreamSubscribeResponse start;
  *start.mutable_subscribe_response() = subscribe;
  const auto streamed = decode_stream_start(start.SerializeAsString(), kCapsHeeded);
  ASSERT_TRUE(streamed && streamed->result);
  EXPECT_THAT(streamed->result->allow.words, ElementsAre("pub", "hst"));
  EXPECT_TRUE(result_of<ConnectResult>(connect).caps.list.empty());
  EXPECT_TRUE(result_of<SubscribeResult>(subscribe).allow.words.empty());
}

// With the numbers of the specification (proxies.md 3), written out.
TEST(ProtobufCapabilities, HaveTheNumbersOfTheProtocol) {
  const std::string one = "\x0a\x01n\x12\x03sub\x1a\x05regex";  // 1 channels, 2 allow, 3 match
  const std::string of_connect = "\x0a\x11\x52\x0f" + one;      // result, 10 caps
  const std::string of_refresh = "\x0a\x11\x32\x0f" + one;      // result, 6 caps
  const std::vector<auth::Capability> expected{
      {.channels = {"n"}, .match = auth::Capability::Match::regex, .allow = {"sub"}}};
  const auto connect = decode_protobuf<ConnectResult>(of_connect, kCapsHeeded);
  ASSERT_TRUE(connect && connect->result);
  EXPECT_EQ(connect->result->caps.list, expected);
  const auto refresh = decode_protobuf<RefreshResult>(of_refresh, kCapsHeeded);
  ASSERT_TRUE(refresh && refresh->result);
  EXPECT_EQ(refresh->result->caps.list, expected);
  const auto subscribe = decode_protobuf<SubscribeResult>("\x0a\x05\x3a\x03pub", kCapsHeeded);
  ASSERT_TRUE(subscribe && subscribe->result);
  EXPECT_THAT(subscribe->result->allow.words, ElementsAre("pub"));
}

template <class Outcome, class Message>
void expect_message_refused(const Message& message, Errc code, std::string_view field) {
  const std::string bytes = message.SerializeAsString();
  const auto response = decode_protobuf<Outcome>(bytes, kCapsHeeded);
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, code);
  EXPECT_TRUE(response.error().context.starts_with(field)) << response.error().context;
  EXPECT_TRUE(decode_protobuf<Outcome>(bytes));
}

TEST(ProtobufCapabilities, HaveTheBoundsOfTokens) {
  using Bounds = auth::CapabilityBounds;
  pb::RefreshResponse unknown;
  add_capability(*unknown.mutable_result()->mutable_caps(), "glob");
  expect_message_refused<RefreshResult>(unknown, Errc::malformed, "caps ");
  pb::ConnectResponse entries;
  for (size_t i = 0; i < Bounds::kEntriesMax; ++i) entries.mutable_result()->add_caps();
  EXPECT_TRUE(decode_protobuf<ConnectResult>(entries.SerializeAsString(), kCapsHeeded));
  entries.mutable_result()->add_caps();
  expect_message_refused<ConnectResult>(entries, Errc::too_large, "caps ");
  pb::ConnectResponse channels;
  channels.mutable_result()->add_caps()->add_channels("a");
  pb::ChannelsCapability& second = *channels.mutable_result()->add_caps();
  for (size_t i = 1; i < Bounds::kChannelsMax; ++i) second.add_channels("b");
  EXPECT_TRUE(decode_protobuf<ConnectResult>(channels.SerializeAsString(), kCapsHeeded));
  second.add_channels("b");
  expect_message_refused<ConnectResult>(channels, Errc::too_large, "caps ");
  pb::SubscribeResponse words;
  for (size_t i = 0; i < Bounds::kWordsMax; ++i) words.mutable_result()->add_allow("sub");
  EXPECT_TRUE(decode_protobuf<SubscribeResult>(words.SerializeAsString(), kCapsHeeded));
  words.mutable_result()->add_allow("sub");
  expect_message_refused<SubscribeResult>(words, Errc::too_large, "allow ");
  pb::ConnectResponse inner;
  *inner.mutable_result()->add_caps()->mutable_allow() = words.result().allow();
  expect_message_refused<ConnectResult>(inner, Errc::too_large, "caps ");
}

}  // namespace
}  // namespace gyre::proxy
