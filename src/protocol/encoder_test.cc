#include "protocol/encoder.h"

#include <gtest/gtest.h>

#include "protocol/json.h"
#include "protocol/test_support.h"

namespace gyre::protocol {
namespace {

template <class Result>
std::string reply(Encoding encoding, uint32_t id, const Result& result) {
  std::string out;
  EXPECT_TRUE(encode_reply(encoding, id, result, out));
  return out;
}

template <class Result>
std::string json_reply(const Result& result) {
  return reply(Encoding::json, 3, result);
}

// A push with everything that goes into it after the envelope.
template <class... What>
std::string json_push(const What&... what) {
  std::string out;
  if constexpr (std::is_void_v<decltype(encode_push(Encoding::json, Envelope::reply, what...,
                                                    out))>) {
    encode_push(Encoding::json, Envelope::reply, what..., out);
  } else {
    EXPECT_TRUE(encode_push(Encoding::json, Envelope::reply, what..., out));
  }
  return out;
}

PublicationRef publication(std::string data, uint64_t offset = 0, std::string epoch = "") {
  auto made = make_ref<Publication>(std::move(data));
  made->offset = offset;
  made->set_epoch(std::move(epoch));
  return made;
}

PublicationRef full_publication() {
  auto made = make_ref<Publication>(R"({"input": "hello"})");
  made->info = std::make_unique<const ClientInfo>(
      ClientInfo{.user = "u", .client = "c", .conn_info = R"({"n": 1})", .chan_info = "[]"});
  made->offset = UINT64_MAX;
  made->set_tags({{"t<", "v"}, {"u", ""}});
  made->set_key("k");
  made->removed = true;
  made->delta = true;
  made->set_score(-5);
  made->set_epoch("e");
  made->set_version(9);
  made->time_ms = 1700000000000;
  return made;
}
constexpr std::string_view kFullJson =
    R"({"data":{"input": "hello"},"info":{"user":"u","client":"c","conn_info":{"n": 1},"chan_info":[]},"offset":18446744073709551615,"tags":{"t\u003c":"v","u":""},"delta":true,"key":"k","removed":true,"score":-5,"epoch":"e","version":9})";

// ---- JSON ----

TEST(JsonEncoder, EmptyResultsAreObjects) {
  EXPECT_EQ(json_reply(PublishResult()), R"({"id":3,"publish":{}})");
  EXPECT_EQ(json_reply(UnsubscribeResult()), R"({"id":3,"unsubscribe":{}})");
  EXPECT_EQ(json_reply(SubscribeResult()), R"({"id":3,"subscribe":{}})");
  EXPECT_EQ(json_reply(RpcResult()), R"({"id":3,"rpc":{}})");
  EXPECT_EQ(json_reply(RefreshResult()), R"({"id":3,"refresh":{}})");
  EXPECT_EQ(json_reply(SubRefreshResult()), R"({"id":3,"sub_refresh":{}})");
}

TEST(JsonEncoder, SomeFieldsAreAlwaysThere) {
  EXPECT_EQ(json_reply(ConnectResult()), R"({"id":3,"connect":{"client":""}})");
  EXPECT_EQ(json_reply(PresenceResult()), R"({"id":3,"presence":{"presence":{}}})");
  EXPECT_EQ(json_reply(PresenceStatsResult()),
            R"({"id":3,"presence_stats":{"num_clients":0,"num_users":0}})");
  EXPECT_EQ(json_reply(HistoryResult()),
            R"({"id":3,"history":{"publications":[],"epoch":"","offset":0}})");
  EXPECT_EQ(json_push("ch", JoinPush{ClientInfo()}),
            R"({"push":{"channel":"ch","join":{"info":{"user":"","client":""}}}})");
}

TEST(JsonEncoder, ResultsFollowTheOrderOfTheTables) {
  const SubscribeResult subscribe{.expires = true,
                                  .ttl = 5,
                                  .recoverable = true,
                                  .epoch = "e",
                                  .publications = {publication("1", 1, "e"), publication("2", 2)},
                                  .recovered = true,
                                  .offset = 2,
                                  .positioned = true,
                                  .data = std::string_view("{ }"),
                                  .was_recovering = true,
                                  .delta = true,
                                  .id = -1,
                                  .type = 1,
                                  .phase = 2,
                                  .cursor = "c",
                                  .state = {publication("[]")},
                                  .publish_debounce = 7};
  const std::string subscribed =
      R"({"expires":true,"ttl":5,"recoverable":true,"epoch":"e","publications":[{"data":1,"offset":1,"epoch":"e"},{"data":2,"offset":2}],"recovered":true,"offset":2,"positioned":true,"data":{ },"was_recovering":true,"delta":true,"id":-1,"type":1,"phase":2,"cursor":"c","state":[{"data":[]}],"publish_debounce":7})";
  EXPECT_EQ(json_reply(subscribe), R"({"id":3,"subscribe":)" + subscribed + "}");
  const ConnectResult connect{.client = "c",
                              .version = "v",
                              .expires = true,
                              .ttl = 600,
                              .data = std::string_view("1"),
                              .subs = {{"a\"", subscribe}, {"b", {}}},
                              .ping = 25,
                              .pong = true,
                              .session = "s",
                              .node = "n",
                              .time = 12};
  EXPECT_EQ(
      json_reply(connect),
      R"({"id":3,"connect":{"client":"c","version":"v","expires":true,"ttl":600,"data":1,"subs":{"a\"":)" +
          subscribed + R"(,"b":{}},"ping":25,"pong":true,"session":"s","node":"n","time":12}})");
}

TEST(JsonEncoder, PresenceIsKeyedByClient) {
  const PresenceResult result{
      .presence = {{"c1", {.user = "u", .client = "c1"}},
                   {"c2", {.user = "", .client = "c2", .conn_info = "{\n}"}}}};
  EXPECT_EQ(
      json_reply(result),
      R"({"id":3,"presence":{"presence":{"c1":{"user":"u","client":"c1"},"c2":{"user":"","client":"c2","conn_info":{}}}}})");
}

TEST(JsonEncoder, ErrorsSayTemporaryOnlyWhenTheyAre) {
  std::string out;
  encode_error(Encoding::json, 2, errors::kPermissionDenied, out);
  EXPECT_EQ(out, R"({"id":2,"error":{"code":103,"message":"permission denied"}})");
  out.clear();
  encode_error(Encoding::json, 2, errors::kInternal, out);
  EXPECT_EQ(out,
            R"({"id":2,"error":{"code":100,"message":"internal server error","temporary":true}})");
}

TEST(JsonEncoder, PushesPublications) {
  EXPECT_EQ(json_push("news", *publication("{\"i\":1}", 1, "aMjJlJzb")),
            R"({"push":{"channel":"news","pub":{"data":{"i":1},"offset":1,"epoch":"aMjJlJzb"}}})");
  EXPECT_EQ(json_push("a<b", *full_publication()),
            R"({"push":{"channel":"a\u003cb","pub":)" + std::string(kFullJson) + "}}");
  EXPECT_EQ(json_push("c", *publication("")), R"({"push":{"channel":"c","pub":{}}})");
  EXPECT_EQ(json_push("c", *publication("{\n\"a\":\n1}")),
            R"({"push":{"channel":"c","pub":{"data":{"a":1}}}})");
  std::string bare;
  ASSERT_TRUE(encode_push(Encoding::json, Envelope::push, "c", *publication("1"), bare));
  EXPECT_EQ(bare, R"({"channel":"c","pub":{"data":1}})");
}

TEST(JsonEncoder, PushesToAWildcardNameTheChannel) {
  EXPECT_EQ(json_push("a.>", "a.\"b", *publication("1", 7)),
            R"({"push":{"channel":"a.\u003e","pub":{"data":1,"offset":7,"channel":"a.\"b"}}})");
  const std::string full = json_push("a.*", "a.b", *full_publication());
  EXPECT_NE(full.find(R"("delta":true,"channel":"a.b","key":"k")"), std::string::npos) << full;
  std::string out;
  EXPECT_FALSE(encode_push(Encoding::json, Envelope::reply, "a.*", "a.b", *publication("x"), out));
  EXPECT_EQ(out, "");
}

