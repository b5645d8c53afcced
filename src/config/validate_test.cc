#include "config/validate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/load.h"

namespace gyre::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<std::string> findings(std::string_view text) {
  LoadOptions options;
  std::vector<std::string> messages;
  for (const Finding& finding : load_text(text, "json", options).errors)
    messages.push_back(finding.message);
  return messages;
}

std::string in_namespace(const std::string& options) {
  return R"({"channel":{"namespaces":[{"name":"news",)" + options + "}]}}";
}

TEST(Validate, AcceptsTheDefaults) {
  EXPECT_THAT(findings("{}"), IsEmpty());
}

struct Case {
  const char* text;
  const char* message;
};

class RefusedConfiguration : public testing::TestWithParam<Case> {};

TEST_P(RefusedConfiguration, NamesSectionAndKey) {
  std::vector<std::string> messages = findings(GetParam().text);
  ASSERT_FALSE(messages.empty()) << GetParam().text;
  EXPECT_THAT(messages.front(), HasSubstr(GetParam().message)) << GetParam().text;
}

INSTANTIATE_TEST_SUITE_P(
    Rules, RefusedConfiguration,
    testing::Values(
        Case{R"({"http_server":{"h2c_external":true}})", "h2c_external needs"},
        Case{R"({"http_server":{"h2c_external":true,"internal_port":"8000"}})",
             "h2c_external needs"},
        Case{
            R"({"http_server":{"h2c_external":true,"internal_port":"9000","tls":{"enabled":true}}})",
            "does not go with"},
        Case{R"({"broker":{"type":"kafka"}})", "broker.type \"kafka\""},
        Case{R"({"client":{"token":{"user_id_claim":"user-id"}}})", "client.token.user_id_claim"},
        Case{R"({"client":{"proxy":{"connect":{"enabled":true}}}})",
             "in client.proxy.connect: endpoint"},
        Case{
            R"({"client":{"proxy":{"refresh":{"enabled":true,"endpoint":"http://a","http":{"status_to_code_transforms":[{"status_code":404}]}}}}})",
            "in client.proxy.refresh: http.status_to_code_transforms.[0]: exactly one"},
        Case{R"({"channel":{"history_meta_ttl":"1500ms"}})",
             "channel.history_meta_ttl must be whole seconds"},
        Case{R"({"channel":{"publication_data_format":"xml"}})", "publication_data_format \"xml\""},
        Case{
            R"({"client":{"connect_code_to_unidirectional_disconnect":{"transforms":[{"code":1}]}}})",
            "to.code must be set"},
        Case{R"({"proxies":[{"name":"aa","endpoint":"e"},{"name":"aa","endpoint":"e"}]})",
             "in proxy aa: \"aa\" stands twice"},
        Case{R"({"proxies":[{"name":"default","endpoint":"e"}]})", "\"default\" is reserved"},
        Case{R"({"proxies":[{"name":"a","endpoint":"e"}]})", "in proxy a: \"a\" is not a name"},
        Case{R"({"channel":{"without_namespace":{"history_size":1}}})",
             "in channel.without_namespace: history_size and history_ttl"},
        Case{R"({"rpc":{"without_namespace":{"proxy_name":"x"}}})",
             "in rpc.without_namespace: proxy_name: there is no proxy \"x\""},
        Case{R"({"client":{"subscribe_to_user_personal_channel":{"single_connection":true}}})",
             "single_connection needs presence"},
        Case{
            R"({"client":{"subscribe_to_user_personal_channel":{"enabled":true,"personal_channel_namespace":"no"}}})",
            "no namespace \"no\""},
        Case{R"({"channel":{"namespaces":[{"name":"aa"},{"name":"aa"}]}})",
             "namespace aa: \"aa\" stands twice"},
        Case{R"({"channel":{"namespaces":[{"name":"a"}]}})", "namespace a: \"a\" is not a name"},
        Case{
            R"({"channel":{"namespaces":[{"name":"aa","map_users_presence_channel_prefix":"bb:"}]}})",
            "there is no namespace \"bb\""},
        Case{R"({"rpc":{"namespaces":[{"name":"x y"}]}})", "rpc namespace x y"},
        Case{R"({"consumers":[{"name":"a-b","type":"kafka"}]})",
             "in consumer a-b (kafka): \"a-b\" is not a name"},
        Case{R"({"consumers":[{"name":"ab","type":"amqp"}]})", "unknown type \"amqp\""},
        Case{R"({"consumers":[{"name":"ab","type":"kafka","enabled":true}]})",
             "kafka.brokers is required"},
        Case{R"({"consumers":[{"name":"ab","type":"azure_service_bus","enabled":true}]})",
             "connection_string is required"},
        Case{R"({"uni_sse":{"connect_code_to_http_response":{"transforms":[{"code":1}]}}})",
             "to.status_code must be set"},
        Case{R"({"map_broker":{"type":"nats"}})", "map_broker.type \"nats\""},
        Case{R"({"gyre":{"unavailable":"ignore"}})", "gyre.unavailable"},
        Case{R"({"gyre":{"shards":-1}})", "gyre.shards"},
        Case{R"({"gyre":{"memory_limit":"much"}})", "gyre.memory_limit"},
        Case{R"({"gyre":{"memory_limit":"-1"}})", "gyre.memory_limit"},
        Case{R"({"gyre":{"connections":{"max_results":-1}}})", "gyre.connections.max_results"},
        Case{R"({"gyre":{"user_status":{"max_users":-1}}})", "gyre.user_status.max_users"},
        Case{R"({"gyre":{"user_status":{"expire_interval":"10ms"}}})",
             "gyre.user_status.expire_interval"},
        Case{R"({"gyre":{"moderation":{"max_entries":-1}}})", "gyre.moderation.max_entries"},
        Case{R"({"gyre":{"shutdown_rate":-1}})", "gyre.shutdown_rate"}));

