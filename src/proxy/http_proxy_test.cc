#include "proxy/http_proxy.h"

#include <gtest/gtest.h>

#include <memory>
#include <optional>

#include "outbound/test_support.h"
#include "proxy/proxies.h"
#include "runtime/test_support.h"

namespace gyre::proxy {
namespace {

HttpOptions options_with(Headers statics, std::vector<std::string> http,
                         std::vector<std::string> emulated) {
  HttpOptions options;
  options.static_headers = std::move(statics);
  options.http_headers = std::move(http);
  options.emulated_headers = std::move(emulated);
  return options;
}

const std::pair<std::string, std::string> kJson{"Content-Type", "application/json"};

TEST(RequestHeaders, TransportWinsOverEmulatedOverStatic) {
  const HttpOptions options = options_with({{"x-a", "s"}, {"x-b", "s"}, {"x-c", "s"}},
                                           {"x-a", "cookie"}, {"x-a", "x-b", "x-emu"});
  const ClientHeaders client{.transport = {{"x-a", "t"}, {"cookie", "t"}},
                             .emulated = {{"x-a", "e"}, {"x-b", "e"}, {"x-emu", "e"}}};
  EXPECT_EQ(
      request_headers(options, &client),
      (Headers{{"X-C", "s"}, {"X-B", "e"}, {"X-Emu", "e"}, {"X-A", "t"}, {"Cookie", "t"}, kJson}));
  EXPECT_EQ(request_headers(options, nullptr),
            (Headers{{"X-A", "s"}, {"X-B", "s"}, {"X-C", "s"}, kJson}));
}

// What the client says of itself is no header of its connection, and the other way round.
TEST(RequestHeaders, TakesEachNameFromItsOwnSourceOnly) {
  const HttpOptions options = options_with({}, {"cookie"}, {"x-token"});
  const ClientHeaders client{.transport = {{"x-token", "t"}}, .emulated = {{"cookie", "spoofed"}}};
  EXPECT_EQ(request_headers(options, &client), (Headers{kJson}));
}

TEST(RequestHeaders, KeepsEveryLineOfAHeader) {
  const HttpOptions options = options_with({{"x-a", "s"}}, {"x-a"}, {});
  const ClientHeaders client{.transport = {{"x-a", "1"}, {"x-a", "2"}}, .emulated = {}};
  EXPECT_EQ(request_headers(options, &client), (Headers{{"X-A", "1"}, {"X-A", "2"}, kJson}));
}

TEST(RequestHeaders, NeverForwardsHowTheConnectionTravels) {
  const std::vector<std::string> all = {
      "host",       "connection",      "content-length",    "upgrade",
      "te",         "expect",          "transfer-encoding", "trailer",
      "keep-alive", "accept-encoding", "content-type"};
  ClientHeaders client;
  for (const std::string& name : all) {
    client.transport.emplace_back(name, "x");
    client.emulated.emplace_back(name, "x");
  }
  EXPECT_EQ(request_headers(options_with({}, all, all), &client), (Headers{kJson}));
}

class HttpProxyTest : public runtime::UnconnectedShardTest {
 protected:
  Backend& backend(HttpOptions options = {}) {
    options.endpoint = "http://backend/rpc";
    metrics_.proxies.push_back(std::make_unique<metrics::ProxyCalls>());
    proxies_.emplace(
        shard_, client_, nullptr,
        std::make_shared<const Definitions>(std::vector<Definition>{
            {.event = Event::rpc, .name = "default", .http = std::move(options), .grpc = {}}}),
        metrics_);
    return *proxies_->find(Event::rpc);
  }

  using Outcome = Result<Response<RpcResult>>;
  static runtime::Task<void> keep(Asked<RpcResult> task, std::optional<Outcome>* outcome) {
    outcome->emplace(co_await std::move(task));
  }
  void ask(Backend& backend) {
    const Caller caller{
        .client = "c1", .transport = "websocket", .encoding = {}, .user = "u1", .meta = {}};
    shard_.tasks().spawn(keep(backend.ask(caller, RpcCall{.method = "m", .data = "1"}), &outcome_));
  }
  metrics::ProxyCalls& calls() { return *metrics_.proxies[0]; }
  uint64_t observed() {
    metrics::Distribution all;
    calls().durations.add_to(all);
    return all.count();
  }

