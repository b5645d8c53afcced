// Subscriptions to wildcards (docs/wildcards.md): who gets one, what comes of it, and what does
// not.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/proxied_node.h"

namespace gyre::client {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

// Everybody may subscribe where there is no namespace, nobody in `closed`; `rich` gives all that a
// namespace can give, `ask` asks a backend. `news.vip*` belongs to `closed`.
std::shared_ptr<Settings> wildcard_settings() {
  channel::ChannelOptions rich = open_options();
  rich.presence = rich.join_leave = rich.force_push_join_leave = true;
  rich.history_size = 10;
  rich.history_ttl = std::chrono::seconds(600);
  rich.force_recovery = rich.allow_positioning = true;
  rich.allows_fossil_delta = rich.delta_publish = rich.allow_tags_filter = true;
  rich.delivery = std::make_shared<const channel::DeliveryRule>(
      channel::DeliveryRule{.batch_flush_latest = true,
                            .batch_max_size = 10,
                            .batch_max_delay = std::chrono::milliseconds(100)});
  channel::ChannelOptions ask;
  ask.subscribe_proxy = "default";
  auto namespaces = channel::Namespaces::compile(
      {}, open_options(), {{"closed", {}}, {"rich", rich}, {"ask", ask}, {"own", open_options()}},
      {{"news.vip*", "closed"}});
  auto rules = channel::WildcardRules::compile({}, {{"news.>", ""},
                                                    {"*.sport", ""},
                                                    {"closed:*", "closed"},
                                                    {"rich:>", "rich"},
                                                    {"ask:*", "ask"}});
  const Result<void> added = namespaces->add_wildcards(std::move(rules).value());
  EXPECT_TRUE(added) << added.error().context;
  auto result = test_settings();
  result->namespaces = std::make_shared<const channel::Namespaces>(std::move(namespaces).value());
  result->ping_interval = 0;
  return result;
}

std::string subscribe_to(std::string_view channel, std::string_view more = "") {
  return R"({"id":2,"subscribe":{"channel":")" + std::string(channel) + "\"" + std::string(more) +
         "}}";
}

auto refused_with(int code) {
  return ElementsAre(HasSubstr(R"("error":{"code":)" + std::to_string(code)));
}

constexpr std::string_view kDone = R"({"id":2,"subscribe":{}})";

class WildcardSessionTest : public testing::Test {
 protected:
  void TearDown() override { EXPECT_EQ(node_.leftovers(), ""); }

  RegexCache regexes_;
  TestNode node_{2, wildcard_settings()};
};

TEST_F(WildcardSessionTest, ASubscriberGetsEveryChannelThatFits) {
  TestClient& here = node_.connected(0);
  TestClient& there = node_.connected(1);
  EXPECT_THAT(here.say(subscribe_to("news.*")), ElementsAre(kDone));
  EXPECT_THAT(there.say(subscribe_to("news.>")), ElementsAre(kDone));
  for (const char* channel : {"news.a", "news.b.c", "news", "other.a"}) node_.publish(channel, "1");
  for (int i = 0; i < 20; ++i) node_.publish("news.x" + std::to_string(i), std::to_string(i));
  const Messages one = here.heard();
  const Messages all = there.heard();
  ASSERT_EQ(one.size(), 21u);
  ASSERT_EQ(all.size(), 22u);
  EXPECT_EQ(one[0], R"({"push":{"channel":"news.*","pub":{"data":1,"channel":"news.a"}}})");
  EXPECT_EQ(one[20], R"({"push":{"channel":"news.*","pub":{"data":19,"channel":"news.x19"}}})");
  EXPECT_EQ(all[1], R"({"push":{"channel":"news.\u003e","pub":{"data":1,"channel":"news.b.c"}}})");
}

