#include "app/proxy_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "app/node_options.h"
#include "app/pem.h"
#include "config/load.h"
#include "outbound/test_certificate.h"

namespace gyre::app {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

config::Tree proxied_tree(const std::string& text) {
  config::Loaded loaded = config::load_text(text, "json", {});
  EXPECT_TRUE(loaded.is_good()) << (loaded.errors.empty() ? "" : loaded.errors[0].text());
  return std::move(loaded.tree);
}

std::string quoted(std::string text) {
  for (size_t at = 0; (at = text.find('\n', at)) != std::string::npos; ++at)
    text.replace(at, 1, "\\n");
  return '"' + text + '"';
}

TEST(ProxyDefinitions, AreThoseThatAreMadeUseOf) {
  const auto made = proxy_definitions(proxied_tree(R"({
    "client":{"proxy":{"connect":{"enabled":true,"endpoint":"http://c","timeout":"3s",
        "http_headers":["Cookie"],"emulated_headers":["X-Emu"],"binary_encoding":true,
        "include_connection_meta":true,
        "http":{"static_headers":{"X-S":"1"},"status_to_code_transforms":[
          {"status_code":404,"to_error":{"code":404,"message":"m","temporary":true}},
          {"status_code":403,"to_disconnect":{"code":4403,"reason":"r"}}]}},
      "refresh":{"endpoint":"http://unused"}}},
    "channel":{"proxy":{"publish":{"endpoint":"http://p"}},
      "without_namespace":{"publish_proxy_enabled":true},
      "namespaces":[{"name":"aa","publish_proxy_enabled":true},
                    {"name":"bb","publish_proxy_enabled":true,"publish_proxy_name":"own",
                     "subscribe_proxy_name":"own"}]},
    "rpc":{"namespaces":[{"name":"cc","proxy_enabled":true,"proxy_name":"own"}]},
    "proxies":[{"name":"own","endpoint":"https://own"},{"name":"idle","endpoint":"http://idle"}],
    "gyre":{"outbound":{"max_response_size":1000}}})"));
  ASSERT_TRUE(made) << made.error().context;
  std::vector<std::string> texts;
  for (const proxy::Definition& one : (*made)->list()) {
    texts.push_back(std::string(name_of(one.event)) + " " + one.name + " " + one.http.endpoint);
  }
  EXPECT_THAT(texts, ElementsAre("connect default http://c", "publish default http://p",
                                 "publish own https://own", "rpc own https://own"));
  const proxy::HttpOptions& connect = (*made)->list()[0].http;
  EXPECT_EQ(connect.timeout, 3 * os::kSecond);
  EXPECT_THAT(connect.http_headers, ElementsAre("cookie"));
  EXPECT_THAT(connect.emulated_headers, ElementsAre("x-emu"));
  EXPECT_TRUE(connect.shape.is_binary && connect.shape.has_meta);
  EXPECT_EQ(connect.static_headers.size(), 1u);
  EXPECT_EQ(connect.response_max, 1000u);
  EXPECT_EQ(connect.tls, nullptr);
  ASSERT_EQ(connect.transforms.size(), 2u);
  EXPECT_EQ(std::get<protocol::ClientError>(connect.transforms[0].meaning),
            (protocol::ClientError{404, "m", true}));
  EXPECT_EQ(std::get<protocol::Disconnect>(connect.transforms[1].meaning),
            (protocol::Disconnect{4403, "r"}));
}

TEST(ProxyDefinitions, AreOverGrpcWithAnyOtherEndpoint) {
  const auto made = proxy_definitions(proxied_tree(R"({
    "client":{"proxy":{"connect":{"enabled":true,"endpoint":"grpc://c:1","timeout":"3s",
        "http_headers":["Cookie"],"emulated_headers":["X-Emu"],"binary_encoding":true,
        "include_connection_meta":true,
        "grpc":{"static_metadata":{"X-S":"1"},"credentials_key":"X-Cred","credentials_value":"cv",
          "compression":true}},
      "refresh":{"enabled":true,"endpoint":"dns:///r:1"}}},
    "rpc":{"without_namespace":{"proxy_enabled":true,"proxy_name":"own"}},
    "proxies":[{"name":"own","endpoint":"own:1"}],
    "gyre":{"outbound":{"max_response_size":1000}}})"));
  ASSERT_TRUE(made) << made.error().context;
  EXPECT_TRUE((*made)->needs_grpc());
  ASSERT_EQ((*made)->list().size(), 3u);
  const proxy::GrpcOptions& connect = (*made)->list()[0].grpc.value();
  EXPECT_EQ(connect.channel->address, "c:1");
  EXPECT_EQ(connect.channel->tls, nullptr);
  EXPECT_TRUE(connect.channel->compresses);
  EXPECT_EQ(connect.channel->message_max, 1000u);
  EXPECT_EQ(connect.timeout, 3 * os::kSecond);
  EXPECT_THAT(connect.http_headers, ElementsAre("cookie"));
  EXPECT_THAT(connect.emulated_headers, ElementsAre("x-emu"));
  EXPECT_TRUE(connect.shape.is_binary && connect.shape.has_meta);
  EXPECT_THAT(connect.static_metadata,
              ElementsAre(testing::Pair("x-s", "1"), testing::Pair("x-cred", "cv")));
  EXPECT_EQ((*made)->list()[1].grpc->channel->address, "dns:///r:1");
  EXPECT_FALSE((*made)->list()[1].grpc->channel->compresses);
  EXPECT_EQ((*made)->list()[2].grpc->channel->address, "own:1");
}

TEST(ProxyDefinitions, HaveStreamsOverGrpcAlone) {
  const auto made = [](const std::string& endpoint) {
    return proxy_definitions(
        proxied_tree(R"({"channel":{"proxy":{"subscribe_stream":{"endpoint":")" + endpoint +
                     R"("}},"without_namespace":{"subscribe_stream_proxy_enabled":true}}})"));
  };
  const auto over_grpc = made("grpc://s:1");
  ASSERT_TRUE(over_grpc) << over_grpc.error().context;
  ASSERT_EQ((*over_grpc)->list().size(), 1u);
  EXPECT_EQ((*over_grpc)->list()[0].event, proxy::Event::subscribe_stream);
  const auto over_http = made("https://s");
  ASSERT_FALSE(over_http);
  EXPECT_THAT(over_http.error().context,
              HasSubstr("channel.proxy.subscribe_stream.endpoint must not be HTTP"));
}

