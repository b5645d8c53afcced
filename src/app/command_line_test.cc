#include "app/command_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "app/blocking_http.h"
#include "app/log_sink.h"
#include "app/serve.h"
#include "config/document.h"

namespace gyre::app {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

struct Outcome {
  int code;
  std::string out;
  std::string err;
};

Outcome run(std::vector<std::string> arguments, config::Environment environment = {}) {
  std::ostringstream out;
  std::ostringstream err;
  Io io{out, err, std::move(environment)};
  arguments.insert(arguments.begin(), "/usr/bin/gyre");
  int code = run_command_line(arguments, io);
  return {code, out.str(), err.str()};
}

// A folder of its own for each test.
class CommandLineTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::path(testing::TempDir()) /
              testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string path(const std::string& name) const { return folder_ / name; }
  std::string write(const std::string& name, std::string_view text) const {
    std::ofstream(path(name)) << text;
    return path(name);
  }
  static std::string read(const std::string& name) {
    std::ostringstream text;
    text << std::ifstream(name).rdbuf();
    return text.str();
  }

 private:
  std::filesystem::path folder_;
};

TEST_F(CommandLineTest, VersionNamesBothFacts) {
  EXPECT_EQ(run({"version"}).out, "Gyre v" GYRE_VERSION " (compatible with Centrifugo v6.9.1)\n");
  std::ostringstream out;
  Io io{out, out, {}};
  run_command_line({"/opt/centrifugo", "version"}, io);
  EXPECT_EQ(out.str(), "Centrifugo v6.9.1 (Gyre " GYRE_VERSION ")\n");
}

TEST_F(CommandLineTest, CheckconfigIsSilentWhenValid) {
  Outcome outcome = run({"checkconfig", "-c", write("c.json", "{\"bogus\":1}")});
  EXPECT_EQ(outcome.code, 0);
  EXPECT_EQ(outcome.out + outcome.err, "");
}

TEST_F(CommandLineTest, CheckconfigTellsErrorsOnStdout) {
  Outcome outcome =
      run({"checkconfig", "--config=" + write("c.json", "{\"http_server\":{\"port\":\"x\"}}")});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.out, StartsWith("error getting config: "));
  outcome = run({"checkconfig", "-c" + write("d.json", "{\"broker\":{\"type\":\"x\"}}")});
  EXPECT_THAT(outcome.out, StartsWith("error validating config: "));
  EXPECT_EQ(run({"checkconfig", "-c", path("none.json")}).out, "config file not found\n");
}

TEST_F(CommandLineTest, CheckconfigStrictRefusesUnknownKeys) {
  std::string file = write("c.json", "{\"bogus\":1,\"log\":{\"levle\":\"info\"}}");
  Outcome outcome = run({"checkconfig", "-s", "-c", file});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_EQ(outcome.out, "unknown keys in config: bogus, log.levle\n");
  EXPECT_THAT(outcome.err, HasSubstr("did you mean \"log.level\""));
  EXPECT_EQ(run({"checkconfig", "--strict=false", "-c", file}).code, 0);
}

TEST_F(CommandLineTest, CheckconfigWarnsOfFeaturesThatAreNotThere) {
  Outcome outcome = run({"checkconfig", "-c", write("c.yaml", "sse:\n  enabled: true\n")});
  EXPECT_EQ(outcome.code, 0);
  EXPECT_EQ(outcome.out, "");
  EXPECT_EQ(outcome.err, "warning: sse.enabled = true is not available in this server\n");
}

