#include "app/node.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "client/test_support.h"
#include "config/load.h"
#include "websocket/frame_writer.h"

namespace gyre::app {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

// Knows one listener from the next.
class ListeningKernel final : public os::ManualKernel {
 public:
  Result<os::Descriptor> listen(const os::ListenOptions& options, os::Token token) override {
    if (options.port == kTaken) return fail(Errc::unavailable, "the port is taken");
    listeners.push_back(token);
    return static_cast<os::Descriptor>(listeners.size());
  }
  uint16_t local_port(os::Descriptor listener) override {
    return static_cast<uint16_t>(40'000 + listener);
  }
  static constexpr uint16_t kTaken = 7;
  std::vector<os::Token> listeners;
};

config::Tree tree(std::string_view text) {
  config::Loaded loaded = config::load_text(text, "json", {});
  EXPECT_TRUE(loaded.is_good()) << (loaded.errors.empty() ? "" : loaded.errors[0].text());
  return std::move(loaded.tree);
}

std::string masked(std::string_view message) {
  std::string frame;
  websocket::append_masked_frame(frame, websocket::Opcode::text, message, 0x01020304);
  return frame;
}

// A whole node of one shard.
struct TestServer {
  explicit TestServer(std::string_view text,
                      EngineFactory engine = memory_engine(std::chrono::seconds(3600)))
      : node(node_options(tree(text)).value(), std::move(engine), {&kernel}) {
    const runtime::TurnScope scope(node.shard(0));
    shard = NodeShard::create(node, 0).value();
    const auto ports = shard->listen({});
    EXPECT_TRUE(ports);
  }
  ~TestServer() {
    close_all();
    const runtime::TurnScope scope(node.shard(0));
    shard.reset();
  }

  void settle() {
    for (int i = 0; i < 4; ++i) node.shard(0).turn(0);
  }
  void pass(os::Nanos time) {
    kernel.now += time;
    settle();
  }
  void close_all() {
    for (const auto& [descriptor, socket] : sockets) {
      const runtime::TurnScope scope(node.shard(0));
      shard->sockets().close(socket);
    }
    settle();
  }
  os::Descriptor open(size_t listener = 0) {
    const os::Descriptor descriptor = next++;
    const runtime::TurnScope scope(node.shard(0));
    shard->sockets().on_connection(kernel.listeners.at(listener), descriptor);
    shard->sockets().for_each([&](net::SocketHandle socket, net::Handler&) {
      const os::Token token = os::Token{socket.generation} << 32 | socket.slot;
      if (shard->sockets().descriptor(token) == descriptor) sockets[descriptor] = socket;
    });
    return descriptor;
  }
  std::string say(os::Descriptor descriptor, std::string bytes) {
    const net::SocketHandle socket = sockets[descriptor];
    const size_t size = bytes.size();
    bytes.resize(size + os::kReceivePadding);
    {
      const runtime::TurnScope scope(node.shard(0));
      shard->sockets().on_bytes(os::Token{socket.generation} << 32 | socket.slot,
                                {bytes.data(), size});
    }
    settle();
    return heard(descriptor);
  }
  std::string heard(os::Descriptor descriptor) {
    return std::exchange(kernel.sent[descriptor], {});
  }
  bool is_closed(os::Descriptor descriptor) {
    return !shard->sockets().is_open(sockets[descriptor]);
  }
  std::string get(const std::string& path, size_t listener = 0) {
    return say(open(listener), "GET " + path + " HTTP/1.1\r\nHost: a\r\n\r\n");
  }
  std::string post(const std::string& path, const std::string& body, size_t listener = 0) {
    return say(open(listener), "POST " + path + " HTTP/1.1\r\nHost: a\r\nX-API-Key: k\r\n" +
                                   "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
                                   body);
  }
  os::Descriptor upgraded() {
    const os::Descriptor client = open();
    EXPECT_THAT(say(client,
                    "GET /connection/websocket HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n"
                    "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"),
                StartsWith("HTTP/1.1 101 "));
    return client;
  }
  std::vector<std::string> command(os::Descriptor client, std::string_view text) {
    return client::unframed(say(client, masked(text)));
  }
  Result<void> reload(std::string_view text) {
    const runtime::TurnScope scope(node.shard(0));
    GYRE_TRY(const Reloaded reloaded, reloaded_options(tree(text), node.options()));
    return shard->apply(reloaded);
  }

  ListeningKernel kernel;
  Node node;
  std::unique_ptr<NodeShard> shard;
  os::Descriptor next = 100;
  std::map<os::Descriptor, net::SocketHandle> sockets;
};

constexpr const char* kOpen = R"({"http_api":{"key":"k"},"health":{"enabled":true},
    "prometheus":{"enabled":true},"client":{"allow_anonymous_connect_without_token":true},
    "channel":{"without_namespace":{"allow_subscribe_for_client":true,
    "allow_subscribe_for_anonymous":true}}})";