TEST(ProxyDefinitions, NameTheKeyOfGrpcThatIsWrong) {
  const auto told = [](const std::string& endpoint, const std::string& grpc) {
    const auto made = proxy_definitions(
        proxied_tree(R"({"client":{"proxy":{"connect":{"enabled":true,"endpoint":")" + endpoint +
                     R"(","grpc":)" + grpc + "}}}}"));
    return made ? std::string("nothing") : made.error().context;
  };
  EXPECT_EQ(told("c:1", "{}"), "nothing");
  EXPECT_THAT(told("ftp://c", "{}"), HasSubstr("client.proxy.connect.endpoint is no address"));
  for (const char* endpoint : {"https://", "http://a host/", "http://a:port/"}) {
    EXPECT_THAT(told(endpoint, "{}"), HasSubstr("client.proxy.connect.endpoint is no address"))
        << endpoint;
  }
  EXPECT_THAT(told("c:1", R"({"static_metadata":{"x y":"1"}})"),
              HasSubstr("client.proxy.connect.grpc.static_metadata: \"x y\""));
  EXPECT_THAT(told("c:1", R"({"static_metadata":{"grpc-timeout":"1"}})"),
              HasSubstr("grpc-timeout"));
  const std::string secret = told("c:1", R"({"credentials_key":"k","credentials_value":"s\nx"})");
  EXPECT_THAT(secret, HasSubstr("client.proxy.connect.grpc.credentials_key: \"k\""));
  EXPECT_THAT(secret, testing::Not(HasSubstr("s\nx")));
  EXPECT_EQ(told("c:1", R"({"tls":{"enabled":true,"server_ca_pem":"no.pem"}})"),
            "client.proxy.connect.grpc.tls.server_ca_pem is neither PEM text, nor that in base64, "
            "nor a readable file");
}

Result<std::shared_ptr<const proxy::Definitions>> with_http(const std::string& http) {
  return proxy_definitions(proxied_tree(
      R"({"client":{"proxy":{"connect":{"enabled":true,"endpoint":"https://c","http":)" + http +
      "}}}}"));
}

TEST(ProxyDefinitions, TakeTlsMaterialInEachOfItsForms) {
  const outbound::TestIdentity pair = outbound::new_test_identity();
  const std::string file = testing::TempDir() + "/proxy_options_ca.pem";
  std::ofstream(file) << pair.certificate;
  const auto made =
      with_http(R"({"tls":{"enabled":true,"server_ca_pem":)" + quoted(file) + R"(,"cert_pem":)" +
                quoted(pair.certificate) + R"(,"key_pem":)" + quoted(pair.key) +
                R"(,"server_name":"other","insecure_skip_verify":true}})");
  std::filesystem::remove(file);
  ASSERT_TRUE(made) << made.error().context;
  const outbound::TlsOptions& tls = *(*made)->list()[0].http.tls;
  EXPECT_EQ(tls.authorities, pair.certificate);
  EXPECT_EQ(tls.certificate, pair.certificate);
  EXPECT_EQ(tls.key, pair.key);
  EXPECT_EQ(tls.server_name, "other");
  EXPECT_TRUE(tls.insecure_skip_verify);
}

