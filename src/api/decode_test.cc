#include "api/decode.h"

#include <gtest/gtest.h>

#include <string>

namespace gyre::api {
namespace {

template <class T>
T decoded(Method method, std::string_view body) {
  Decoded<AnyRequest> request = decode_request(method, body);
  EXPECT_TRUE(request) << body;
  return request ? std::get<T>(std::move(*request)) : T();
}

PublishRequest publish(std::string_view body) {
  return decoded<PublishRequest>(Method::publish, body);
}

bool is_refused(Method method, std::string_view body) {
  const Decoded<AnyRequest> request = decode_request(method, body);
  return !request && request.error() == Errc::malformed;
}

TEST(DecodeRequest, ReadsEveryFieldOfAPublish) {
  const PublishRequest request =
      publish(R"({"channel":"c","data":{"a": 1},"b64data":"eA==","skip_history":true,)"
              R"("tags":{"k":"v","a":"b"},"idempotency_key":"i","delta":true,)"
              R"("version":18446744073709551615,"version_epoch":"e"})");
  EXPECT_EQ(request.channel, "c");
  EXPECT_EQ(request.data.bytes, R"({"a": 1})");
  EXPECT_TRUE(request.data.is_json);
  EXPECT_EQ(request.b64data, "eA==");
  EXPECT_TRUE(request.skip_history);
  EXPECT_EQ(request.tags, (protocol::Tags{{"a", "b"}, {"k", "v"}}));
  EXPECT_EQ(request.idempotency_key, "i");
  EXPECT_TRUE(request.delta);
  EXPECT_EQ(request.version, UINT64_MAX);
  EXPECT_EQ(request.version_epoch, "e");
}

TEST(DecodeRequest, ReadsEveryFieldOfASubscribe) {
  const auto request = decoded<SubscribeRequest>(
      Method::subscribe,
      R"({"user":"u","channel":"c","info":[1],"b64info":"x","client":"cl","session":"s",)"
      R"("data":"d","b64data":"y","recover_since":{"offset":7,"epoch":"e"},"expire_at":-5,)"
      R"("override":{"presence":{"value":true},"join_leave":{"value":false},)"
      R"("force_recovery":{},"force_positioning":null},)"
      R"("all_users":true,"label_filter":{"op":"and","nodes":[{"key":"a"}]}})");
  EXPECT_EQ(request.user + request.channel + request.client + request.session, "uccls");
  EXPECT_EQ(request.info.bytes, "[1]");
  EXPECT_EQ(request.data.bytes, R"("d")");
  EXPECT_EQ(request.b64info + request.b64data, "xy");
  EXPECT_EQ(request.expire_at, -5);
  ASSERT_TRUE(request.recover_since);
  EXPECT_EQ(request.recover_since->offset, 7u);
  EXPECT_EQ(request.recover_since->epoch, "e");
  ASSERT_TRUE(request.override_options);
  EXPECT_TRUE(request.override_options->presence->value);
  EXPECT_FALSE(request.override_options->join_leave->value);
  EXPECT_FALSE(request.override_options->force_recovery->value);
  EXPECT_FALSE(request.override_options->force_positioning);
  EXPECT_FALSE(request.override_options->force_push_join_leave);
}

TEST(DecodeRequest, ReadsListsAndNestedObjects) {
  EXPECT_EQ(decoded<BroadcastRequest>(Method::broadcast, R"({"channels":["a",null,"b"]})").channels,
            (std::vector<std::string>{"a", "", "b"}));
  const auto disconnect = decoded<DisconnectRequest>(
      Method::disconnect, R"({"disconnect":{"code":4294967295,"reason":"r"},"whitelist":["w"]})");
  EXPECT_EQ(disconnect.disconnect->code, UINT32_MAX);
  EXPECT_EQ(disconnect.disconnect->reason, "r");
  EXPECT_EQ(disconnect.whitelist, std::vector<std::string>{"w"});
  const auto history = decoded<HistoryRequest>(Method::history, R"({"limit":-1,"since":{}})");
  EXPECT_EQ(history.limit, -1);
  EXPECT_TRUE(history.since);
  const auto presence =
      decoded<PresenceRequest>(Method::presence, R"({"channel":"c","limit":2,"cursor":"a"})");
  EXPECT_EQ(presence.limit, 2);
  EXPECT_EQ(presence.cursor, "a");
}

TEST(DecodeRequest, MatchesNamesWithoutRegardToCase) {
  const PublishRequest request = publish(R"({"CHANNEL":"c","B64Data":"x","skip_HISTORY":true})");
  EXPECT_EQ(request.channel, "c");
  EXPECT_EQ(request.b64data, "x");
  EXPECT_TRUE(request.skip_history);
}

TEST(DecodeRequest, TheLastOfEqualMembersCounts) {
  EXPECT_EQ(publish(R"({"channel":"a","channel":"b"})").channel, "b");
  EXPECT_EQ(publish(R"({"channel":"a","Channel":"b"})").channel, "b");
  EXPECT_EQ(publish(R"({"data":1,"data":[2]})").data.bytes, "[2]");
  EXPECT_EQ(publish(R"({"tags":{"k":"1","k":"2"}})").tags, (protocol::Tags{{"k", "2"}}));
  EXPECT_EQ(publish(R"({"tags":{"k":"1"},"tags":{"l":"2"}})").tags, (protocol::Tags{{"l", "2"}}));
  EXPECT_EQ(decoded<BroadcastRequest>(Method::broadcast, R"({"channels":["a"],"channels":["b"]})")
                .channels,
            std::vector<std::string>{"b"});
}

TEST(DecodeRequest, NullIsAnAbsentFieldExceptForRawValues) {
  const PublishRequest request =
      publish(R"({"channel":null,"data":null,"b64data":null,"skip_history":null,"tags":null,)"
              R"("version":null})");
  EXPECT_EQ(request.channel, "");
  EXPECT_EQ(request.data.bytes, "null");
  EXPECT_TRUE(request.tags.empty());
  EXPECT_FALSE(decoded<HistoryRequest>(Method::history, R"({"since":null})").since);
  EXPECT_EQ(publish("null").data.bytes, "");
}

TEST(DecodeRequest, RawValuesKeepTheirText) {
  for (std::string_view raw :
       {R"({ "a" : [ 1.50, "é" ] })", "12345678901234567890.10", "\"\"", "true", "{}", "[[[]]]"}) {
    EXPECT_EQ(publish(std::string(R"({"data": )").append(raw) + " }").data.bytes, raw);
  }
}

TEST(DecodeRequest, ResolvesEscapes) {
  EXPECT_EQ(publish(R"({"ch\u0061nnel":"\u043a\n\ud83d\ude00\ud800"})").channel,
            "к\n😀\xef\xbf\xbd");
}

TEST(DecodeRequest, PassesOverUnknownMembers) {
  EXPECT_EQ(publish(R"({"bogus":{"channel":[1,{"x":null}]},"channel":"c","":0})").channel, "c");
}

TEST(DecodeRequest, TakesWhitespaceAroundEverything) {
  EXPECT_EQ(publish(" \r\n\t{ \"channel\" : \"c\" , \"delta\" : true } \n").channel, "c");
}

TEST(DecodeRequest, RefusesWhatIsNoRequest) {
  for (std::string_view body : {"",
                                " ",
                                "{",
                                "}",
                                "[]",
                                "\"\"",
                                "5",
                                "true",
                                "nul",
                                "nulll",
                                "{} {}",
                                "{}x",
                                "{},",
                                R"({"channel":})",
                                R"({"channel"})",
                                R"({"channel":"c",})",
                                R"({channel:"c"})",
                                R"({"channel":"c)",
                                R"({"data":{"a":1})",
                                R"({"data":[1,]})",
                                R"({"data":01})",
                                R"({"data":+1})",
                                R"({"data":.5})",
                                R"({"data":nope})",
                                R"({"x":'a'})",
                                "{\"x\":\"\x01\"}",
                                "{\"channel\":\"\xff\"}",
                                R"({"channel":"\x"})",
                                "\xef\xbb\xbf{}"}) {
    EXPECT_TRUE(is_refused(Method::publish, body)) << body;
    EXPECT_TRUE(is_refused(Method::info, body) || body.contains("channel")) << body;
  }
}

TEST(DecodeRequest, TypesAreStrict) {
  for (std::string_view body :
       {R"({"channel":5})", R"({"channel":["c"]})", R"({"b64data":{}})", R"({"skip_history":1})",
        R"({"skip_history":"true"})", R"({"version":"7"})", R"({"version":-1})",
        R"({"version":1.5})", R"({"version":1e3})", R"({"version":1.0})",
        R"({"version":18446744073709551616})", R"({"tags":[]})", R"({"tags":{"k":1}})",
        R"({"delta":{}})"}) {
    EXPECT_TRUE(is_refused(Method::publish, body)) << body;
  }
  EXPECT_TRUE(is_refused(Method::history, R"({"limit":2147483648})"));
  EXPECT_TRUE(is_refused(Method::history, R"({"since":[]})"));
  EXPECT_TRUE(is_refused(Method::broadcast, R"({"channels":"c"})"));
  EXPECT_TRUE(is_refused(Method::broadcast, R"({"channels":[1]})"));
  EXPECT_TRUE(is_refused(Method::disconnect, R"({"disconnect":{"code":-1}})"));
  EXPECT_TRUE(is_refused(Method::subscribe, R"({"override":{"presence":true}})"));
  EXPECT_TRUE(is_refused(Method::subscribe, R"({"all_users":"x"})"));
  EXPECT_TRUE(is_refused(Method::subscribe, R"({"label_filter":7})"));
}

TEST(DecodeRequest, DepthIsBounded) {
  const auto nested = [](size_t depth) {
    return R"({"data":)" + std::string(depth, '[') + std::string(depth, ']') + "}";
  };
  EXPECT_EQ(publish(nested(9000)).data.bytes.size(), 18000u);
  EXPECT_TRUE(is_refused(Method::publish, nested(20000)));
  EXPECT_TRUE(is_refused(Method::publish, R"({"data":)" + std::string(1'000'000, '[')));
}

TEST(DecodeRequest, BoundsTheNumberOfElements) {
  std::string body = R"({"channels":[)";
  for (size_t i = 0; i < kElementsMax; ++i) body += "\"\",";
  const std::string fits = body.substr(0, body.size() - 1) + "]}";
  EXPECT_EQ(decoded<BroadcastRequest>(Method::broadcast, fits).channels.size(), kElementsMax);
  EXPECT_EQ(decode_request(Method::broadcast, body + "\"\"]}").error(), Errc::too_large);
}

TEST(DecodeRequest, EveryTruncationIsRefused) {
  constexpr std::string_view kBody =
      R"({"channel":"c","data":{"a":[1,"\u00e9"]},"tags":{"k":"v"},"version":12,"delta":true})";
  for (size_t size = 0; size < kBody.size(); ++size) {
    EXPECT_TRUE(is_refused(Method::publish, kBody.substr(0, size))) << size;
  }
}

BatchRequest batch(std::string_view body) {
  Decoded<BatchRequest> request = decode_batch(body);
  EXPECT_TRUE(request) << body;
  return request ? std::move(*request) : BatchRequest();
}

// The methods of the commands, and the codes of those that are errors.
std::string outline(const BatchRequest& request) {
  std::string text;
  for (const Command& command : request.commands) {
    if (!text.empty()) text += ' ';
    text +=
        command ? std::string(name_of(method_of(*command))) : std::to_string(command.error().code);
  }
  return text;
}

TEST(DecodeBatch, ReadsCommandsOfEveryMethod) {
  std::string body = R"({"parallel":true,"commands":[)";
  std::string names;
  for (size_t i = 0; i < kCommandMethods; ++i) {
    body += (i ? ",{\"" : "{\"") + std::string(kMethodNames[i]) + "\":{}}";
    names += (i ? " " : "") + std::string(kMethodNames[i]);
  }
  const BatchRequest request = batch(body + "]}");
  EXPECT_TRUE(request.parallel);
  EXPECT_EQ(outline(request), names);
}

TEST(DecodeBatch, UnknownCommandsAreNotFoundAndNullIsBad) {
  EXPECT_EQ(outline(batch(R"({"commands":[{},null,{"device_list":{}},{"foo":1},{"batch":{}}]})")),
            "104 107 104 104 104");
  EXPECT_EQ(outline(batch(R"({"commands":[{"publish":null}]})")), "104");
}

TEST(DecodeBatch, TheFirstMethodInOrderIsTaken) {
  EXPECT_EQ(
      outline(batch(R"({"Commands":[{"history":{},"PUBLISH":{}},{"publish":{},"info":{}}]})")),
      "publish publish");
  const BatchRequest twice =
      batch(R"({"commands":[{"publish":{"channel":"a"},"publish":{"channel":"b"}}]})");
  EXPECT_EQ(std::get<PublishRequest>(*twice.commands[0]).channel, "b");
  EXPECT_FALSE(decode_batch(R"({"commands":[{"publish":{},"history":{"limit":"x"}}]})"))
      << "the others must be well, too";
}

TEST(DecodeBatch, MayBeEmpty) {
  for (std::string_view body : {"{}", "null", R"({"commands":[]})", R"({"commands":null})"}) {
    EXPECT_TRUE(batch(body).commands.empty()) << body;
  }
  for (std::string_view body : {"", "[]", R"({"commands":{}})", R"({"commands":[5]})",
                                R"({"parallel":"x"})", R"({"commands":[{"publish":[]}]})"}) {
    EXPECT_FALSE(decode_batch(body)) << body;
  }
}

TEST(DecodeBatch, BoundsTheNumberOfCommands) {
  std::string body = R"({"commands":[)";
  for (size_t i = 0; i < kCommandsMax; ++i) body += "{},";
  EXPECT_EQ(decode_batch(body + "{}]}").error(), Errc::too_large);
  body.pop_back();
  EXPECT_EQ(batch(body + "]}").commands.size(), kCommandsMax);
}

// "id:method" or "id:code" of each command; "malformed" where reading ended.
std::string single(std::string_view body) {
  SingleCommandReader reader(body);
  std::string text;
  do {
    Decoded<SingleCommand> command = reader.next();
    if (!text.empty()) text += ' ';
    if (!command) return text + "malformed";
    text += std::to_string(command->id) + ":";
    text += command->command ? std::string(name_of(method_of(*command->command)))
                             : std::to_string(command->command.error().code);
  } while (!reader.at_end());
  return text;
}

TEST(SingleCommands, NameMethodsByTextOrNumber) {
  EXPECT_EQ(single(R"({"id":7,"method":"PUBLISH","params":{}})"), "7:publish");
  EXPECT_EQ(single(R"({"params":{},"method":11})"), "0:subscribe");
  EXPECT_EQ(single(R"({"params":{}})"), "0:publish");
  EXPECT_EQ(single(R"({"method":null,"params":{}})"), "0:publish");
  EXPECT_EQ(single(R"({"method":39,"params":{}})"), "0:shared_poll_publish");
  EXPECT_EQ(single(R"({"method":"map_stats","params":{}})"), "0:map_stats");
  EXPECT_EQ(single(R"({"method":14,"params":{}})"), "0:connections");
  EXPECT_EQ(single(R"({"method":15,"params":{}})"), "0:update_user_status");
  EXPECT_EQ(single(R"({"method":16,"params":{}})"), "0:get_user_status");
  EXPECT_EQ(single(R"({"method":17,"params":{}})"), "0:delete_user_status");
  EXPECT_EQ(single(R"({"method":18,"params":{}})"), "0:block_user");
}

TEST(SingleCommands, MethodsThatDoNotExistHereAreNotFound) {
  for (std::string_view method : {"13", "22", "32", "40", "99", "-1", R"("device_list")"}) {
    EXPECT_EQ(single(std::string(R"({"method":)").append(method) + R"(,"params":{}})"), "0:104");
  }
  for (std::string_view method : {R"("foo")", R"("")", R"("batch")", "1.5", "{}", "true"}) {
    EXPECT_EQ(single(std::string(R"({"method":)").append(method) + R"(,"params":{}})"),
              "malformed");
  }
}

TEST(DecodeRequest, ReadsWhatIsAskedOfConnectionsAndUsers) {
  const auto connections = decoded<ConnectionsRequest>(
      Method::connections, R"({"user":"u","expression":"e","label_filter":{"op":"and"}})");
  EXPECT_EQ(connections.user + connections.expression, "ue");
  EXPECT_TRUE(connections.label_filter);
  EXPECT_FALSE(
      decoded<ConnectionsRequest>(Method::connections, R"({"label_filter":null})").label_filter);
  EXPECT_TRUE(is_refused(Method::connections, R"({"label_filter":[]})"));
  const auto update = decoded<UpdateUserStatusRequest>(Method::update_user_status,
                                                       R"({"users":["a","b"],"state":"s"})");
  EXPECT_EQ(update.users, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(update.state, "s");
  EXPECT_EQ(decoded<GetUserStatusRequest>(Method::get_user_status, R"({"users":["a"]})").users,
            std::vector<std::string>{"a"});
  EXPECT_EQ(
      decoded<DeleteUserStatusRequest>(Method::delete_user_status, R"({"users":["a"]})").users,
      std::vector<std::string>{"a"});
  EXPECT_TRUE(is_refused(Method::get_user_status, R"({"users":"a"})"));
}

TEST(SingleCommands, OnlyInfoNeedsNoParams) {
  EXPECT_EQ(single(R"({"method":"info"})"), "0:info");
  EXPECT_EQ(single(R"({"method":"channels"})"), "0:107");
  EXPECT_EQ(single(R"({"method":"publish","params":{"channel":5}})"), "0:107");
  EXPECT_EQ(single(R"({"method":"publish","params":null})"), "0:publish");
}

TEST(SingleCommands, FollowOneAnother) {
  EXPECT_EQ(single("{\"id\":1,\"params\":{}}\n{\"id\":2,\"params\":{}}{\"id\":3,\"params\":{}} "),
            "1:publish 2:publish 3:publish");
  EXPECT_EQ(single("{\"id\":1,\"params\":{}}\n{"), "1:publish malformed");
  for (std::string_view body : {"", " ", "[{}]", "{", "5", R"({"id":-1})", R"({"id":"1"})"}) {
    EXPECT_EQ(single(body), "malformed") << body;
  }
}

}  // namespace
}  // namespace gyre::api
