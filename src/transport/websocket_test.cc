#include "transport/websocket.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/test_support.h"
#include "http/server.h"
#include "websocket/frame_writer.h"

namespace gyre::transport {
namespace {

using client::unframed;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

std::string masked(std::string_view message) {
  std::string frame;
  websocket::append_masked_frame(frame, websocket::Opcode::text, message, 0x01020304);
  return frame;
}

struct Given {
  std::vector<std::string> origins = {"https://good.example"};
  Admission::Limits admission = {};
  WebSocketEndpoint::Options options = {};
  net::SocketLimits sockets = {};
};

// The endpoint behind an HTTP server; clients are descriptors.
class WebSocketTest : public testing::Test {
 protected:
  void start(Given setup) {
    node_.emplace(1, client::test_settings(), setup.sockets);
    client::TestShard& shard = (*node_)[0];
    const runtime::TurnScope scope(shard.shard);
    origins_ = http::AllowedOrigins::compile(setup.origins).value();
    admission_.emplace(setup.admission, [this] { return connected_; });
    server_.emplace(shard.sockets, http::Server::Options{});
    endpoint_.emplace(shard.sockets, shard.roster, *admission_, shard.metrics, origins_,
                      std::move(setup.options));
    server_->routes().add("/ws", endpoint_->route());
    EXPECT_TRUE(shard.sockets.listen({}, *server_));
    listener_ = shard.kernel.listener;
  }
  void TearDown() override {
    if (!node_) return;
    for (const auto& [descriptor, socket] : sockets_) {
      const runtime::TurnScope scope(shard().shard);
      shard().sockets.close(socket);
    }
    node_->settle();
  }

  client::TestShard& shard() { return (*node_)[0]; }
  os::Descriptor open() {
    const os::Descriptor descriptor = next_++;
    const runtime::TurnScope scope(shard().shard);
    shard().sockets.on_connection(listener_, descriptor);
    shard().sockets.for_each([&](net::SocketHandle socket, net::Handler&) {
      const os::Token token = os::Token{socket.generation} << 32 | socket.slot;
      if (shard().sockets.descriptor(token) == descriptor) sockets_[descriptor] = socket;
    });
    return descriptor;
  }
  std::string say(os::Descriptor descriptor, std::string bytes) {
    const net::SocketHandle socket = sockets_[descriptor];
    const size_t size = bytes.size();
    bytes.resize(size + os::kReceivePadding);
    {
      const runtime::TurnScope scope(shard().shard);
      shard().sockets.on_bytes(os::Token{socket.generation} << 32 | socket.slot,
                               {bytes.data(), size});
    }
    node_->settle();
    return heard(descriptor);
  }
  std::string heard(os::Descriptor descriptor) {
    return std::exchange(shard().kernel.sent[descriptor], {});
  }
  bool is_closed(os::Descriptor descriptor) {
    return !shard().sockets.is_open(sockets_[descriptor]);
  }
  static std::string upgrade(std::string_view query = {}, std::string_view fields = {}) {
    return "GET /ws" + std::string(query) +
           " HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
           "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
           std::string(fields) + "\r\n";
  }
  // A client that has connected.
  os::Descriptor connected(std::string_view query = {}) {
    const os::Descriptor descriptor = open();
    EXPECT_THAT(say(descriptor, upgrade(query)), StartsWith("HTTP/1.1 101 "));
    EXPECT_THAT(unframed(say(descriptor, masked(R"({"id":1,"connect":{}})"))),
                ElementsAre(StartsWith(R"({"id":1,"connect":{"client":)")));
    return descriptor;
  }
  // Of the server's doing: how often which code.
  std::string disconnects() {
    std::string text;
    shard().metrics.disconnects.for_each([&](uint32_t, uint32_t code, uint64_t count) {
      text += std::to_string(code) + "=" + std::to_string(count) + " ";
    });
    return text;
  }
  void disconnect(const protocol::Disconnect& reason) {
    node_->operate([&](client::Audience& audience) { return audience.disconnect({}, reason); });
  }