INSTANTIATE_TEST_SUITE_P(
    ChannelPatterns, RefusedConfiguration,
    testing::Values(Case{R"({"gyre":{"channel_patterns":[{"pattern":"/a/:b","namespace":"aa"}]}})",
                         "in gyre.channel_patterns (\"/a/:b\"): there is no namespace \"aa\""},
                    Case{R"({"channel":{"namespaces":[{"name":"aa"}]},
                 "gyre":{"channel_patterns":[{"namespace":"aa"}]}})",
                         "the pattern is empty"},
                    Case{R"({"channel":{"namespaces":[{"name":"aa"}]},
                 "gyre":{"channel_patterns":[{"pattern":"/a/","namespace":"aa"}]}})",
                         "the pattern has an empty segment"},
                    Case{R"({"channel":{"namespaces":[{"name":"aa"}]},
                 "gyre":{"channel_patterns":[{"pattern":"a*","namespace":"aa"},
                                             {"pattern":"a*","namespace":"aa"}]}})",
                         "the pattern stands twice"}));

TEST(Validate, AcceptsChannelPatterns) {
  EXPECT_THAT(findings(R"({"channel":{"namespaces":[{"name":"aa"}]},"gyre":{"channel_patterns":[
                            {"pattern":"/users/user_:id","namespace":"aa"},
                            {"pattern":"news.*","namespace":"aa"}]}})"),
              IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(
    Wildcards, RefusedConfiguration,
    testing::Values(
        Case{R"({"gyre":{"wildcards":{"max_patterns":-1}}})",
             "gyre.wildcards.max_patterns must be from 1 to 100000"},
        Case{R"({"gyre":{"wildcards":{"rules":[{"pattern":"news"}]}}})",
             "in gyre.wildcards.rules (\"news\"): the pattern has neither * nor > as a token"},
        Case{R"({"gyre":{"wildcards":{"rules":[{"pattern":"a.>.b"}]}}})",
             "the pattern has a > that is not its last token"},
        Case{R"({"gyre":{"wildcards":{"rules":[{}]}}})", "the pattern has an empty token"},
        Case{R"({"gyre":{"wildcards":{"rules":[{"pattern":"$news.*"}]}}})",
             "the pattern is of private channels"},
        Case{R"({"gyre":{"wildcards":{"rules":[{"pattern":"a.#.*"}]}}})",
             "the pattern is of user-limited channels"},
        Case{R"({"gyre":{"wildcards":{"rules":[{"pattern":"a.*"},{"pattern":"a.*"}]}}})",
             "the pattern stands twice"},
        Case{R"({"gyre":{"wildcards":{"rules":[{"pattern":"aa:*","namespace":"aa"}]}}})",
             "there is no namespace \"aa\""},
        Case{R"({"channel":{"namespaces":[{"name":"aa"}]},
                 "gyre":{"wildcards":{"rules":[{"pattern":"aa:*"}]}}})",
             "the pattern is of namespace \"aa\", not of channels without a namespace"},
        Case{R"({"channel":{"namespaces":[{"name":"aa"}]},
                 "gyre":{"channel_patterns":[{"pattern":"news.*","namespace":"aa"}],
                         "wildcards":{"rules":[{"pattern":"news.sport.>"}]}}})",
             "the pattern is of namespace \"aa\", not of channels without a namespace"},
        Case{R"({"channel":{"namespaces":[{"name":"aa"}]},
                 "gyre":{"channel_patterns":[{"pattern":"/a/:b","namespace":"aa"}],
                         "wildcards":{"rules":[{"pattern":"/c.*"}]}}})",
             "the pattern is of no namespace, not of channels without a namespace"},
        Case{R"({"channel":{"namespaces":[{"name":"aa","subscribe_stream_proxy_enabled":true,
                 "subscribe_stream_proxy_name":"pp"}]},"proxies":[{"name":"pp","endpoint":"e"}],
                 "gyre":{"wildcards":{"rules":[{"pattern":"aa:*","namespace":"aa"}]}}})",
             "namespace \"aa\": subscribe_stream_proxy_enabled must be false"},
        Case{R"({"channel":{"without_namespace":{"subscription_type":"map",
                 "map":{"mode":"ephemeral","key_ttl":"1s"}}},
                 "gyre":{"wildcards":{"rules":[{"pattern":"a.*"}]}}})",
             "channels without a namespace: wildcards are for subscription_type \"stream\", not "
             "\"map\""},
        Case{R"({"engine":{"type":"redis"},"gyre":{"wildcards":{"rules":[{"pattern":"a.*"}]}}})",
             "gyre.wildcards.rules needs the memory engine"},
        Case{R"({"broker":{"enabled":true,"type":"nats"},
                 "gyre":{"wildcards":{"rules":[{"pattern":"a.*"}]}}})",
             "set engine.type to \"memory\" and broker.enabled to false"}));