TEST(Node, ServesEverythingOnOnePort) {
  TestServer server(kOpen);
  EXPECT_EQ(server.kernel.listeners.size(), 1u);
  EXPECT_THAT(server.get("/health"), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(server.get("/metrics"), HasSubstr("centrifugo_node_num_clients 0"));
  EXPECT_THAT(server.post("/api/info", "{}"), HasSubstr(R"("num_clients":0)"));
  EXPECT_THAT(server.get("/demo/"), StartsWith("HTTP/1.1 404 "));
  EXPECT_THAT(server.get("/nothing"), StartsWith("HTTP/1.1 404 "));
}

TEST(Node, InternalEndpointsKeepToTheInternalPort) {
  TestServer server(
      R"({"http_server":{"internal_port":"9000"},"http_api":{"key":"k"},
          "health":{"enabled":true},"prometheus":{"enabled":true}})");
  ASSERT_EQ(server.kernel.listeners.size(), 2u);
  for (const char* path : {"/health", "/metrics"}) {
    EXPECT_THAT(server.get(path, 0), StartsWith("HTTP/1.1 404 ")) << path;
    EXPECT_THAT(server.get(path, 1), StartsWith("HTTP/1.1 200 ")) << path;
  }
  EXPECT_THAT(server.post("/api/info", "{}", 0), StartsWith("HTTP/1.1 404 "));
  EXPECT_THAT(server.post("/api/info", "{}", 1), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(server.get("/connection/websocket", 1), StartsWith("HTTP/1.1 404 "));
  EXPECT_THAT(server.get("/connection/websocket", 0), StartsWith("HTTP/1.1 400 "));
}

TEST(Node, TheApiMayBeExternal) {
  TestServer server(
      R"({"http_server":{"internal_port":"9000"},"http_api":{"key":"k","external":true}})");
  EXPECT_THAT(server.post("/api/info", "{}", 0), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(server.post("/api/info", "{}", 1), StartsWith("HTTP/1.1 404 "));
}

TEST(Node, EndpointsCanBeOff) {
  TestServer server(R"({"http_api":{"disabled":true},"websocket":{"disabled":true}})");
  for (const char* path : {"/api/info", "/connection/websocket", "/health", "/metrics"}) {
    EXPECT_THAT(server.get(path), StartsWith("HTTP/1.1 404 ")) << path;
  }
}

TEST(Node, ATakenPortIsAnError) {
  ListeningKernel kernel;
  NodeOptions options = node_options(tree("{}")).value();
  options.external.port = ListeningKernel::kTaken;
  Node node(std::move(options), memory_engine(std::chrono::seconds(1)), {&kernel});
  const runtime::TurnScope scope(node.shard(0));
  const auto shard = NodeShard::create(node, 0).value();
  EXPECT_FALSE(shard->listen({}));
}

TEST(Node, FiguresFollowTheClients) {
  TestServer server(kOpen);
  const os::Descriptor client = server.upgraded();
  server.command(client, R"({"id":1,"connect":{}})");
  server.command(client, R"({"id":2,"subscribe":{"channel":"a"}})");
  EXPECT_EQ(server.node.connected_clients(), 1u);
  EXPECT_THAT(server.get("/metrics"),
              testing::AllOf(HasSubstr("centrifugo_node_num_clients 1"),
                             HasSubstr("centrifugo_node_num_subscriptions 1"),
                             HasSubstr("centrifugo_node_num_channels 1")));
  EXPECT_THAT(server.post("/api/channels", "{}"), HasSubstr(R"("a":{"num_clients":1})"));
  EXPECT_THAT(server.post("/api/publish", R"({"channel":"a","data":1})"),
              HasSubstr(R"({"result":{}})"));
  EXPECT_THAT(client::unframed(server.heard(client)),
              ElementsAre(R"({"push":{"channel":"a","pub":{"data":1}}})"));
}

TEST(Node, AReloadSwapsNamespacesAndTokens) {
  TestServer server(kOpen);
  const os::Descriptor client = server.upgraded();
  server.command(client, R"({"id":1,"connect":{}})");
  server.command(client, R"({"id":2,"subscribe":{"channel":"a"}})");
  EXPECT_THAT(server.command(client, R"({"id":3,"subscribe":{"channel":"new:a"}})"),
              ElementsAre(HasSubstr(R"("code":102)")));
  ASSERT_TRUE(server.reload(R"({"client":{"token":{"hmac_secret_key":"s"},
      "insecure_skip_token_signature_verify":true,"ping_interval":"1h","channel_limit":1},
      "channel":{"namespaces":[{"name":"new","allow_subscribe_for_client":true,
      "allow_subscribe_for_anonymous":true}]}})"));
  EXPECT_THAT(server.command(client, R"({"id":4,"subscribe":{"channel":"new:a"}})"),
              ElementsAre(R"({"id":4,"subscribe":{}})"));
  EXPECT_THAT(server.command(client, R"({"id":5,"subscribe":{"channel":"b"}})"),
              ElementsAre(HasSubstr(R"("code":103)")));
  EXPECT_THAT(server.post("/api/publish", R"({"channel":"new:a","data":1})"),
              HasSubstr(R"({"result":{}})"));
  EXPECT_THAT(client::unframed(server.heard(client)), testing::SizeIs(1)) << "it stays subscribed";
  const os::Descriptor anonymous = server.upgraded();
  EXPECT_THAT(server.command(anonymous, R"({"id":1,"connect":{}})"), IsEmpty())
      << "anonymous connections are not allowed any more";
  const os::Descriptor ann = server.upgraded();
  EXPECT_THAT(server.command(ann, R"({"id":1,"connect":{"token":")" +
                                      client::token(R"({"sub":"ann"})") + "\"}}"),
              ElementsAre(HasSubstr(R"("ping":25)")))
      << "pings are as at the start";
}

