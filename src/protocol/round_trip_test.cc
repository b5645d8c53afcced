// Properties of the encodings over generated messages: whatever a message holds, reading what was
// written gives it back, and a JSON message is one line of valid UTF-8.

#include <gtest/gtest.h>
#include <simdjson.h>

#include <algorithm>
#include <array>
#include <deque>
#include <random>
#include <string>

#include "protocol/command_reader.h"
#include "protocol/encoder.h"
#include "protocol/json.h"

namespace gyre::protocol {
namespace {

constexpr int kRounds = 300;

struct Traits {
  bool has_broken_utf8 = false;  // in texts
  bool has_line_breaks = false;  // between the tokens of raw values
};

// Fills described structs with values that strain an encoding; each field is left alone with a
// probability of one third. Owns the texts that the structs look into.
class Generator {
 public:
  explicit Generator(uint64_t seed, Traits traits = {}) : random_(seed), traits_(traits) {}

  uint64_t number() { return random_() >> random_() % 64; }  // all magnitudes alike

  std::string text() {
    static constexpr std::array<std::string_view, 16> kGood = {"a",
                                                               "channel",
                                                               "\"",
                                                               "\\",
                                                               "\n",
                                                               "\r",
                                                               "\t",
                                                               "/",
                                                               "\x7f",
                                                               "<&>",
                                                               "'",
                                                               "\xe2\x80\xa8",
                                                               "\xe2\x80\xa9",
                                                               "\xc3\xa9",
                                                               "\xf0\x9f\x98\x80",
                                                               "\x01"};
    static constexpr std::array<std::string_view, 5> kBroken = {"\xff", "\xc3", "\xe2\x80",
                                                                "\xed\xa0\x80", "\xf4\x90\x80\x80"};
    std::string result;
    for (uint64_t i = random_() % 6; i > 0; --i) {
      result += traits_.has_broken_utf8 && random_() % 3 == 0 ? kBroken[random_() % kBroken.size()]
                                                              : kGood[random_() % kGood.size()];
      if (random_() % 16 == 0) result += '\0';
    }
    return result;
  }

  std::string raw(int depth = 0) {
    const uint64_t kind = random_() % (depth < 3 ? 7 : 5);
    // Blanks around the whole are nothing that a reader gives back.
    const auto margin = [&] { return depth > 0 || traits_.has_line_breaks ? blank() : ""; };
    std::string result = margin();
    switch (kind) {
      case 0:
        result += "null";
        break;
      case 1:
        result += random_() % 2 == 0 ? "true" : "false";
        break;
      case 2:
        result += std::to_string(static_cast<int64_t>(number()));
        break;
      case 3:
        result += "-1.5e+30";
        break;
      case 4:
        json::append_string(result, text());
        break;
      case 5:
        result += '[' + raw(depth + 1) + ',' + raw(depth + 1) + ']';
        break;
      default:
        result += '{' + blank();
        json::append_string(result, text());
        result += blank() + ':' + raw(depth + 1) + '}';
    }
    return result + margin();
  }

  template <Described T>
  T message(int depth = 0) {
    T result;
    for_each_field<T>([&](const auto& field) {
      if (random_() % 3 != 0) set(result.*field.member, depth);
    });
    return result;
  }

  ClientInfo info() {
    ClientInfo result{.user = text(), .client = text()};
    if (random_() % 2 == 0) result.conn_info = raw();
    if (random_() % 2 == 0) result.chan_info = raw();
    return result;
  }

  PublicationRef publication() {
    auto result = make_ref<Publication>(raw());
    result->offset = number();
    result->removed = random_() % 2 == 0;
    if (random_() % 2 == 0) result->info = std::make_unique<const ClientInfo>(info());
    if (random_() % 2 == 0) result->set_tags({{text() + "1", text()}, {text() + "2", text()}});
    if (random_() % 2 == 0) result->set_epoch(text());
    if (random_() % 2 == 0) result->set_key(text());
    if (random_() % 2 == 0) result->set_score(static_cast<int64_t>(number()));
    if (random_() % 2 == 0) result->set_version(number());
    return result;
  }