TEST(Validate, AcceptsWildcards) {
  EXPECT_THAT(findings(R"({"channel":{"namespaces":[{"name":"aa"},{"name":"bb"}]},
      "client":{"subscribe_to_user_personal_channel":{"enabled":true}},
      "broker":{"type":"nats"},
      "gyre":{"channel_patterns":[{"pattern":"news.*","namespace":"bb"}],
              "wildcards":{"max_patterns":5,"rules":[
                {"pattern":"*"},{"pattern":"a.>"},{"pattern":"aa:>","namespace":"aa"},
                {"pattern":"news.>","namespace":"bb"}]}}})"),
              IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(
    ChannelCompaction, RefusedConfiguration,
    testing::Values(
        Case{R"({"gyre":{"channel_compaction":{"encodings":["json","xml"]}}})",
             "in gyre.channel_compaction: encodings: \"xml\" is neither json nor protobuf"},
        Case{R"({"channel":{"namespaces":[{"name":"aa"}]},
                 "gyre":{"channel_compaction":{"namespaces":["aa","ab"]}}})",
             "in gyre.channel_compaction: namespaces: channel.namespaces has no \"ab\""}));

TEST(Validate, AcceptsChannelCompaction) {
  EXPECT_THAT(findings(R"({"channel":{"namespaces":[{"name":"aa"}]},
                           "gyre":{"channel_compaction":{"enabled":true,"namespaces":["aa"],
                                                         "encodings":["protobuf","json"]}}})"),
              IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(
    Tokens, RefusedConfiguration,
    testing::Values(
        Case{R"({"gyre":{"jwks":{"providers":[{"name":"x"}]}}})", "\"x\" is not a name"},
        Case{R"({"gyre":{"jwks":{"providers":[{"name":"aa","endpoint":"https://k","issuer":"i"},
                                              {"name":"aa","endpoint":"https://k","issuer":"j"}]}}})",
             "in gyre.jwks.providers (aa): \"aa\" stands twice"},
        Case{R"({"gyre":{"jwks":{"providers":[{"name":"aa","endpoint":"https://k"}]}}})",
             "in gyre.jwks.providers (aa): issuer must be set"},
        Case{R"({"gyre":{"jwks":{"providers":[{"name":"aa","endpoint":"k","issuer":"i"}]}}})",
             "endpoint must begin with http:// or https://"},
        Case{R"({"client":{"token":{"jwks_public_endpoint":"https://k"}},"gyre":{"jwks":{
             "providers":[{"name":"aa","endpoint":"https://k","issuer":"i"}]}}})",
             "gyre.jwks.providers does not go with client.token.jwks_public_endpoint"},
        Case{R"({"gyre":{"token":{"meta_from_claim":{"1a":"b"}}}})",
             "gyre.token.meta_from_claim: \"1a\" must match"},
        Case{R"({"gyre":{"token":{"meta_from_claim":{"a":""}}}})",
             "gyre.token.meta_from_claim.a: the path \"\" has an empty name"},
        Case{R"({"gyre":{"token":{"meta_from_claim":{"a":"b..c"}}}})", "has an empty name"},
        Case{R"({"gyre":{"token":{"meta_from_claim":{"a":"b\\"}}}})", "ends with a backslash"},
        Case{R"({"gyre":{"token":{"meta_from_claim":{"a":"b.b.b.b.b.b.b.b.b.b.b.b.b.b.b.b.b"}}}})",
             "has more than 16 names"}));