// Spec config.md 9: what the node was given at its start stays.
TEST(Node, AReloadKeepsTheLengthOfNamesAndWhoseTokensAreWhose) {
  TestServer server(kOpen);
  ASSERT_TRUE(server.reload(R"({"client":{"allow_anonymous_connect_without_token":true,
      "insecure_skip_token_signature_verify":true,"subscription_token":{"enabled":true,
      "audience":"other"}},"channel":{"max_length":3,"without_namespace":{}}})"));
  const os::Descriptor client = server.upgraded();
  server.command(client, R"({"id":1,"connect":{}})");
  EXPECT_THAT(server.command(client, R"({"id":2,"subscribe":{"channel":"longer","token":")" +
                                         client::token(R"({"channel":"longer"})") + "\"}}"),
              ElementsAre(HasSubstr(R"("id":2,"subscribe")")));
}

TEST(Node, ABrokenReloadChangesNothing) {
  TestServer server(kOpen);
  EXPECT_FALSE(server.reload(R"({"client":{"token":{"rsa_public_key":"no key"}}})"));
  const os::Descriptor client = server.upgraded();
  EXPECT_THAT(server.command(client, R"({"id":1,"connect":{}})"), testing::SizeIs(1));
}

TEST(Node, AReloadCannotBringALimitThatWasNotThere) {
  const std::string base = R"({"client":{"allow_anonymous_connect_without_token":true)";
  {
    TestServer server(base + "}}");
    ASSERT_TRUE(server.reload(base + R"(,"connection_limit":1}})"));
    server.command(server.upgraded(), R"({"id":1,"connect":{}})");
    server.upgraded();
  }
  TestServer server(base + R"(,"connection_limit":5}})");
  ASSERT_TRUE(server.reload(base + R"(,"connection_limit":1}})"));
  server.command(server.upgraded(), R"({"id":1,"connect":{}})");
  EXPECT_THAT(server.get("/connection/websocket"), StartsWith("HTTP/1.1 503 "));
}

TEST(Node, RateLimitsAreReadAndReloaded) {
  const std::string open(kOpen);
  const auto with = [&open](std::string_view limits) {
    return open.substr(0, open.rfind('}')) + R"(,"gyre":{"rate_limits":)" + std::string(limits) +
           "}}";
  };
  TestServer server(with(R"({"client":{"default":{"rate":1,"interval":"1h","burst":2},
      "presence":{"rate":-1},"rpc":{"rate":1}}})"));
  const os::Descriptor client = server.upgraded();
  server.command(client, R"({"id":1,"connect":{}})");
  const auto is_refused = [&](std::string_view command) {
    const client::Messages heard =
        server.command(client, R"({"id":2,)" + std::string(command) + "}");
    return heard.size() == 1 && heard[0].find(R"("code":111)") != std::string::npos;
  };
  for (const std::string_view command :
       {R"("history":{"channel":"a"})", R"("presence_stats":{"channel":"a"})"}) {
    EXPECT_FALSE(is_refused(command)) << command;
    EXPECT_FALSE(is_refused(command)) << command;
    EXPECT_TRUE(is_refused(command)) << command;
  }
  for (const std::string_view command :
       {R"("presence":{"channel":"a"})", R"("unsubscribe":{"channel":"a"})"}) {
    for (int i = 0; i < 3; ++i) EXPECT_FALSE(is_refused(command)) << command;
  }
  EXPECT_FALSE(is_refused(R"("rpc":{})"));
  EXPECT_TRUE(is_refused(R"("rpc":{})"));
  EXPECT_THAT(server.get("/metrics"),
              HasSubstr(R"(gyre_rate_limited_commands_total{method="history",scope="client"} 1)"));

  ASSERT_TRUE(server.reload(with(R"({"user":{"total":{"rate":1}}})")));
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(is_refused(R"("history":{"channel":"a"})"));
  ASSERT_TRUE(server.reload(with(R"({"client":{"total":{"rate":1}}})")));
  EXPECT_FALSE(is_refused(R"("history":{"channel":"a"})"));
  EXPECT_TRUE(is_refused(R"("history":{"channel":"a"})"));
}

