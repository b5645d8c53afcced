#include "proxy/encode.h"

#include <gtest/gtest.h>

namespace gyre::proxy {
namespace {

const Caller kCaller{.client = "c1",
                     .transport = "websocket",
                     .encoding = protocol::Encoding::json,
                     .user = "u1",
                     .meta = R"({"m": "x"})",
                     .headers = nullptr};
constexpr wire::Shape kWithMeta{.is_binary = false, .has_meta = true};
constexpr wire::Shape kBinary{.is_binary = true, .has_meta = false};

template <class Call>
std::string json_of(const Call& call, wire::Shape shape, const Caller& caller = kCaller) {
  return encode_json(wire::make(caller, call, shape)).value_or("no JSON");
}

TEST(EncodeRequest, HasItsFieldsInTheOrderOfTheSpecification) {
  EXPECT_EQ(json_of(
                ConnectCall{
                    .data = R"({"cd":1})", .name = "js", .version = "1.2", .channels = {"a", "b"}},
                kWithMeta),
            R"({"client":"c1","transport":"websocket","protocol":"json","encoding":"json",)"
            R"("data":{"cd":1},"name":"js","version":"1.2","channels":["a","b"]})");
  EXPECT_EQ(json_of(RefreshCall(), kWithMeta),
            R"({"client":"c1","transport":"websocket","protocol":"json","encoding":"json",)"
            R"("user":"u1","meta":{"m":"x"}})");
  EXPECT_EQ(json_of(SubscribeCall{.channel = "ch", .data = "1"}, kWithMeta),
            R"({"client":"c1","transport":"websocket","protocol":"json","encoding":"json",)"
            R"("user":"u1","channel":"ch","meta":{"m":"x"},"data":1})");
  EXPECT_EQ(json_of(PublishCall{.channel = "ch", .data = "1"}, kWithMeta),
            R"({"client":"c1","transport":"websocket","protocol":"json","encoding":"json",)"
            R"("user":"u1","channel":"ch","data":1,"meta":{"m":"x"}})");
  EXPECT_EQ(json_of(SubRefreshCall{.channel = "ch"}, kWithMeta),
            R"({"client":"c1","transport":"websocket","protocol":"json","encoding":"json",)"
            R"("user":"u1","channel":"ch","meta":{"m":"x"}})");
  EXPECT_EQ(json_of(RpcCall{.method = "m", .data = "1"}, kWithMeta),
            R"({"client":"c1","transport":"websocket","protocol":"json","encoding":"json",)"
            R"("user":"u1","method":"m","data":1,"meta":{"m":"x"}})");
}

TEST(EncodeRequest, LeavesOutWhatIsEmptyButTheUser) {
  const Caller anonymous{
      .client = "c1", .transport = "sse", .encoding = {}, .user = {}, .meta = {}};
  EXPECT_EQ(json_of(RpcCall(), kWithMeta, anonymous),
            R"({"client":"c1","transport":"sse","protocol":"json","encoding":"json","user":""})");
  EXPECT_EQ(json_of(ConnectCall(), kWithMeta, anonymous),
            R"({"client":"c1","transport":"sse","protocol":"json","encoding":"json"})");
}

TEST(EncodeRequest, TellsOfMetaOnlyIfItIsIncluded) {
  EXPECT_EQ(json_of(RefreshCall(), wire::Shape()),
            R"({"client":"c1","transport":"websocket","protocol":"json","encoding":"json",)"
            R"("user":"u1"})");
}

TEST(EncodeRequest, CompactsDataAndEscapesWhatHtmlWouldRead) {
  EXPECT_EQ(
      json_of(RpcCall{.method = "<m>", .data = "{\"h\" : \"<a>&\xe2\x80\xa8\\u00e9\" }"}, {}),
      R"({"client":"c1","transport":"websocket","protocol":"json","encoding":"json",)"
      R"("user":"u1","method":"\u003cm\u003e","data":{"h":"\u003ca\u003e\u0026\u2028\u00e9"}})");
}

TEST(EncodeRequest, CarriesAnyBytesInPaddedBase64) {
  Caller caller = kCaller;
  caller.encoding = protocol::Encoding::protobuf;
  EXPECT_EQ(json_of(PublishCall{.channel = "ch", .data = "\xfb\xff\x01\x02"}, kBinary, caller),
            R"({"client":"c1","transport":"websocket","protocol":"protobuf","encoding":"binary",)"
            R"("user":"u1","channel":"ch","b64data":"+/8BAg=="})");
  EXPECT_EQ(json_of(RpcCall{.method = "m", .data = ""}, kBinary),
            R"({"client":"c1","transport":"websocket","protocol":"json","encoding":"binary",)"
            R"("user":"u1","method":"m"})");
}

TEST(EncodeRequest, FailsForDataThatIsNotJson) {
  const auto encoded = encode_json(wire::make(kCaller, RpcCall{.method = "m", .data = "\x01"}, {}));
  ASSERT_FALSE(encoded);
  EXPECT_EQ(encoded.error().code, Errc::invalid);
  EXPECT_EQ(encoded.error().context, "data is not JSON; see binary_encoding");
}

}  // namespace
}  // namespace gyre::proxy
