#include "config/load.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "config/availability.h"
#include "config/printed.h"
#include "config/proxies.h"

namespace gyre::config {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Loaded from(std::string_view text, std::string_view format = "json", Environment environment = {},
            Flags flags = {}) {
  LoadOptions options;
  options.path = "config." + std::string(format);
  options.environment = std::move(environment);
  options.flags = std::move(flags);
  return load_text(text, format, options);
}

std::string first_error(const Loaded& loaded) {
  return loaded.errors.empty() ? "" : loaded.errors.front().text();
}

TEST(Load, AnEmptyConfigurationHasTheDefaults) {
  Loaded loaded = from("{}");
  EXPECT_THAT(loaded.errors, IsEmpty());
  EXPECT_EQ(loaded.tree.integer("http_server.port"), 8000);
  EXPECT_EQ(loaded.tree.duration("client.ping_interval"), 25s);
  EXPECT_EQ(loaded.tree.text("channel.private_prefix"), "$");
  EXPECT_EQ(loaded.tree.integer("gyre.shards"), 0);
  EXPECT_EQ(loaded.tree.text("gyre.unavailable"), "refuse");
  EXPECT_THAT(loaded.tree.texts("engine.redis.address"), ElementsAre("redis://127.0.0.1:6379"));
  EXPECT_THAT(loaded.tree.texts("client.allowed_origins"), IsEmpty());
}

TEST(Load, SaysTheSameInThreeFormats) {
  Loaded json = from(R"({"http_server":{"port":9001},"client":{"allowed_origins":["a","b"]},
    "channel":{"namespaces":[{"name":"news","history_size":10,"history_ttl":"60s"}]}})");
  Loaded yaml = from(
      "http_server:\n  port: 9001\nclient:\n  allowed_origins: [a, b]\nchannel:\n  namespaces:\n"
      "    - name: news\n      history_size: 10\n      history_ttl: 60s\n",
      "yaml");
  Loaded toml = from(
      "[http_server]\nport = 9001\n[client]\nallowed_origins = [\"a\", "
      "\"b\"]\n[[channel.namespaces]]\n"
      "name = \"news\"\nhistory_size = 10\nhistory_ttl = \"60s\"\n",
      "toml");
  for (const Loaded* loaded : {&json, &yaml, &toml}) {
    EXPECT_EQ(first_error(*loaded), "");
    EXPECT_EQ(write_json(to_document(loaded->tree)), write_json(to_document(json.tree)));
    EXPECT_EQ(loaded->tree.integer("http_server.port"), 9001);
    ASSERT_EQ(loaded->tree.list("channel.namespaces").size(), 1U);
    EXPECT_EQ(loaded->tree.list("channel.namespaces")[0].duration("history_ttl"), 60s);
    EXPECT_EQ(loaded->tree.list("channel.namespaces")[0].text("subscribe_proxy_name"), "default");
  }
  EXPECT_EQ(json.tree.origin("http_server.port").text(), "config.json:1:24");
  EXPECT_EQ(yaml.tree.origin("http_server.port").text(), "config.yaml:2:9");
  EXPECT_EQ(toml.tree.origin("http_server.port").text(), "config.toml:2:8");
}

TEST(Load, NamesOfKeysAreCaseInsensitiveAndMayBeDotted) {
  Loaded loaded =
      from(R"({"Channel":{"Without_Namespace":{"PRESENCE":true}},"HTTP_server.Port":9001,
    "channel.NAMESPACES":[{"Name":"news","Presence":true}]})");
  EXPECT_THAT(loaded.unknown_keys, IsEmpty());
  EXPECT_TRUE(loaded.tree.boolean("channel.without_namespace.presence"));
  EXPECT_EQ(loaded.tree.integer("http_server.port"), 9001);
  EXPECT_TRUE(loaded.tree.list("channel.namespaces")[0].boolean("presence"));
}

