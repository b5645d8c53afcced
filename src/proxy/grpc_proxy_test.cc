#include "proxy/grpc_proxy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>

#include "grpc/test_support.h"
#include "outbound/test_support.h"
#include "proxy/proxies.h"
#include "runtime/test_support.h"

namespace gyre::proxy {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

GrpcOptions grpc_options_with(grpc::Metadata fixed, std::vector<std::string> http,
                              std::vector<std::string> emulated) {
  GrpcOptions options;
  options.static_metadata = std::move(fixed);
  options.http_headers = std::move(http);
  options.emulated_headers = std::move(emulated);
  return options;
}

TEST(CallMetadata, TransportWinsOverEmulatedOverStatic) {
  const GrpcOptions options = grpc_options_with({{"x-a", "s"}, {"x-b", "s"}, {"x-c", "s"}},
                                                {"x-a", "cookie"}, {"x-a", "x-b", "x-emu"});
  const ClientHeaders client{.transport = {{"x-a", "t"}, {"cookie", "1"}, {"cookie", "2"}},
                             .emulated = {{"x-a", "e"}, {"x-b", "e"}, {"x-emu", "e"}}};
  EXPECT_THAT(call_metadata(options, &client),
              ElementsAre(Pair("x-c", "s"), Pair("x-b", "e"), Pair("x-emu", "e"), Pair("x-a", "t"),
                          Pair("cookie", "1"), Pair("cookie", "2")));
  EXPECT_EQ(call_metadata(options, nullptr), options.static_metadata);
}

TEST(CallMetadata, TakesEachNameFromItsOwnSourceOnly) {
  const GrpcOptions options = grpc_options_with({}, {"cookie"}, {"x-token"});
  const ClientHeaders client{.transport = {{"x-token", "t"}}, .emulated = {{"cookie", "spoofed"}}};
  EXPECT_THAT(call_metadata(options, &client), IsEmpty());
}

TEST(CallMetadata, NeverForwardsWhatIsTheProtocolsOwn) {
  const std::vector<std::string> all = {"host",       "connection",   "te",
                                        "user-agent", "content-type", "grpc-timeout"};
  ClientHeaders client;
  for (const std::string& name : all) {
    client.transport.emplace_back(name, "x");
    client.emulated.emplace_back(name, "x");
  }
  EXPECT_THAT(call_metadata(grpc_options_with({}, all, all), &client), IsEmpty());
}

class GrpcProxyTest : public runtime::UnconnectedShardTest {
 protected:
  Backend& backend(Event event, GrpcOptions options = {}) {
    options.channel = channel_;
    metrics_.proxies.push_back(std::make_unique<metrics::ProxyCalls>());
    proxies_.emplace(
        shard_, http_, &client_,
        std::make_shared<const Definitions>(std::vector<Definition>{
            {.event = event, .name = "default", .http = {}, .grpc = std::move(options)}}),
        metrics_);
    return *proxies_->find(event);
  }
  template <class Outcome>
  static runtime::Task<void> keep(Asked<Outcome> task,
                                  std::optional<Result<Response<Outcome>>>* to) {
    to->emplace(co_await std::move(task));
  }
  void ask(Backend& backend) {
    shard_.tasks().spawn(
        keep(backend.ask(caller_, RpcCall{.method = "m", .data = "1"}), &outcome_));
  }
  metrics::ProxyCalls& calls() { return *metrics_.proxies[0]; }

