// Capabilities that backends give, in namespaces that allow nothing (docs/capabilities.md).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/log.h"
#include "client/capabilities.h"
#include "client/capability_support.h"
#include "client/proxied_node.h"

namespace gyre::client {
namespace {

using proxy::Event;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

struct ErrorLines final : log::Sink {
  void write(log::Level, std::string_view message,
             std::initializer_list<log::Field> fields) override {
    std::string line(message);
    for (const log::Field& one : fields) line.append(" ").append(one.key).append("=" + one.value);
    lines.push_back(line);
  }
  std::vector<std::string> lines;
};

std::shared_ptr<Settings> closed_settings(bool has_capabilities) {
  auto settings = std::make_shared<Settings>();
  settings->namespaces = closed_namespaces();
  settings->server_version = "test";
  settings->ping_interval = 0;
  settings->has_capabilities = has_capabilities;
  return settings;
}

struct GivenCapabilities : CapabilityFixture {
  explicit GivenCapabilities(bool has_capabilities = true)
      : asking({Event::connect, Event::refresh, Event::subscribe},
               closed_settings(has_capabilities)) {
    node[0].services.regexes = &regexes;
    node[0].services.connection_tokens = std::make_unique<const auth::TokenVerifier>(
        auth::TokenVerifier::create(
            {.insecure_skip_signature_verify = true, .has_capabilities = has_capabilities})
            .value());
    log::install(logged, log::Level::error);
  }
  ~GivenCapabilities() override {
    log::install(nullptr, log::Level::none);
    EXPECT_EQ(node.leftovers(), "");
  }

  Messages connect(TestClient& client, const std::string& more) {
    return asking.say(client, R"({"id":1,"connect":{}})",
                      R"({"result":{"user":"ann")" + more + "}}");
  }
  // Ends in ten seconds.
  TestClient& with(const std::string& caps) {
    TestClient& client = node.client();
    EXPECT_THAT(connect(client, R"(,"expire_at":)" + in_seconds(10) + R"(,"caps":)" + caps),
                ElementsAre(HasSubstr("\"connect\"")));
    return client;
  }
  void refresh(const std::string& result) {
    node.pass(11 * os::kSecond);
    ASSERT_EQ(asking.backend.waiting(), 1u);
    EXPECT_EQ(asking.backend.request().url, "http://refresh");
    asking.answer(R"({"result":{"expire_at":)" + in_seconds(60) + result + "}}");
  }
  std::string in_seconds(int64_t seconds) { return std::to_string(node.unix_now() + seconds); }
  uint64_t failures(size_t backend) { return node[0].metrics.proxies[backend]->errors.value(); }