TEST(Validate, AcceptsProvidersAndPathsOfClaims) {
  EXPECT_THAT(findings(R"({"gyre":{
      "jwks":{"providers":[{"name":"one","endpoint":"https://k/1","issuer":"https://one"},
                           {"name":"two","endpoint":"http://k/2","issuer":"https://two",
                            "audience":"app","key_ids":["a","b"]}]},
      "token":{"meta_from_claim":{"role":"user.role","_x9":"https://a\\.b/c\\\\d"}}}})"),
              IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(
    RateLimits, RefusedConfiguration,
    testing::Values(
        Case{R"({"gyre":{"rate_limits":{"client":{"publish":{"rate":-2}}}}})",
             "in gyre.rate_limits.client.publish: rate must not be below -1"},
        Case{R"({"gyre":{"rate_limits":{"user":{"total":{"rate":-1}}}}})",
             "in gyre.rate_limits.user.total: rate must not be below 0"},
        Case{R"({"gyre":{"rate_limits":{"user":{"unsubscribe":{"rate":-1}}}}})",
             "rate must not be below 0"},
        Case{R"({"gyre":{"rate_limits":{"user":{"connect":{"rate":5,"interval":5}}}}})",
             "in gyre.rate_limits.user.connect: interval must be from 1ms to 24h"},
        Case{R"({"gyre":{"rate_limits":{"client":{"default":{"rate":5,"interval":"25h"}}}}})",
             "interval must be from 1ms to 24h"},
        Case{R"({"gyre":{"rate_limits":{"client":{"rpc":{"rate":5,"burst":-1}}}}})",
             "burst must not be negative"},
        Case{R"({"gyre":{"rate_limits":{"client":{"rpc":{"burst":10}}}}})",
             "burst means nothing without rate"},
        Case{R"({"gyre":{"rate_limits":{"client":{"rpc":{"rate":2000000000}}}}})",
             "rate must not be above one per nanosecond"},
        Case{R"({"gyre":{"rate_limits":{"client":{"rpc":{"rate":1,"interval":"1h","burst":25}}}}})",
             "burst would take more than 24h to come back"},
        Case{R"({"gyre":{"rate_limits":{"http":{"rate":-1}}}})",
             "in gyre.rate_limits.http: rate must not be below 0"}));

TEST(Validate, AcceptsRateLimits) {
  EXPECT_THAT(findings(R"({"gyre":{"rate_limits":{
      "client":{"total":{"rate":100,"burst":500},"publish":{"rate":-1}},
      "user":{"default":{"rate":10,"interval":"1m"},
              "connect":{"rate":1,"interval":"1h","burst":24}}}}})"),
              IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(
    Delivery, RefusedConfiguration,
    testing::Values(
        Case{R"({"gyre":{"delivery":[{"namespace":"no"}]}})",
             "in gyre.delivery (\"no\"): there is no namespace \"no\""},
        Case{R"({"gyre":{"delivery":[{},{"slow_consumer":"keep_latest"}]}})",
             "in gyre.delivery (\"\"): the namespace has two rules"},
        Case{R"({"gyre":{"delivery":[{"slow_consumer":"drop"}]}})",
             "unknown slow_consumer \"drop\""},
        Case{R"({"gyre":{"delivery":[{"slow_consumer_bytes":1000}]}})",
             "slow_consumer_bytes means nothing with slow_consumer \"disconnect\""},
        Case{R"({"client":{"queue_max_size":5000},"gyre":{"delivery":[
                {"slow_consumer":"resubscribe","slow_consumer_bytes":5000}]}})",
             "slow_consumer_bytes must be below client.queue_max_size"},
        Case{R"({"gyre":{"delivery":[{"slow_consumer":"resubscribe","slow_consumer_bytes":-1}]}})",
             "and not negative"},
        Case{R"({"gyre":{"delivery":[{"batch_max_delay":"50ms"}]}})",
             "batch_max_delay must be a multiple of 100ms"},
        Case{R"({"gyre":{"delivery":[{"batch_max_delay":"61s"}]}})", "up to 60s"},
        Case{R"({"gyre":{"delivery":[{"batch_max_delay":"-1s"}]}})", "batch_max_delay must be"},
        Case{R"({"gyre":{"delivery":[{"batch_max_delay":"1s","batch_max_size":-1}]}})",
             "batch_max_size must be from 1 to 10000"},
        Case{R"({"gyre":{"delivery":[{"batch_max_delay":"1s","batch_max_size":10001}]}})",
             "batch_max_size must be from 1 to 10000"},
        Case{R"({"gyre":{"delivery":[{"batch_flush_latest":true}]}})",
             "batch_flush_latest means nothing without batch_max_delay"}));

