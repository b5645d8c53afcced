#include "proxy/decode.h"

#include <gtest/gtest.h>

#include <string>

namespace gyre::proxy {
namespace {

TEST(DecodeResponse, ReadsAConnectResult) {
  const auto response = decode_response<ConnectResult>(
      R"({"result": {"user": "u1", "expire_at": 1795490635, "info": {"n": 1}, "data": { "hello" : 1 },
          "channels": ["sp:auto", "b"],
          "subs": {"sp:s2": {"info": {"ci": 1}, "data": [2], "b64data": "e30=",
                             "override": {"presence": {"value": false}, "force_recovery": {"value": true}}},
                   "plain": null},
          "meta": {"m": "x"}, "caps": [{"later": true}], "labels": {"a": "b"}}})");
  ASSERT_TRUE(response) << response.error().context;
  ASSERT_TRUE(response->result);
  const ConnectResult& result = *response->result;
  EXPECT_EQ(result.user, "u1");
  EXPECT_EQ(result.expire_at, 1795490635);
  EXPECT_EQ(result.info.bytes, R"({"n": 1})");
  EXPECT_EQ(result.data.bytes, R"({ "hello" : 1 })");
  EXPECT_TRUE(result.data.is_json);
  EXPECT_EQ(result.channels, (std::vector<std::string>{"sp:auto", "b"}));
  EXPECT_EQ(result.meta.bytes, R"({"m": "x"})");
  ASSERT_EQ(result.subs.size(), 2u);
  EXPECT_EQ(result.subs[0].first, "plain");
  EXPECT_EQ(result.subs[1].first, "sp:s2");
  SubscribeOptions options = result.subs[1].second;
  EXPECT_EQ(options.data.bytes, "{}");
  const auth::SubscriptionOptions granted = options_of(options);
  EXPECT_EQ(granted.info, R"({"ci": 1})");
  EXPECT_EQ(granted.override_options.presence, std::optional(false));
  EXPECT_EQ(granted.override_options.force_recovery, std::optional(true));
  EXPECT_EQ(granted.override_options.join_leave, std::nullopt);
}

TEST(DecodeResponse, ReadsAPublishResult) {
  const auto response = decode_response<PublishResult>(
      R"({"result":{"data":{"a":1},"b64data":"bm8=","skip_history":true,"tags":{"b":"2","a":"1"},
          "idempotency_key":"k","delta":true,"version":18446744073709551615,"version_epoch":"e"}})");
  ASSERT_TRUE(response && response->result);
  const PublishResult& result = *response->result;
  EXPECT_EQ(result.data.bytes, R"({"a":1})");  // wins here, and only here
  EXPECT_TRUE(result.skip_history);
  EXPECT_EQ(result.tags, (protocol::Tags{{"a", "1"}, {"b", "2"}}));
  EXPECT_EQ(result.idempotency_key, "k");
  EXPECT_TRUE(result.delta);
  EXPECT_EQ(result.version, UINT64_MAX);
  EXPECT_EQ(result.version_epoch, "e");
}

TEST(DecodeResponse, ReadsErrorsAndDisconnects) {
  const auto response = decode_response<RpcResult>(
      R"({"error":{"code":1000,"message":"cust\u006fm","temporary":true},
          "disconnect":{"code":4501,"reason":"go away"},"result":{"data":1}})");
  ASSERT_TRUE(response);
  EXPECT_EQ(response->error, (protocol::ClientError{1000, "custom", true}));
  EXPECT_EQ(response->disconnect, (protocol::Disconnect{4501, "go away"}));
  EXPECT_TRUE(response->result);
}

TEST(DecodeResponse, TakesAnEmptyObjectForAnAnswerWithoutResult) {
  for (const char* body : {"{}", " { } ", R"({"result":null,"error":null,"disconnect":null})",
                           R"({"unknown":[{}],"result":null})"}) {
    const auto response = decode_response<RefreshResult>(body);
    ASSERT_TRUE(response) << body;
    EXPECT_FALSE(response->result || response->error || response->disconnect) << body;
  }
}