TEST(Load, ValuesAreConvertedWeakly) {
  Loaded loaded =
      from(R"({"http_server":{"port":"9001","internal_port":9000},"client":{"insecure":"true",
    "channel_limit":true,"allowed_origins":"http://a,http://b","ping_interval":30000000000},
    "health":{"enabled":1},"admin":{"enabled":"f"}})");
  EXPECT_EQ(first_error(loaded), "");
  EXPECT_EQ(loaded.tree.integer("http_server.port"), 9001);
  EXPECT_EQ(loaded.tree.text("http_server.internal_port"), "9000");
  EXPECT_TRUE(loaded.tree.boolean("client.insecure"));
  EXPECT_EQ(loaded.tree.integer("client.channel_limit"), 1);
  EXPECT_THAT(loaded.tree.texts("client.allowed_origins"), ElementsAre("http://a,http://b"));
  EXPECT_EQ(loaded.tree.duration("client.ping_interval"), 30s);
  EXPECT_TRUE(loaded.tree.boolean("health.enabled"));
}

TEST(Load, AZeroOfAKeyOfOursIsMeant) {
  for (const char* text : {R"({"gyre":{"ring_sends":false,"shutdown_rate":0}})",
                           "gyre:\n  ring_sends: false\n  shutdown_rate: 0\n"}) {
    const Loaded loaded = from(text, text[0] == '{' ? "json" : "yaml");
    EXPECT_EQ(first_error(loaded), "");
    EXPECT_FALSE(loaded.tree.boolean("gyre.ring_sends"));
    EXPECT_EQ(loaded.tree.integer("gyre.shutdown_rate"), 0);
  }
  EXPECT_TRUE(from("{}").tree.boolean("gyre.ring_sends"));
}

TEST(Load, AZeroInTheFileBecomesTheDefault) {
  Loaded loaded =
      from(R"({"http_server":{"port":0},"channel":{"private_prefix":"","user_boundary":""},
    "client":{"ping_interval":"0s"}})");
  EXPECT_EQ(loaded.tree.integer("http_server.port"), 8000);
  EXPECT_EQ(loaded.tree.text("channel.private_prefix"), "$");
  EXPECT_EQ(loaded.tree.text("channel.user_boundary"), "#");
  EXPECT_EQ(loaded.tree.duration("client.ping_interval"), 25s);
}

TEST(Load, VariablesWinOverTheFileAndFlagsOverBoth) {
  const char* text = R"({"http_server":{"port":9001,"address":"a"},"log":{"level":"debug"}})";
  Loaded loaded = from(text, "json",
                       {{"CENTRIFUGO_HTTP_SERVER_PORT", "0x2329"},
                        {"GYRE_LOG_LEVEL", "error"},
                        {"CENTRIFUGO_HTTP_SERVER_ADDRESS", ""}});
  EXPECT_EQ(loaded.tree.integer("http_server.port"), 9001);
  EXPECT_EQ(loaded.tree.text("log.level"), "error");
  EXPECT_EQ(loaded.tree.text("http_server.address"), "a");  // an empty variable is an unset one
  EXPECT_EQ(loaded.tree.origin("log.level").text(), "environment variable GYRE_LOG_LEVEL");
  loaded =
      from(text, "json", {{"CENTRIFUGO_HTTP_SERVER_PORT", "7000"}}, {{"http_server.port", "7001"}});
  EXPECT_EQ(loaded.tree.integer("http_server.port"), 7001);
  EXPECT_THAT(loaded.unknown_environment, IsEmpty());
}

TEST(Load, OurSpellingOfAVariableWinsWithAWarning) {
  Loaded loaded =
      from("{}", "json", {{"CENTRIFUGO_LOG_LEVEL", "debug"}, {"GYRE_LOG_LEVEL", "error"}});
  EXPECT_EQ(loaded.tree.text("log.level"), "error");
  ASSERT_EQ(loaded.warnings.size(), 1U);
  EXPECT_THAT(loaded.warnings[0].text(), HasSubstr("CENTRIFUGO_LOG_LEVEL is ignored"));
}