TEST(Node, RatesOfRequestsAreReadAndReloaded) {
  const std::string open(kOpen);
  const std::string limited = open.substr(0, open.rfind('}')) +
                              R"(,"gyre":{"rate_limits":{"http":{"rate":1,"interval":"1h"}}}})";
  TestServer server(limited);
  const std::string get = "GET /health HTTP/1.1\r\nHost: a\r\n\r\n";
  const std::string post =
      "POST /api/info HTTP/1.1\r\nHost: a\r\nX-API-Key: k\r\n"
      "Content-Length: 2\r\n\r\n{}";
  os::Descriptor client = server.open();
  EXPECT_THAT(server.say(client, get), StartsWith("HTTP/1.1 200 "));
  for (int i = 0; i < 3; ++i) EXPECT_THAT(server.say(client, post), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(server.say(client, get), StartsWith("HTTP/1.1 429 "));
  EXPECT_THAT(server.get("/metrics"), HasSubstr("gyre_rate_limited_http_requests_total 1\n"));
  ASSERT_TRUE(server.reload(open));
  client = server.open();
  for (int i = 0; i < 3; ++i) EXPECT_THAT(server.say(client, get), StartsWith("HTTP/1.1 200 "));
}

TEST(Node, ADrainEndsWhenAllHaveGone) {
  TestServer server(kOpen);
  const os::Descriptor polite = server.upgraded();
  server.command(polite, R"({"id":1,"connect":{}})");
  const os::Descriptor mute = server.upgraded();
  server.command(mute, R"({"id":1,"connect":{}})");
  const os::Descriptor idle = server.open();
  bool is_done = false;
  {
    const runtime::TurnScope scope(server.node.shard(0));
    server.node.shard(0).tasks().spawn(client::TestNode::note(server.shard->drain(), &is_done));
  }
  server.settle();
  EXPECT_TRUE(server.is_closed(idle));
  EXPECT_EQ(server.heard(polite), websocket::close_frame(3001, "shutdown"));
  std::string answer;
  websocket::append_masked_frame(answer, websocket::Opcode::close,
                                 websocket::close_payload(3001, ""), 0x01020304);
  server.say(polite, answer);
  EXPECT_TRUE(server.is_closed(polite));
  server.pass(os::kSecond);
  EXPECT_FALSE(is_done) << "one has not answered";
  server.pass(5 * os::kSecond);
  server.pass(os::kSecond);
  EXPECT_TRUE(server.is_closed(mute));
  EXPECT_TRUE(is_done);
}

constexpr const char* kLimited = R"({"http_api":{"key":"k"},"prometheus":{"enabled":true},
    "gyre":{"memory_limit":"1000"},"client":{"allow_anonymous_connect_without_token":true},
    "channel":{"without_namespace":{"allow_subscribe_for_client":true,
    "allow_subscribe_for_anonymous":true,"allow_publish_for_client":true,
    "allow_publish_for_anonymous":true}}})";
constexpr const char* kUpgradeRequest =
    "GET /connection/websocket HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n"
    "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
constexpr const char* kPublish = R"({"channel":"a","data":{}})";

TEST(Node, NearItsMemoryLimitItRefusesNewClients) {
  TestServer server(kLimited);
  const os::Descriptor early = server.upgraded();
  const os::Descriptor client = server.upgraded();
  server.command(client, R"({"id":1,"connect":{}})");
  server.node.memory().update(850);
  EXPECT_THAT(server.say(server.open(), kUpgradeRequest), StartsWith("HTTP/1.1 503 "));
  EXPECT_THAT(
      server.command(early, R"({"id":1,"connect":{}})"),
      ElementsAre(
          R"({"id":1,"error":{"code":111,"message":"too many requests","temporary":true}})"));
  EXPECT_THAT(server.command(client, R"({"id":2,"publish":{"channel":"a","data":{}}})"),
              ElementsAre(R"({"id":2,"publish":{}})"))
      << "the others notice nothing";
  EXPECT_THAT(server.get("/metrics"),
              testing::AllOf(HasSubstr("gyre_overload_stage 1\n"),
                             HasSubstr("gyre_overload_refused_connects_total 2\n")));
  server.node.memory().update(700);
  server.command(server.upgraded(), R"({"id":1,"connect":{}})");
  EXPECT_EQ(server.node.connected_clients(), 2u);
}