  std::optional<client::TestNode> node_;
  http::AllowedOrigins origins_;
  uint64_t connected_ = 0;
  std::optional<Admission> admission_;
  std::optional<http::Server> server_;
  std::optional<WebSocketEndpoint> endpoint_;
  os::Token listener_ = 0;
  os::Descriptor next_ = 10;
  std::map<os::Descriptor, net::SocketHandle> sockets_;
};

TEST_F(WebSocketTest, CarriesTheProtocol) {
  start({});
  const os::Descriptor client = connected();
  EXPECT_THAT(unframed(say(client, masked(R"({"id":2,"subscribe":{"channel":"a"}})"))),
              ElementsAre(R"({"id":2,"subscribe":{}})"));
  node_->publish("a", "1");
  EXPECT_THAT(unframed(heard(client)), ElementsAre(HasSubstr(R"("pub":{"data":1})")));
}

TEST_F(WebSocketTest, OtherPagesAreRefused) {
  start({});
  const std::string refusal = say(open(), upgrade({}, "Origin: https://evil.example\r\n"));
  EXPECT_THAT(refusal, StartsWith("HTTP/1.1 403 "));
  EXPECT_THAT(refusal, HasSubstr("Forbidden\n"));
  EXPECT_THAT(say(open(), upgrade({}, "Origin: https://good.example\r\n")),
              StartsWith("HTTP/1.1 101 "));
  EXPECT_EQ(shard().roster.sessions(), 1u);
}

TEST_F(WebSocketTest, AFullNodeAnswers503) {
  start({.admission = {.connections = 1}});
  EXPECT_THAT(say(open(), upgrade()), StartsWith("HTTP/1.1 101 "));
  connected_ = 1;
  EXPECT_THAT(say(open(), upgrade()), StartsWith("HTTP/1.1 503 "));
  EXPECT_EQ(shard().metrics.connection_limit.value(), 1u);
}

TEST_F(WebSocketTest, TooManyAtOnceAreAnswered503) {
  start({.admission = {.per_second = 2}});
  for (int i = 0; i < 2; ++i) EXPECT_THAT(say(open(), upgrade()), StartsWith("HTTP/1.1 101 "));
  EXPECT_THAT(say(open(), upgrade()), StartsWith("HTTP/1.1 503 "));
  EXPECT_EQ(shard().metrics.connection_limit.value(), 0u);
  EXPECT_EQ(shard().metrics.connection_rate_limit.value(), 1u);
  node_->pass(os::kSecond);
  EXPECT_THAT(say(open(), upgrade()), StartsWith("HTTP/1.1 101 "));
}

TEST_F(WebSocketTest, ANodeThatDrainsSaysSo) {
  start({});
  endpoint_->drain();
  const os::Descriptor client = open();
  const std::string answer = say(client, upgrade());
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 101 "));
  EXPECT_TRUE(answer.ends_with(websocket::close_frame(3001, "shutdown")));
  EXPECT_EQ(shard().roster.sessions(), 0u);
  EXPECT_FALSE(is_closed(client));
  node_->pass(6 * os::kSecond);
  EXPECT_TRUE(is_closed(client)) << "it has not answered";
}

TEST_F(WebSocketTest, TheUserMayComeFromAHeader) {
  start({.options = {.user_header = "X-User"}});
  node_->settings->allow_anonymous_connect_without_token = false;
  const os::Descriptor named = open();
  say(named, upgrade({}, "X-User: ann\r\n"));
  EXPECT_THAT(unframed(say(named, masked(R"({"id":1,"connect":{}})"))),
              ElementsAre(StartsWith(R"({"id":1,"connect":{)")));
  node_->operate([](client::Audience& audience) {
    return audience.disconnect({.user = "ann", .client = {}, .session = {}, .spared = {}},
                               protocol::disconnects::kForceNoReconnect);
  });
  EXPECT_EQ(heard(named), websocket::close_frame(3503, "force disconnect"));
  const os::Descriptor nameless = open();
  say(nameless, upgrade({}, "X-User: \r\n"));
  EXPECT_EQ(say(nameless, masked(R"({"id":1,"connect":{}})")),
            websocket::close_frame(3501, "bad request"));
}

TEST_F(WebSocketTest, CodesOfApplicationsPass) {
  start({});
  const os::Descriptor client = connected();
  disconnect({.code = 4321, .reason = "moved"});
  EXPECT_EQ(heard(client), websocket::close_frame(4321, "moved"));
}

TEST_F(WebSocketTest, WhatACloseFrameCannotCarryIsAPlainEnd) {
  start({});
  for (const uint32_t code : {0u, 999u, 5000u, 70'000u}) {
    const os::Descriptor client = connected();
    disconnect({.code = code, .reason = "odd"});
    EXPECT_THAT(heard(client), IsEmpty()) << code;
    EXPECT_TRUE(is_closed(client)) << code;
  }
  EXPECT_EQ(shard().roster.sessions(), 0u);
}

TEST_F(WebSocketTest, TheClientsCloseIsAnswered) {
  start({});
  const os::Descriptor client = connected();
  say(client, masked(R"({"id":2,"subscribe":{"channel":"a"}})"));
  std::string close;
  websocket::append_masked_frame(close, websocket::Opcode::close,
                                 websocket::close_payload(1000, ""), 0x01020304);
  EXPECT_EQ(say(client, close), websocket::close_frame(1000, ""));
  EXPECT_TRUE(is_closed(client));
  EXPECT_EQ(shard().hub.channels(), 0u);
}

TEST_F(WebSocketTest, AClientThatClosesDuringItsConnectIsLetGo) {
  start({});
  const os::Descriptor client = open();
  say(client, upgrade());
  shard().broker.subscribes.is_shut = true;
  say(client, masked(R"({"id":1,"connect":{"subs":{"a":{}}}})"));
  std::string close;
  websocket::append_masked_frame(close, websocket::Opcode::close,
                                 websocket::close_payload(1000, ""), 0x01020304);
  EXPECT_EQ(say(client, close), websocket::close_frame(1000, ""));
  EXPECT_TRUE(is_closed(client));
  {
    const runtime::TurnScope scope(shard().shard);
    shard().broker.subscribes.open();
  }
  node_->settle();
  EXPECT_EQ(shard().roster.sessions(), 0u);
  EXPECT_EQ(shard().hub.channels(), 0u);
}

TEST_F(WebSocketTest, WhoDoesNotReadIsSlow) {
  start({.sockets = {.queue_bytes_max = 10'000}});
  const os::Descriptor client = connected();
  say(client, masked(R"({"id":2,"subscribe":{"channel":"a"}})"));
  shard().kernel.room = 0;
  for (int i = 0; i < 12; ++i) node_->publish("a", '"' + std::string(1000, 'x') + '"');
  shard().kernel.room = SIZE_MAX / 2;
  EXPECT_EQ(shard().roster.sessions(), 0u);
  const net::SocketHandle socket = sockets_[client];
  {
    const runtime::TurnScope scope(shard().shard);
    shard().sockets.on_room(os::Token{socket.generation} << 32 | socket.slot);
  }
  node_->settle();
  const std::string rest = heard(client);
  EXPECT_TRUE(rest.ends_with(websocket::close_frame(3008, "slow")));
  EXPECT_LT(rest.size(), 3000u) << "what waited was dropped";
}

// What the session has no part in is counted all the same.
TEST_F(WebSocketTest, EndsThatTheConnectionDecidesAreCounted) {
  Given setup;
  setup.options.message_bytes_max = 100;
  start(std::move(setup));
  EXPECT_THAT(say(connected(), masked(std::string(101, 'x'))), HasSubstr("\x03\xf1"));  // 1009
  const os::Descriptor stalled = connected();
  say(stalled, masked(R"({"id":2,"subscribe":{"channel":"a"}})"));
  shard().kernel.room = 0;
  node_->publish("a", "1");
  node_->pass(2 * os::kSecond);
  EXPECT_TRUE(is_closed(stalled));
  std::string closes;
  shard().metrics.closes.for_each([&](uint32_t, uint32_t code, uint64_t count) {
    closes += std::to_string(code) + "=" + std::to_string(count) + " ";
  });
  EXPECT_EQ(closes, "1009=1 ");
  EXPECT_EQ(disconnects(), "3009=1 ");
}

TEST_F(WebSocketTest, FramePingsOnRequest) {
  start({.options = {.ping_interval = 20 * os::kSecond, .pong_timeout = 5 * os::kSecond}});
  const os::Descriptor client = connected("?cf_ws_frame_ping_pong=true");
  node_->pass(21 * os::kSecond);
  std::string ping;
  websocket::append_frame(ping, websocket::Opcode::ping, "");
  EXPECT_EQ(heard(client), ping);
  node_->pass(6 * os::kSecond);
  EXPECT_TRUE(is_closed(client));
  EXPECT_EQ(shard().roster.sessions(), 0u);
  EXPECT_EQ(disconnects(), "3012=1 ");
}

TEST_F(WebSocketTest, ARefusedConnectIsCutWithoutACloseFrame) {
  start({});
  const os::Descriptor client = open();
  say(client, upgrade());
  EXPECT_THAT(unframed(say(client, masked(R"({"id":1,"connect":{"token":")" +
                                          client::token(R"({"exp":1})") + "\"}}"))),
              ElementsAre(HasSubstr(R"("code":109)")));
  node_->pass(6 * os::kSecond);
  EXPECT_THAT(heard(client), IsEmpty());
  EXPECT_TRUE(is_closed(client));
}

}  // namespace
}  // namespace gyre::transport