  outbound::ManualClient client_;
  metrics::ShardMetrics metrics_;
  std::optional<Proxies> proxies_;
  std::optional<Outcome> outcome_;
};

TEST_F(HttpProxyTest, PostsJsonAndReadsTheAnswer) {
  HttpOptions options;
  options.timeout = 3 * os::kSecond;
  options.response_max = 1000;
  options.tls = std::make_shared<const outbound::TlsOptions>();
  ask(backend(options));
  ASSERT_EQ(client_.waiting(), 1u);
  const outbound::HttpRequest& request = client_.request();
  EXPECT_EQ(request.method, "POST");
  EXPECT_EQ(request.url, "http://backend/rpc");
  EXPECT_EQ(request.timeout, 3 * os::kSecond);
  EXPECT_EQ(request.response_max, 1000u);
  EXPECT_EQ(request.tls, options.tls);
  EXPECT_EQ(request.body,
            R"({"client":"c1","transport":"websocket","protocol":"json","encoding":"json",)"
            R"("user":"u1","method":"m","data":1})");
  EXPECT_EQ(calls().inflight.value(), 1);
  client_.answer(R"({"result":{"data":{"r": 1}}})");
  ASSERT_TRUE(outcome_ && *outcome_ && (*outcome_)->result);
  EXPECT_EQ((*outcome_)->result->data.bytes, R"({"r": 1})");
  EXPECT_EQ(calls().inflight.value(), 0);
  EXPECT_EQ(calls().errors.value(), 0u);
  EXPECT_EQ(observed(), 1u);
}

TEST_F(HttpProxyTest, FailsWithWhateverIsNoAnswer) {
  Backend& asked = backend();
  const Result<outbound::HttpResponse> answers[] = {
      fail(Errc::timed_out, "timed out"),
      fail(Errc::invalid, "the address is none"),
      outbound::HttpResponse{.status = 500, .body = R"({"result":{}})"},
      outbound::HttpResponse{.status = 204, .body = ""},
      outbound::HttpResponse{.status = 201, .body = R"({"result":{}})"},
      outbound::HttpResponse{.status = 200, .body = "not json"},
  };
  uint64_t failures = 0;
  for (const auto& answer : answers) {
    ask(asked);
    client_.answer(answer);
    ASSERT_TRUE(outcome_);
    ASSERT_FALSE(*outcome_);
    EXPECT_NE(outcome_->error().code, Errc::invalid);  // which stands for broken base64
    EXPECT_EQ(calls().errors.value(), ++failures);
  }
  EXPECT_EQ(observed(), failures);
}

TEST_F(HttpProxyTest, TakesAStatusForWhatItStandsFor) {
  HttpOptions options;
  options.transforms = {{404, protocol::ClientError{404, "not found here", true}},
                        {403, protocol::Disconnect{4403, "forbidden"}},
                        {404, protocol::ClientError{1, "never", false}}};
  Backend& asked = backend(options);
  ask(asked);
  client_.answer("nope", 404);
  ASSERT_TRUE(outcome_ && *outcome_);
  EXPECT_EQ((*outcome_)->error, (protocol::ClientError{404, "not found here", true}));
  EXPECT_FALSE((*outcome_)->result);
  ask(asked);
  client_.answer("", 403);
  EXPECT_EQ((*outcome_)->disconnect, (protocol::Disconnect{4403, "forbidden"}));
  EXPECT_EQ(calls().errors.value(), 0u);
}

TEST_F(HttpProxyTest, AsksNobodyForWhatCannotBeSaid) {
  const Caller caller{.client = "c1",
                      .transport = "websocket",
                      .encoding = protocol::Encoding::protobuf,
                      .user = {},
                      .meta = {}};
  shard_.tasks().spawn(
      keep(backend().ask(caller, RpcCall{.method = "m", .data = "\x01"}), &outcome_));
  EXPECT_EQ(client_.waiting(), 0u);
  ASSERT_TRUE(outcome_);
  EXPECT_FALSE(*outcome_);
  EXPECT_EQ(calls().errors.value(), 1u);
}

TEST(Proxies, AreFoundByEventAndName) {
  Definitions definitions({{.event = Event::rpc,
                            .name = "default",
                            .http = options_with({}, {"cookie", "x-a"}, {"x-emu"}),
                            .grpc = {}},
                           {.event = Event::publish,
                            .name = "other",
                            .http = options_with({}, {"x-a", "x-b"}, {}),
                            .grpc = {}}});
  EXPECT_FALSE(definitions.needs_grpc());
  EXPECT_TRUE(definitions.wants_header("Cookie"));
  EXPECT_TRUE(definitions.wants_header("x-B"));
  EXPECT_FALSE(definitions.wants_header("x-emu"));
  EXPECT_TRUE(definitions.wants_emulated_header("X-EMU"));
  EXPECT_FALSE(definitions.wants_emulated_header("cookie"));
  const auto labels = definitions.labels();
  ASSERT_EQ(labels.size(), 2u);
  EXPECT_EQ(labels[1].name, "other");
  EXPECT_EQ(labels[1].type, "publish");
  EXPECT_EQ(labels[1].protocol, "http");
}

TEST_F(HttpProxyTest, KnowsWhichBackendsThereAre) {
  Backend& asked = backend();
  EXPECT_EQ(proxies_->find(Event::rpc, "default"), &asked);
  EXPECT_EQ(proxies_->find(Event::rpc, "other"), nullptr);
  EXPECT_EQ(proxies_->find(Event::publish), nullptr);
  EXPECT_TRUE(proxies_->has(Event::rpc));
  EXPECT_FALSE(proxies_->has(Event::connect));
}

}  // namespace
}  // namespace gyre::proxy