TEST(Node, ShortOfMemoryItCutsWhoDoesNotRead) {
  TestServer server(kLimited);
  const os::Descriptor client = server.upgraded();
  const os::Descriptor other = server.upgraded();
  server.command(client, R"({"id":1,"connect":{}})");
  server.command(client, R"({"id":2,"subscribe":{"channel":"a"}})");
  server.command(other, R"({"id":1,"connect":{}})");
  server.kernel.room = 0;
  {
    const runtime::TurnScope scope(server.node.shard(0));
    server.shard->sockets().send(server.sockets[client], Frame::make("{}"));
  }
  server.settle();
  {
    const runtime::TurnScope scope(server.node.shard(0));
    server.shard->cut_slowest();
  }
  server.settle();
  server.kernel.room = SIZE_MAX / 2;
  EXPECT_EQ(server.node.connected_clients(), 1u);
  EXPECT_THAT(server.get("/metrics"),
              testing::AllOf(HasSubstr("gyre_overload_cut_connections_total 1\n"),
                             HasSubstr("num_server_disconnects{code=\"3008\"} 1\n")));
}

TEST(Node, AtItsMemoryLimitItRefusesPublications) {
  TestServer server(kLimited);
  const os::Descriptor client = server.upgraded();
  server.command(client, R"({"id":1,"connect":{}})");
  server.node.memory().update(950);
  constexpr const char* kError = R"({"error":{"code":111,"message":"too many requests"}})";
  EXPECT_THAT(server.post("/api/publish", kPublish), HasSubstr(kError));
  EXPECT_THAT(server.post("/api/broadcast", R"({"channels":["a"],"data":{}})"), HasSubstr(kError));
  EXPECT_THAT(server.command(client, R"({"id":2,"publish":{"channel":"a","data":{}}})"),
              ElementsAre(HasSubstr(R"("code":111)")));
  EXPECT_THAT(server.post("/api/info", "{}"), HasSubstr("num_clients"));
  EXPECT_THAT(server.get("/metrics"), HasSubstr("gyre_overload_refused_publishes_total 3\n"));
  server.node.memory().update(700);
  EXPECT_THAT(server.post("/api/publish", kPublish), HasSubstr(R"({"result":)"));
}

TEST(Node, ByStatusARefusedPublicationIs429) {
  std::string text = kLimited;
  text.replace(text.find(R"("key":"k")"), 9, R"("key":"k","error_mode":"transport")");
  TestServer server(text);
  server.node.memory().update(950);
  EXPECT_THAT(server.post("/api/publish", kPublish), StartsWith("HTTP/1.1 429 "));
}

// A drain must leave a position check that is waiting for the broker its object.
TEST(Node, ADrainWaitsForAPositionCheck) {
  client::GatedBroker* broker = nullptr;
  EngineFactory engine = memory_engine(std::chrono::seconds(3600));
  engine.broker = [&broker](runtime::Shard& shard) {
    auto gated = std::make_unique<client::GatedBroker>(shard);
    broker = gated.get();
    return gated;
  };
  TestServer server(R"({"client":{"allow_anonymous_connect_without_token":true,
      "channel_position_check_delay":"5s"},
      "channel":{"without_namespace":{"allow_subscribe_for_client":true,
      "allow_subscribe_for_anonymous":true,"history_size":5,"history_ttl":"1h",
      "force_positioning":true}}})",
                    std::move(engine));
  const os::Descriptor client = server.upgraded();
  server.command(client, R"({"id":1,"connect":{}})");
  server.command(client, R"({"id":2,"subscribe":{"channel":"a"}})");
  broker->histories.is_shut = true;
  server.pass(6 * os::kSecond);
  ASSERT_THAT(broker->histories.waiting, testing::SizeIs(1)) << "the check asks for the top";
  bool is_done = false;
  {
    const runtime::TurnScope scope(server.node.shard(0));
    server.node.shard(0).tasks().spawn(client::TestNode::note(server.shard->drain(), &is_done));
  }
  for (int i = 0; i < 8; ++i) server.pass(os::kSecond);
  EXPECT_FALSE(is_done);
  {
    const runtime::TurnScope scope(server.node.shard(0));
    broker->histories.open();
  }
  for (int i = 0; i < 8; ++i) server.pass(os::kSecond);
  EXPECT_TRUE(is_done);
}