TEST_F(CommandLineTest, GenconfigWritesAFileThatChecks) {
  for (const char* name : {"config.json", "config.toml", "config.yaml", "config.yml"}) {
    Outcome outcome = run({"genconfig", "-c", path(name)});
    EXPECT_EQ(outcome.code, 0) << outcome.out;
    EXPECT_EQ(outcome.out, "");
    EXPECT_EQ(std::filesystem::status(path(name)).permissions(),
              std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
    EXPECT_EQ(run({"checkconfig", "-s", "-c", path(name)}).code, 0);
    EXPECT_EQ(run({"genconfig", "-c", path(name)}).code, 1) << "an existing file is kept";
  }
  EXPECT_EQ(run({"genconfig", "-c", path("config.ini")}).code, 1);
  config::ReadResult document = config::read_json(read(path("config.json")));
  ASSERT_TRUE(document.has_value());
  const config::Document& client = document->fields.at(0).value;
  EXPECT_EQ(client.fields.at(0).value.fields.at(0).value.text.size(), 86U);
  EXPECT_EQ(document->fields.at(1).value.fields.at(1).value.text.size(), 22U);
}

TEST_F(CommandLineTest, GenconfigRemovesWhatDoesNotLoad) {
  EXPECT_EQ(run({"genconfig", "-c", path("c.json")}, {{"CENTRIFUGO_BROKER_TYPE", "x"}}).code, 1);
  EXPECT_FALSE(std::filesystem::exists(path("c.json")));
}

TEST_F(CommandLineTest, DefaultconfigPrintsTheGoldenText) {
  Outcome outcome = run({"defaultconfig", "-d"});
  std::string golden = read(GYRE_SOURCE_DIR "/tests/golden/server/defaultconfig.json");
  ASSERT_TRUE(golden.ends_with("\n}\n"));
  EXPECT_THAT(outcome.out, StartsWith(golden.substr(0, golden.size() - 3) + ",\n  \"gyre\": {\n"));
  EXPECT_EQ(run({"defaultconfig", "-c", path("c.toml")}).code, 0);
  EXPECT_EQ(run({"checkconfig", "-s", "-c", path("c.toml")}).code, 0);
}

TEST_F(CommandLineTest, DefaultenvPrintsTheGoldenText) {
  std::string golden = read(GYRE_SOURCE_DIR "/tests/golden/server/defaultenv.txt");
  EXPECT_THAT(run({"defaultenv"}).out, StartsWith(golden + "GYRE_"));
  EXPECT_EQ(run({"defaultenv", "--base-non-zero-only", "-b",
                 write("c.json", "{\"health\":{\"enabled\":true}}")})
                .out,
            "CENTRIFUGO_HEALTH_ENABLED=true\n");
}

TEST_F(CommandLineTest, ConfigdocPrintsMarkdown) {
  EXPECT_THAT(run({"configdoc", "-m", "-s", "gyre", "-l", "-1"}).out, StartsWith("# `gyre`\n"));
}

TEST_F(CommandLineTest, AWrongCommandLineEndsWithOne) {
  for (std::vector<std::string> wrong : {std::vector<std::string>{"bogus"},
                                         {"--bogus"},
                                         {"checkconfig", "--bogus"},
                                         {"version", "extra"},
                                         {"--grpc_api.port", "x"},
                                         {"configdoc", "-p", "x"},
                                         {"help", "bogus"}}) {
    Outcome outcome = run(wrong);
    EXPECT_EQ(outcome.code, 1) << wrong.front();
    EXPECT_EQ(outcome.out, "");
    EXPECT_NE(outcome.err, "");
  }
}

TEST_F(CommandLineTest, HelpGoesToStdout) {
  EXPECT_THAT(run({"--help"}).out, HasSubstr("--http_server.port"));
  EXPECT_THAT(run({"checkconfig", "-h"}).out, HasSubstr("--strict"));
  EXPECT_THAT(run({"help", "checkconfig"}).out, HasSubstr("--strict"));
  EXPECT_THAT(run({"help"}).out, HasSubstr("--http_server.port"));
  EXPECT_EQ(run({"-h"}).code, 0);
}

constexpr std::string_view kTokenConfig =
    R"({"client":{"token":{"hmac_secret_key":"secret"}},"channel":{"namespaces":[{"name":"news"}]}})";

// From the recordings of the reference server, signed with "secret".
constexpr std::string_view kTokenOfUser1 =
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJ1MSJ9."
    "e1nQDHRa3tJWY02MUXI8-wDl0Q6cpqw0JpzJLvJOUZk";

TEST_F(CommandLineTest, GentokenSaysForWhomAndHowLong) {
  std::string file = write("c.json", kTokenConfig);
  Outcome outcome = run({"gentoken", "-c", file, "-u", "42"});
  EXPECT_EQ(outcome.code, 0);
  EXPECT_THAT(outcome.out,
              testing::MatchesRegex("HMAC SHA-256 JWT for user \"42\" with expiration TTL "
                                    "168h0m0s:\neyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9\\.[^\n]+\n"));
  EXPECT_THAT(run({"gentoken", "-c", file, "--ttl=-1"}).out,
              StartsWith("HMAC SHA-256 JWT for anonymous user without expiration:\n"));
  EXPECT_THAT(run({"gentoken", "-c", file, "-t", "0"}).out,
              StartsWith("HMAC SHA-256 JWT for anonymous user with expiration TTL 0s:\n"));
  EXPECT_EQ(run({"gentoken", "-c", file, "-t", "9223372037"}).out, "error: ttl is too large\n");
}

TEST_F(CommandLineTest, WhatGentokenMakesChecks) {
  std::string file = write("c.json", kTokenConfig);
  const Outcome made = run({"gentoken", "-q", "-c", file, "-u", "42", "-t", "-1"});
  Outcome outcome = run({"checktoken", "-c", file, made.out});
  EXPECT_EQ(outcome.code, 0);
  EXPECT_THAT(outcome.out, testing::MatchesRegex("valid token for user 42\npayload: "
                                                 "\\{\"sub\":\"42\",\"iat\":1?[0-9]+\\}\n"));
  const Outcome anonymous = run({"gentoken", "-q", "-c", file});
  EXPECT_THAT(run({"checktoken", "-c", file, anonymous.out}).out,
              StartsWith("valid token for anonymous user\npayload: {\"exp\":"));
  EXPECT_EQ(run({"checksubtoken", "-c", file, made.out}).code, 1) << "it has no channel";
}

TEST_F(CommandLineTest, GensubtokenNamesTheChannelAndItsTokenChecks) {
  std::string file = write("c.json", kTokenConfig);
  EXPECT_THAT(run({"gensubtoken", "-c", file, "-u", "42", "-s", "news:a"}).out,
              StartsWith("HMAC SHA-256 JWT for user \"42\" and channel \"news:a\" with expiration "
                         "TTL 168h0m0s:\n"));
  const Outcome made = run({"gensubtoken", "-q", "-c", file, "-u", "42", "-s", "news:a"});
  EXPECT_THAT(run({"checksubtoken", "-c", file, made.out}).out,
              StartsWith("valid subscription token for user \"42\" and channel \"news:a\"\n"
                         "payload: {\"sub\":\"42\","));
  EXPECT_THAT(run({"checktoken", "-c", file, made.out}).out, HasSubstr("\"channel\":\"news:a\""));
  EXPECT_EQ(run({"gensubtoken", "-c", file}).out, "error: channel is required\n");
  const Outcome elsewhere = run({"gensubtoken", "-q", "-c", file, "-s", "sports:a"});
  EXPECT_EQ(elsewhere.code, 0) << "the namespace is looked at when the token is checked";
  EXPECT_THAT(run({"checksubtoken", "-c", file, elsewhere.out}).out,
              HasSubstr("unknown namespace of channel \"sports:a\""));
}

TEST_F(CommandLineTest, SubscriptionTokensHaveTheirOwnKeyIfEnabled) {
  config::Environment own{{"CENTRIFUGO_CLIENT_SUBSCRIPTION_TOKEN_ENABLED", "true"},
                          {"CENTRIFUGO_CLIENT_SUBSCRIPTION_TOKEN_HMAC_SECRET_KEY", "other"}};
  std::string file = write("c.json", kTokenConfig);
  const Outcome made = run({"gensubtoken", "-q", "-c", file, "-s", "c"}, own);
  EXPECT_EQ(run({"checksubtoken", "-c", file, made.out}, own).code, 0);
  EXPECT_EQ(run({"checksubtoken", "-c", file, made.out}).code, 1);
}

TEST_F(CommandLineTest, ChecktokenSaysWhatIsWrong) {
  std::string file = write("c.json", kTokenConfig);
  std::string token(kTokenOfUser1);
  EXPECT_EQ(run({"checktoken", "-c", file, token}).out,
            "valid token for user u1\npayload: {\"sub\":\"u1\"}\n");
  token.back() = 'g';
  Outcome outcome = run({"checktoken", "-c", file, token},
                        {{"CENTRIFUGO_CLIENT_INSECURE_SKIP_TOKEN_SIGNATURE_VERIFY", "true"}});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.out, StartsWith("error: token with algorithm \"HS256\" and claims "
                                      "{\"sub\":\"u1\"} has error: signature does not match"));
  EXPECT_THAT(run({"checktoken", "-c", file, "nonsense"}).out, StartsWith("error: token has not"));
  EXPECT_EQ(run({"checktoken", "-c", file}).out, "error: give one token to check\n");
  EXPECT_EQ(run({"checktoken", "-c", file, token, token}).code, 1);
}