TEST(JsonEncoder, ANumberReplacesTheChannelsName) {
  const PushChannel channel("news", 7);
  EXPECT_EQ(json_push(channel, *publication("1", 2)),
            R"({"push":{"id":7,"pub":{"data":1,"offset":2}}})");
  EXPECT_EQ(json_push(channel, *publication("1", 2), Payload{.data = R"("1")", .delta = true}),
            R"({"push":{"id":7,"pub":{"data":"1","offset":2,"delta":true}}})");
  const ClientInfo info{.user = "u1", .client = "c"};
  EXPECT_EQ(json_push(channel, JoinPush{info}),
            R"({"push":{"id":7,"join":{"info":{"user":"u1","client":"c"}}}})");
  EXPECT_EQ(json_push(PushChannel("news", INT64_MAX), LeavePush{info}),
            R"({"push":{"id":9223372036854775807,"leave":{"info":{"user":"u1","client":"c"}}}})");
  EXPECT_EQ(json_push(PushChannel("news", 0), *publication("1")),
            R"({"push":{"channel":"news","pub":{"data":1}}})");
}

TEST(JsonEncoder, AnotherPayloadReplacesDataAndEpoch) {
  EXPECT_EQ(json_push("dj", *publication("1", 1, "e"), Payload{.data = R"("1")"}),
            R"({"push":{"channel":"dj","pub":{"data":"1","offset":1}}})");
  EXPECT_EQ(json_push("dj", *publication("1", 3), Payload{.data = R"("2r\n1O@")", .delta = true}),
            R"({"push":{"channel":"dj","pub":{"data":"2r\n1O@","offset":3,"delta":true}}})");
}