TEST_F(WildcardSessionTest, ASubscriberOfBothGetsBoth) {
  TestClient& client = node_.connected();
  client.say(subscribe_to("news.*"));
  client.say(subscribe_to("news.a"));
  client.say(subscribe_to("*.sport"));
  node_.publish("news.a", "1");
  node_.publish("news.sport", "2");
  EXPECT_THAT(client.heard(),
              UnorderedElementsAre(
                  R"({"push":{"channel":"news.a","pub":{"data":1}}})",
                  R"({"push":{"channel":"news.*","pub":{"data":1,"channel":"news.a"}}})",
                  R"({"push":{"channel":"news.*","pub":{"data":2,"channel":"news.sport"}}})",
                  R"({"push":{"channel":"*.sport","pub":{"data":2,"channel":"news.sport"}}})"));
  EXPECT_THAT(client.say(subscribe_to("news.*")), refused_with(105));
  client.say(R"({"id":3,"unsubscribe":{"channel":"news.*"}})");
  node_.publish("news.a", "3");
  EXPECT_THAT(client.heard(), ElementsAre(R"({"push":{"channel":"news.a","pub":{"data":3}}})"));
}

TEST_F(WildcardSessionTest, OneIsForThoseWhoseRuleAndPermissionsAllowIt) {
  TestClient& client = node_.connected(0, "ann");
  const std::pair<std::string, int> cases[] = {
      {">", 103},         {"*", 103},        {"other.*", 103},  {"*.sport.*", 103},
      {"news.>.a", 107},  {"news..*", 107},  {"closed:*", 103}, {"closed:>", 103},
      {"own:*", 103},     {"nope:*", 102},   {"*.x:a.*", 102},  {"$news.*", 103},
      {"$closed:*", 103}, {"news.vip*", 103}};
  for (const auto& [name, code] : cases) {
    EXPECT_THAT(client.say(subscribe_to(name)), refused_with(code)) << name;
  }
  EXPECT_THAT(client.say(subscribe_to("news." + std::string(250, 'a') + ".*")), refused_with(107));
}

TEST_F(WildcardSessionTest, ATokenForItDoesNotReplaceTheRule) {
  TestClient& client = node_.connected(0, "ann");
  const auto with_token = [](const std::string& name) {
    return R"(,"token":")" + token(R"({"sub":"ann","channel":")" + name + R"("})") + '"';
  };
  EXPECT_THAT(client.say(subscribe_to("closed:*", with_token("closed:*"))), ElementsAre(kDone));
  EXPECT_THAT(client.say(subscribe_to("closed:>", with_token("closed:>"))), refused_with(103));
  node_.publish("closed:a", "1");
  node_.publish("news.vip", "2");
  EXPECT_THAT(client.heard(), ElementsAre(HasSubstr(R"("channel":"closed:a")")));
}

// `#` or `$` in a name, or another namespace than it looks like.
TEST_F(WildcardSessionTest, NothingLeaksThroughIt) {
  TestClient& client = node_.connected();
  client.say(subscribe_to("news.>"));
  client.say(subscribe_to("rich:>"));
  for (const char* channel : {"$news.a", "news.#42", "news.a#1,2", "news.vip", "news.vip.a",
                              "closed:news.a", "$rich:a", "rich:#42"}) {
    node_.publish(channel, "1");
  }
  EXPECT_THAT(client.heard(), IsEmpty());
}