TEST_F(CommandLineTest, TokensNeedAKeyAndAConfigurationThatLoads) {
  EXPECT_THAT(run({"gentoken", "-c", path("none.json")}).out,
              StartsWith("error: no hmac_secret_key is set"));
  EXPECT_EQ(run({"gentoken", "-c", path("none.json")}).code, 1);
  EXPECT_THAT(run({"checktoken", "-c", path("none.json"), std::string(kTokenOfUser1)},
                  {{"CENTRIFUGO_CLIENT_TOKEN_JWKS_PUBLIC_ENDPOINT", "https://keys.example"}})
                  .out,
              StartsWith("error: jwks_public_endpoint"));
  EXPECT_THAT(run({"gentoken", "-c", write("c.json", "{")}).out,
              StartsWith("error getting config: "));
}

TEST_F(CommandLineTest, CompletionOffersCommands) {
  EXPECT_THAT(run({"completion", "bash"}).out,
              HasSubstr("checkconfig) words=\"--config --strict --help\""));
}

config::Loaded loaded(std::string_view text) {
  return config::load_text(text, "json", {});
}

TEST(Judge, RefusesWhatIsNotThereOrWarns) {
  Verdict verdict = judge(loaded(R"({"sse":{"enabled":true}})"));
  EXPECT_THAT(verdict.refusals,
              ElementsAre("sse.enabled = true is not available in this server (config.json:1:19); "
                          "gyre.unavailable: warn starts without it"));
  verdict = judge(loaded(R"({"sse":{"enabled":true},"gyre":{"unavailable":"warn"}})"));
  EXPECT_THAT(verdict.refusals, IsEmpty());
  EXPECT_EQ(verdict.warnings.size(), 1U);
}

