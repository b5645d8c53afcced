#include <gtest/gtest.h>

#include "channel/permissions.h"

namespace gyre::channel {
namespace {

Namespaces make(ChannelOptions without,
                std::vector<std::pair<std::string, ChannelOptions>> named = {}) {
  return std::move(*Namespaces::compile({}, std::move(without), std::move(named)));
}

// The code of a refusal, 0 for none.
uint32_t code(const Refusal& refusal) {
  return refusal ? refusal->code : 0;
}

Resolved resolved(const Namespaces& namespaces, std::string_view channel) {
  Resolved result;
  EXPECT_EQ(code(resolve(namespaces, channel, result)), 0u) << channel;
  return result;
}

TEST(ChannelName, FindsTheNamespaceBehindThePrivatePrefix) {
  const NameRules rules;
  struct Row {
    std::string_view name, ns, rest;
    bool is_private;
  };
  for (const Row& row : {Row{"news", "", "news", false}, Row{"chat:room", "chat", "room", false},
                         Row{"$chat:a:b", "chat", "a:b", true}, Row{"$secret", "", "$secret", true},
                         Row{":x", "", "x", false}, Row{"a$:b", "a$", "b", false}}) {
    const ChannelName name = ChannelName::parse(row.name, rules);
    EXPECT_EQ(name.namespace_name, row.ns) << row.name;
    EXPECT_EQ(name.rest, row.rest) << row.name;
    EXPECT_EQ(name.is_private, row.is_private) << row.name;
  }
}

TEST(ChannelName, TheUserListStandsBehindTheLastBoundary) {
  const NameRules rules;
  EXPECT_TRUE(lists_user("dialog#42,43", "43", rules));
  EXPECT_FALSE(lists_user("dialog#42,43", "4", rules));
  EXPECT_FALSE(lists_user("a#42#43", "42", rules));
  EXPECT_TRUE(lists_user("x#", "", rules));
  EXPECT_FALSE(lists_user("x", "", rules));
}

TEST(Namespaces, AnUnknownNamespaceIsAnUnknownChannel) {
  const Namespaces namespaces = make({}, {{"chat", {}}});
  Resolved result;
  EXPECT_EQ(code(resolve(namespaces, "nope:x", result)), 102u);
  EXPECT_EQ(code(resolve(namespaces, "chat:x", result)), 0u);
  EXPECT_EQ(result.ns->name(), "chat");
}

TEST(Namespaces, NamesAreAsciiUnlessARegexDecides) {
  ChannelOptions digits;
  digits.channel_regex = "^[0-9é]+$";
  const Namespaces namespaces = make({}, {{"n", digits}});
  Resolved result;
  EXPECT_EQ(code(resolve(namespaces, "caf\xc3\xa9", result)), 107u);
  EXPECT_EQ(code(resolve(namespaces, "n:12", result)), 0u);
  EXPECT_EQ(code(resolve(namespaces, "n:\xc3\xa9", result)), 0u);
  EXPECT_EQ(code(resolve(namespaces, "n:x", result)), 107u);
}

TEST(Namespaces, ABrokenRegexOrANameTwiceIsRefused) {
  ChannelOptions broken;
  broken.channel_regex = "(";
  EXPECT_FALSE(Namespaces::compile({}, broken, {}));
  EXPECT_FALSE(Namespaces::compile({}, {}, {{"a", {}}, {"a", {}}}));
}

// Namespaces `users`, `rooms` and `news`, whose history_size tells them apart.
Namespaces with_patterns(const std::vector<Namespaces::PatternRule>& patterns) {
  std::vector<std::pair<std::string, ChannelOptions>> named(3);
  for (const auto& [name, size] : {std::pair("users", 1), {"rooms", 2}, {"news", 3}}) {
    named[static_cast<size_t>(size) - 1].first = name;
    named[static_cast<size_t>(size) - 1].second.history_size = size;
  }
  auto all = Namespaces::compile({}, {}, std::move(named), patterns);
  EXPECT_TRUE(all) << all.error().context;
  return std::move(*all);
}

TEST(Patterns, TheFirstThatMatchesNamesTheNamespace) {
  const Namespaces all = with_patterns({{"/users/admin", "rooms"},
                                        {"/users/:id", "users"},
                                        {"/rooms/:room/:topic", "rooms"},
                                        {"news.*", "news"}});
  const auto name_of = [&](std::string_view channel) {
    const Namespace* found = all.find(all.parse(channel));
    return found ? found->name() : "unknown";
  };
  EXPECT_EQ(name_of("/users/admin"), "rooms");
  EXPECT_EQ(name_of("/users/42"), "users");
  EXPECT_EQ(name_of("$/users/42"), "users");
  EXPECT_EQ(name_of("/users/a:b"), "users") << "boundaries do not count there";
  EXPECT_EQ(name_of("/rooms/1/log"), "rooms");
  EXPECT_EQ(name_of("/rooms/1"), "unknown");
  EXPECT_EQ(name_of("/"), "unknown");
  EXPECT_EQ(name_of("news.sport"), "news");
  EXPECT_EQ(name_of("news:sport"), "news") << "by its boundary, as ever";
  EXPECT_EQ(name_of("other"), "");
  EXPECT_EQ(name_of("nope:a"), "unknown");
  EXPECT_TRUE(all.parse("$/users/42").is_private);
}

TEST(Patterns, WithoutPathsASlashInFrontMeansNothing) {
  const Namespaces all = with_patterns({{"news.*", "news"}});
  EXPECT_EQ(all.find(all.parse("/users/42"))->name(), "");
  EXPECT_EQ(with_patterns({}).find(with_patterns({}).parse("/users/42"))->name(), "");
}

TEST(Patterns, ARegexIsForTheWholeChannel) {
  ChannelOptions digits;
  digits.channel_regex = "^/users/[0-9]+$";
  const auto all = Namespaces::compile({}, {}, {{"users", digits}}, {{"/users/:id", "users"}});
  Resolved result;
  EXPECT_EQ(code(resolve(*all, "/users/42", result)), 0u);
  EXPECT_EQ(code(resolve(*all, "/users/ann", result)), 107u);
  EXPECT_EQ(code(resolve(*all, "/rooms/42", result)), 102u);
}

TEST(Patterns, BrokenOnesAndThoseOfNoNamespaceAreRefused) {
  EXPECT_FALSE(Namespaces::compile({}, {}, {{"users", {}}}, {{"/users/:", "users"}}));
  EXPECT_FALSE(Namespaces::compile({}, {}, {{"users", {}}}, {{"/users/:id", "user"}}));
}

// Without it the backend would decide, whatever the namespace allows: the subscription is there for
// the capability alone.
TEST(Permissions, ACapabilityIsTheGroundWhereABackendWouldDecide) {
  const std::string word = "sub";
  const Requester capable{.user = "1", .rights = Rights(std::span(&word, 1))};
  for (std::string ChannelOptions::* proxy :
       {&ChannelOptions::subscribe_proxy, &ChannelOptions::subscribe_stream_proxy}) {
    ChannelOptions options;
    options.allow_subscribe_for_client = options.allow_user_limited_channels = true;
    options.*proxy = "default";
    const Namespaces namespaces = make(options);
    EXPECT_EQ(ground_to_subscribe(resolved(namespaces, "a"), capable, {}), Ground::capability);
    EXPECT_EQ(ground_to_wish(namespaces, "a", capable), Ground::capability);
    EXPECT_EQ(ground_to_subscribe(resolved(namespaces, "d#1"), capable, {}), Ground::user_list);
  }
}

TEST(Permissions, ACapabilityAddsWhatTheOptionsDoNotGive) {
  const Namespaces closed = make({});
  const auto rights = [](const std::string& word) {
    return Rights(std::span<const std::string>(&word, 1));
  };
  EXPECT_EQ(ground_to_subscribe(resolved(closed, "a"), {.user = "1", .rights = rights("sub")}, {}),
            Ground::capability);
  EXPECT_EQ(ground_to_subscribe(resolved(closed, "$a"), {.user = "1", .rights = rights("sub")}, {}),
            Ground::none);
  EXPECT_EQ(ground_to_subscribe(resolved(closed, "a"), {.user = "1", .rights = rights("pub")}, {}),
            Ground::none);
  ChannelOptions open;
  open.allow_subscribe_for_client = true;
  EXPECT_EQ(
      ground_to_subscribe(resolved(make(open), "a"), {.user = "1", .rights = rights("sub")}, {}),
      Ground::option);
  EXPECT_EQ(code(may_publish(resolved(closed, "a"), {.user = "1", .rights = rights("pub")})), 0u);
  EXPECT_EQ(code(may_publish(resolved(closed, "a"), {.user = "1", .rights = rights("sub")})), 103u);
  EXPECT_EQ(code(may_read_history(resolved(closed, "a"), {.user = "1", .rights = rights("hst")})),
            108u)
      << "there is none";
}

TEST(Permissions, SubscribeIsDeniedByDefault) {
  const Namespaces namespaces = make({});
  EXPECT_EQ(ground_to_subscribe(resolved(namespaces, "a"), {.user = "42"}, {}), Ground::none);
  EXPECT_EQ(ground_to_subscribe(resolved(namespaces, "a"), {.user = "42", .is_insecure = true}, {}),
            Ground::insecure);
}

TEST(Permissions, TheAnonymousOptionWidensTheOneForClients) {
  ChannelOptions only_anonymous;
  only_anonymous.allow_subscribe_for_anonymous = true;
  EXPECT_EQ(ground_to_subscribe(resolved(make(only_anonymous), "a"), {}, {}), Ground::none);
  ChannelOptions clients;
  clients.allow_subscribe_for_client = true;
  EXPECT_EQ(ground_to_subscribe(resolved(make(clients), "a"), {}, {}), Ground::none);
  EXPECT_EQ(ground_to_subscribe(resolved(make(clients), "a"), {.user = "1"}, {}), Ground::option);
  clients.allow_subscribe_for_anonymous = true;
  EXPECT_EQ(ground_to_subscribe(resolved(make(clients), "a"), {}, {}), Ground::option);
}

TEST(Permissions, PrivateChannelsNeedATokenEvenWhenInsecure) {
  ChannelOptions open;
  open.allow_subscribe_for_client = true;
  const Namespaces namespaces = make(open);
  EXPECT_EQ(ground_to_subscribe(resolved(namespaces, "$a"), {.user = "1", .is_insecure = true}, {}),
            Ground::none);
}

TEST(Permissions, UserLimitedChannelsBelongToTheirUsers) {
  ChannelOptions limited;
  limited.allow_user_limited_channels = true;
  limited.allow_subscribe_for_client = true;
  const Namespaces namespaces = make(limited);
  EXPECT_EQ(ground_to_subscribe(resolved(namespaces, "d#1,2"), {.user = "2"}, {}),
            Ground::user_list);
  EXPECT_EQ(ground_to_subscribe(resolved(namespaces, "d#1,2"), {.user = "3"}, {}), Ground::none);
  // Without the option the boundary means nothing.
  limited.allow_user_limited_channels = false;
  EXPECT_EQ(ground_to_subscribe(resolved(make(limited), "d#1,2"), {.user = "3"}, {}),
            Ground::option);
}

TEST(Permissions, WishesThatCouldNotBeSubscribedToAreDropped) {
  ChannelOptions options;
  options.allow_subscribe_for_client = true;
  options.allow_user_limited_channels = true;
  options.allow_subscribe_for_anonymous = true;
  const Namespaces namespaces = make(options);
  EXPECT_EQ(ground_to_wish(namespaces, "a", {.user = "1"}), Ground::option);
  EXPECT_EQ(ground_to_wish(namespaces, "d#1", {.user = "1"}), Ground::user_list);
  EXPECT_EQ(ground_to_wish(namespaces, "d#", {}), Ground::none);
  EXPECT_EQ(ground_to_wish(namespaces, "$a", {.user = "1"}), Ground::none);
  EXPECT_EQ(ground_to_wish(namespaces, "nope:a", {.user = "1"}), Ground::none);
}

TEST(Permissions, PublishingAsASubscriberNeedsASubscription) {
  ChannelOptions options;
  options.allow_publish_for_subscriber = true;
  const Namespaces namespaces = make(options);
  EXPECT_EQ(code(may_publish(resolved(namespaces, "a"), {.user = "1"})), 103u);
  EXPECT_EQ(code(may_publish(resolved(namespaces, "a"), {.user = "1", .is_subscribed = true})), 0u);
  EXPECT_EQ(code(may_publish(resolved(namespaces, "a"), {.user = "", .is_subscribed = true})),
            103u);
}

TEST(Permissions, WhatIsOffIsNotAvailableBeforeItIsDenied) {
  const Namespaces namespaces = make({});
  EXPECT_EQ(code(may_read_history(resolved(namespaces, "a"), {.user = "1", .is_insecure = true})),
            108u);
  EXPECT_EQ(code(may_see_presence(resolved(namespaces, "a"), {.user = "1"})), 108u);
}

TEST(Permissions, RecoveryIsGrantedByItsOptionOrByAccessToHistory) {
  ChannelOptions options;
  options.history_size = 10;
  options.history_ttl = std::chrono::seconds(60);
  const StreamWish both{.positioned = true, .recoverable = true};
  const Requester who{.user = "1"};
  EXPECT_FALSE(grant(resolved(make(options), "a"), {}, both, who).recoverable);
  options.allow_history_for_subscriber = true;
  EXPECT_TRUE(grant(resolved(make(options), "a"), {}, both, who).recoverable);
  options.allow_history_for_subscriber = false;
  options.allow_recovery = true;
  EXPECT_TRUE(grant(resolved(make(options), "a"), {}, {.recoverable = true}, who).positioned);
  options.allow_recovery = false;
  EXPECT_TRUE(grant(resolved(make(options), "a"), {.recoverable = true}, {}, who).positioned);
}

TEST(DataFormat, DecidesWhatMayBePublished) {
  EXPECT_FALSE(accepts_data(DataFormat::non_empty, ""));
  EXPECT_TRUE(accepts_data(DataFormat::non_empty, "\x01"));
  EXPECT_TRUE(accepts_data(DataFormat::json, "[1]"));
  EXPECT_FALSE(accepts_data(DataFormat::json, "[1"));
  EXPECT_TRUE(accepts_data(DataFormat::json_object, " {\"a\":1}\n"));
  EXPECT_FALSE(accepts_data(DataFormat::json_object, "[1]"));
  EXPECT_TRUE(accepts_data(DataFormat::binary, ""));
}

}  // namespace
}  // namespace gyre::channel