TEST_F(WildcardSessionTest, APersonalChannelIsNone) {
  node_.settings->has_personal_channels = true;
  TestClient& client = node_.client();
  EXPECT_THAT(client.say(R"({"id":1,"connect":{"token":")" + token(R"({"sub":"a.*"})") + "\"}}"),
              ElementsAre(HasSubstr(R"("subs":{"#a.*":{}})")));
  node_.publish("#a.b", "1");
  EXPECT_THAT(client.heard(), IsEmpty());
  node_.publish("#a.*", "2");
  EXPECT_THAT(client.heard(), ElementsAre(R"({"push":{"channel":"#a.*","pub":{"data":2}}})"));
}

TEST_F(WildcardSessionTest, OnlyASubscribeIsForOne) {
  TestClient& client = node_.connected();
  client.say(subscribe_to("news.*"));
  for (const char* command :
       {R"({"id":3,"publish":{"channel":"news.*","data":1}})",
        R"({"id":3,"publish":{"channel":"own:a.>","data":1}})",
        R"({"id":3,"publish":{"channel":"news.>.a","data":1}})",
        R"({"id":3,"history":{"channel":"rich:*"}})", R"({"id":3,"presence":{"channel":"rich:*"}})",
        R"({"id":3,"presence_stats":{"channel":"rich:*"}})"}) {
    EXPECT_THAT(client.say(command), refused_with(107)) << command;
  }
  EXPECT_THAT(client.heard(), IsEmpty());
}

TEST_F(WildcardSessionTest, ItIsLiveAndNothingElse) {
  TestClient& client = node_.connected(0, "ann");
  EXPECT_THAT(client.say(subscribe_to("rich:*", R"(,"delta":"fossil","join_leave":true)")),
              ElementsAre(kDone))
      << "no position, no delta, and nobody joins";
  EXPECT_EQ(node_[0].presence.adds + node_[1].presence.adds, 0);
  const engine::HistoryOptions history{.size = 10, .ttl = std::chrono::seconds(60), .meta_ttl = {}};
  for (const char* data : {R"({"text":"long enough that a delta of it is shorter: 1"})",
                           R"({"text":"long enough that a delta of it is shorter: 2"})"}) {
    auto publication = make_ref<protocol::Publication>(std::string(data));
    publication->wants_delta = true;
    node_.publish("rich:a", std::move(publication), history);
  }
  const Messages heard = client.heard();
  ASSERT_EQ(heard.size(), 2u);
  EXPECT_THAT(heard[1], HasSubstr(R"("offset":2,"channel":"rich:a")"));
  EXPECT_THAT(heard[1], HasSubstr(R"({"text":"long)"));
}

TEST_F(WildcardSessionTest, WhoAsksForAStreamIsToldThatThereIsNone) {
  TestClient& client = node_.connected();
  for (const char* wish : {R"(,"positioned":true)", R"(,"recoverable":true)",
                           R"(,"recover":true,"offset":1,"epoch":"e")"}) {
    EXPECT_THAT(client.say(subscribe_to("rich:*", wish)), refused_with(108)) << wish;
    EXPECT_THAT(client.say(subscribe_to("news.*", wish)),
                ElementsAre(HasSubstr(R"("subscribe":{)")))
        << "nobody gets it there, and so it is ignored";
    client.say(R"({"id":3,"unsubscribe":{"channel":"news.*"}})");
  }
}

TEST_F(WildcardSessionTest, AFilterByTagsWorks) {
  TestClient& client = node_.connected();
  const std::string filter = R"(,"delta":"fossil","tf":{"key":"color","cmp":"eq","val":"red"})";
  EXPECT_THAT(client.say(subscribe_to("rich:>", filter)), ElementsAre(kDone));
  for (const char* color : {"red", "blue"}) {
    auto publication = make_ref<protocol::Publication>("1");
    publication->set_tags({{"color", color}});
    node_.publish(std::string("rich:") + color, std::move(publication), {});
  }
  EXPECT_THAT(client.heard(), ElementsAre(HasSubstr(R"("channel":"rich:red")")));
}

TEST_F(WildcardSessionTest, TheServerMaySubscribeToOneThatARuleAllows) {
  const auto connect = [this](const std::string& channels, const std::string& wishes = "{}") {
    TestClient& client = node_.client(1);
    return std::pair(&client,
                     client.say(R"({"id":1,"connect":{"subs":)" + wishes + R"(,"token":")" +
                                token(R"({"sub":"ann","channels":)" + channels + "}") + "\"}}"));
  };
  const auto [client, heard] =
      connect(R"(["rich:*"])", R"({"news.*":{},"other.*":{},"a.>.b":{},)"
                               R"("closed:*":{},"rich:*":{"recover":true,"offset":1}})");
  ASSERT_EQ(heard.size(), 1u);
  EXPECT_THAT(heard[0], HasSubstr(R"("rich:*":{"was_recovering":true})"));
  EXPECT_THAT(heard[0], HasSubstr(R"("news.*":{})"));
  for (const char* name : {"other.*", "\"a.", "closed"}) {
    EXPECT_THAT(heard[0], testing::Not(HasSubstr(name)));
  }
  node_.publish("rich:a", "1");
  EXPECT_THAT(client->heard(), ElementsAre(HasSubstr(R"("channel":"rich:a")")));
  EXPECT_THAT(connect(R"(["other.*"])").second, refused_with(103));
  EXPECT_THAT(connect(R"(["news.>.a"])").second, refused_with(107));
}

TEST_F(WildcardSessionTest, SoMayTheApi) {
  TestClient& client = node_.connected(0, "ann");
  const auto order = [this](const std::string& name) {
    return node_.operate([&name](Audience& audience) {
      SubscribeOrder wish;
      wish.channel = name;
      wish.override_options.presence = wish.override_options.force_positioning = true;
      return audience.subscribe({.user = "ann", .client = {}, .session = {}, .spared = {}},
                                std::move(wish));
    });
  };
  EXPECT_TRUE(order("closed:*"));
  EXPECT_THAT(client.heard(), ElementsAre(R"({"push":{"channel":"closed:*","subscribe":{}}})"));
  EXPECT_EQ(node_[0].presence.adds + node_[1].presence.adds, 0);
  node_.publish("closed:a", "1");
  EXPECT_THAT(client.heard(), ElementsAre(HasSubstr(R"("channel":"closed:a")")));
  EXPECT_FALSE(order("closed:>"));
  node_.operate([](Audience& audience) {
    return audience.unsubscribe({.user = "ann", .client = {}, .session = {}, .spared = {}},
                                "closed:*", protocol::unsubscribes::kServer);
  });
  EXPECT_THAT(client.heard(), ElementsAre(HasSubstr(R"("unsubscribe")")));
  node_.publish("closed:a", "2");
  EXPECT_THAT(client.heard(), IsEmpty());
}

TEST_F(WildcardSessionTest, ThereAreOnlySoManyOnTheNode) {
  TestClient& client = node_.connected(1);
  for (size_t i = 0; i < kWildcardsMax; ++i) {
    EXPECT_THAT(client.say(subscribe_to("news.a" + std::to_string(i) + ".*")), ElementsAre(kDone));
  }
  TestClient& other = node_.connected(0);
  EXPECT_THAT(other.say(subscribe_to("news.b.*")), refused_with(106));
  EXPECT_THAT(other.say(subscribe_to("news.a0.*")), ElementsAre(kDone));
  client.leave();
  EXPECT_THAT(other.say(subscribe_to("news.b.*")), ElementsAre(kDone));
}

TEST_F(WildcardSessionTest, TheyCountAsChannelsOfTheConnection) {
  node_.settings->channel_limit = 2;
  TestClient& client = node_.connected();
  client.say(subscribe_to("news.*"));
  client.say(subscribe_to("news.>"));
  EXPECT_THAT(client.say(subscribe_to("news.a.*")), refused_with(106));
  const Totals totals = node_.operate([](Audience& audience) { return audience.totals(); });
  EXPECT_EQ(totals.channels, 2u);
  EXPECT_EQ(totals.subscriptions, 2u);
}

TEST_F(WildcardSessionTest, AClientMayLeaveWhileItJoins) {
  TestClient& client = node_.connected(1);
  {
    const runtime::TurnScope scope(node_[1].shard);
    client.session().receive(subscribe_to("news.*"));
  }
  client.leave();
  for (size_t i = 0; i < 2; ++i) {
    const runtime::TurnScope scope(node_[i].shard);
    EXPECT_TRUE(node_[i].wildcards->empty()) << i;
  }
}

// A capability for channels of a shape is none for the wildcard, as an entry in front of it may
// keep some of them from its bearer.
TEST(WildcardCapabilities, OnlyTheNameItselfGivesTheRight) {
  RegexCache regexes;
  using Match = auth::Capability::Match;
  const auto gives = [&regexes](const std::vector<auth::Capability>& claims) {
    const auto capabilities = Capabilities::create(claims, regexes).value();
    return capabilities.rights_to_wildcard("news.*", regexes).has(channel::Rights::kSubscribe);
  };
  const auth::Capability named{.channels = {"news.*"}, .match = Match::exact, .allow = {"sub"}};
  const auth::Capability shape{.channels = {"news.*"}, .match = Match::wildcard, .allow = {"sub"}};
  const auth::Capability regex{.channels = {"^news"}, .match = Match::regex, .allow = {"sub"}};
  const auth::Capability secret{.channels = {"news.secret"}, .match = Match::exact, .allow = {}};
  EXPECT_TRUE(gives({named}));
  EXPECT_TRUE(gives({secret, named}));
  EXPECT_FALSE(gives({shape}));
  EXPECT_FALSE(gives({regex}));
  EXPECT_FALSE(gives({shape, named})) << "the first that matches decides";
  EXPECT_FALSE(gives({secret}));
}

TEST_F(WildcardSessionTest, ACapabilityNeedsItsRuleToo) {
  for (const auto& one : node_.shards) {
    one->services.regexes = &regexes_;
    one->services.connection_tokens = std::make_unique<const auth::TokenVerifier>(
        auth::TokenVerifier::create(
            {.insecure_skip_signature_verify = true, .has_capabilities = true})
            .value());
  }
  const auto connected_with = [this](const std::string& caps) -> TestClient& {
    TestClient& client = node_.client();
    client.say(R"({"id":1,"connect":{"token":")" + token(R"({"sub":"ann","caps":)" + caps + "}") +
               "\"}}");
    return client;
  };
  TestClient& named = connected_with(R"([{"channels":["closed:*","closed:>"],"allow":["sub"]}])");
  EXPECT_THAT(named.say(subscribe_to("closed:*")), ElementsAre(kDone));
  EXPECT_THAT(named.say(subscribe_to("closed:>")), refused_with(103));
  TestClient& shaped =
      connected_with(R"([{"channels":["closed:*"],"match":"wildcard","allow":["sub"]}])");
  EXPECT_THAT(shaped.say(subscribe_to("closed:*")), refused_with(103));
  EXPECT_THAT(shaped.say(subscribe_to("closed:a")), ElementsAre(kDone));
}

// The backend is asked about the wildcard, but only if a rule allows it, and cannot give more.
TEST(WildcardProxy, ABackendDecidesWithinTheRules) {
  ProxiedNode asking({proxy::Event::subscribe}, wildcard_settings());
  TestClient& client = asking.node.connected(0, "ann");
  EXPECT_THAT(client.say(subscribe_to("ask:>")), refused_with(103));
  EXPECT_EQ(asking.backend.waiting(), 0u);
  EXPECT_THAT(
      asking.say(client, subscribe_to("ask:*"), R"({"error":{"code":1000,"message":"no"}})"),
      refused_with(1000));
  client.say(subscribe_to("ask:*"));
  ASSERT_EQ(asking.backend.waiting(), 1u);
  EXPECT_THAT(asking.backend.request().body, HasSubstr(R"("channel":"ask:*")"));
  asking.answer(R"({"result":{"override":{"presence":{"value":true},"force_recovery":{"value":true},
                    "force_push_join_leave":{"value":true}}}})");
  EXPECT_THAT(client.heard(), ElementsAre(kDone));
  EXPECT_EQ(asking.node[0].presence.adds, 0);
  asking.node.publish("ask:a", "1");
  EXPECT_THAT(client.heard(), ElementsAre(HasSubstr(R"("channel":"ask:a")")));
  EXPECT_EQ(asking.node.leftovers(), "");
}

// Where there are no rules, such names are names like any others.
TEST(WildcardsOff, TheirNamesMeanNothing) {
  TestNode node;
  TestClient& client = node.connected();
  EXPECT_THAT(client.say(subscribe_to("news.*")), ElementsAre(kDone));
  EXPECT_THAT(client.say(subscribe_to("a.>.b")), ElementsAre(kDone));
  node.publish("news.a", "1");
  EXPECT_THAT(client.heard(), IsEmpty());
  EXPECT_THAT(client.say(R"({"id":3,"publish":{"channel":"news.*","data":2}})"),
              UnorderedElementsAre(R"({"id":3,"publish":{}})",
                                   HasSubstr(R"("push":{"channel":"news.*","pub":{"data":2,)")));
  EXPECT_EQ(node.leftovers(), "");
}

}  // namespace
}  // namespace gyre::client