TEST(Load, NamespacesComeFromVariables) {
  Loaded loaded = from(R"({"channel":{"namespaces":[{"name":"file"}]}})", "json",
                       {{"CENTRIFUGO_CHANNEL_NAMESPACES", "n-s.1 plain"},
                        {"CENTRIFUGO_CHANNEL_NAMESPACES_N_S_1_PRESENCE", "true"},
                        {"GYRE_CHANNEL_NAMESPACES_FILE_HISTORY_SIZE", "5"},
                        {"CENTRIFUGO_CHANNEL_NAMESPACES_FILE_HISTORY_TTL", "10s"},
                        {"CENTRIFUGO_CHANNEL_NAMESPACES_PLAIN_NAME", "renamed"}});
  EXPECT_EQ(first_error(loaded), "");
  std::vector<Tree> list = loaded.tree.list("channel.namespaces");
  ASSERT_EQ(list.size(), 3U);
  EXPECT_EQ(list[0].integer("history_size"), 5);
  EXPECT_EQ(list[1].text("name"), "n-s.1");
  EXPECT_TRUE(list[1].boolean("presence"));
  EXPECT_EQ(list[2].text("name"), "renamed");
  EXPECT_THAT(loaded.unknown_environment, IsEmpty());
}

TEST(Load, AJsonListInAVariableReplacesTheFilesList) {
  Loaded loaded =
      from(R"({"channel":{"namespaces":[{"name":"file","presence":true},{"name":"two"}]}})", "json",
           {{"CENTRIFUGO_CHANNEL_NAMESPACES",
             R"([{"name":"env","history_ttl":1000000000,"history_size":1}])"}});
  std::vector<Tree> list = loaded.tree.list("channel.namespaces");
  ASSERT_EQ(list.size(), 1U);
  EXPECT_EQ(list[0].text("name"), "env");
  EXPECT_FALSE(list[0].boolean("presence"));
  EXPECT_EQ(list[0].duration("history_ttl"), 1s);
}

TEST(Load, ListsAndMapsOfVariablesHaveTheirForms) {
  Loaded loaded = from(
      "{}", "json",
      {{"CENTRIFUGO_CLIENT_ALLOWED_ORIGINS", "http://a http://b"},
       {"CENTRIFUGO_RPC_PROXY_HTTP_STATIC_HEADERS", R"({"X-Key.1":"a${CENTRIFUGO_VAR_S}b${x}"})"},
       {"CENTRIFUGO_VAR_S", "secret"}});
  EXPECT_THAT(loaded.tree.texts("client.allowed_origins"), ElementsAre("http://a", "http://b"));
  EXPECT_THAT(loaded.tree.string_map("rpc.proxy.http.static_headers"),
              ElementsAre(std::pair("X-Key.1", "asecretb${x}")));
  EXPECT_THAT(loaded.unknown_environment, IsEmpty());
}

TEST(Load, StringMapsOfFilesHaveTwoForms) {
  auto load_map = [](const std::string& value) {
    return from(R"({"rpc":{"proxy":{"http":{"static_headers":)" + value + "}}}}");
  };
  EXPECT_THAT(load_map(R"({"X-Key":"v"})").tree.string_map("rpc.proxy.http.static_headers"),
              ElementsAre(std::pair("x-key", "v")));
  EXPECT_THAT(
      load_map(R"([{"key":"X.Key","value":"v"}])").tree.string_map("rpc.proxy.http.static_headers"),
      ElementsAre(std::pair("X.Key", "v")));
  for (const char* wrong :
       {R"({"a.b":"v"})", R"({"a":1})", R"([{"key":"a"}])", R"([{"key":1,"value":"v"}])",
        R"([{"key":"a","value":"1"},{"key":"a","value":"2"}])",
        R"({"a":"${CENTRIFUGO_VAR_NO}"})"}) {
    EXPECT_FALSE(load_map(wrong).is_good()) << wrong;
  }
}

