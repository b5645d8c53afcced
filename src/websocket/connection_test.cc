#include "websocket/connection.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <vector>

#include "http/test_support.h"
#include "websocket/frame_writer.h"
#include "websocket/handshake.h"

namespace gyre::websocket {
namespace {

using testing::StartsWith;

constexpr uint32_t kMask = 0x01020304;

std::string masked(Opcode opcode, std::string_view payload, bool is_final = true) {
  std::string frame;
  append_masked_frame(frame, opcode, payload, kMask, is_final);
  return frame;
}
std::string plain(Opcode opcode, std::string_view payload) {
  std::string frame;
  append_frame(frame, opcode, payload);
  return frame;
}

constexpr std::string_view kUpgrade =
    "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

// An HTTP server whose one route becomes a WebSocket; the test is the session.
class ConnectionTest : public testing::Test, public Listener {
 protected:
  ConnectionTest() {
    runtime::TurnScope scope(world_.shard);
    server_.emplace(world_.sockets, http::Server::Options{});
    server_->routes().add("/ws", {.handle = [this](http::Exchange exchange) {
                            const auto head = accept_upgrade(exchange.request(), "");
                            exchange.take_over(head, std::make_unique<Upgrade>(
                                                         endpoint_, net::Framing::websocket_text,
                                                         [this](Connection& connection) {
                                                           connection_ = &connection;
                                                           return refuses_ ? nullptr : this;
                                                         }));
                          }});
    EXPECT_TRUE(world_.sockets.listen({}, *server_));
    client_ = world_.kernel.connect();
  }

  void on_message(std::string_view message, bool is_text) override {
    messages_.push_back((is_text ? "t:" : "b:") + std::string(message));
    if (message == "close me") connection_->close(3000, "as you wish");
  }
  void on_slow() override {
    ++slow_;
    if (answers_slow_) connection_->close(3008, "slow", Connection::Output::drop);
  }
  void on_ended(const Ending& ending) override {
    endings_.push_back(ending.cause);
    code_ = ending.code;
    reason_ = ending.reason;
    connection_ = nullptr;
  }

  void upgrade() { EXPECT_THAT(say(kUpgrade), StartsWith("HTTP/1.1 101 Switching Protocols\r\n")); }
  std::string say(std::string_view bytes) { return world_.say(client_, bytes); }
  std::string heard() { return std::exchange(client().received, {}); }
  http::TestKernel::Client& client() { return world_.kernel.client(client_); }
  template <class Work>
  void in_turn(Work work) {
    runtime::TurnScope scope(world_.shard);
    work();
  }
  void send(std::string_view message) {
    in_turn([&] { world_.sockets.send(connection_->socket(), Frame::make(message)); });
  }