TEST(ProxyDefinitions, LookAtTlsMaterialOnlyWhereItCounts) {
  EXPECT_TRUE(with_http(R"({"tls":{"server_ca_pem":"no.pem"}})"));
  // A certificate without a key is not loaded.
  EXPECT_TRUE(with_http(R"({"tls":{"enabled":true,"cert_pem":"no.pem"}})"));
}

TEST(ProxyDefinitions, NameTheKeyThatIsWrong) {
  const outbound::TestIdentity one = outbound::new_test_identity();
  const outbound::TestIdentity other = outbound::new_test_identity();
  const auto told = [](const std::string& http) {
    const auto made = with_http(http);
    return made ? std::string("nothing") : made.error().context;
  };
  EXPECT_EQ(told(R"({"static_headers":{"X A":"1"}})"),
            "client.proxy.connect.http.static_headers: \"x a\" is not a header that can be sent");
  EXPECT_THAT(told(R"({"static_headers":{"X-A":"1\r\nX-B: 2"}})"), HasSubstr("x-a"));
  EXPECT_EQ(told(R"({"tls":{"enabled":true,"server_ca_pem":"no.pem"}})"),
            "client.proxy.connect.http.tls.server_ca_pem is neither PEM text, nor that in base64, "
            "nor a readable file");
  EXPECT_EQ(told(R"({"tls":{"enabled":true,"server_ca_pem":)" + quoted(one.key) + "}}"),
            "client.proxy.connect.http.tls.server_ca_pem has no certificate");
  EXPECT_EQ(told(R"({"tls":{"enabled":true,"cert_pem":)" + quoted(one.certificate) +
                 R"(,"key_pem":)" + quoted(other.key) + "}}"),
            "client.proxy.connect.http.tls: key_pem is not the key of cert_pem");
  EXPECT_EQ(told(R"({"tls":{"enabled":true,"key_pem":)" + quoted(one.key) + "}}"),
            "client.proxy.connect.http.tls: cert_pem has no certificate");
}

TEST(Pem, MayStandInBase64) {
  const std::string pem = "-----BEGIN X-----\nAAAA\n-----END X-----\n";
  EXPECT_EQ(resolve_pem("LS0tLS1CRUdJTiBYLS0tLS0KQUFBQQotLS0tLUVORCBYLS0tLS0K").value_or("nothing"),
            pem);
  EXPECT_EQ(resolve_pem(pem).value_or("nothing"), pem);
  EXPECT_EQ(resolve_pem("").value_or("nothing"), "");
}

TEST(NodeOptions, HaveProxiesInNamespacesOfChannelsAndMethods) {
  const std::string text = R"({
    "channel":{"proxy":{"subscribe":{"endpoint":"http://s"}},
      "without_namespace":{"subscribe_proxy_enabled":true,"subscribe_proxy_name":""},
      "namespaces":[{"name":"aa","subscribe_proxy_name":"default"}]},
    "rpc":{"proxy":{"endpoint":"http://r"},"without_namespace":{"proxy_enabled":true},
      "namespace_boundary":"/","namespaces":[{"name":"off"}]}})";
  const auto options = node_options(proxied_tree(text));
  ASSERT_TRUE(options) << options.error().context;
  const channel::Namespaces& namespaces = *options->settings->namespaces;
  EXPECT_EQ(namespaces.find(namespaces.parse("x"))->options().subscribe_proxy, "default");
  EXPECT_EQ(namespaces.find(namespaces.parse("aa:x"))->options().subscribe_proxy, "");
  const client::RpcRules& rpc = options->settings->rpc;
  EXPECT_EQ(*rpc.proxy_of("m:x"), "default");
  EXPECT_EQ(*rpc.proxy_of("off/m"), "");
  EXPECT_EQ(rpc.proxy_of("no/m"), nullptr);
  EXPECT_EQ(options->proxies->list().size(), 2u);
  // A reload chooses anew among the proxies of the start.
  const auto reloaded = reloaded_options(proxied_tree("{}"), *options);
  ASSERT_TRUE(reloaded);
  EXPECT_EQ(*reloaded->settings->rpc.proxy_of("m"), "");
}

TEST(NodeOptions, HeedCapabilitiesOfBackendsFromAReloadOn) {
  const auto options = node_options(proxied_tree("{}"));
  ASSERT_TRUE(options) << options.error().context;
  EXPECT_FALSE(options->settings->has_capabilities);
  const auto reloaded =
      reloaded_options(proxied_tree(R"({"gyre":{"capabilities":{"enabled":true}}})"), *options);
  ASSERT_TRUE(reloaded);
  EXPECT_TRUE(reloaded->settings->has_capabilities);
}

}  // namespace
}  // namespace gyre::app