TEST(Load, TellsAllErrorsWithTheirPlaces) {
  Loaded loaded = from(
      "{\"http_server\":{\"port\":\"abc\"},\n \"client\":{\"ping_interval\":\"10\"},\n \"log\":7}",
      "json", {{"CENTRIFUGO_HEALTH_ENABLED", "yes"}});
  std::vector<std::string> texts;
  for (const Finding& finding : loaded.errors) texts.push_back(finding.text());
  EXPECT_THAT(texts, ElementsAre("config.json:1:24: http_server.port: \"abc\" is not a number",
                                 "config.json:2:28: client.ping_interval: \"10\" is not a duration "
                                 "such as \"30s\" or \"1h30m\"",
                                 "config.json:3:8: log: expected an object, found a number",
                                 "environment variable CENTRIFUGO_HEALTH_ENABLED: health.enabled: "
                                 "\"yes\" is not true or false"));
}

TEST(Load, TellsUnknownKeysWithTheNearestName) {
  Loaded loaded = from(
      R"({"channel":{"namespaces":[{"name":"news","presense":true}]},"hmac_secret_key":"x","bogus":{"a":1}})");
  std::vector<std::string> texts;
  for (const Finding& finding : loaded.unknown_keys) texts.push_back(finding.text());
  EXPECT_THAT(texts, ElementsAre("config.json:1:42: channel.namespaces.[0].presense: unknown key "
                                 "(did you mean \"channel.namespaces.[0].presence\"?)",
                                 "config.json:1:61: hmac_secret_key: unknown key (did you mean "
                                 "\"client.token.hmac_secret_key\"?)",
                                 "config.json:1:83: bogus: unknown key"));
  EXPECT_TRUE(loaded.is_good());
}

TEST(Load, TellsUnknownVariables) {
  Loaded loaded = from("{}", "json",
                       {{"CENTRIFUGO_HTTP_SERVR_PRT", "1"},
                        {"CENTRIFUGO_SERVICE_HOST", "1"},
                        {"CENTRIFUGO_API_PORT_8000_TCP", "1"},
                        {"CENTRIFUGO_VAR_X", "1"},
                        {"GYRE_SHARD", "2"},
                        {"PATH", "x"}});
  std::vector<std::string> texts;
  for (const Finding& finding : loaded.unknown_environment) texts.push_back(finding.text());
  EXPECT_THAT(
      texts,
      ElementsAre("unknown environment variable CENTRIFUGO_HTTP_SERVR_PRT (did you mean "
                  "\"CENTRIFUGO_HTTP_SERVER_PORT\"?)",
                  "unknown environment variable GYRE_SHARD (did you mean \"GYRE_SHARDS\"?)"));
}

TEST(Load, SyntaxErrorsHaveAPlace) {
  EXPECT_EQ(first_error(from("{\"a\": 1,\n  b}")),
            "config.json:2:3: a name in double quotes was expected here");
  EXPECT_THAT(first_error(from("a: [1\nb: 2", "yaml")), HasSubstr("config.yaml:2:"));
  EXPECT_THAT(first_error(from("a = \nb = 1", "toml")), HasSubstr("config.toml:1:"));
  EXPECT_THAT(first_error(from("\u00e9 = 1", "toml")), HasSubstr("only ASCII"));
  EXPECT_THAT(first_error(from("{}", "ini")), HasSubstr("unsupported format"));
}

// Names that toml++ itself does not survive: its assertions end a debug build.
TEST(Load, TomlTablesNeedANameThatMayBegin) {
  for (std::string_view text : {"[.a]", "[[ .a]]", "a = [[1], 2]\n[=]", "[", "[[", "[\n]", "[#]"}) {
    EXPECT_THAT(first_error(from(text, "toml")), HasSubstr("config.toml:")) << text;
  }
  EXPECT_EQ(first_error(from("\n [.a]", "toml")), "config.toml:2:3: a table needs a name");
  const auto good = from("[ \"client\" ]\nallowed_origins = [\n  [\n]\n]", "toml");
  EXPECT_THAT(first_error(good), testing::Not(HasSubstr("a table needs a name")));
}