TEST(DecodeResponse, ComparesNamesWithoutRegardToCase) {
  const auto response = decode_response<RpcResult>(R"({"Result":{"B64Data":"eyJiIjoxfQ=="}})");
  ASSERT_TRUE(response && response->result);
  EXPECT_EQ(response->result->data.bytes, R"({"b":1})");
  EXPECT_FALSE(response->result->data.is_json);  // any bytes could have been there
}

TEST(DecodeResponse, KeepsANullOfTheBackendsOwn) {
  const auto response = decode_response<RpcResult>(R"({"result":{"data":null,"b64data":null}})");
  ASSERT_TRUE(response && response->result);
  EXPECT_EQ(response->result->data.bytes, "null");
}

TEST(DecodeResponse, RefusesWhatIsNoAnswer) {
  for (const char* body : {
           "",
           " ",
           "null",
           "[]",
           "1",
           "not json",
           "oops",
           "{",
           "{\"result\":{}",
           "{}{}",
           "{} x",
           R"({"result":[]})",
           R"({"result":1})",
           R"({"result":{"data":}})",
           R"({"result":{"data":{"a":01}}})",
           R"({"error":{"code":-1}})",
           R"({"error":{"code":4294967296}})",
           R"({"error":{"code":1.5}})",
           R"({"error":{"code":"1"}})",
           R"({"error":{"message":1}})",
           R"({"disconnect":"bye"})",
           R"({"result":{"b64data":1}})",
           R"({result:{}})",
           "{\"result\":{\"data\":\"\xff\"}}",
       }) {
    const auto response = decode_response<RpcResult>(body);
    ASSERT_FALSE(response) << body;
    EXPECT_EQ(response.error().code, Errc::malformed) << body;
  }
}

TEST(DecodeResponse, TellsBase64ThatIsNoneFromGarbage) {
  const auto broken = [](const auto& response) {
    return !response && response.error().code == Errc::invalid;
  };
  EXPECT_TRUE(broken(decode_response<RpcResult>(R"({"result":{"b64data":"***"}})")));
  EXPECT_TRUE(broken(decode_response<PublishResult>(R"({"result":{"b64data":"***"}})")));
  EXPECT_TRUE(broken(decode_response<RefreshResult>(R"({"result":{"b64info":"a"}})")));
  EXPECT_TRUE(broken(decode_response<SubRefreshResult>(R"({"result":{"b64info":"a"}})")));
  EXPECT_TRUE(broken(decode_response<SubscribeResult>(R"({"result":{"b64info":"a"}})")));
  EXPECT_TRUE(broken(decode_response<ConnectResult>(R"({"result":{"b64info":"a"}})")));
  EXPECT_TRUE(
      broken(decode_response<ConnectResult>(R"({"result":{"subs":{"a":{"b64data":"a"}}}})")));
}

TEST(DecodeResponse, RefusesTooManyElements) {
  const auto with_channels = [](size_t count) {
    std::string body = R"({"result":{"channels":[)";
    for (size_t i = 0; i < count; ++i) body += i == 0 ? "\"a\"" : ",\"a\"";
    return decode_response<ConnectResult>(body + "]}}");
  };
  EXPECT_TRUE(with_channels(kElementsMax));
  const auto crowded = with_channels(kElementsMax + 1);
  ASSERT_FALSE(crowded);
  EXPECT_EQ(crowded.error().code, Errc::too_large);
}

TEST(DecodeResponse, DoesNotRecurse) {
  const std::string deep = R"({"x":)" + std::string(9'000, '[') + std::string(9'000, ']') + "}";
  EXPECT_TRUE(decode_response<RpcResult>(deep));
}

// Every beginning of an answer is refused rather than misread.
TEST(DecodeResponse, RefusesEveryBeginning) {
  const std::string whole =
      R"({"result":{"user":"u","expire_at":12,"channels":["a"],"subs":{"b":{"data":[1,"x"]}},"meta":{}}})";
  ASSERT_TRUE(decode_response<ConnectResult>(whole));
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(decode_response<ConnectResult>(whole.substr(0, size))) << size;
  }
}

}  // namespace
}  // namespace gyre::proxy