TEST(Judge, RefusesUnknownKeysIfToldTo) {
  EXPECT_THAT(judge(loaded(R"({"bogus":1})")).refusals, IsEmpty());
  EXPECT_EQ(judge(loaded(R"({"bogus":1,"gyre":{"unknown_keys":"refuse"}})")).refusals.size(), 1U);
}

TEST(LogLines, HaveTheReferencesOrder) {
  EXPECT_THAT(json_log_line(log::Level::warn, "a \"b\"", {{"error", "x\n"}, {"n", 3}}, 0),
              testing::MatchesRegex(
                  "\\{\"level\":\"warn\",\"error\":\"x\\\\n\",\"n\":3,\"time\":\"19[^\"]*\","
                  "\"message\":\"a \\\\\"b\\\\\"\"\\}"));
  EXPECT_THAT(text_log_line(log::Level::info, "m", {{"b", "2"}, {"a", "x y"}}, 0),
              HasSubstr("[INF]"));
}

// Some fields are what strangers have sent.
TEST(LogLines, AreUtf8WithoutControlsWhateverAFieldHolds) {
  const auto json = [](std::string_view text) {
    const std::string line = json_log_line(log::Level::info, "", {{"origin", text}}, 0);
    const size_t start = line.find("origin") + 8;
    return line.substr(start, line.rfind(",\"time\"") - start);
  };
  EXPECT_EQ(json("a\xff"), R"("a\ufffd")");
  EXPECT_EQ(json("\xe2\x82z"), R"("\ufffd\ufffdz")");
  EXPECT_EQ(json("\xed\xa0\x80"), R"("\ufffd\ufffd\ufffd")") << "a surrogate";
  EXPECT_EQ(json("\x1b\x7f"), R"("\u001b\u007f")");
  EXPECT_EQ(json("\xc2\x80 \xc2\x9b \xc2\x9f"), R"("\u0080 \u009b \u009f")");
  EXPECT_EQ(json("\xc2\xa0\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"),
            "\"\xc2\xa0\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80\"");
}

TEST(LogLines, HaveNothingForATerminalToObey) {
  const auto text = [](std::string_view value) {
    const std::string line = text_log_line(log::Level::info, "", {{"origin", value}}, 0);
    return line.substr(line.rfind("\x1b[0m") + 4);
  };
  EXPECT_EQ(text("http://a.example"), "http://a.example");
  EXPECT_EQ(text("\x1b[2J"), R"("\u001b[2J")");
  EXPECT_EQ(text("\x1b[0m"), R"("\u001b[0m")");
  EXPECT_EQ(text("\xc2\x9b"), R"("\u009b")");
  EXPECT_EQ(text("\x9b"), R"("\ufffd")");
  EXPECT_EQ(text("a\x7f"), R"("a\u007f")");
  EXPECT_EQ(text("a\rb"), R"("a\u000db")");
  EXPECT_EQ(text("a=b"), R"("a=b")");
  EXPECT_EQ(text("\xc3\xa9"), "\"\xc3\xa9\"");
}

TEST(LogSetup, LevelsAreCaseInsensitive) {
  EXPECT_EQ((LogSetup{"WARN", ""}).threshold(), log::Level::warn);
  EXPECT_EQ((LogSetup{"loud", ""}).threshold(), log::Level::info);
  EXPECT_FALSE((LogSetup{"loud", ""}).is_known_level());
}

TEST(BlockingHttp, AnswersWholeHeads) {
  auto answer = [](std::string_view target) {
    return HttpAnswer{200, "text/plain", std::string(target)};
  };
  EXPECT_EQ(respond("GET / HTTP/1.1\r\n", answer), "");
  EXPECT_THAT(respond("GET /x HTTP/1.1\r\n\r\n", answer),
              HasSubstr("Content-Length: 2\r\nConnection: close\r\n\r\n/x"));
  EXPECT_THAT(respond("HEAD /x HTTP/1.1\r\n\r\n", answer), testing::EndsWith("\r\n\r\n"));
  EXPECT_THAT(respond("POST /x HTTP/1.1\r\n\r\n", answer), StartsWith("HTTP/1.1 405 "));
  EXPECT_THAT(respond("nonsense\r\n\r\n", answer), StartsWith("HTTP/1.1 400 "));
}

}  // namespace
}  // namespace gyre::app