  static auto failed() { return ElementsAre(HasSubstr(R"("code":100)")); }
  static auto done(std::string_view name) {
    return Contains(HasSubstr(std::string(R"({"id":2,")") + std::string(name) + R"(":{)"));
  }

  std::shared_ptr<ErrorLines> logged = std::make_shared<ErrorLines>();
  RegexCache regexes;
  ProxiedNode asking;
  TestNode& node = asking.node;
};

TEST_F(GivenCapabilities, AreThoseOfTheConnection) {
  TestClient& client = with(
      R"([{"channels":["secret"],"allow":[]},{"channels":["^sec"],"match":"regex","allow":["sub"]},
          {"channels":["desk:*","asking:*"],"match":"wildcard","allow":["sub","pub"]},
          {"channels":["news"],"allow":["sub","hst","prs"]}])");
  EXPECT_THAT(client.say(command("subscribe", "secret")), denied());
  EXPECT_THAT(client.say(command("subscribe", "section")), done("subscribe"));
  EXPECT_THAT(client.say(command("publish", "section", R"(,"data":1)")), denied());
  EXPECT_THAT(client.say(command("subscribe", "news", R"(,"recoverable":true,"join_leave":true)")),
              ElementsAre(HasSubstr(R"("recoverable":true)"), HasSubstr(R"("join")")));
  EXPECT_THAT(client.say(command("history", "news")), done("history"));
  EXPECT_THAT(client.say(command("presence", "news")), done("presence"));
  // They come before the other backends.
  EXPECT_THAT(client.say(command("subscribe", "asking:a")), done("subscribe"));
  EXPECT_THAT(client.say(command("publish", "asking:a", R"(,"data":1)")), done("publish"));
  EXPECT_EQ(asking.backend.waiting(), 0u);
}

TEST_F(GivenCapabilities, ARefreshTakesAwayWhatOnlyTheyGave) {
  TestClient& client = with(R"([{"channels":["a","b","open:c"],"allow":["sub"]}])");
  for (const char* channel : {"a", "b", "open:c"}) {
    EXPECT_THAT(client.say(command("subscribe", channel)), done("subscribe"));
  }
  client.heard();
  refresh(R"(,"caps":[{"channels":["b","d"],"allow":["sub"]}])");
  EXPECT_THAT(client.heard(), ElementsAre(R"({"push":{"channel":"a","unsubscribe":)"
                                          R"({"code":2000,"reason":"server unsubscribe"}}})"));
  EXPECT_THAT(client.say(command("subscribe", "a")), denied());
  EXPECT_THAT(client.say(command("subscribe", "d")), done("subscribe"));
}

// As a token without them does: over GRPC none and nothing said are the same.
TEST_F(GivenCapabilities, ARefreshWithoutAnyLeavesNone) {
  TestClient& client = with(R"([{"channels":["a"],"allow":["sub"]}])");
  client.say(command("subscribe", "a"));
  refresh("");
  EXPECT_THAT(client.heard(), Contains(HasSubstr(R"("code":2000)")));
  EXPECT_THAT(client.say(command("subscribe", "a")), denied());
}

TEST_F(GivenCapabilities, ARefreshReplacesThoseOfAToken) {
  TestClient& client = node.client();
  client.say(R"({"id":1,"connect":{"token":")" +
             token(R"({"sub":"ann","exp":)" + in_seconds(10) +
                   R"(,"caps":[{"channels":["a"],"allow":["sub"]}]})") +
             R"("}})");
  EXPECT_THAT(client.say(command("subscribe", "a")), done("subscribe"));
  refresh(R"(,"caps":[{"channels":["b"],"allow":["sub"]}])");
  EXPECT_THAT(client.heard(), Contains(HasSubstr(R"("code":2000)")));
  EXPECT_THAT(client.say(command("subscribe", "b")), done("subscribe"));
}