INSTANTIATE_TEST_SUITE_P(
    LeavingOut, RefusedConfiguration,
    testing::Values(
        Case{R"({"channel":{"without_namespace":{"force_positioning":true}},
                 "gyre":{"delivery":[{"slow_consumer":"keep_latest"}]}})",
             "slow_consumer does not go with force_positioning of the namespace"},
        Case{R"({"channel":{"namespaces":[{"name":"aa","allow_positioning":true}]},
                 "gyre":{"delivery":[{"namespace":"aa","slow_consumer":"keep_latest"}]}})",
             "in gyre.delivery (\"aa\"): slow_consumer does not go with allow_positioning"},
        Case{R"({"channel":{"without_namespace":{"allow_recovery":true}},
                 "gyre":{"delivery":[{"slow_consumer":"keep_latest"}]}})",
             "use \"resubscribe\" instead"},
        Case{R"({"channel":{"without_namespace":{"history_size":1,"history_ttl":"1m",
                 "force_recovery":true}},
                 "gyre":{"delivery":[{"batch_flush_latest":true,"batch_max_delay":"1s"}]}})",
             "batch_flush_latest does not go with force_recovery"},
        Case{R"({"channel":{"without_namespace":{"allowed_delta_types":["fossil"]}},
                 "gyre":{"delivery":[{"batch_flush_latest":true,"batch_max_delay":"1s"}]}})",
             "batch_flush_latest does not go with allowed_delta_types"},
        Case{R"({"channel":{"without_namespace":{"allow_tags_filter":true}},
                 "gyre":{"delivery":[{"batch_flush_latest":true,"batch_max_delay":"1s"}]}})",
             "batch_flush_latest does not go with allow_tags_filter"}));