// Where toml++ itself assumes a digit, and asserts it.
TEST(Load, BrokenTomlTimesAreRefused) {
  EXPECT_EQ(first_error(from("a = 1\n\nb = 1979-05-27T=032:00\nc = 2", "toml")),
            "config.toml:3:1: no valid TOML");
  EXPECT_EQ(first_error(from("b = 1979-05-27T=032:00", "toml")), "config.toml:1:1: no valid TOML");
}

TEST(Load, TomlQuotesWithinWordsAreRefused) {
  EXPECT_EQ(first_error(from("a = 0x\"y\u00e9\"", "toml")),
            "config.toml:1:7: a quote was not expected here");
  EXPECT_EQ(first_error(from("a = 0x.\"y\u00e9\"", "toml")),
            "config.toml:1:8: only ASCII is allowed in names with dots");
  EXPECT_THAT(first_error(from("a = \"x\"\"\u00e9\"", "toml")), HasSubstr("config.toml:1:8:"));
  const Loaded good = from("client.\"token\".hmac_secret_key = '\u00e9'", "toml");
  EXPECT_EQ(first_error(good), "");
}

TEST(Load, YamlAliasesAreBounded) {
  std::string text = "a0: &a0 [1,1,1,1,1,1,1,1,1,1]\n";
  for (int i = 1; i < 7; ++i) {
    text += fmt::format("a{0}: &a{0} [*a{1}", i, i - 1);
    for (int n = 1; n < 10; ++n) text += fmt::format(",*a{}", i - 1);
    text += "]\n";
  }
  EXPECT_THAT(first_error(from(text, "yaml")), HasSubstr("too many values, counting aliases"));
}

TEST(Load, ListsAreBounded) {
  std::string text = R"({"consumers":[{})";
  for (int i = 0; i < 20'000; ++i) text += ",{}";
  EXPECT_THAT(first_error(from(text + "]}")), HasSubstr("consumers: more than 20000 elements"));
}

TEST(Load, AMissingFileIsNoError) {
  LoadOptions options;
  options.path = "/nonexistent/config.json";
  Loaded loaded = load(options);
  EXPECT_FALSE(loaded.file_found);
  EXPECT_TRUE(loaded.is_good());
}

std::string golden(const std::string& name) {
  std::ifstream file(std::string(GYRE_SOURCE_DIR "/tests/golden/server/") + name);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

TEST(Printed, DefaultConfigurationIsTheReferences) {
  Document document = to_document(from("{}").tree);
  ASSERT_EQ(document.fields.back().name, "gyre");
  document.fields.pop_back();
  EXPECT_EQ(write_json(document), golden("defaultconfig.json"));
}

TEST(Printed, DefaultEnvironmentIsTheReferences) {
  std::string text;
  for (const std::string& line : environment_lines(from("{}").tree, false)) {
    if (!line.starts_with("GYRE_")) text += line + "\n";
  }
  EXPECT_EQ(text, golden("defaultenv.txt"));
}

TEST(Printed, WhatIsPrintedIsReadAgain) {
  Loaded loaded = from(golden("config-main.json"));
  ASSERT_EQ(first_error(loaded), "");
  Document document = to_document(loaded.tree);
  // Only JSON tells unset lists from empty ones.
  auto without_nulls = [](std::string text) {
    for (size_t at; (at = text.find(": null")) != std::string::npos;) text.replace(at, 6, ": []");
    return text;
  };
  std::string json = without_nulls(write_json(document));
  for (std::string_view format : {"json", "yaml", "toml"}) {
    Loaded again = from(write_document(document, format), format);
    EXPECT_EQ(first_error(again), "") << format;
    EXPECT_THAT(again.unknown_keys, IsEmpty());
    EXPECT_EQ(without_nulls(write_json(to_document(again.tree))), json) << format;
  }
}

TEST(Printed, WrittenVariablesOnly) {
  Loaded loaded =
      from(R"({"client":{"allowed_origins":[]},"health":{"enabled":true},"http_server":{"port":0},
    "channel":{"namespaces":[{"name":"news","presence":true}]}})");
  EXPECT_THAT(
      environment_lines(loaded.tree, true),
      ElementsAre("CENTRIFUGO_CHANNEL_NAMESPACES=\"news\"",
                  "CENTRIFUGO_CHANNEL_NAMESPACES_NEWS_NAME=\"news\"",
                  "CENTRIFUGO_CHANNEL_NAMESPACES_NEWS_PRESENCE=true",
                  "CENTRIFUGO_CLIENT_ALLOWED_ORIGINS=\"\"", "CENTRIFUGO_HEALTH_ENABLED=true"));
}

TEST(Printed, DocumentationNamesEveryKeyOnce) {
  std::string text = write_markdown("", 0);
  EXPECT_THAT(text, HasSubstr("### `http_server.port`\n"));
  EXPECT_THAT(text, HasSubstr("`GYRE_SHARDS`"));
  EXPECT_THAT(write_markdown("gyre", 1), testing::StartsWith("### `gyre`\n"));
}

TEST(Availability, DefaultsAndDormantKeysAreFine) {
  EXPECT_THAT(unavailable_settings(from("{}").tree), IsEmpty());
  EXPECT_THAT(unavailable_settings(
                  from(R"({"admin":{"password":"x","secret":"y"},"usage_stats":{"disabled":true},
    "broker":{"type":"redis"},"channel":{"without_namespace":{"subscription_type":"stream"}},
    "websocket":{"write_buffer_size":512}})")
                      .tree),
              IsEmpty());
}

