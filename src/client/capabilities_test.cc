#include "client/capabilities.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <re2/re2.h>

#include "client/capability_support.h"

namespace gyre::client {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Match = auth::Capability::Match;
using Right = channel::Rights::Right;

struct CapabilitiesTest : testing::Test {
  bool allows(const std::vector<auth::Capability>& claims, std::string_view channel,
              Right right = Right::kSubscribe) {
    const auto capabilities = Capabilities::create(claims, regexes);
    return capabilities && capabilities->rights(channel, regexes).has(right);
  }
  bool fits(Match match, const std::string& pattern, std::string_view channel) {
    return allows({{.channels = {pattern}, .match = match, .allow = {"sub"}}}, channel);
  }
  RegexCache regexes{4};
};

TEST_F(CapabilitiesTest, WordsNameRightsAndUnknownOnesNone) {
  using Rights = channel::Rights;
  const std::vector<std::string> words{"pub", "hst", "SUB", "all", ""};
  const Rights rights(words);
  EXPECT_TRUE(rights.has(Rights::kPublish));
  EXPECT_TRUE(rights.has(Rights::kHistory));
  EXPECT_FALSE(rights.has(Rights::kSubscribe));
  EXPECT_FALSE(rights.has(Rights::kPresence));
}

TEST_F(CapabilitiesTest, TheFirstThatMatchesDecidesAlone) {
  const std::vector<auth::Capability> claims{
      {.channels = {"news", "user_42"}, .match = Match::exact, .allow = {"sub"}},
      {.channels = {"user_42"}, .match = Match::exact, .allow = {"pub"}},
      {.channels = {"*"}, .match = Match::wildcard, .allow = {"hst"}}};
  EXPECT_TRUE(allows(claims, "user_42"));
  EXPECT_FALSE(allows(claims, "user_42", Right::kPublish));
  EXPECT_FALSE(allows(claims, "news", Right::kHistory));
  EXPECT_TRUE(allows(claims, "other", Right::kHistory));
  EXPECT_FALSE(allows(claims, "other"));
}

TEST_F(CapabilitiesTest, NamesAreExactUnlessSaidOtherwise) {
  EXPECT_TRUE(fits(Match::exact, "news:*", "news:*"));
  EXPECT_FALSE(fits(Match::exact, "news:*", "news:a"));
  EXPECT_FALSE(fits(Match::exact, "news", "new"));
  EXPECT_FALSE(fits(Match::exact, "news", "news2"));
  EXPECT_FALSE(fits(Match::exact, "", "news"));
}

TEST_F(CapabilitiesTest, AStarStandsForAnyText) {
  for (const char* channel : {"news:", "news:a", "news:a:b", "news:*"}) {
    EXPECT_TRUE(fits(Match::wildcard, "news:*", channel)) << channel;
  }
  for (const char* channel : {"news", "new", "xnews:a", ""}) {
    EXPECT_FALSE(fits(Match::wildcard, "news:*", channel)) << channel;
  }
  EXPECT_TRUE(fits(Match::wildcard, "*", "anything"));
  EXPECT_TRUE(fits(Match::wildcard, "a*b*c", "a-b-bc"));
  EXPECT_TRUE(fits(Match::wildcard, "a*b*c", "abc"));
  EXPECT_FALSE(fits(Match::wildcard, "a*b*c", "a-b-b"));
  EXPECT_TRUE(fits(Match::wildcard, "**a**", "a"));
  EXPECT_FALSE(fits(Match::wildcard, "", "a"));
  EXPECT_FALSE(fits(Match::wildcard, "n?ws[a]{a,b}", "newsaa")) << "the rest stands for itself";
}

TEST_F(CapabilitiesTest, ARegexMatchesAPartUnlessItHasAnchors) {
  EXPECT_TRUE(fits(Match::regex, R"(^posts_[\d]+$)", "posts_12"));
  EXPECT_FALSE(fits(Match::regex, R"(^posts_[\d]+$)", "posts_12x"));
  EXPECT_TRUE(fits(Match::regex, "b", "abc"));
}

TEST_F(CapabilitiesTest, PatternsThatAreNoneAreRefused) {
  const auto is_refused = [&](Match match, std::vector<std::string> channels) {
    return !Capabilities::create(
        {{.channels = std::move(channels), .match = match, .allow = {"sub"}}}, regexes);
  };
  EXPECT_TRUE(is_refused(Match::regex, {"("}));
  EXPECT_TRUE(is_refused(Match::regex, {"((a{1000}){1000}){1000}"}));
  EXPECT_TRUE(is_refused(Match::wildcard, {std::string(1025, '*')}));
  EXPECT_FALSE(is_refused(Match::wildcard, {std::string(1024, '*')}));
  EXPECT_FALSE(is_refused(Match::regex, std::vector<std::string>(32, "a")));
  EXPECT_TRUE(is_refused(Match::regex, std::vector<std::string>(33, "a")));
}

TEST_F(CapabilitiesTest, TheLastUsedRegexesAreKept) {
  const re2::RE2* a = regexes.find("a");
  for (const char* pattern : {"b", "c", "d"}) EXPECT_NE(regexes.find(pattern), nullptr);
  EXPECT_EQ(regexes.find("a"), a);
  regexes.find("e");  // instead of b
  EXPECT_EQ(regexes.find("a"), a);
  EXPECT_EQ(regexes.size(), 4u);
  EXPECT_EQ(regexes.find("("), nullptr);
  EXPECT_EQ(regexes.size(), 4u);
}

// Sessions whose tokens have capabilities, in namespaces that allow nothing.
struct SessionCapabilities : CapabilityFixture {
  SessionCapabilities() {
    const auto verifier = [] {
      return std::make_unique<const auth::TokenVerifier>(
          auth::TokenVerifier::create(
              {.insecure_skip_signature_verify = true, .has_capabilities = true})
              .value());
    };
    node.settings->namespaces = closed_namespaces();
    for (const auto& one : node.shards) {
      one->services.regexes = &regexes;
      one->services.connection_tokens = verifier();
      one->services.subscription_tokens = verifier();
    }
  }
  ~SessionCapabilities() override { EXPECT_EQ(node.leftovers(), ""); }