TEST(JsonEncoder, PushesTheRest) {
  const ClientInfo info{.user = "u1", .client = "c"};
  EXPECT_EQ(json_push("jl", LeavePush{info}),
            R"({"push":{"channel":"jl","leave":{"info":{"user":"u1","client":"c"}}}})");
  EXPECT_EQ(
      json_push("c", UnsubscribePush{.code = 2000, .reason = "server unsubscribe"}),
      R"({"push":{"channel":"c","unsubscribe":{"code":2000,"reason":"server unsubscribe"}}})");
  EXPECT_EQ(
      json_push("c", SubscribePush{.recoverable = true,
                                   .epoch = "e",
                                   .offset = 1,
                                   .positioned = true,
                                   .data = std::string_view("{}")}),
      R"({"push":{"channel":"c","subscribe":{"recoverable":true,"epoch":"e","offset":1,"positioned":true,"data":{}}}})");
  EXPECT_EQ(json_push(MessagePush{.data = std::string_view("[1]")}),
            R"({"push":{"message":{"data":[1]}}})");
  EXPECT_EQ(json_push(ConnectPush{.client = "c", .ping = 25}),
            R"({"push":{"connect":{"client":"c","ping":25}}})");
  EXPECT_EQ(json_push(DisconnectPush{.code = 3005, .reason = "connection expired"}),
            R"({"push":{"disconnect":{"code":3005,"reason":"connection expired"}}})");
  EXPECT_EQ(json_push(RefreshPush{.expires = true, .ttl = 10}),
            R"({"push":{"refresh":{"expires":true,"ttl":10}}})");
  EXPECT_EQ(json_push(RefreshPush()), R"({"push":{"refresh":{}}})");
}

