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
          "meta": {"m": "x"}, "caps": [{"match": "later"}], "labels": {"a": "b"}}})");
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
  EXPECT_TRUE(result.caps.list.empty());
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

constexpr AnswerRules kHeeded{.has_capabilities = true};

using Match = auth::Capability::Match;

TEST(DecodeCapabilities, ReadsThoseOfAConnectAndARefresh) {
  const std::string body =
      R"({"result": {"caps": [
          {"channels": ["news", "a\u0062"], "allow": ["sub", "later"], "unknown": [1]},
          {"Match": "wildcard", "CHANNELS": ["chat:*"], "allow": null},
          {"match": "regex", "channels": ["^x$"]}, {"match": null}, {"match": "exact"}, {"match": ""}, {}]}})";
  const std::vector<auth::Capability> expected{
      {.channels = {"news", "ab"}, .match = Match::exact, .allow = {"sub", "later"}},
      {.channels = {"chat:*"}, .match = Match::wildcard, .allow = {}},
      {.channels = {"^x$"}, .match = Match::regex, .allow = {}},
      {},
      {},
      {},
      {}};
  const auto connect = decode_response<ConnectResult>(body, kHeeded);
  ASSERT_TRUE(connect && connect->result);
  EXPECT_EQ(connect->result->caps.list, expected);
  const auto refresh = decode_response<RefreshResult>(body, kHeeded);
  ASSERT_TRUE(refresh && refresh->result);
  EXPECT_EQ(refresh->result->caps.list, expected);
}

TEST(DecodeCapabilities, ReadsWhatASubscribeAllows) {
  const auto response =
      decode_response<SubscribeResult>(R"({"result":{"allow":["pub","hst"]}})", kHeeded);
  ASSERT_TRUE(response && response->result);
  EXPECT_EQ(response->result->allow.words, (std::vector<std::string>{"pub", "hst"}));
}

TEST(DecodeCapabilities, TakesNullAndNothingForNone) {
  for (const char* body : {R"({"result":{}})", R"({"result":{"caps":null,"allow":null}})",
                           R"({"result":{"caps":[],"allow":[]}})"}) {
    const auto connect = decode_response<ConnectResult>(body, kHeeded);
    ASSERT_TRUE(connect && connect->result) << body;
    EXPECT_TRUE(connect->result->caps.list.empty()) << body;
    const auto subscribe = decode_response<SubscribeResult>(body, kHeeded);
    ASSERT_TRUE(subscribe && subscribe->result) << body;
    EXPECT_TRUE(subscribe->result->allow.words.empty()) << body;
  }
}

// Of two with one name the last counts, as with other fields, and is counted alone.
TEST(DecodeCapabilities, TakesTheLastOfTwo) {
  const auto response = decode_response<ConnectResult>(
      R"({"result":{"caps":[{"channels":["a"],"allow":["sub"]}],"Caps":[{"channels":["b"]}]}})",
      kHeeded);
  ASSERT_TRUE(response && response->result);
  EXPECT_EQ(response->result->caps.list, (std::vector<auth::Capability>{{.channels = {"b"}}}));
}

// Whether the answer is refused, and says of which field; where they are not heeded it is not.
template <class Outcome>
void expect_refused(const std::string& body, Errc code, std::string_view field) {
  const auto response = decode_response<Outcome>(body, kHeeded);
  ASSERT_FALSE(response) << body;
  EXPECT_EQ(response.error().code, code) << body;
  EXPECT_TRUE(response.error().context.starts_with(field)) << response.error().context;
  EXPECT_TRUE(decode_response<Outcome>(body)) << body;
}

TEST(DecodeCapabilities, RefusesAnotherShape) {
  for (const char* caps :
       {"5", "{}", "\"sub\"", "true", "[null]", "[5]", "[[]]", R"([{"channels":"a"}])",
        R"([{"channels":[1]}])", R"([{"channels":[null]}])", R"([{"allow":"sub"}])",
        R"([{"allow":[null]}])", R"([{"allow":[{}]}])", R"([{"match":1}])", R"([{"match":"glob"}])",
        R"([{"channels":["a"],"allow":["sub"]},{"match":"Exact"}])"}) {
    const std::string body = R"({"result":{"caps":)" + std::string(caps) + "}}";
    expect_refused<ConnectResult>(body, Errc::malformed, "caps ");
    expect_refused<RefreshResult>(body, Errc::malformed, "caps ");
  }
  for (const char* allow : {"5", "{}", "\"sub\"", "[null]", "[1]", R"(["sub",["pub"]])"}) {
    expect_refused<SubscribeResult>(R"({"result":{"allow":)" + std::string(allow) + "}}",
                                    Errc::malformed, "allow ");
  }
}

// `count` of them with commas between.
std::string repeated(std::string_view text, size_t count) {
  std::string list;
  for (size_t i = 0; i < count; ++i) list.append(i == 0 ? "" : ",").append(text);
  return list;
}

TEST(DecodeCapabilities, HasTheBoundsOfTokens) {
  using Bounds = auth::CapabilityBounds;
  const auto entries = [](size_t count) {
    return R"({"result":{"caps":[)" + repeated("{}", count) + "]}}";
  };
  const auto channels = [](size_t count) {
    return R"({"result":{"caps":[{"channels":["a"]},{"channels":[)" + repeated("\"b\"", count - 1) +
           "]}]}}";
  };
  const auto words = [](size_t count) {
    return R"({"result":{"caps":[{"allow":[)" + repeated("\"sub\"", count) + "]}]}}";
  };
  const auto allow = [](size_t count) {
    return R"({"result":{"allow":[)" + repeated("\"sub\"", count) + "]}}";
  };
  EXPECT_TRUE(decode_response<ConnectResult>(entries(Bounds::kEntriesMax), kHeeded));
  EXPECT_TRUE(decode_response<ConnectResult>(channels(Bounds::kChannelsMax), kHeeded));
  EXPECT_TRUE(decode_response<ConnectResult>(words(Bounds::kWordsMax), kHeeded));
  EXPECT_TRUE(decode_response<SubscribeResult>(allow(Bounds::kWordsMax), kHeeded));
  expect_refused<ConnectResult>(entries(Bounds::kEntriesMax + 1), Errc::too_large, "caps ");
  expect_refused<RefreshResult>(channels(Bounds::kChannelsMax + 1), Errc::too_large, "caps ");
  expect_refused<ConnectResult>(words(Bounds::kWordsMax + 1), Errc::too_large, "caps ");
  expect_refused<SubscribeResult>(allow(Bounds::kWordsMax + 1), Errc::too_large, "allow ");
}

// Where they have no meaning they are skipped, but must be JSON.
TEST(DecodeCapabilities, AreNotHeededElsewhere) {
  EXPECT_TRUE(decode_response<SubscribeResult>(R"({"result":{"caps":5}})", kHeeded));
  EXPECT_TRUE(decode_response<ConnectResult>(R"({"result":{"allow":5}})", kHeeded));
  EXPECT_TRUE(decode_response<SubRefreshResult>(R"({"result":{"allow":5,"caps":5}})", kHeeded));
  EXPECT_FALSE(decode_response<ConnectResult>(R"({"result":{"caps":[01]}})"));
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
