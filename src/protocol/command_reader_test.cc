#include "protocol/command_reader.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "protocol/encoder.h"
#include "protocol/test_support.h"

namespace gyre::protocol {
namespace {

using Next = CommandReader::Next;

// A frame in memory of its exact size, so that the address sanitizer sees every read beyond it.
class OwnedFrame {
 public:
  OwnedFrame(Encoding encoding, std::string_view text)
      : bytes_(std::make_unique<char[]>(text.size())),
        reader_(encoding, {bytes_.get(), text.size()}) {
    std::copy(text.begin(), text.end(), bytes_.get());
  }
  CommandReader& reader() { return reader_; }

 private:
  std::unique_ptr<char[]> bytes_;
  CommandReader reader_;
};

// The kinds of the commands of a frame, and how it ended.
struct Outcome {
  std::vector<RequestKind> kinds;
  Next end;
  friend bool operator==(const Outcome&, const Outcome&) = default;
};

Outcome read(Encoding encoding, std::string_view text) {
  OwnedFrame frame(encoding, text);
  Outcome outcome{};
  Command command;
  while ((outcome.end = frame.reader().next(command)) == Next::command) {
    outcome.kinds.push_back(command.kind());
  }
  EXPECT_EQ(frame.reader().next(command), outcome.end);
  return outcome;
}

Outcome read_json(std::string_view text) {
  return read(Encoding::json, text);
}

const Outcome kMalformed{{}, Next::malformed};
Outcome one(RequestKind kind) {
  return {{kind}, Next::end};
}
const Outcome kConnect = one(RequestKind::connect);
const Outcome kEmpty = one(RequestKind::none);

Outcome read_protobuf(std::string_view hex) {
  return read(Encoding::protobuf, from_hex(hex));
}

// The only command of a JSON frame.
struct Parsed {
  explicit Parsed(std::string_view text) : frame(Encoding::json, text) {
    EXPECT_EQ(frame.reader().next(command), Next::command) << text;
  }
  template <class Request>
  const Request& as() const {
    return std::get<Request>(command.request);
  }
  OwnedFrame frame;
  Command command;
};

// ---- golden/bad_requests_json.jsonl ----

TEST(JsonCommand, FramesThatAreNotObjectsAreMalformed) {
  for (std::string_view text : {"hello", "", "\n", "[]", "1", "\"a\"", "true", "{", " ", "\r\n",
                                "{\"id\":1", "{\"id\":1,\"connect\":{}", "nul"}) {
    EXPECT_EQ(read_json(text), kMalformed) << text;
  }
}

TEST(JsonCommand, NullAndEmptyObjectAreEmptyCommands) {
  EXPECT_EQ(read_json("null"), kEmpty);
  EXPECT_EQ(read_json("{}"), kEmpty);
  EXPECT_TRUE(Parsed("{}").command.is_pong());
  EXPECT_TRUE(Parsed("null").command.is_pong());
}

TEST(JsonCommand, AnyCommandWithoutIdIsAPongUnlessItSends) {
  EXPECT_TRUE(Parsed(R"({"connect":{}})").command.is_pong());
  EXPECT_TRUE(Parsed(R"({"subscribe":{"channel":"a"}})").command.is_pong());
  EXPECT_FALSE(Parsed(R"({"send":{}})").command.is_pong());
  EXPECT_FALSE(Parsed(R"({"send":{},"subscribe":{}})").command.is_pong());
  EXPECT_FALSE(Parsed(R"({"id":2})").command.is_pong());
}

TEST(JsonCommand, IdsMustBeUnsignedNumbersOf32Bits) {
  for (std::string_view id : {"\"1\"", "1.5", "-1", "4294967296", "1e2", "1.0", "true", "[]", "{}",
                              "01", "-0", "99999999999999999999999"}) {
    EXPECT_EQ(read_json("{\"id\":" + std::string(id) + ",\"connect\":{}}"), kMalformed) << id;
  }
  EXPECT_EQ(Parsed(R"({"id":4294967295,"connect":{}})").command.id, 4294967295u);
}

TEST(JsonCommand, WhatFollowsTheFirstValueOfALineIsIgnored) {
  EXPECT_EQ(read_json(R"({"id":1,"connect":{}} x)"), kConnect);
  EXPECT_EQ(read_json(R"({"id":1,"connect":{}}{"id":2,"rpc":{}})"), kConnect);
}

TEST(JsonCommand, UnknownFieldsAreIgnoredAtEveryLevel) {
  EXPECT_EQ(read_json(R"({"id":1,"foo":{"a":[1,2]},"connect":{"bar":1}})"), kConnect);
  EXPECT_EQ(read_json(R"({"id":2,"foo":{}})"), kEmpty);
  EXPECT_EQ(read_json(R"({"id":1,"foo":{"a":[1,2},"connect":{"bar":1}})"), kMalformed);
}

TEST(JsonCommand, WrongTypesAreMalformed) {
  for (std::string_view text :
       {R"({"id":1,"connect":[]})", R"({"id":1,"connect":1})", R"({"id":1,"connect":"x"})",
        R"({"id":2,"subscribe":[]})", R"({"id":2,"subscribe":{"channel":1}})",
        R"({"id":2,"subscribe":{"channel":"q","recover":true,"offset":"1"}})",
        R"({"id":2,"subscribe":{"recover":1}})", R"({"id":2,"subscribe":{"recover":"true"}})",
        R"({"id":2,"subscribe":{"offset":18446744073709551616}})",
        R"({"id":2,"subscribe":{"offset":-1}})", R"({"id":2,"subscribe":{"type":2147483648}})",
        R"({"id":2,"subscribe":{"tf":[]}})", R"({"id":2,"subscribe":{"tf":{"nodes":{}}}})",
        R"({"id":2,"subscribe":{"tf":{"vals":[1]}}})", R"({"id":1,"connect":{"subs":[]}})",
        R"({"id":1,"connect":{"headers":{"a":1}}})",
        // The request that is not meant has to be well-formed, too.
        R"({"id":1,"connect":{},"subscribe":{"channel":1}})"}) {
    EXPECT_EQ(read_json(text), kMalformed) << text;
  }
}

TEST(JsonCommand, NullIsTheSameAsAbsent) {
  EXPECT_EQ(read_json(R"({"id":1,"connect":null})"), kEmpty);
  EXPECT_EQ(read_json(R"({"id":2,"rpc":null})"), kEmpty);
  const Parsed parsed(
      R"({"id":2,"subscribe":{"channel":"q3","token":null,"offset":null,"tf":null,"recover":null}})");
  EXPECT_EQ(parsed.as<SubscribeRequest>(), (SubscribeRequest{.channel = "q3"}));
}

TEST(JsonCommand, ALineIsACommand) {
  const Outcome both{{RequestKind::connect, RequestKind::rpc}, Next::end};
  EXPECT_EQ(read_json("{\"id\":1,\"connect\":{}}\n{\"id\":2,\"rpc\":{}}"), both);
  EXPECT_EQ(read_json("{\"id\":1,\"connect\":{}}\r\n{\"id\":2,\"rpc\":{\"method\":\"x\"}}\r\n"),
            both);
  EXPECT_EQ(read_json("{\"id\":1,\"connect\":{}}\n"), kConnect);
  EXPECT_EQ(read_json("  {\"id\":1,\"connect\":{}}"), kConnect);
}

TEST(JsonCommand, CommandsBeforeABrokenOneAreHandedOut) {
  const Outcome then_broken{{RequestKind::connect}, Next::malformed};
  EXPECT_EQ(read_json("{\"id\":1,\"connect\":{}}\n\n{\"id\":2,\"rpc\":{}}"), then_broken);
  EXPECT_EQ(read_json("{\"id\":1,\"connect\":{}}\nxx"), then_broken);
  EXPECT_EQ(read_json("{\"id\":1,\"connect\":{}}\n\n"), then_broken);
  EXPECT_EQ(read_json("{\"id\":1,\"connect\":\n{}}"), kMalformed);
}

TEST(JsonCommand, NamesMatchInAnyCase) {
  const Parsed parsed(R"({"ID":7,"Connect":{"TOKEN":"t","heAders":{"A":"b"}}})");
  EXPECT_EQ(parsed.command.id, 7u);
  EXPECT_EQ(parsed.as<ConnectRequest>().token, "t");
  EXPECT_EQ(parsed.as<ConnectRequest>().headers, (MapOf<std::string_view>{{"A", "b"}}));
}

TEST(JsonCommand, NamesMayBeEscaped) {
  EXPECT_EQ(read_json("{\"\\u0069d\":1,\"conn\\u0065ct\":{}}"), kConnect);
}

TEST(JsonCommand, TheRequestOfHighestPriorityIsMeant) {
  EXPECT_EQ(read_json(R"({"id":1,"connect":{},"subscribe":{"channel":"a"}})"), kConnect);
  EXPECT_EQ(read_json(R"({"id":1,"subscribe":{"channel":"a"},"connect":{}})"), kConnect);
  const Parsed parsed(R"({"id":2,"rpc":{"method":"a"},"subscribe":{"channel":"zz"}})");
  EXPECT_EQ(parsed.as<SubscribeRequest>().channel, "zz");
}

TEST(JsonCommand, APingInCompanyIsToldFromALonelyOne) {
  const Parsed lonely(R"({"id":2,"ping":{}})");
  EXPECT_TRUE(lonely.command.is_lonely_ping());
  const Parsed company(R"({"id":2,"rpc":{"method":"a"},"ping":{}})");
  EXPECT_EQ(company.command.kind(), RequestKind::ping);
  EXPECT_FALSE(company.command.is_lonely_ping());
}

TEST(JsonCommand, TheLastOfDuplicatesWins) {
  EXPECT_EQ(Parsed(R"({"id":1,"id":2,"connect":{}})").command.id, 2u);
  const Parsed parsed(
      R"({"id":1,"subscribe":{"channel":"a","token":"t"},"subscribe":{"channel":"b","channel":"c"}})");
  EXPECT_EQ(parsed.as<SubscribeRequest>(), (SubscribeRequest{.channel = "c"}));
  EXPECT_FALSE(parsed.command.several);
  const Parsed map(R"({"id":1,"connect":{"headers":{"a":"1","b":"2","a":"3"}}})");
  EXPECT_EQ(map.as<ConnectRequest>().headers, (MapOf<std::string_view>{{"b", "2"}, {"a", "3"}}));
}

TEST(JsonCommand, IntegersUseTheirFullRange) {
  const Parsed parsed(
      R"({"id":2,"subscribe":{"offset":18446744073709551615,"flag":-9223372036854775808,"type":-2147483648}})");
  EXPECT_EQ(parsed.as<SubscribeRequest>().offset, UINT64_MAX);
  EXPECT_EQ(parsed.as<SubscribeRequest>().flag, INT64_MIN);
  EXPECT_EQ(parsed.as<SubscribeRequest>().type, INT32_MIN);
}

// ---- golden/json_data_variants.jsonl ----

TEST(JsonCommand, PayloadsAreKeptToTheByte) {
  for (std::string_view data :
       {R"("str")", "12345678901234567890.50", "true", "[ 1 , 2 ]", R"({"a": "\u00e9é <b>&"})",
        R"("")", R"({"a":" "})", R"({"z":1,"a":2,"z":3})", "null", "{ }", R"({"a":"\ud800"})"}) {
    const Parsed parsed(R"({"id":3,"publish":{"channel":"d","data":  )" + std::string(data) +
                        "  }}");
    EXPECT_EQ(parsed.as<PublishRequest>().data.bytes, data);
  }
  EXPECT_TRUE(Parsed(R"({"id":3,"publish":{"channel":"d"}})").as<PublishRequest>().data.empty());
}

TEST(JsonCommand, BrokenPayloadsAreMalformed) {
  for (std::string_view data : {R"({"a":tru})", "[1,}", "[1}", "1.2.3", R"("\q")", "", "01",
                                "\"\xff\"", "\"\x01\"", "{\"a\":1,}"}) {
    EXPECT_EQ(read_json(R"({"id":3,"publish":{"channel":"d","data":)" + std::string(data) + "}}"),
              kMalformed)
        << data;
  }
}

TEST(JsonCommand, StringsAreDecoded) {
  const Parsed parsed(
      R"({"id":1,"subscribe":{"channel":"a\n\t\"\\\/\b\f\r\u00e9\u20ac\ud83d\ude00z","token":"\ud800","epoch":"\udc00\ud800\u0041"}})");
  EXPECT_EQ(parsed.as<SubscribeRequest>().channel,
            "a\n\t\"\\/\b\f\r\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z");
  EXPECT_EQ(parsed.as<SubscribeRequest>().token, "\xef\xbf\xbd");
  EXPECT_EQ(parsed.as<SubscribeRequest>().epoch,
            "\xef\xbf\xbd\xef\xbf\xbd"
            "A");
}