 private:
  std::string blank() {
    static constexpr std::string_view kBlanks = " \t\n\r";
    if (random_() % 3 != 0) return {};
    return std::string(1, kBlanks[random_() % (traits_.has_line_breaks ? 4 : 2)]);
  }
  std::string_view keep(std::string text) { return kept_.emplace_back(std::move(text)); }

  void set(bool& value, int) { value = true; }
  template <std::integral T>
  void set(T& value, int) {
    value = static_cast<T>(number());
  }
  void set(std::string_view& value, int) { value = keep(text()); }
  void set(RawView& value, int) { value = keep(raw()); }
  void set(PublicationRef& value, int) { value = publication(); }
  void set(ClientInfo& value, int) { value = info(); }
  template <Described T>
  void set(T& value, int depth) {
    value = message<T>(depth);
  }
  template <class T>
  void set(std::optional<T>& value, int depth) {
    set(value.emplace(), depth + 1);
  }
  template <class T>
  void set(std::vector<T>& list, int depth) {
    if (depth > 3) return;
    list.resize(random_() % 3);
    for (T& element : list) set(element, depth + 1);
  }
  template <class Key, class Value>
  void set(std::vector<std::pair<Key, Value>>& map, int depth) {
    map.resize(random_() % 3);
    for (size_t i = 0; i < map.size(); ++i) {
      map[i].first = keep(text() + std::to_string(i));  // unique
      set(map[i].second, depth + 1);
    }
  }

  std::mt19937_64 random_;
  const Traits traits_;
  std::deque<std::string> kept_;
};

// ---- requests: what our encoder wrote, our decoder reads ----

class EncodingRoundTrip : public testing::TestWithParam<Encoding> {};
INSTANTIATE_TEST_SUITE_P(, EncodingRoundTrip, testing::Values(Encoding::json, Encoding::protobuf),
                         [](const auto& tested) {
                           return tested.param == Encoding::json ? "Json" : "Protobuf";
                         });

void expect_back(Encoding encoding, uint32_t id, const Request& request) {
  std::string bytes;
  encode_command(encoding, id, request, bytes);
  CommandReader reader(encoding, bytes);
  Command command;
  ASSERT_EQ(reader.next(command), CommandReader::Next::command) << bytes;
  EXPECT_EQ(command.id, id);
  EXPECT_EQ(command.request, request) << bytes;
  EXPECT_EQ(reader.next(command), CommandReader::Next::end);
}

template <class... Requests>
void expect_all_back(Encoding encoding, Generator& generator,
                     std::variant<std::monostate, Requests...>*) {
  (expect_back(encoding, static_cast<uint32_t>(generator.number()), generator.message<Requests>()),
   ...);
}

TEST_P(EncodingRoundTrip, EveryRequestComesBack) {
  for (int round = 0; round < kRounds; ++round) {
    Generator generator(1000 + round);
    expect_all_back(GetParam(), generator, static_cast<Request*>(nullptr));
    if (HasFailure()) return;
  }
}

// ---- replies and pushes: JSON that another parser reads (protoc's classes read the Protobuf ones:
// protobuf_oracle_test.cc) ----

using Element = simdjson::dom::element;

void expect_same(Element json, bool value) {
  bool read = false;
  ASSERT_EQ(json.get(read), simdjson::SUCCESS);
  EXPECT_EQ(read, value);
}
template <std::integral T>
void expect_same(Element json, T value) {
  std::conditional_t<std::is_signed_v<T>, int64_t, uint64_t> read = 0;
  ASSERT_EQ(json.get(read), simdjson::SUCCESS);
  EXPECT_EQ(read, value);
}
void expect_same(Element json, std::string_view value) {
  std::string_view read;
  ASSERT_EQ(json.get(read), simdjson::SUCCESS);
  EXPECT_EQ(read, value);
}
void expect_same(Element json, const std::string& value) {
  expect_same(json, std::string_view(value));
}
void expect_same(Element json, const RawView& value) {
  simdjson::dom::parser parser;
  EXPECT_EQ(simdjson::minify(json),
            simdjson::minify(parser.parse(std::string(value.bytes)).value()));
}
void expect_same(Element json, const ClientInfo& value);
void expect_same(Element json, const PublicationRef& value);
template <Described T>
void expect_same(Element json, const T& value);
template <class T>
void expect_same(Element json, const std::vector<T>& list) {
  simdjson::dom::array read;
  ASSERT_EQ(json.get(read), simdjson::SUCCESS);
  ASSERT_EQ(read.size(), list.size());
  for (size_t i = 0; i < list.size(); ++i) expect_same(read.at(i).value(), list[i]);
}
template <class Key, class Value>
void expect_same(Element json, const std::vector<std::pair<Key, Value>>& map) {
  simdjson::dom::object read;
  ASSERT_EQ(json.get(read), simdjson::SUCCESS);
  ASSERT_EQ(read.size(), map.size());
  auto member = read.begin();
  for (const auto& [key, value] : map) {
    EXPECT_EQ(member.key(), std::string_view(key));
    expect_same(member.value(), value);
    ++member;
  }
}

// An object whose members must be all that differs from the default.
class Members {
 public:
  explicit Members(Element json) { EXPECT_EQ(json.get(object_), simdjson::SUCCESS); }
  ~Members() { EXPECT_EQ(seen_, object_.size()) << simdjson::minify(object_); }
  Members(const Members&) = delete;