TEST(JsonEncoder, RefusesRawValuesThatAreNotJson) {
  std::string out = "before";
  const auto refused = [&](bool answer) { return !answer && out == "before"; };
  const auto binary = publication(std::string("\0\1", 2));
  const auto json = Encoding::json;
  EXPECT_TRUE(refused(encode_push(json, Envelope::reply, "c", *binary, out)));
  EXPECT_TRUE(refused(encode_reply(json, 1, HistoryResult{.publications = {binary}}, out)));
  EXPECT_TRUE(refused(encode_reply(json, 1, RpcResult{.data = std::string_view("x")}, out)));
  const ClientInfo info{.conn_info = "{}\n{}"};
  EXPECT_TRUE(refused(encode_push(json, Envelope::reply, "c", JoinPush{info}, out)));
  EXPECT_TRUE(refused(encode_reply(json, 1, PresenceResult{.presence = {{"c", info}}}, out)));
  auto with_info = make_ref<Publication>("1");
  with_info->info = std::make_unique<const ClientInfo>(info);
  EXPECT_TRUE(refused(encode_push(json, Envelope::reply, "c", *with_info, out)));
  EXPECT_TRUE(refused(encode_push(json, Envelope::reply, "c", *with_info, Payload{"1"}, out)));
  EXPECT_TRUE(encode_push(Encoding::protobuf, Envelope::reply, "c", *binary, out));
}

TEST(JsonEncoder, EncodesToValidJson) {
  std::string channel;
  for (int byte = 0; byte < 256; ++byte) channel += static_cast<char>(byte);
  EXPECT_TRUE(json::validate(json_push(channel, *full_publication())));
}

TEST(JsonEncoder, PingIsAnEmptyObject) {
  std::string out;
  encode_ping(Encoding::json, out);
  EXPECT_EQ(out, "{}");
}

// ---- Protobuf: framing.md 8 ----

TEST(ProtobufEncoder, WritesTheWorkedExamples) {
  const auto protobuf = Encoding::protobuf;
  std::string out;
  encode_ping(protobuf, out);
  EXPECT_EQ(out, std::string(1, '\0'));
  EXPECT_EQ(reply(protobuf, 2, SubscribeResult()), from_hex("0408023200"));
  out.clear();
  EXPECT_TRUE(
      encode_push(protobuf, Envelope::reply, "test", *publication(R"({"input": "hello"})"), out));
  EXPECT_EQ(out, from_hex("1e221c120474657374221422127b22696e707574223a202268656c6c6f227d"));
  out.clear();
  encode_error(protobuf, 2, errors::kPermissionDenied, out);
  EXPECT_EQ(out, from_hex("1908021215086712117065726d697373696f6e2064656e696564"));
  out.clear();
  encode_push(protobuf, Envelope::reply, "jl2",
              UnsubscribePush{.code = 2000, .reason = "server unsubscribe"}, out);
  EXPECT_EQ(out, from_hex("20221e12036a6c323a1710d00f1a1273657276657220756e737562736372696265"));
  out.clear();
  encode_push(protobuf, Envelope::reply, RefreshPush(), out);
  EXPECT_EQ(out, from_hex("0422026200"));
}

TEST(ProtobufEncoder, PushesToAWildcardNameTheChannel) {
  std::string out;
  EXPECT_TRUE(
      encode_push(Encoding::protobuf, Envelope::reply, "n.*", "n.a", *publication("1"), out));
  EXPECT_EQ(out, from_hex("11220f12036e2e2a220822013152036e2e61"));
}

TEST(ProtobufEncoder, ANumberReplacesTheChannelsName) {
  const auto protobuf = Encoding::protobuf;
  const PushChannel channel("a name that is not sent", 300);
  std::string out;
  EXPECT_TRUE(encode_push(protobuf, Envelope::reply, channel, *publication("1"), out));
  EXPECT_EQ(out, from_hex("0a220808ac022203220131"));
  out.clear();
  EXPECT_TRUE(encode_push(protobuf, Envelope::push, channel, *publication("", 1),
                          Payload{.data = "2", .delta = true}, out));
  EXPECT_EQ(out, from_hex("0c08ac02220722013230014001"));
  out.clear();
  const ClientInfo info{.user = "u", .client = "c"};
  EXPECT_TRUE(encode_push(protobuf, Envelope::reply, PushChannel("", 1), JoinPush{info}, out));
  EXPECT_EQ(out, from_hex("0e220c08012a080a060a0175120163"));
}

}  // namespace
}  // namespace gyre::protocol