TEST(Availability, NamesWhatIsNotThere) {
  Loaded loaded = from(
      R"({"engine":{"type":"redis"},"admin":{"enabled":true},"broker":{"enabled":true,"type":"nats"},
    "channel":{"namespaces":[{"name":"ok"},{"name":"aa","subscription_type":"shared_poll"}]}})");
  std::vector<std::string> texts;
  for (const Finding& finding : unavailable_settings(loaded.tree))
    texts.push_back(finding.path + "=" + finding.message);
  EXPECT_THAT(texts, ElementsAre("engine.type=\"redis\"", "broker.type=\"nats\"",
                                 "channel.namespaces.[1].subscription_type=\"shared_poll\"",
                                 "admin.enabled=true"));
}

TEST(Proxies, AreAskedOverGrpcUnlessTheirEndpointIsHttp) {
  EXPECT_TRUE(is_http_endpoint("http://a"));
  EXPECT_TRUE(is_http_endpoint("https://a"));
  for (const auto& [endpoint, target] :
       {std::pair("grpc://a:1", "a:1"), std::pair("a:1", "a:1"),
        std::pair("dns:///a:1", "dns:///a:1"), std::pair("unix:///run/a", "unix:///run/a"),
        std::pair("passthrough:///a:1", "a:1")}) {
    EXPECT_FALSE(is_http_endpoint(endpoint));
    EXPECT_EQ(grpc_target(endpoint), target);
    EXPECT_TRUE(is_grpc_target(target)) << endpoint;
  }
  for (const char* target : {"", "ws://a", "grpcs://a", "a b", "a\n"}) {
    EXPECT_FALSE(is_grpc_target(target)) << target;
  }
}

TEST(Dotenv, HasTheUsualForms) {
  auto parsed =
      parse_dotenv("# comment\nexport A=1\nB='$A'\nC=\"x\\n$A${D}\"\nE = plain # end\nF=a$A\nG=\n",
                   {{"D", "d"}});
  ASSERT_TRUE(parsed.has_value()) << parsed.error();
  EXPECT_THAT(*parsed,
              ElementsAre(std::pair("A", "1"), std::pair("B", "$A"), std::pair("C", "x\n1d"),
                          std::pair("E", "plain"), std::pair("F", "a1"), std::pair("G", "")));
  EXPECT_EQ(parse_dotenv("A=1\nbroken\n", {}).error(), "line 2: NAME=value was expected");
  EXPECT_FALSE(parse_dotenv("A=\"x", {}).has_value());
}

}  // namespace
}  // namespace gyre::config