TEST(Validate, AcceptsDeliveryRules) {
  EXPECT_THAT(findings(R"({"channel":{"namespaces":[{"name":"ticker","allow_tags_filter":true},
      {"name":"chat","history_size":10,"history_ttl":"1m","force_recovery":true,
       "allowed_delta_types":["fossil"]},{"name":"quotes"}]},"gyre":{"delivery":[
      {"batch_max_delay":"60s","batch_max_size":10000},
      {"namespace":"ticker","slow_consumer":"keep_latest","slow_consumer_bytes":1048575},
      {"namespace":"quotes","slow_consumer":"keep_latest","batch_max_delay":"100ms",
       "batch_flush_latest":true},
      {"namespace":"chat","slow_consumer":"resubscribe","batch_max_delay":"200ms"}]}})"),
              IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(
    ChannelOptions, RefusedConfiguration,
    testing::Values(
        Case{R"({"channel":{"without_namespace":{"history_size":1,"history_ttl":"1500ms"}}})",
             "history_ttl must be whole"},
        Case{
            R"({"channel":{"without_namespace":{"history_size":1,"history_ttl":"60s","history_meta_ttl":"30s"}}})",
            "not be above history_meta_ttl"},
        Case{R"({"channel":{"without_namespace":{"force_recovery":true}}})",
             "force_recovery needs"},
        Case{R"({"channel":{"without_namespace":{"auto_cache_recover":true}}})",
             "auto_cache_recover needs"},
        Case{R"({"channel":{"without_namespace":{"channel_regex":"("}}})",
             "channel_regex does not compile"},
        Case{
            R"({"channel":{"without_namespace":{"subscribe_stream_proxy_enabled":true,"subscribe_proxy_enabled":true}}})",
            "does not go with subscribe"},
        Case{R"({"channel":{"without_namespace":{"allowed_delta_types":["xdelta"]}}})",
             "unknown delta type"},
        Case{R"({"channel":{"without_namespace":{"force_recovery_mode":"all"}}})",
             "force_recovery_mode"},
        Case{R"({"channel":{"without_namespace":{"subscribe_proxy_enabled":true}}})",
             "in channel.proxy.subscribe: endpoint"},
        Case{R"({"channel":{"without_namespace":{"publish_proxy_name":"no"}}})",
             "there is no proxy \"no\""},
        Case{R"({"channel":{"without_namespace":{"subscription_type":"map"}}})",
             "map.mode is required"},
        Case{
            R"({"channel":{"without_namespace":{"subscription_type":"map","map":{"mode":"ephemeral"}}}})",
            "map.key_ttl must be set"},
        Case{
            R"({"channel":{"without_namespace":{"subscription_type":"map_users","map":{"mode":"persistent"}}}})",
            "does not go with subscription_type"},
        Case{R"({"channel":{"without_namespace":{"map":{"min_page_size":5,"max_page_size":2}}}})",
             "map.min_page_size must not be above"},
        Case{R"({"channel":{"without_namespace":{"subscription_type":"shared_poll"}}})",
             "needs shared_poll.hmac_secret_key"}));

TEST(Validate, HoldsRequestsToOthersToPositiveNumbers) {
  EXPECT_THAT(findings(R"({"gyre":{"outbound":{"max_connections":-1,"max_response_size":-1}}})"),
              ElementsAre(HasSubstr("gyre.outbound.max_connections must be from 1"),
                          HasSubstr("gyre.outbound.max_response_size must be from 1")));
}

TEST(Validate, WantsAnEndpointOfAnRpcProxyThatIsUsed) {
  const auto told = [](std::string_view text) {
    const Loaded loaded = load_text(text, "json", {});
    const std::vector<Finding> found = validate_for_start(loaded.tree);
    return found.empty() ? std::string("nothing") : found[0].text();
  };
  EXPECT_THAT(told(R"({"rpc":{"without_namespace":{"proxy_enabled":true}}})"),
              HasSubstr("in rpc.proxy: endpoint must be set"));
  EXPECT_EQ(told(R"({"rpc":{"proxy":{"endpoint":""}}})"), "nothing");
  EXPECT_EQ(told(R"({"proxies":[{"name":"own","endpoint":"http://own"}],
                     "rpc":{"without_namespace":{"proxy_enabled":true,"proxy_name":"own"}}})"),
            "nothing");
}

TEST(Validate, TellsAllFindingsInOrder) {
  std::vector<std::string> messages = findings(
      R"({"broker":{"type":"x"},"channel":{"namespaces":[{"name":"aa","history_size":1,"force_recovery":true}]}})");
  EXPECT_THAT(messages,
              ElementsAre(HasSubstr("broker.type"),
                          "namespace aa: history_size and history_ttl must be set together",
                          "namespace aa: force_recovery needs history_size and history_ttl"));
}

TEST(Validate, AcceptsMapNamespaces) {
  EXPECT_THAT(
      findings(in_namespace(
          R"("subscription_type":"map","map":{"mode":"recoverable","key_ttl":"60s","stream_size":5})")),
      IsEmpty());
  EXPECT_THAT(findings(in_namespace(R"("subscription_type":"map","map":{"mode":"persistent"})")),
              IsEmpty());
}

TEST(ValidateForStart, FindsWhatCheckconfigDoesNot) {
  LoadOptions options;
  Loaded loaded = load_text(
      R"({"engine":{"type":"x"},"client":{"ping_interval":"5s","pong_timeout":"8s"},"http_api":{"error_mode":"x"},
    "http_server":{"port":70000}})",
      "json", options);
  EXPECT_TRUE(loaded.is_good());
  EXPECT_EQ(validate_for_start(loaded.tree).size(), 4U);
  loaded = load_text(R"({"client":{"ping_interval":"-1s","pong_timeout":"-2s"}})", "json", options);
  EXPECT_THAT(validate_for_start(loaded.tree), IsEmpty());
}

}  // namespace
}  // namespace gyre::config