TEST(JsonCommand, StringsThatAreNotUtf8AreMalformed) {
  EXPECT_EQ(read_json("{\"id\":1,\"subscribe\":{\"channel\":\"\xff\"}}"), kMalformed);
  EXPECT_EQ(read_json("{\"id\":1,\"subscribe\":{\"channel\":\"\xc3\xa9\"}}"),
            one(RequestKind::subscribe));
}

TEST(JsonCommand, NestingIsBounded) {
  const auto filter = [](int depth) {
    std::string text = "{}";
    for (int i = 1; i < depth; ++i) text = "{\"nodes\":[" + text + "]}";
    return R"({"id":1,"subscribe":{"channel":"a","tf":)" + text + "}}";
  };
  EXPECT_EQ(read_json(filter(kFilterDepthMax)), one(RequestKind::subscribe));
  EXPECT_EQ(read_json(filter(kFilterDepthMax + 1)), kMalformed);
  EXPECT_EQ(read_json("{\"x\":" + std::string(60000, '[')), kMalformed);
  const auto wide = [](int nodes) {
    std::string text = R"({"id":1,"subscribe":{"channel":"a","tf":{"nodes":[{})";
    for (int i = 2; i < nodes; ++i) text += R"(,{"key":"k","cmp":"eq","val":"some value"})";
    return text + "]}}}";
  };
  EXPECT_EQ(read_json(wide(kFilterNodesMax)), one(RequestKind::subscribe));
  EXPECT_EQ(read_json(wide(kFilterNodesMax + 1)), kMalformed);
}