TEST(Node, TheDemoPageIsServedFromItsDirectory) {
  const std::filesystem::path directory =
      std::filesystem::path(testing::TempDir()) / "gyre_node_test_demo";
  std::filesystem::create_directories(directory / "below");
  std::ofstream(directory / "index.html") << "<p>hello";
  std::ofstream(directory / "below" / "hidden.txt") << "no";
  TestServer server(R"({"gyre":{"demo":{"directory":")" + directory.string() + "\"}}}");
  std::filesystem::remove_all(directory);
  EXPECT_THAT(server.get("/demo/"), testing::AllOf(StartsWith("HTTP/1.1 200 "),
                                                   HasSubstr("<p>hello"), HasSubstr("text/html")));
  EXPECT_THAT(server.get("/demo"), testing::Not(StartsWith("HTTP/1.1 404 ")));
  for (const char* path : {"/demo/hidden.txt", "/demo/below/hidden.txt", "/demo/%2e%2e/x",
                           "/%64emo", "/%64emo/", "/demo/x"}) {
    const std::string answer = server.get(path);
    EXPECT_THAT(answer, testing::Not(HasSubstr("\r\n\r\nno"))) << path;
    EXPECT_FALSE(answer.empty()) << path;
  }
  EXPECT_THAT(server.post("/demo/", ""), StartsWith("HTTP/1.1 405 "));
}

TEST(Node, ADemoDirectoryThatIsNotThereIsAnError) {
  EXPECT_FALSE(node_options(tree(R"({"gyre":{"demo":{"directory":"/nowhere/at/all"}}})")));
}

