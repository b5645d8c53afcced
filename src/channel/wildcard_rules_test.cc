#include "channel/wildcard_rules.h"

#include <gtest/gtest.h>

#include "channel/permissions.h"

namespace gyre::channel {
namespace {

using Kind = WildcardRules::Kind;

WildcardRules wildcard_rules(const std::vector<WildcardRules::Rule>& rules) {
  auto compiled = WildcardRules::compile({}, rules);
  EXPECT_TRUE(compiled) << compiled.error().context;
  return std::move(*compiled);
}

// Namespaces without a name, `chat` and `vip`; `vip*` behind the boundary of `chat` and `secret.*`
// belong to `vip`.
Namespaces with_wildcards(const std::vector<WildcardRules::Rule>& rules, NameRules names = {},
                          const std::string& regex = "") {
  ChannelOptions chat;
  chat.channel_regex = regex;
  auto all = Namespaces::compile(std::move(names), {}, {{"chat", chat}, {"vip", {}}},
                                 {{"chat:vip*", "vip"}, {"secret.*", "vip"}});
  EXPECT_TRUE(all) << all.error().context;
  const Result<void> added = all->add_wildcards(wildcard_rules(rules));
  EXPECT_TRUE(added) << added.error().context;
  return std::move(*all);
}

uint32_t code_of(const Refusal& refusal) {
  return refusal ? refusal->code : 0;
}

uint32_t refusal_of(const Namespaces& all, std::string_view name) {
  return code_of(refusal_of_wildcard(all, all.parse(name)));
}

TEST(WildcardRules, SaysWhatANameIs) {
  const WildcardRules rules = wildcard_rules({});
  for (const char* name : {"news.*", "news.>", "*", ">", "chat:*", "chat:a.>", "*.x:a.*"}) {
    EXPECT_EQ(rules.kind_of(name), Kind::wildcard) << name;
  }
  for (const char* name : {"news", "news*", "a.b*.c", "*:a", "*.x:a", "", "a>", ">:a"}) {
    EXPECT_EQ(rules.kind_of(name), Kind::channel) << name;
  }
  for (const char* name : {"a.>.b", "a..*", "chat:.*", "*."}) {
    EXPECT_EQ(rules.kind_of(name), Kind::broken) << name;
  }
}

// Somebody's personal channel, for one, whatever the user is called.
TEST(WildcardRules, PrivateAndUserLimitedNamesAreNever) {
  const WildcardRules rules = wildcard_rules({});
  for (const char* name : {"$news.*", "$chat:*", "#*", "#a.*", "chat:#x.>", "dialog.#1,2.*"}) {
    EXPECT_EQ(rules.kind_of(name), Kind::channel) << name;
  }
  EXPECT_FALSE(WildcardRules::compile({}, {{"$news.*", ""}}));
  EXPECT_FALSE(WildcardRules::compile({}, {{"#a.*", ""}}));
  EXPECT_FALSE(WildcardRules::compile({}, {{"news", ""}}));
  EXPECT_FALSE(WildcardRules::compile({}, {{"news.>.a", ""}}));
}

TEST(WildcardRules, AllowThePatternAndNarrowerOnes) {
  const WildcardRules rules = wildcard_rules({{"news.>", ""}, {"chat:rooms.*", "chat"}});
  EXPECT_TRUE(rules.allows("news.>", ""));
  EXPECT_TRUE(rules.allows("news.*", ""));
  EXPECT_TRUE(rules.allows("news.sport.*", ""));
  EXPECT_TRUE(rules.allows("chat:rooms.*", "chat"));
  EXPECT_FALSE(rules.allows(">", ""));
  EXPECT_FALSE(rules.allows("*.sport", ""));
  EXPECT_FALSE(rules.allows("chat:rooms.>", "chat"));
  EXPECT_FALSE(rules.allows("chat:*.a", "chat"));
  EXPECT_FALSE(rules.allows("vip:rooms.*", "vip"));
  EXPECT_FALSE(rules.allows("news.*", "vip")) << "the rule is for another namespace";
}

TEST(WildcardRules, AWideOneDoesNotCrossTheBoundary) {
  const WildcardRules rules = wildcard_rules({{">", ""}, {"chat:>", "chat"}});
  EXPECT_FALSE(rules.allows("chat:>", "")) << "what stands up to the boundary must be equal";
  EXPECT_FALSE(rules.allows("*.x:a.*", ""));
  EXPECT_TRUE(rules.allows("chat:a.*", "chat"));
}

TEST(Wildcards, ARuleMustBeOfItsNamespace) {
  auto all = Namespaces::compile({}, {}, {{"chat", {}}, {"vip", {}}}, {{"secret.*", "vip"}});
  EXPECT_FALSE(all->add_wildcards(wildcard_rules({{"chat:*", ""}})));
  EXPECT_FALSE(all->add_wildcards(wildcard_rules({{"nope:*", "nope"}})));
  EXPECT_FALSE(all->add_wildcards(wildcard_rules({{"secret.*", ""}})));
  EXPECT_EQ(all->wildcards(), nullptr);
  EXPECT_TRUE(all->add_wildcards(wildcard_rules({{"secret.*", "vip"}, {"chat:*", "chat"}})));
  EXPECT_TRUE(all->is_wildcard("anything.*"));
}

TEST(Wildcards, WithoutRulesNoNameIsOne) {
  const Namespaces all = std::move(*Namespaces::compile({}, {}, {}));
  Resolved result;
  EXPECT_EQ(code_of(resolve(all, "news.*", result)), 0u);
  EXPECT_FALSE(result.is_wildcard);
  EXPECT_EQ(code_of(resolve(all, "a.>.b", result)), 0u);
  EXPECT_EQ(refusal_of(all, "news.*"), 0u);
}

TEST(Wildcards, AreRefusedUnlessARuleAllowsThem) {
  const Namespaces all = with_wildcards({{"news.>", ""}, {"chat:*", "chat"}});
  Resolved result;
  EXPECT_EQ(code_of(resolve(all, "news.*", result)), 0u);
  EXPECT_TRUE(result.is_wildcard);
  EXPECT_EQ(code_of(resolve(all, "news.a", result)), 0u);
  EXPECT_FALSE(result.is_wildcard);
  EXPECT_EQ(code_of(resolve(all, "a.>.b", result)), 107u);
  EXPECT_EQ(code_of(resolve(all, "*.x:a.*", result)), 102u);

  EXPECT_EQ(refusal_of(all, "news.a"), 0u);
  EXPECT_EQ(refusal_of(all, "news.*"), 0u);
  EXPECT_EQ(refusal_of(all, "chat:*"), 0u);
  EXPECT_EQ(refusal_of(all, ">"), 103u);
  EXPECT_EQ(refusal_of(all, "vip:*"), 103u);
  EXPECT_EQ(refusal_of(all, "a.>.b"), 107u);
  EXPECT_EQ(refusal_of(all, "news." + std::string(300, 'a') + ".*"), 107u);
}

// A rule for channels without a namespace says nothing of a name that a channel pattern gives one.
TEST(Wildcards, AreOfTheNamespaceThatTheirNameBelongsTo) {
  const Namespaces all = with_wildcards({{">", ""}, {"chat:>", "chat"}});
  EXPECT_EQ(refusal_of(all, "news.*"), 0u);
  EXPECT_EQ(refusal_of(all, "secret.*"), 103u);
  EXPECT_EQ(refusal_of(all, "chat:vip.*"), 103u);
}

// A reload may have brought other symbols than those that the names were judged by.
TEST(Wildcards, OfWhatIsPrivateNowAreRefused) {
  NameRules now;
  now.private_prefix = "news";
  now.user_boundary = "@";
  const Namespaces all = with_wildcards({{">", ""}}, now);
  EXPECT_EQ(refusal_of(all, "news.*"), 107u);
  EXPECT_EQ(refusal_of(all, "a.@5.*"), 107u);
  EXPECT_EQ(refusal_of(all, "a.*"), 0u);
}

TEST(Wildcards, StandForChannelsThatClientsMayNameOnly) {
  const Namespaces all = with_wildcards({{">", ""}}, {}, "^[a-z.]+$");
  const auto home = [&all](std::string_view channel) -> std::string {
    const auto found = namespace_for_wildcards(all, channel);
    return found ? std::string(*found) : "-";
  };
  EXPECT_EQ(home("news.a"), "");
  EXPECT_EQ(home("chat:a"), "chat");
  EXPECT_EQ(home("chat:vipa"), "vip");
  EXPECT_EQ(home("secret.a"), "vip");
  EXPECT_EQ(home("news.chat:a"), "-") << "of a namespace that is not there";
  for (const char* hidden :
       {"$news.a", "$chat:a", "news.#1", "#42", "chat:#42", "chat:a1", "nope:a", "news.\xc3\xa9"}) {
    EXPECT_EQ(home(hidden), "-") << hidden;
  }
  EXPECT_EQ(home("news." + std::string(250, 'a')), "");
  EXPECT_EQ(home("news." + std::string(251, 'a')), "-");
}

}  // namespace
}  // namespace gyre::channel