  const Caller caller_{
      .client = "c1", .transport = "websocket", .encoding = {}, .user = "u1", .meta = {}};
  const std::shared_ptr<const grpc::ChannelOptions> channel_ =
      std::make_shared<const grpc::ChannelOptions>();
  outbound::ManualClient http_;
  grpc::ManualClient client_;
  metrics::ShardMetrics metrics_;
  std::optional<Proxies> proxies_;
  std::optional<Result<Response<RpcResult>>> outcome_;
};

TEST_F(GrpcProxyTest, CallsAndReadsTheAnswer) {
  GrpcOptions options;
  options.timeout = 3 * os::kSecond;
  options.static_metadata = {{"x-static", "s"}};
  ask(backend(Event::rpc, options));
  ASSERT_EQ(client_.waiting(), 1u);
  const grpc::Request& request = client_.request();
  EXPECT_EQ(request.channel, channel_);
  EXPECT_EQ(request.method, "/centrifugal.centrifugo.proxy.CentrifugoProxy/RPC");
  EXPECT_EQ(request.timeout, 3 * os::kSecond);
  EXPECT_THAT(request.metadata, ElementsAre(Pair("x-static", "s")));
  EXPECT_EQ(request.message,
            "\x0a\x02"
            "c1\x12\x09websocket\x1a\x04json\x22\x04json\x52\x02u1\x5a\x01m\x62\x01"
            "1");
  EXPECT_EQ(calls().inflight.value(), 1);
  client_.answer(std::string("\x0a\x03\x0a\x01\x37"));
  ASSERT_TRUE(outcome_ && *outcome_ && (*outcome_)->result);
  EXPECT_EQ((*outcome_)->result->data.bytes, "7");
  EXPECT_EQ(calls().inflight.value(), 0);
  EXPECT_EQ(calls().errors.value(), 0u);
  metrics::Distribution all;
  calls().durations.add_to(all);
  EXPECT_EQ(all.count(), 1u);
}

TEST_F(GrpcProxyTest, ReadsCapabilitiesForThoseWhoHeedThem) {
  Backend& asked = backend(Event::subscribe);
  const auto allowed = [&](AnswerRules rules) {
    Caller caller = caller_;
    caller.rules = rules;
    std::optional<Result<Response<SubscribeResult>>> outcome;
    shard_.tasks().spawn(
        keep(asked.ask(caller, SubscribeCall{.channel = "a", .data = {}}), &outcome));
    client_.answer(std::string("\x0a\x05\x3a\x03pub"));  // result, 7 allow
    return outcome.value().value().result.value().allow.words;
  };
  EXPECT_THAT(allowed({.has_capabilities = true}), ElementsAre("pub"));
  EXPECT_THAT(allowed({}), IsEmpty());
}

TEST_F(GrpcProxyTest, FailsWithWhateverIsNoAnswer) {
  Backend& asked = backend(Event::rpc);
  const Result<std::string> answers[] = {
      fail(Errc::timed_out, "timed out"), fail(Errc::invalid, "metadata"),
      fail(Errc::unavailable, "GRPC status UNKNOWN: no"), std::string("\xff\xff garbage")};
  uint64_t failures = 0;
  for (const auto& answer : answers) {
    ask(asked);
    client_.answer(answer);
    ASSERT_TRUE(outcome_);
    ASSERT_FALSE(*outcome_);
    EXPECT_NE(outcome_->error().code, Errc::invalid);  // which stands for broken base64
    EXPECT_EQ(calls().errors.value(), ++failures);
  }
}

TEST_F(GrpcProxyTest, HasAMethodForEachEvent) {
  const auto method = [&]<class Outcome, class Call>(Event event, const Outcome&,
                                                     const Call& call) {
    std::optional<Result<Response<Outcome>>> outcome;
    shard_.tasks().spawn(keep(backend(event).ask(caller_, call), &outcome));
    std::string name = client_.request().method;
    client_.answer(std::string());
    EXPECT_TRUE(outcome && *outcome && !(*outcome)->result);
    metrics_.proxies.clear();
    return name.substr(name.rfind('/') + 1);
  };
  EXPECT_EQ(method(Event::connect, ConnectResult(), ConnectCall()), "Connect");
  EXPECT_EQ(method(Event::refresh, RefreshResult(), RefreshCall()), "Refresh");
  EXPECT_EQ(method(Event::subscribe, SubscribeResult(), SubscribeCall()), "Subscribe");
  EXPECT_EQ(method(Event::publish, PublishResult(), PublishCall()), "Publish");
  EXPECT_EQ(method(Event::sub_refresh, SubRefreshResult(), SubRefreshCall()), "SubRefresh");
  EXPECT_EQ(method(Event::rpc, RpcResult(), RpcCall()), "RPC");
}

TEST_F(GrpcProxyTest, IsNotThereWithoutAClient) {
  metrics_.proxies.push_back(std::make_unique<metrics::ProxyCalls>());
  const auto definitions = std::make_shared<const Definitions>(std::vector<Definition>{
      {.event = Event::rpc, .name = "default", .http = {}, .grpc = GrpcOptions()}});
  EXPECT_TRUE(definitions->needs_grpc());
  EXPECT_EQ(definitions->labels()[0].protocol, "grpc");
  const Proxies proxies(shard_, http_, nullptr, definitions, metrics_);
  EXPECT_EQ(proxies.find(Event::rpc), nullptr);
}

}  // namespace
}  // namespace gyre::proxy