constexpr const char* kBrokenCaps[] = {
    "5",
    R"([{"match":"glob"}])",
    R"([{"channels":["ok"],"allow":["sub"]},{"channels":["("],"match":"regex"}])",
};

TEST_F(GivenCapabilities, AConnectWithBrokenOnesHasFailed) {
  size_t count = 0;
  for (const char* caps : kBrokenCaps) {
    EXPECT_THAT(connect(node.client(), R"(,"caps":)" + std::string(caps)), failed()) << caps;
    EXPECT_EQ(failures(0), ++count) << caps;
    EXPECT_THAT(logged->lines.back(),
                HasSubstr("type=connect name=default error=caps of the answer"));
  }
}

// The connection keeps what it has, and the backend is asked again.
TEST_F(GivenCapabilities, ARefreshWithBrokenOnesHasFailed) {
  for (const char* caps : kBrokenCaps) {
    TestClient& client = with(R"([{"channels":["a"],"allow":["sub"]}])");
    client.say(command("subscribe", "a"));
    client.heard();
    const uint64_t before = failures(1);
    refresh(R"(,"info":{"n":1},"caps":)" + std::string(caps));
    EXPECT_THAT(client.heard(), IsEmpty()) << caps;
    EXPECT_EQ(failures(1), before + 1) << caps;
    EXPECT_THAT(logged->lines.back(),
                HasSubstr("type=refresh name=default error=caps of the answer"));
    EXPECT_THAT(client.say(command("presence", "a")), denied());
    EXPECT_THAT(client.say(command("subscribe", "ok")), denied()) << "nothing of it is taken";
    client.say(command("unsubscribe", "a"));
    EXPECT_THAT(client.say(command("subscribe", "a")), done("subscribe")) << caps;
    node.pass(59 * os::kSecond);
    EXPECT_EQ(asking.backend.waiting(), 0u);
    node.pass(2 * os::kSecond);
    ASSERT_EQ(asking.backend.waiting(), 1u);
    asking.answer("{}");
    EXPECT_EQ(client.ending->code, 3005u);
  }
}

TEST_F(GivenCapabilities, ASubscribeAllowsForItsChannel) {
  TestClient& client = with("[]");
  const std::string wishes = R"(,"recoverable":true,"join_leave":true)";
  EXPECT_THAT(asking.say(client, command("subscribe", "asking:a", wishes),
                         R"({"result":{"allow":["pub","hst","later"]}})"),
              ElementsAre(HasSubstr(R"("recoverable":true)")))
      << "joins are not among what is allowed";
  EXPECT_THAT(client.say(command("publish", "asking:a", R"(,"data":1)")), done("publish"))
      << "the publish proxy is not asked";
  EXPECT_THAT(client.say(command("history", "asking:a")), done("history"));
  EXPECT_THAT(client.say(command("presence", "asking:a")), denied());
  EXPECT_THAT(client.say(command("history", "asking:b")), denied());
  EXPECT_THAT(asking.say(client, command("subscribe", "asking:b", wishes),
                         R"({"result":{"allow":["prs"]}})"),
              ElementsAre(R"({"id":2,"subscribe":{}})", HasSubstr(R"("join")")));
  EXPECT_THAT(client.say(command("presence", "asking:b")), done("presence"));
  // They last as long as the subscription.
  client.say(command("unsubscribe", "asking:b"));
  EXPECT_THAT(client.say(command("presence", "asking:b")), denied());
  EXPECT_THAT(asking.say(client, command("subscribe", "asking:b", wishes), R"({"result":{}})"),
              ElementsAre(R"({"id":2,"subscribe":{}})"));
}

TEST_F(GivenCapabilities, ASubscribeAllowsNothingThatThereIsNot) {
  TestClient& client = with("[]");
  EXPECT_THAT(asking.say(client, command("subscribe", "plain:a", R"(,"recoverable":true)"),
                         R"({"result":{"allow":["hst","prs"]}})"),
              ElementsAre(R"({"id":2,"subscribe":{}})"));
  for (const char* name : {"history", "presence"}) {
    EXPECT_THAT(client.say(command(name, "plain:a")), ElementsAre(HasSubstr("108"))) << name;
  }
}

TEST_F(GivenCapabilities, ASubscribeWithBrokenOnesHasFailed) {
  TestClient& client = with("[]");
  for (const char* allow : {R"("pub")", R"(["pub",1])"}) {
    EXPECT_THAT(asking.say(client, command("subscribe", "asking:a"),
                           R"({"result":{"allow":)" + std::string(allow) + "}}"),
                failed());
    EXPECT_THAT(logged->lines.back(),
                HasSubstr("type=subscribe name=default error=allow of the answer"));
  }
  EXPECT_EQ(failures(2), 2u);
  EXPECT_THAT(client.say(command("publish", "open:a", R"(,"data":1)")), denied());
}

struct UnreadCapabilities : GivenCapabilities {
  UnreadCapabilities() : GivenCapabilities(false) {}
};

TEST_F(UnreadCapabilities, MeanNothing) {
  for (const char* caps : kBrokenCaps) with(caps);
  TestClient& client = with(R"([{"channels":["a"],"allow":["sub"]}])");
  EXPECT_THAT(client.say(command("subscribe", "a")), denied());
  EXPECT_THAT(asking.say(client, command("subscribe", "asking:a", R"(,"recoverable":true)"),
                         R"({"result":{"allow":["hst","prs"]}})"),
              ElementsAre(R"({"id":2,"subscribe":{}})"));
  EXPECT_THAT(client.say(command("history", "asking:a")), denied());
  EXPECT_THAT(logged->lines, IsEmpty());
}

}  // namespace
}  // namespace gyre::client