// What only this server has, or another edition of the reference: off, as if it did not exist.
TEST(Node, OwnFeaturesAreSwitchedOnByTheirKeys) {
  const std::string open =
      R"({"http_api":{"key":"k"},"prometheus":{"enabled":true},
          "client":{"insecure_skip_token_signature_verify":true},
          "channel":{"namespaces":[{"name":"users"}]})";
  const std::string connect =
      R"({"id":1,"connect":{"name":"js","token":")" +
      client::token(R"({"sub":"ann","user":{"role":"editor"},)"
                    R"("caps":[{"channels":["/users/*"],"match":"wildcard","allow":["sub"]}]})") +
      "\"}}";
  const std::string subscribe = R"({"id":2,"subscribe":{"channel":"/users/1"}})";
  const std::string active = R"({"id":3,"rpc":{"method":"update_user_status"}})";
  {
    TestServer server(open + "}");
    const os::Descriptor client = server.upgraded();
    EXPECT_THAT(server.command(client, connect), ElementsAre(HasSubstr(R"("connect")")));
    EXPECT_THAT(server.command(client, subscribe), ElementsAre(HasSubstr(R"("code":103)")));
    EXPECT_THAT(server.command(client, active), ElementsAre(HasSubstr(R"("code":108)")));
    EXPECT_THAT(server.post("/api/connections", "{}"), StartsWith("HTTP/1.1 404 "));
    EXPECT_THAT(server.post("/api/get_user_status", "{}"), StartsWith("HTTP/1.1 404 "));
    EXPECT_THAT(server.get("/metrics"), testing::Not(HasSubstr("gyre_user_statuses")));
  }
  TestServer server(open + R"(,"gyre":{"connections":{"enabled":true},
      "user_status":{"enabled":true},"capabilities":{"enabled":true},
      "token":{"meta_from_claim":{"role":"user.role"}},
      "channel_patterns":[{"pattern":"/users/:id","namespace":"users"}]}})");
  const os::Descriptor client = server.upgraded();
  EXPECT_THAT(server.command(client, connect), ElementsAre(HasSubstr(R"("connect")")));
  EXPECT_THAT(server.command(client, subscribe), ElementsAre(HasSubstr(R"("subscribe")")));
  EXPECT_THAT(server.command(client, R"({"id":4,"subscribe":{"channel":"/users/1/x"}})"),
              ElementsAre(HasSubstr(R"("code":102)")));
  EXPECT_THAT(server.command(client, active), ElementsAre(R"({"id":3,"rpc":{}})"));
  EXPECT_THAT(
      server.post("/api/connections", R"({"user":"ann"})"),
      testing::AllOf(HasSubstr(R"("app_name":"js")"), HasSubstr(R"("/users/1":{"source":11})"),
                     HasSubstr(R"("meta":{"role":"editor"})"), HasSubstr("connected_at_ms")));
  EXPECT_THAT(server.post("/api/get_user_status", R"({"users":["ann"]})"),
              HasSubstr(R"("online":)"));
  EXPECT_THAT(server.get("/metrics"), HasSubstr("gyre_user_statuses 1\n"));
}

TEST(Node, WildcardsAreReadAndTheirRulesReloaded) {
  const std::string open(kOpen);
  const auto with = [&open](std::string_view rules) {
    return open.substr(0, open.rfind('}')) + R"(,"gyre":{"wildcards":{"max_patterns":2,"rules":[)" +
           std::string(rules) + "]}}}";
  };
  {
    TestServer server(open);
    const os::Descriptor client = server.upgraded();
    server.command(client, R"({"id":1,"connect":{}})");
    server.command(client, R"({"id":2,"subscribe":{"channel":"news.*"}})");
    ASSERT_TRUE(server.reload(with(R"({"pattern":"news.>"})")));
    EXPECT_THAT(server.post("/api/publish", R"({"channel":"news.*","data":1})"),
                HasSubstr(R"({"result":{}})"))
        << "a channel that there is does not become a wildcard";
    EXPECT_THAT(client::unframed(server.heard(client)), testing::SizeIs(1));
  }
  TestServer server(with(R"({"pattern":"news.>"})"));
  const os::Descriptor client = server.upgraded();
  server.command(client, R"({"id":1,"connect":{}})");
  EXPECT_THAT(server.command(client, R"({"id":2,"subscribe":{"channel":"news.*"}})"),
              ElementsAre(R"({"id":2,"subscribe":{}})"));
  server.post("/api/publish", R"({"channel":"news.a","data":1})");
  EXPECT_THAT(client::unframed(server.heard(client)),
              ElementsAre(R"({"push":{"channel":"news.*","pub":{"data":1,"channel":"news.a"}}})"));
  EXPECT_THAT(server.get("/metrics"), HasSubstr("\ngyre_wildcards 1\n"));
  ASSERT_TRUE(server.reload(open));
  EXPECT_THAT(server.command(client, R"({"id":3,"subscribe":{"channel":"news.b.*"}})"),
              ElementsAre(HasSubstr(R"("code":103)")));
  EXPECT_THAT(server.post("/api/publish", R"({"channel":"news.b.*","data":1})"),
              HasSubstr(R"("code":107)"))
      << "nor does a wildcard become a channel";
  ASSERT_TRUE(server.reload(with(R"({"pattern":"*"},{"pattern":"news.b.*"})")));
  EXPECT_THAT(server.command(client, R"({"id":4,"subscribe":{"channel":"news.b.*"}})"),
              ElementsAre(R"({"id":4,"subscribe":{}})"));
  EXPECT_THAT(server.command(client, R"({"id":5,"subscribe":{"channel":"*"}})"),
              ElementsAre(HasSubstr(R"("code":106)")));
}

// Carries nothing but what somebody has subscribed to, and that badly.
struct PlainBroker final : engine::Broker {
  void attach(engine::BrokerEvents&) override {}
  runtime::Task<Result<void>> subscribe(std::string) override { return nothing<void>(); }
  runtime::Task<Result<void>> unsubscribe(std::string) override { return nothing<void>(); }
  runtime::Task<Result<engine::PublishResult>> publish(engine::PublishRequest) override {
    return nothing<engine::PublishResult>();
  }
  runtime::Task<Result<void>> announce(std::string, protocol::AnnouncementRef) override {
    return nothing<void>();
  }
  runtime::Task<Result<engine::HistoryPage>> history(std::string, engine::HistoryQuery) override {
    return nothing<engine::HistoryPage>();
  }
  runtime::Task<Result<void>> remove_history(std::string) override { return nothing<void>(); }
  template <class T>
  static runtime::Task<Result<T>> nothing() {
    co_return fail(Errc::unavailable, "not part of this test");
  }
};

TEST(Node, ABrokerThatDoesNotCarryWildcardsIsRefusedWhereThereAreRules) {
  EngineFactory engine = memory_engine(std::chrono::seconds(1));
  engine.broker = [](runtime::Shard&) { return std::make_unique<PlainBroker>(); };
  ListeningKernel kernel;
  const auto start = [&](std::string_view text) {
    Node node(node_options(tree(text)).value(), engine, {&kernel});
    const runtime::TurnScope scope(node.shard(0));
    const auto shard = NodeShard::create(node, 0);
    return shard ? std::string() : shard.error().context;
  };
  EXPECT_EQ(start("{}"), "");
  EXPECT_THAT(start(R"({"gyre":{"wildcards":{"rules":[{"pattern":"news.*"}]}}})"),
              StartsWith("gyre.wildcards.rules: the broker does not carry wildcards"));
}

TEST(NodeOptions, ProvidersAreForTokensWithoutSettingsOfTheirOwn) {
  const std::string gyre =
      R"("gyre":{"jwks":{"providers":[{"name":"one","endpoint":"https://k/1","issuer":"i",
                 "audience":"a","key_ids":["x"]}]},"token":{"meta_from_claim":{"m":"c"}}}})";
  const NodeOptions shared = node_options(tree("{" + gyre)).value();
  ASSERT_EQ(shared.connection_tokens.jwks_providers.size(), 1u);
  const auth::KeyProvider& one = shared.connection_tokens.jwks_providers[0];
  EXPECT_EQ(one.name + one.endpoint + one.issuer + one.audience, "onehttps://k/1ia");
  EXPECT_THAT(one.key_ids, ElementsAre("x"));
  EXPECT_THAT(shared.connection_tokens.meta_from_claim, ElementsAre(testing::Pair("m", "c")));
  EXPECT_EQ(shared.subscription_tokens.jwks_providers.size(), 1u);
  EXPECT_THAT(shared.subscription_tokens.meta_from_claim, IsEmpty());
  const NodeOptions own =
      node_options(tree(R"({"client":{"subscription_token":{"enabled":true}},)" + gyre)).value();
  EXPECT_EQ(own.connection_tokens.jwks_providers.size(), 1u);
  EXPECT_THAT(own.subscription_tokens.jwks_providers, IsEmpty());
}

TEST(Node, GivesNumbersForChannelsAsLongAsItIsToldTo) {
  const std::string open =
      R"({"http_api":{"key":"k"},"prometheus":{"enabled":true},
          "client":{"allow_anonymous_connect_without_token":true},
          "channel":{"without_namespace":{"allow_subscribe_for_client":true,
                                          "allow_subscribe_for_anonymous":true}})";
  const std::string publish = R"({"channel":"news","data":1})";
  const std::string subscribe = R"({"id":2,"subscribe":{"channel":"news","flag":1}})";
  TestServer server(open + R"(,"gyre":{"channel_compaction":{"enabled":true}}})");
  const os::Descriptor early = server.upgraded();
  server.command(early, R"({"id":1,"connect":{}})");
  EXPECT_THAT(server.command(early, subscribe), ElementsAre(R"({"id":2,"subscribe":{"id":1}})"));
  EXPECT_THAT(server.get("/metrics"), HasSubstr("gyre_compacted_subscriptions_total 1\n"));
  ASSERT_TRUE(server.reload(open + "}"));
  const os::Descriptor late = server.upgraded();
  server.command(late, R"({"id":1,"connect":{}})");
  EXPECT_THAT(server.command(late, subscribe), ElementsAre(R"({"id":2,"subscribe":{}})"));
  server.post("/api/publish", publish);
  EXPECT_THAT(client::unframed(server.heard(early)),
              ElementsAre(R"({"push":{"id":1,"pub":{"data":1}}})"));
  EXPECT_THAT(client::unframed(server.heard(late)),
              ElementsAre(R"({"push":{"channel":"news","pub":{"data":1}}})"));
}

TEST(NodeOptions, DeliveryRulesAreOfTheirNamespaces) {
  const NodeOptions options =
      node_options(tree(R"({"channel":{"namespaces":[{"name":"ticker"},{"name":"other"}]},
          "gyre":{"delivery":[{"batch_max_delay":"1500ms","batch_flush_latest":true},
                              {"namespace":"ticker","slow_consumer":"resubscribe",
                               "slow_consumer_bytes":7,"batch_max_size":3}]}})"))
          .value();
  const channel::Namespaces& namespaces = *options.settings->namespaces;
  const auto rule_of = [&](std::string_view channel) {
    return namespaces.find(namespaces.parse(channel))->options().delivery;
  };
  EXPECT_EQ(rule_of("other:a"), nullptr);
  const auto plain = rule_of("a");
  ASSERT_NE(plain, nullptr);
  EXPECT_EQ(plain->slow_consumer, channel::SlowConsumer::disconnect);
  EXPECT_EQ(plain->batch_max_delay, std::chrono::milliseconds(1500));
  EXPECT_EQ(plain->batch_max_size, 100u);
  EXPECT_TRUE(plain->batch_flush_latest);
  const auto ticker = rule_of("ticker:a");
  ASSERT_NE(ticker, nullptr);
  EXPECT_EQ(ticker->slow_consumer, channel::SlowConsumer::resubscribe);
  EXPECT_EQ(ticker->slow_consumer_bytes, 7u);
  EXPECT_EQ(ticker->batch_max_size, 3u);
  EXPECT_FALSE(ticker->is_batching());
}

TEST(NodeOptions, ANegativeWriteTimeoutIsNone) {
  const NodeOptions options =
      node_options(tree(R"({"websocket":{"write_timeout":"-1s"}})")).value();
  EXPECT_GT(options.sockets.write_timeout, 24 * 3600 * os::kSecond);
  EXPECT_EQ(node_options(tree("{}")).value().sockets.write_timeout, os::kSecond);
}

}  // namespace
}  // namespace gyre::app