  std::optional<http::Server> server_;
  http::TestWorld world_;
  Endpoint endpoint_{.sockets = world_.sockets, .rules = {.message_bytes_max = 200}};
  size_t client_ = 0;
  Connection* connection_ = nullptr;
  bool refuses_ = false;
  bool answers_slow_ = true;
  int slow_ = 0;
  std::vector<std::string> messages_;
  std::vector<Ending::Cause> endings_;
  uint16_t code_ = 0;
  std::string reason_;
};

TEST_F(ConnectionTest, CarriesMessagesBothWays) {
  upgrade();
  EXPECT_EQ(server_->connections(), 0u);
  EXPECT_EQ(say(masked(Opcode::text, "one") + masked(Opcode::binary, "two")), "");
  EXPECT_EQ(messages_, (std::vector<std::string>{"t:one", "b:two"}));
  send("hello");
  world_.turn();
  EXPECT_EQ(heard(), plain(Opcode::text, "hello"));
  send("a");
  send("b");
  world_.turn();
  EXPECT_EQ(heard(), plain(Opcode::text, "a\nb"));
}

TEST_F(ConnectionTest, KeepsPartsUntilTheRestArrives) {
  upgrade();
  const std::string bytes = masked(Opcode::text, "one") + masked(Opcode::text, "two");
  for (char c : bytes) say({&c, 1});
  EXPECT_EQ(messages_, (std::vector<std::string>{"t:one", "t:two"}));
}

TEST_F(ConnectionTest, AnswersPings) {
  upgrade();
  EXPECT_EQ(say(masked(Opcode::ping, "are you there")), plain(Opcode::pong, "are you there"));
  EXPECT_EQ(say(masked(Opcode::text, "a", false) + masked(Opcode::ping, "") +
                masked(Opcode::continuation, "b")),
            plain(Opcode::pong, ""));
  EXPECT_EQ(messages_, (std::vector<std::string>{"t:ab"}));
}

TEST_F(ConnectionTest, GivesNoMorePongsToAClientThatDoesNotReadThem) {
  upgrade();
  client().room = 0;
  const std::string ping = masked(Opcode::ping, std::string(125, 'p'));
  std::string pings;
  for (int i = 0; i < 500; ++i) pings += ping;
  say(pings);
  say(pings);
  in_turn([&] { EXPECT_LT(world_.sockets.queued_bytes(connection_->socket()), 70'000u); });
}

TEST_F(ConnectionTest, EndsFloodsOfPingsAndPongs) {
  for (const Opcode opcode : {Opcode::ping, Opcode::pong}) {
    client_ = world_.kernel.connect();
    upgrade();
    endings_.clear();
    for (int i = 0; i < 1000; ++i) say(masked(opcode, ""));
    EXPECT_TRUE(endings_.empty());
    EXPECT_EQ(say(masked(opcode, "")), close_frame(1008, "too many control frames"));
    EXPECT_EQ(endings_, (std::vector{Ending::Cause::failed}));
  }
}

TEST_F(ConnectionTest, LetsPingsComeForEverIfTheyComeSlowly) {
  upgrade();
  for (int i = 0; i < 5000; ++i) {
    world_.kernel.advance(20 * os::kMillisecond);
    EXPECT_EQ(say(masked(Opcode::ping, "x")), plain(Opcode::pong, "x"));
  }
}

TEST_F(ConnectionTest, HearsNoFloodBehindItsEnd) {
  std::string again;
  while (again.size() < 100'000) again += masked(Opcode::text, "again");
  const std::string garbage(100'000, 'x');
  const auto flood = [this](const std::string& end, const std::string& bytes) {
    client_ = world_.kernel.connect();
    upgrade();
    say(end);
    for (int i = 0; i < 10; ++i) say(bytes);
    EXPECT_FALSE(client().is_closed);
    say(bytes);
    EXPECT_TRUE(client().is_closed);
  };
  flood(masked(Opcode::text, "close me"), again);
  flood(plain(Opcode::text, "not masked"), garbage);
}

TEST_F(ConnectionTest, AnswersACloseWithTheSameCode) {
  upgrade();
  EXPECT_EQ(say(masked(Opcode::close, close_payload(4001, "bye")) + masked(Opcode::text, "x")),
            plain(Opcode::close, close_payload(4001, "")));
  EXPECT_TRUE(client().is_closed);
  EXPECT_EQ(endings_, (std::vector{Ending::Cause::peer_closed}));
  EXPECT_EQ(code_, 4001);
  EXPECT_EQ(reason_, "bye");
  EXPECT_TRUE(messages_.empty());
}

TEST_F(ConnectionTest, AnswersAnEmptyCloseWithAnEmptyOne) {
  upgrade();
  client().finishes = true;
  EXPECT_EQ(say(masked(Opcode::close, "")), plain(Opcode::close, ""));
  EXPECT_EQ(code_, close_code::kNoStatus);
  EXPECT_TRUE(client().is_closed);
}

TEST_F(ConnectionTest, WaitsForTheClientsCloseAfterItsOwn) {
  upgrade();
  EXPECT_EQ(say(masked(Opcode::text, "close me") + masked(Opcode::text, "not heard")),
            plain(Opcode::close, close_payload(3000, "as you wish")));
  EXPECT_EQ(say(masked(Opcode::ping, "") + masked(Opcode::text, "not heard")), "");
  EXPECT_FALSE(client().is_closed);
  EXPECT_EQ(say(masked(Opcode::close, close_payload(3000, ""))), "");
  EXPECT_TRUE(client().is_closed);
  EXPECT_EQ(messages_.size(), 1u);
  EXPECT_TRUE(endings_.empty());
}

TEST_F(ConnectionTest, DoesNotWaitForEver) {
  upgrade();
  say(masked(Opcode::text, "close me"));
  world_.pass(4 * os::kSecond);
  EXPECT_FALSE(client().is_closed);
  world_.pass(2 * os::kSecond);
  EXPECT_TRUE(client().is_closed);
}

TEST_F(ConnectionTest, SendsWhatWaitsBeforeItsClose) {
  upgrade();
  send("last");
  in_turn([&] { connection_->close(3001, "shutdown"); });
  world_.turn();
  EXPECT_EQ(heard(), plain(Opcode::text, "last") + close_frame(3001, "shutdown"));
}

TEST_F(ConnectionTest, ClosesOnMessagesOverTheLimitWithoutAReason) {
  upgrade();
  EXPECT_EQ(say(masked(Opcode::text, std::string(201, 'x'))), close_frame(1009, ""));
  EXPECT_EQ(endings_, (std::vector{Ending::Cause::failed}));
  EXPECT_EQ(code_, 1009);
  EXPECT_FALSE(client().is_closed);
  say("more of it");
  EXPECT_FALSE(client().is_closed);
  say(masked(Opcode::close, close_payload(1009, "")));
  EXPECT_TRUE(client().is_closed);
}

TEST_F(ConnectionTest, ClosesOnBrokenFramesAndLeavesSoon) {
  upgrade();
  EXPECT_EQ(say("\x81\x01x"), close_frame(1002, "bad MASK"));
  world_.pass(2 * os::kSecond);
  EXPECT_TRUE(client().is_closed);
}

TEST_F(ConnectionTest, TellsALostClient) {
  upgrade();
  client().finishes = true;
  world_.turn();
  EXPECT_TRUE(client().is_closed);
  EXPECT_EQ(endings_, (std::vector{Ending::Cause::lost}));
  EXPECT_EQ(code_, close_code::kAbnormal);
}

TEST_F(ConnectionTest, LetsTheSessionEndASlowClient) {
  upgrade();
  client().room = 0;
  for (int i = 0; i < 20; ++i) send(std::string(100'000, 'x'));
  world_.turn();
  EXPECT_EQ(slow_, 1);
  client().room = SIZE_MAX;
  world_.turn();
  EXPECT_EQ(heard(), close_frame(3008, "slow"));
  world_.pass(6 * os::kSecond);
  EXPECT_TRUE(client().is_closed);
}

TEST_F(ConnectionTest, EndsASlowClientThatTheSessionForgets) {
  upgrade();
  answers_slow_ = false;
  client().room = 0;
  for (int i = 0; i < 20; ++i) send(std::string(100'000, 'x'));
  world_.turn();
  EXPECT_TRUE(client().is_closed);
  EXPECT_EQ(endings_, (std::vector{Ending::Cause::stalled}));
}

TEST_F(ConnectionTest, EndsAClientWhoseWriteStalls) {
  upgrade();
  client().room = 0;
  send("hello");
  world_.turn();
  world_.pass(2 * os::kSecond);
  EXPECT_TRUE(client().is_closed);
  EXPECT_EQ(endings_, (std::vector{Ending::Cause::stalled}));
}

TEST_F(ConnectionTest, PingsWithFramesAndExpectsPongs) {
  upgrade();
  in_turn([&] { connection_->start_pings(25 * os::kSecond, 8 * os::kSecond); });
  world_.pass(26 * os::kSecond);
  EXPECT_EQ(heard(), plain(Opcode::ping, ""));
  EXPECT_EQ(say(masked(Opcode::pong, "")), "");
  world_.pass(20 * os::kSecond);
  EXPECT_EQ(heard(), "");
  world_.pass(6 * os::kSecond);
  EXPECT_EQ(heard(), plain(Opcode::ping, ""));
  say(masked(Opcode::text, "data is no pong"));
  world_.pass(9 * os::kSecond);
  EXPECT_TRUE(client().is_closed);
  EXPECT_EQ(endings_, (std::vector{Ending::Cause::no_pong}));
}

TEST_F(ConnectionTest, CutsWithoutACloseFrame) {
  upgrade();
  send("last");
  in_turn([&] { connection_->cut(); });
  world_.turn();
  EXPECT_EQ(heard(), plain(Opcode::text, "last"));
  EXPECT_TRUE(client().is_closed);
  EXPECT_TRUE(endings_.empty());
}

TEST_F(ConnectionTest, DropsAClientThatIsAheadOfTheHandshake) {
  say(std::string(kUpgrade) + masked(Opcode::text, "early"));
  EXPECT_TRUE(client().is_closed);
  EXPECT_EQ(connection_, nullptr);
}

TEST_F(ConnectionTest, ClosesWhereNobodyListens) {
  refuses_ = true;
  upgrade();
  EXPECT_TRUE(client().is_closed);
}

}  // namespace
}  // namespace gyre::websocket