  template <class T>
  void expect(std::string_view name, const T& value) {
    Element member;
    if (object_.at_key(name).get(member) != simdjson::SUCCESS) {
      EXPECT_TRUE(is_default(value)) << name;
      return;
    }
    ++seen_;
    expect_same(member, value);
  }

 private:
  template <class T>
  static bool is_default(const T& value) {
    if constexpr (requires { value.empty(); }) {
      return value.empty();
    } else {
      return value == T();
    }
  }
  simdjson::dom::object object_;
  size_t seen_ = 0;
};

template <Described T>
void expect_same(Element json, const T& value) {
  Members members(json);
  for_each_field<T>([&](const auto& field) { members.expect(field.name, value.*field.member); });
}

void expect_same(Element json, const ClientInfo& value) {
  Members members(json);
  members.expect("user", std::string_view(value.user));
  members.expect("client", std::string_view(value.client));
  members.expect("conn_info", RawView(value.conn_info));
  members.expect("chan_info", RawView(value.chan_info));
}

void expect_same(Element json, const PublicationRef& value) {
  Members members(json);
  members.expect("data", RawView(value->data));
  if (value->info) members.expect("info", *value->info);
  members.expect("offset", value->offset);
  members.expect("tags", Tags(value->tags().begin(), value->tags().end()));
  members.expect("delta", value->delta);
  members.expect("key", value->key());
  members.expect("removed", value->removed);
  members.expect("score", value->score());
  members.expect("epoch", value->epoch());
  members.expect("version", value->version());
}

// A message must be one line of valid UTF-8, and JSON.
void expect_line(std::string_view bytes) {
  EXPECT_TRUE(json::is_utf8(bytes)) << bytes;
  EXPECT_EQ(bytes.find_first_of("\r\n"), std::string_view::npos) << bytes;
  EXPECT_TRUE(json::validate(bytes)) << bytes;
}

// Calls use(bytes, name of the member that holds the message, message) for one of every message
// that goes to clients.
template <class Use>
void each_message(Generator& generator, Use use) {
  const auto reply = [&]<class Result>(std::string_view name, const Result& result) {
    std::string bytes;
    EXPECT_TRUE(encode_reply(Encoding::json, 7, result, bytes));
    use(bytes, name, result);
  };
  const auto push = [&]<class Push>(std::string_view name, const Push& message) {
    std::string bytes;
    if constexpr (requires { encode_push(Encoding::json, Envelope::reply, message, bytes); }) {
      static_cast<void>(encode_push(Encoding::json, Envelope::reply, message, bytes));
    } else {
      static_cast<void>(
          encode_push(Encoding::json, Envelope::reply, generator.text(), message, bytes));
    }
    use(bytes, name, message);
  };
  reply("connect", generator.message<ConnectResult>());
  reply("subscribe", generator.message<SubscribeResult>());
  reply("unsubscribe", generator.message<UnsubscribeResult>());
  reply("publish", generator.message<PublishResult>());
  reply("presence", PresenceResult{.presence = {{"a", generator.info()}, {"b", generator.info()}}});
  reply("presence_stats", generator.message<PresenceStatsResult>());
  reply("history", generator.message<HistoryResult>());
  reply("rpc", generator.message<RpcResult>());
  reply("refresh", generator.message<RefreshResult>());
  reply("sub_refresh", generator.message<SubRefreshResult>());
  push("unsubscribe", generator.message<UnsubscribePush>());
  push("subscribe", generator.message<SubscribePush>());
  push("message", generator.message<MessagePush>());
  push("connect", generator.message<ConnectPush>());
  push("disconnect", generator.message<DisconnectPush>());
  push("refresh", generator.message<RefreshPush>());
}

TEST(JsonRoundTrip, EveryReplyAndPushComesBack) {
  simdjson::dom::parser parser;
  for (int round = 0; round < kRounds; ++round) {
    Generator generator(2000 + round);
    each_message(generator,
                 [&]<class T>(const std::string& bytes, std::string_view name, const T& message) {
                   const Element json = parser.parse(bytes).value();
                   Element inner;
                   if (json["push"].get(inner) != simdjson::SUCCESS) inner = json;
                   expect_same(inner[name].value(), message);
                 });
    if (HasFailure()) return;
  }
}

TEST(JsonRoundTrip, EveryPublicationPushComesBack) {
  simdjson::dom::parser parser;
  for (int round = 0; round < kRounds; ++round) {
    Generator generator(3000 + round);
    const PublicationRef publication = generator.publication();
    const std::string channel = generator.text();
    std::string bytes;
    ASSERT_TRUE(encode_push(Encoding::json, Envelope::push, channel, *publication, bytes));
    const Element json = parser.parse(bytes).value();
    if (!channel.empty()) expect_same(json["channel"].value(), std::string_view(channel));
    expect_same(json["pub"].value(), publication);
    const ClientInfo info = generator.info();
    for (const bool is_join : {true, false}) {
      bytes.clear();
      ASSERT_TRUE(
          is_join ? encode_push(Encoding::json, Envelope::push, channel, JoinPush{info}, bytes)
                  : encode_push(Encoding::json, Envelope::push, channel, LeavePush{info}, bytes));
      expect_same(parser.parse(bytes)[is_join ? "join" : "leave"]["info"].value(), info);
    }
    if (HasFailure()) return;
  }
}

TEST(JsonRoundTrip, WhateverAMessageHoldsItIsOneLineOfUtf8) {
  for (int round = 0; round < kRounds; ++round) {
    Generator generator(4000 + round, {.has_broken_utf8 = true, .has_line_breaks = true});
    each_message(generator, [](const std::string& bytes, std::string_view, const auto&) {
      expect_line(bytes);
    });
    std::string bytes;
    ASSERT_TRUE(encode_push(Encoding::json, Envelope::push, generator.text(),
                            *generator.publication(), bytes));
    expect_line(bytes);
    bytes.clear();
    ASSERT_TRUE(encode_push(Encoding::json, Envelope::push, generator.text(),
                            *generator.publication(),
                            Payload{.data = generator.raw(), .delta = true}, bytes));
    expect_line(bytes);
    bytes.clear();
    encode_error(Encoding::json, 1, {.code = 1, .message = "a\xff\r\n"}, bytes);
    expect_line(bytes);
    if (HasFailure()) return;
  }
}

// What is no JSON value does not get out at all, or gets out in another form.
TEST(JsonRoundTrip, RawValuesThatAreNoJsonAreRefused) {
  for (const std::string_view raw : {"\xff", "\"\xff\"", "{", "1 2", "\"\n\"", "\"\r\""}) {
    std::string bytes;
    EXPECT_FALSE(encode_reply(Encoding::json, 1, RpcResult{.data = raw}, bytes)) << raw;
    EXPECT_FALSE(encode_push(Encoding::json, Envelope::push, MessagePush{.data = raw}, bytes));
    EXPECT_FALSE(
        encode_push(Encoding::json, Envelope::push, "c", Publication(std::string(raw)), bytes));
    const ClientInfo info{.conn_info = std::string(raw)};
    EXPECT_FALSE(encode_push(Encoding::json, Envelope::push, "c", JoinPush{info}, bytes));
    EXPECT_EQ(bytes, "");
  }
}

}  // namespace
}  // namespace gyre::protocol