// The corpus of the fuzz targets has what is refused, for its memory is measured there.
TEST(JsonCommand, ListsOfOrdinaryElementsMayBeLong) {
  std::string subs;
  std::string values;
  for (int i = 0; i < 10'000; ++i) {
    const std::string number = std::to_string(i);
    subs += (i ? ",\"" : "\"") + number + R"(":{"recover":true,"epoch":"abcd","offset":1})";
    values += (i ? ",\"value" : "\"value") + number + '"';
  }
  EXPECT_EQ(
      Parsed(R"({"id":1,"connect":{"subs":{)" + subs + "}}}").as<ConnectRequest>().subs.size(),
      10'000u);
  EXPECT_EQ(Parsed(R"({"id":1,"subscribe":{"channel":"a","tf":{"vals":[)" + values + "]}}}")
                .as<SubscribeRequest>()
                .tf->vals.size(),
            10'000u);
}

TEST(JsonCommand, ListsOfTinyElementsAreMalformedBeforeTheyAreLarge) {
  std::string values = "\"\"";
  for (int i = 1; i < 100'000; ++i) values += ",\"\"";
  EXPECT_EQ(read_json(R"({"id":1,"subscribe":{"channel":"a","tf":{"vals":[)" + values + "]}}}"),
            kMalformed);
}

TEST(JsonCommand, ManyDuplicateKeysTakeNoQuadraticTime) {
  std::string text = R"({"id":1,"connect":{"headers":{)";
  for (int i = 0; i < 200000; ++i)
    text += R"("header-number-)" + std::to_string(i % 100000) + R"(":"value",)";
  text.back() = '}';
  text += "}}";
  EXPECT_EQ(Parsed(text).as<ConnectRequest>().headers.size(), 100000u);
}

// ---- Protobuf: golden/bad_requests_protobuf.jsonl, framing.md 8 ----

TEST(ProtobufCommand, GoldenFrames) {
  EXPECT_EQ(read_protobuf(""), kMalformed);
  EXPECT_EQ(read_protobuf("00"), kEmpty);
  EXPECT_EQ(read_protobuf("ffffff"), kMalformed);
  EXPECT_EQ(read_protobuf("100801"), kMalformed);
  EXPECT_EQ(read_protobuf("7b226964223a312c22636f6e6e656374223a7b7d7d"), kMalformed);
  EXPECT_EQ(read_protobuf("0408012200056162"), (Outcome{{RequestKind::connect}, Next::malformed}));
  EXPECT_EQ(read_protobuf("040801220000"),
            (Outcome{{RequestKind::connect, RequestKind::none}, Next::end}));
  EXPECT_EQ(read_protobuf("022200"), kConnect);
  EXPECT_EQ(read_protobuf("0808012200a2060101"), kConnect);
  EXPECT_EQ(read_protobuf("0408012200"), kConnect);
}

TEST(ProtobufCommand, DecodesTheWorkedExamples) {
  OwnedFrame frame(Encoding::protobuf, from_hex("0a08022a060a0474657374"
                                                "0f08033a0b0a04746573741203000102"));
  Command command;
  ASSERT_EQ(frame.reader().next(command), Next::command);
  EXPECT_EQ(command.id, 2u);
  EXPECT_EQ(std::get<SubscribeRequest>(command.request).channel, "test");
  ASSERT_EQ(frame.reader().next(command), Next::command);
  EXPECT_EQ(command.id, 3u);
  EXPECT_EQ(std::get<PublishRequest>(command.request).channel, "test");
  EXPECT_EQ(std::get<PublishRequest>(command.request).data.bytes, std::string_view("\0\1\2", 3));
  EXPECT_EQ(frame.reader().command_bytes(), from_hex("0f08033a0b0a04746573741203000102"));
  EXPECT_EQ(frame.reader().next(command), Next::end);
}

TEST(ProtobufCommand, RefusesBrokenFields) {
  EXPECT_EQ(read_protobuf("020a00"), kMalformed);                    // id with a length
  EXPECT_EQ(read_protobuf("022008"), kMalformed);                    // connect as a number
  EXPECT_EQ(read_protobuf("04080122ff"), kMalformed);                // length beyond the message
  EXPECT_EQ(read_protobuf("0b0801ffffffffffffffffff"), kMalformed);  // endless tag
  EXPECT_EQ(read_protobuf("020000"), kMalformed);                    // field number 0
  EXPECT_EQ(read_protobuf("0508012a030a01ff"), kMalformed);          // length of the frame
  EXPECT_EQ(read_protobuf("0708012a030a01ff"), kMalformed);          // channel that is not UTF-8
  EXPECT_EQ(read_protobuf("ffffffffffffffffff7f0801"), kMalformed);  // a length beyond all bounds
  EXPECT_EQ(read_protobuf("ffffffffffffffffffffff010801"), kMalformed);  // a length of 12 bytes
}

TEST(ProtobufCommand, LengthsBeyond32BitsAreNotCut) {
  EXPECT_EQ(read_protobuf("0608026a020a00"), one(RequestKind::rpc));
  EXPECT_EQ(read_protobuf("0b08026a070a808080802000"), kMalformed);  // the rpc's data: 2^33
  EXPECT_EQ(read_protobuf("0a08026a80808080200000"), kMalformed);    // the rpc
  EXPECT_EQ(read_protobuf("0b0802fa06808080802000"), kMalformed);    // a field that nobody knows
}

TEST(ProtobufCommand, FiltersAreBounded) {
  const auto frame = [](int depth) {
    Request request = SubscribeRequest{.channel = "a", .tf = FilterNode()};
    FilterNode* node = &*std::get<SubscribeRequest>(request).tf;
    for (int i = 1; i < depth; ++i) node = &node->nodes.emplace_back();
    std::string bytes;
    encode_command(Encoding::protobuf, 1, request, bytes);
    return bytes;
  };
  EXPECT_EQ(read(Encoding::protobuf, frame(kFilterDepthMax)), one(RequestKind::subscribe));
  EXPECT_EQ(read(Encoding::protobuf, frame(kFilterDepthMax + 1)), kMalformed);
}

// ---- both encodings ----

std::vector<Request> all_requests() {
  const FilterNode filter{
      .op = "and",
      .nodes = {{.key = "k", .cmp = "eq", .val = "v"}, {.cmp = "in", .vals = {"", "x", "y"}}}};
  const SubscribeRequest subscribe{.channel = "ch\xc3\xa9<\n",
                                   .token = "t",
                                   .recover = true,
                                   .epoch = "e",
                                   .offset = UINT64_MAX,
                                   .data = std::string_view(R"({"a": [1]})"),
                                   .positioned = true,
                                   .recoverable = true,
                                   .join_leave = true,
                                   .delta = "fossil",
                                   .tf = filter,
                                   .flag = -3,
                                   .type = 4,
                                   .phase = -2,
                                   .cursor = "c",
                                   .limit = 100,
                                   .asc = true};
  return {
      ConnectRequest{
          .token = "t",
          .data = std::string_view("{}"),
          .subs = {{"a", {.recover = true, .epoch = "e", .offset = 7, .delta = "fossil"}},
                   {"", {}}},
          .name = "n",
          .version = "v",
          .headers = {{"h", "1"}, {"i", ""}},
          .flag = 1},
      ConnectRequest{},
      PingRequest{},
      subscribe,
      SubscribeRequest{},
      UnsubscribeRequest{.channel = "u"},
      PublishRequest{
          .channel = "p", .data = std::string_view("null"), .type = 1, .key = "k", .removed = true},
      PresenceRequest{.channel = "p"},
      PresenceStatsRequest{.channel = "p"},
      HistoryRequest{.channel = "h",
                     .limit = -1,
                     .since = StreamPositionView{.offset = 5, .epoch = "e"},
                     .reverse = true},
      HistoryRequest{.channel = "h", .since = StreamPositionView()},
      RpcRequest{.data = std::string_view("1"), .method = "m"},
      SendRequest{.data = std::string_view("[]")},
      RefreshRequest{.token = "t"},
      SubRefreshRequest{
          .channel = "c",
          .token = "t",
          .type = 1,
          .track = {{.signature = "s", .items = {{"k", 7}, {"", 0}}}, {}},
          .untrack = {"x", ""},
      },
  };
}

class BothEncodings : public testing::TestWithParam<Encoding> {};
INSTANTIATE_TEST_SUITE_P(, BothEncodings, testing::Values(Encoding::json, Encoding::protobuf),
                         [](const auto& tested) {
                           return tested.param == Encoding::json ? "Json" : "Protobuf";
                         });

TEST_P(BothEncodings, EveryRequestComesBack) {
  for (const Request& request : all_requests()) {
    std::string bytes;
    encode_command(GetParam(), 77, request, bytes);
    OwnedFrame frame(GetParam(), bytes);
    Command command;
    ASSERT_EQ(frame.reader().next(command), Next::command) << bytes;
    EXPECT_EQ(command.id, 77u);
    EXPECT_EQ(command.request, request) << bytes;
    EXPECT_EQ(frame.reader().command_bytes(), bytes);
    EXPECT_EQ(frame.reader().next(command), Next::end);
  }
}

TEST_P(BothEncodings, NoPrefixOfACommandIsTakenForIt) {
  for (const Request& request : all_requests()) {
    std::string bytes;
    encode_command(GetParam(), 77, request, bytes);
    for (size_t length = 0; length < bytes.size(); ++length) {
      EXPECT_EQ(read(GetParam(), bytes.substr(0, length)), kMalformed) << length << " of " << bytes;
    }
  }
}

TEST_P(BothEncodings, NoChangedByteDoesHarm) {
  for (const Request& request : all_requests()) {
    std::string bytes;
    encode_command(GetParam(), 77, request, bytes);
    for (size_t i = 0; i < bytes.size(); ++i) {
      for (const char changed : {'\0', '\x01', '"', '\\', '{', '\x7f', '\x80', '\xff'}) {
        std::string broken = bytes;
        broken[i] = changed;
        read(GetParam(), broken);
      }
    }
  }
}

TEST_P(BothEncodings, BareMessagesAreDecoded) {
  const bool is_json = GetParam() == Encoding::json;
  const std::string text =
      is_json ? R"( {"node":"n","session":"s","data":{"a":1}} )" : from_hex("0a016e1201731a0100");
  Scratch scratch(text.size());
  EmulationRequest request;
  ASSERT_TRUE(decode_message(GetParam(), text, scratch, request));
  EXPECT_EQ(request.node, "n");
  EXPECT_EQ(request.session, "s");
  EXPECT_EQ(request.data.bytes,
            is_json ? std::string_view(R"({"a":1})") : std::string_view("\0", 1));
  ConnectRequest connect;
  EXPECT_FALSE(decode_message(GetParam(), is_json ? "{} x" : "\x0a", scratch, connect));
  EXPECT_EQ(decode_message(GetParam(), "", scratch, connect), !is_json);
}

}  // namespace
}  // namespace gyre::protocol