  TestClient& with(const std::string& caps) {
    TestClient& client = node.client();
    client.say(R"({"id":1,"connect":{"token":")" + token(R"({"sub":"ann","caps":)" + caps + "}") +
               "\"}}");
    return client;
  }
  static auto done(std::string_view name) {
    return ElementsAre(HasSubstr(std::string(R"({"id":2,")") + std::string(name) + R"(":{)"));
  }

  RegexCache regexes;
  TestNode node{1};
};

TEST_F(SessionCapabilities, EachRightIsForItsCommands) {
  TestClient& none = with("[]");
  for (const char* name : {"subscribe", "history", "presence", "presence_stats"}) {
    EXPECT_THAT(none.say(command(name, "news")), denied()) << name;
  }
  EXPECT_THAT(none.say(command("publish", "news", R"(,"data":1)")), denied());

  TestClient& reader = with(R"([{"channels":["news"],"allow":["hst","prs"]}])");
  EXPECT_THAT(reader.say(command("history", "news")), done("history"));
  EXPECT_THAT(reader.say(command("presence", "news")), done("presence"));
  EXPECT_THAT(reader.say(command("presence_stats", "news")), done("presence_stats"));
  EXPECT_THAT(reader.say(command("subscribe", "news")), denied());
  EXPECT_THAT(reader.say(command("publish", "news", R"(,"data":1)")), denied());
  EXPECT_THAT(reader.say(command("history", "other")), denied());

  TestClient& writer = with(R"([{"channels":["n*"],"match":"wildcard","allow":["pub"]}])");
  EXPECT_THAT(writer.say(command("publish", "news", R"(,"data":1)")), done("publish"));
  EXPECT_THAT(writer.say(command("subscribe", "news")), denied());

  TestClient& subscriber = with(R"([{"channels":["^news$"],"match":"regex","allow":["sub"]}])");
  EXPECT_THAT(subscriber.say(command("subscribe", "news")), done("subscribe"));
  EXPECT_THAT(subscriber.say(command("history", "news")), denied());
}

TEST_F(SessionCapabilities, WhoMayReadHistoryMayRecoverAndWhoSeesPresenceFollowsIt) {
  TestClient& plain = with(R"([{"channels":["news"],"allow":["sub"]}])");
  const std::string wish = command("subscribe", "news", R"(,"recoverable":true,"join_leave":true)");
  EXPECT_THAT(plain.say(wish), ElementsAre(R"({"id":2,"subscribe":{}})"));
  TestClient& client = with(R"([{"channels":["news"],"allow":["sub","hst","prs"]}])");
  EXPECT_THAT(client.say(wish),
              ElementsAre(HasSubstr(R"("recoverable":true)"), HasSubstr(R"("join")")));
}

TEST_F(SessionCapabilities, ATokenDecidesBeforeABackend) {
  TestClient& client = with(R"([{"channels":["asking:a"],"allow":["sub","pub"]}])");
  EXPECT_THAT(client.say(command("subscribe", "asking:a")), done("subscribe"));
  client.heard();
  EXPECT_THAT(client.say(command("publish", "asking:a", R"(,"data":1)")),
              testing::Contains(R"({"id":2,"publish":{}})"));
  EXPECT_THAT(client.say(command("subscribe", "asking:b")), ElementsAre(HasSubstr("108")))
      << "there is no backend to ask";
}

TEST_F(SessionCapabilities, PrivateChannelsNeedATokenOfTheirOwn) {
  TestClient& client = with(R"([{"channels":["*"],"match":"wildcard","allow":["sub"]}])");
  EXPECT_THAT(client.say(command("subscribe", "$secret")), denied());
  EXPECT_THAT(client.say(command("subscribe", "nope:a")), ElementsAre(HasSubstr("102")));
}

TEST_F(SessionCapabilities, PrivateChannelsAreNotReadOrPublishedToByThemEither) {
  TestClient& client =
      with(R"([{"channels":["*"],"match":"wildcard","allow":["sub","pub","hst","prs"]}])");
  EXPECT_THAT(client.say(command("publish", "$open:a", R"(,"data":1)")), denied());
  EXPECT_THAT(client.say(command("history", "$open:a")), denied());
  EXPECT_THAT(client.say(command("presence", "$open:a")), denied());
  EXPECT_THAT(client.say(command("presence_stats", "$open:a")), denied());
}

TEST_F(SessionCapabilities, ANameThatNoChannelCanHaveIsHeldAgainstNoPattern) {
  TestClient& client = with(R"([{"channels":["a*"],"match":"wildcard","allow":["pub"]}])");
  EXPECT_THAT(client.say(command("publish", "ab", R"(,"data":1)")),
              testing::Contains(HasSubstr(R"("publish":{)")));
  EXPECT_THAT(client.say(command("publish", std::string(256, 'a'), R"(,"data":1)")), denied());
}

TEST_F(SessionCapabilities, WhatDoesNotCompileIsNoToken) {
  EXPECT_EQ(with(R"([{"channels":["("],"match":"regex","allow":["sub"]}])").ending->code, 3500u);
  EXPECT_EQ(with(R"([{"channels":["a"],"match":"glob"}])").ending->code, 3500u);
}

TEST_F(SessionCapabilities, ARefreshTakesAwayWhatOnlyTheyGave) {
  TestClient& client = with(R"([{"channels":["a","b","open:c"],"allow":["sub"]}])");
  for (const char* channel : {"a", "b", "open:c"}) client.say(command("subscribe", channel));
  client.heard();
  const Messages said =
      client.say(R"({"id":3,"refresh":{"token":")" +
                 token(R"({"sub":"ann","caps":[{"channels":["b"],"allow":["sub"]}]})") + "\"}}");
  EXPECT_THAT(said, ElementsAre(R"({"push":{"channel":"a","unsubscribe":)"
                                R"({"code":2000,"reason":"server unsubscribe"}}})",
                                HasSubstr(R"("refresh")")));
  EXPECT_THAT(client.say(command("subscribe", "a")), denied());
}

TEST_F(SessionCapabilities, ASubscriptionsTokenGivesRightsToItsChannel) {
  TestClient& client = with("[]");
  const auto with_token = [](const std::string& allow) {
    return R"(,"token":")" + token(R"({"sub":"ann","channel":"news","allow":)" + allow + "}") +
           "\"";
  };
  EXPECT_THAT(client.say(command("subscribe", "news",
                                 with_token(R"(["pub","hst"])") + R"(,"recoverable":true)")),
              ElementsAre(HasSubstr(R"("recoverable":true)")));
  EXPECT_THAT(client.say(command("history", "news")), done("history"));
  EXPECT_THAT(client.say(command("presence", "news")), denied());
  EXPECT_THAT(client.say(command("history", "other")), denied());
  EXPECT_THAT(client.say(command("sub_refresh", "news", with_token(R"(["prs"])"))),
              done("sub_refresh"));
  EXPECT_THAT(client.say(command("history", "news")), denied());
  EXPECT_THAT(client.say(command("presence", "news")), done("presence"));
  client.say(command("unsubscribe", "news"));
  EXPECT_THAT(client.say(command("presence", "news")), denied());
}

TEST_F(SessionCapabilities, WishesAreGrantedByThem) {
  TestClient& client = node.client();
  const Messages said =
      client.say(R"({"id":1,"connect":{"subs":{"news":{},"other":{}},"token":")" +
                 token(R"({"sub":"ann","caps":[{"channels":["news"],"allow":["sub"]}]})") + "\"}}");
  EXPECT_THAT(said, ElementsAre(HasSubstr(R"("subs":{"news":{}})")));
}

}  // namespace
}  // namespace gyre::client
