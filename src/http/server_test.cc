#include "http/server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <vector>

#include "http/test_support.h"

namespace gyre::http {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

// Answers what it reads in capitals, behind what came early.
class Shouter final : public net::Handler {
 public:
  Shouter(net::Sockets& sockets, net::SocketHandle socket) : sockets_(sockets), socket_(socket) {}
  void on_bytes(std::span<char> bytes) override {
    for (char& c : bytes) c = static_cast<char>(std::toupper(c));
    sockets_.send(socket_, Frame::make_raw({bytes.data(), bytes.size()}));
  }
  void on_end(net::EndReason) override { sockets_.close(socket_); }

 private:
  net::Sockets& sockets_;
  net::SocketHandle socket_;
};

struct ShouterTakeover final : Takeover {
  void take(ServerConnection& connection, std::string early_bytes) override {
    net::Sockets& sockets = connection.sockets();
    auto shouter = std::make_unique<Shouter>(sockets, connection.socket());
    shouter->on_bytes(early_bytes);
    sockets.set_handler(connection.socket(), std::move(shouter));
  }
};

constexpr size_t kLong = 2'000'000;  // leaves in pieces

class ServerTest : public testing::Test {
 protected:
  ServerTest() { start({}); }

  void start(const Server::Options& options) {
    runtime::TurnScope scope(world_.shard);
    server_.emplace(world_.sockets, options);
    server_->routes().add("/now", {.handle = [](Exchange exchange) {
                            exchange.answer(Response(200, "text/plain", "now"));
                          }});
    server_->routes().add("/big", {.handle = [](Exchange exchange) {
                            exchange.answer(Response(200, "text/plain", std::string(100000, 'x')));
                          }});
    server_->routes().add("/long", {.handle = [](Exchange exchange) {
                            exchange.answer(Response(200, "text/plain", std::string(kLong, 'x')));
                          }});
    server_->routes().add(
        "/later", {.handle = [this](Exchange exchange) { kept_.push_back(std::move(exchange)); }});
    server_->routes().add("/shout", {.handle = [](Exchange exchange) {
                            exchange.take_over(Response(101), std::make_unique<ShouterTakeover>());
                          }});
    ASSERT_TRUE(world_.sockets.listen({}, *server_));
  }

  void answer(size_t number, Response response) {
    runtime::TurnScope scope(world_.shard);
    kept_[number].answer(std::move(response));
  }
  bool is_closed(size_t client) { return world_.kernel.client(client).is_closed; }

  std::optional<Server> server_;
  TestWorld world_;
  std::vector<Exchange> kept_;
};

constexpr std::string_view kGetNow = "GET /now HTTP/1.1\r\nHost: a\r\n\r\n";
constexpr std::string_view kGetBig = "GET /big HTTP/1.1\r\nHost: a\r\n\r\n";
constexpr std::string_view kGetLong = "GET /long HTTP/1.1\r\nHost: a\r\n\r\n";
constexpr std::string_view kGetLater = "GET /later HTTP/1.1\r\nHost: a\r\n\r\n";

TEST_F(ServerTest, AConnectionThatAsksTooFastIsToldAndEnds) {
  metrics::Counter refused;
  server_->limit_rate(net::RateLimit::of(1, os::kSecond, 2), refused);
  const size_t client = world_.kernel.connect();
  const size_t other = world_.kernel.connect();
  EXPECT_THAT(world_.say(client, kGetNow), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(world_.say(client, kGetNow), StartsWith("HTTP/1.1 200 "));
  world_.kernel.advance(os::kSecond);
  EXPECT_THAT(world_.say(client, std::string(kGetNow) + std::string(kGetNow)),
              testing::AllOf(StartsWith("HTTP/1.1 200 "), HasSubstr("HTTP/1.1 429 "),
                             HasSubstr("Connection: close")));
  EXPECT_EQ(world_.say(client, kGetNow), "");
  EXPECT_EQ(refused.value(), 1u);
  EXPECT_THAT(world_.say(other, kGetNow), StartsWith("HTTP/1.1 200 "));
  server_->limit_rate({}, refused);
  for (int i = 0; i < 5; ++i) EXPECT_THAT(world_.say(other, kGetNow), StartsWith("HTTP/1.1 200 "));
}

TEST_F(ServerTest, WhoShowsASecretMayAskAsFastAsItLikes) {
  server_->routes().add("/key",
                        {.handle = [](Exchange exchange) { exchange.answer(Response(200)); },
                         .admit = [](const Request& head) -> std::optional<Response> {
                           if (!head.headers.has("X-API-Key")) return Response(401);
                           return std::nullopt;
                         },
                         .is_trusting = true});
  metrics::Counter refused;
  server_->limit_rate(net::RateLimit::of(1, os::kSecond, 1), refused);
  const size_t client = world_.kernel.connect();
  for (int i = 0; i < 5; ++i) {
    EXPECT_THAT(world_.say(client, "GET /key HTTP/1.1\r\nHost: a\r\nX-API-Key: k\r\n\r\n"),
                StartsWith("HTTP/1.1 200 "));
  }
  constexpr std::string_view kWithout = "GET /key HTTP/1.1\r\nHost: a\r\n\r\n";
  EXPECT_THAT(world_.say(client, kWithout), StartsWith("HTTP/1.1 401 "));
  EXPECT_THAT(world_.say(client, kWithout), StartsWith("HTTP/1.1 429 "));
}

TEST_F(ServerTest, ServesRequestsOnAConnectionThatStays) {
  const size_t client = world_.kernel.connect();
  EXPECT_EQ(world_.say(client, kGetNow),
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nDate: Tue, 15 Nov 1994 08:12:31 GMT\r\n"
            "Content-Length: 3\r\n\r\nnow");
  EXPECT_THAT(world_.say(client, kGetNow), EndsWith("now"));
  EXPECT_FALSE(is_closed(client));
  EXPECT_EQ(server_->connections(), 1u);
}

TEST_F(ServerTest, ClosesWhereTheClientAsksForIt) {
  const size_t client = world_.kernel.connect();
  EXPECT_THAT(world_.say(client, "GET /now HTTP/1.0\r\n\r\n"), EndsWith("now"));
  EXPECT_TRUE(is_closed(client));
  EXPECT_EQ(server_->connections(), 0u);
}

TEST_F(ServerTest, AnswersLater) {
  const size_t client = world_.kernel.connect();
  EXPECT_EQ(world_.say(client, std::string(kGetLater) + std::string(kGetNow)), "");
  EXPECT_TRUE(world_.kernel.client(client).is_paused);
  world_.pass(3600 * os::kSecond);
  answer(0, Response(204));
  world_.turn();
  EXPECT_THAT(world_.kernel.client(client).received, StartsWith("HTTP/1.1 204 No Content\r\n"));
  EXPECT_THAT(world_.kernel.client(client).received, EndsWith("now"));
  EXPECT_FALSE(world_.kernel.client(client).is_paused);
}

TEST_F(ServerTest, AnswersAClientThatHasFinishedItsSide) {
  const size_t client = world_.kernel.connect();
  world_.kernel.client(client).finishes = true;
  EXPECT_EQ(world_.say(client, kGetLater), "");
  EXPECT_FALSE(is_closed(client));
  answer(0, Response(204));
  world_.turn();
  EXPECT_THAT(world_.kernel.client(client).received, StartsWith("HTTP/1.1 204 No Content\r\n"));
  EXPECT_TRUE(is_closed(client));
}

TEST_F(ServerTest, LetsAnswersToGoneClientsGoNowhere) {
  const size_t client = world_.kernel.connect();
  world_.say(client, kGetLater);
  {
    runtime::TurnScope scope(world_.shard);
    world_.sockets.on_end(world_.kernel.client(client).token, true);
  }
  world_.turn();
  EXPECT_TRUE(is_closed(client));
  EXPECT_FALSE(kept_[0].is_open());
  answer(0, Response(204));
  EXPECT_EQ(world_.kernel.client(client).received, "");
}

TEST_F(ServerTest, PutsADeadlineOnTheFirstHead) {
  const size_t silent = world_.kernel.connect();
  const size_t slow = world_.kernel.connect();
  world_.turn();
  world_.pass(9 * os::kSecond);
  world_.say(slow, "GET /now HTTP/1.1\r\n");
  EXPECT_FALSE(is_closed(silent));
  world_.pass(2 * os::kSecond);
  EXPECT_TRUE(is_closed(silent));
  EXPECT_TRUE(is_closed(slow));
}

TEST_F(ServerTest, PutsADeadlineOnTheNextHeadAndOnBodies) {
  const size_t client = world_.kernel.connect();
  world_.say(client, kGetNow);
  world_.pass(60 * os::kSecond);
  world_.say(client, "POST /now HTTP/1.1\r\nHost: a\r\n");
  world_.pass(9 * os::kSecond);
  EXPECT_EQ(world_.say(client, "Content-Length: 3\r\n\r\n1"), "");
  world_.pass(20 * os::kSecond);
  EXPECT_EQ(world_.say(client, "2"), "");
  EXPECT_FALSE(is_closed(client));
  world_.pass(2 * os::kSecond);
  EXPECT_THAT(world_.kernel.client(client).received,
              StartsWith("HTTP/1.1 408 Request Timeout\r\n"));
  world_.pass(2 * os::kSecond);
  EXPECT_TRUE(is_closed(client));
}

TEST_F(ServerTest, EndsConnectionsThatStayIdle) {
  const size_t client = world_.kernel.connect();
  world_.say(client, kGetNow);
  world_.pass(74 * os::kSecond);
  EXPECT_FALSE(is_closed(client));
  world_.pass(2 * os::kSecond);
  EXPECT_TRUE(is_closed(client));
  EXPECT_EQ(world_.kernel.client(client).received, "");
}

TEST_F(ServerTest, ReadsOnForAWhileWhenItCutsAClientShort) {
  const size_t client = world_.kernel.connect();
  EXPECT_THAT(
      world_.say(client, "POST /now HTTP/1.1\r\nHost: a\r\nContent-Length: 999999999999\r\n\r\n"),
      StartsWith("HTTP/1.1 413 Request Entity Too Large\r\n"));
  EXPECT_FALSE(is_closed(client));
  EXPECT_EQ(world_.say(client, std::string(kGetNow)), "");
  world_.pass(2 * os::kSecond);
  EXPECT_TRUE(is_closed(client));

  const size_t polite = world_.kernel.connect();
  world_.say(polite, "\n");
  EXPECT_FALSE(is_closed(polite));
  world_.kernel.client(polite).finishes = true;
  world_.turn();
  EXPECT_TRUE(is_closed(polite));
}

// A slow client that is cut short gets what it was answered before all the same.
TEST_F(ServerTest, WhileItReadsAClientThatWasCutShortGetsItsAnswers) {
  for (const bool finishes : {false, true}) {
    const size_t client = world_.kernel.connect();
    world_.kernel.client(client).room = 10;
    std::string received = world_.say(client, std::string(kGetNow) + "\n\n");
    world_.kernel.client(client).finishes = finishes;
    world_.turn();
    for (int seconds = 0; seconds < 30; seconds += 5) {
      world_.kernel.client(client).room = 10;
      world_.pass(5 * os::kSecond);
      ASSERT_FALSE(is_closed(client)) << seconds;
    }
    world_.kernel.client(client).room = SIZE_MAX;
    world_.turn();
    received += world_.kernel.client(client).received;
    EXPECT_THAT(received, HasSubstr("nowHTTP/1.1 400 Bad Request\r\n"));
    EXPECT_TRUE(is_closed(client));
  }
}

TEST_F(ServerTest, AClientThatWasCutShortAndDoesNotReadIsNotWaitedForLong) {
  const size_t client = world_.kernel.connect();
  world_.kernel.client(client).room = 0;
  world_.say(client, "\n\n");
  world_.pass(9 * os::kSecond);
  EXPECT_FALSE(is_closed(client));
  world_.pass(2 * os::kSecond);
  EXPECT_TRUE(is_closed(client));
}

// Both may be there before the first answer has left.
TEST_F(ServerTest, TellsWhatWasWrongToAClientThatFinishesBehindIt) {
  const size_t client = world_.kernel.connect();
  world_.turn();
  {
    runtime::TurnScope scope(world_.shard);
    std::string bytes = "\n\n";
    const os::Token token = world_.kernel.client(client).token;
    world_.sockets.on_bytes(token, bytes);
    world_.sockets.on_end(token, false);
  }
  world_.turn();
  EXPECT_THAT(world_.kernel.client(client).received, StartsWith("HTTP/1.1 400 "));
  EXPECT_TRUE(is_closed(client));
}

TEST_F(ServerTest, StopsReadingFromAClientThatDoesNotRead) {
  const size_t client = world_.kernel.connect();
  world_.kernel.client(client).room = 10;
  std::string requests;
  for (int i = 0; i < 4; ++i) requests += kGetBig;
  world_.say(client, requests);
  EXPECT_TRUE(world_.kernel.client(client).is_paused);
  world_.kernel.client(client).room = SIZE_MAX;
  world_.turn();
  EXPECT_GT(world_.kernel.client(client).received.size(), 399000u);
  EXPECT_FALSE(world_.kernel.client(client).is_paused);
}

// What is too long for one piece leaves as the client takes it, and what comes behind it waits.
TEST_F(ServerTest, ALongAnswerLeavesInPieces) {
  const size_t client = world_.kernel.connect();
  world_.kernel.client(client).room = 0;
  world_.say(client, std::string(kGetLater).append(kGetNow).append(kGetLater));
  std::string body(kLong, 'x');
  body.back() = '!';
  answer(0, Response(200, "text/plain", body));
  std::string received;
  for (int pieces = 0; pieces < 100 && !received.ends_with("now"); ++pieces) {
    net::SocketHandle socket;
    world_.sockets.for_each([&](net::SocketHandle one, net::Handler&) { socket = one; });
    EXPECT_LE(world_.sockets.queued_bytes(socket), 300'000u);
    world_.kernel.client(client).room = 100'000;
    world_.turn();
    received += std::exchange(world_.kernel.client(client).received, {});
  }
  EXPECT_THAT(received, HasSubstr("Content-Length: 2000000\r\n"));
  EXPECT_EQ(std::ranges::count(received, 'x'), kLong - 1 + 2) << "one is in each head";
  EXPECT_THAT(received, HasSubstr("x!HTTP/1.1 200 OK"));
  EXPECT_THAT(received, EndsWith("now"));
  world_.kernel.client(client).room = SIZE_MAX;
  world_.turn();
  ASSERT_EQ(kept_.size(), 2u);
  world_.kernel.client(client).finishes = true;
  world_.turn();
  answer(1, Response(200, "text/plain", body));
  world_.turn();
  EXPECT_THAT(world_.kernel.client(client).received, EndsWith("x!"));
  EXPECT_TRUE(is_closed(client));
}

TEST_F(ServerTest, ALongAnswerMayTakeItsTimeWhileTheClientReads) {
  const size_t client = world_.kernel.connect();
  world_.kernel.client(client).room = 0;
  world_.say(client, std::string(kGetLong).append(kGetNow).append("GET /now HTTP/1.1\r\n"));
  std::string received;
  for (int pieces = 0; pieces < 100 && !received.ends_with("now"); ++pieces) {
    ASSERT_FALSE(is_closed(client));
    world_.kernel.client(client).room = 50'000;
    world_.pass(8 * os::kSecond);
    received += std::exchange(world_.kernel.client(client).received, {});
  }
  EXPECT_THAT(received, HasSubstr("xHTTP/1.1 200 OK"));
  world_.kernel.client(client).room = SIZE_MAX;
  EXPECT_THAT(world_.say(client, "Host: a\r\n\r\n"), EndsWith("now"));
  world_.pass(74 * os::kSecond);
  EXPECT_FALSE(is_closed(client));
  world_.pass(2 * os::kSecond);
  EXPECT_TRUE(is_closed(client)) << "its deadlines are back";
}

TEST_F(ServerTest, ALongAnswerThatIsNotReadIsNotWaitedFor) {
  const size_t client = world_.kernel.connect();
  world_.kernel.client(client).room = 300'000;
  world_.say(client, kGetLong);
  world_.pass(9 * os::kSecond);
  EXPECT_FALSE(is_closed(client));
  world_.pass(2 * os::kSecond);
  EXPECT_TRUE(is_closed(client));
}

TEST_F(ServerTest, ALongAnswerThatIsTheLastIsSentWhole) {
  const size_t client = world_.kernel.connect();
  world_.kernel.client(client).room = 100'000;
  world_.say(client, "GET /later HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  answer(0, Response(200, "text/plain", std::string(1'000'000, 'x')));
  world_.turn();
  EXPECT_FALSE(is_closed(client));
  world_.kernel.client(client).room = SIZE_MAX;
  EXPECT_EQ(std::ranges::count(world_.say(client, ""), 'x'), 1'000'000 + 1) << "one is in the head";
  EXPECT_TRUE(is_closed(client));
}

TEST_F(ServerTest, HandsTheConnectionOver) {
  const size_t client = world_.kernel.connect();
  EXPECT_THAT(world_.say(client, "GET /shout HTTP/1.1\r\nHost: a\r\n\r\nearly"),
              EndsWith("\r\n\r\nEARLY"));
  EXPECT_EQ(server_->connections(), 0u);
  world_.pass(3600 * os::kSecond);
  EXPECT_EQ(world_.say(client, "hello"), "HELLO");
}

TEST_F(ServerTest, DrainsAfterTheRequestsInWork) {
  const size_t idle = world_.kernel.connect();
  const size_t busy = world_.kernel.connect();
  world_.say(idle, kGetNow);
  world_.say(busy, kGetLater);
  {
    runtime::TurnScope scope(world_.shard);
    server_->drain();
  }
  world_.turn();
  EXPECT_TRUE(is_closed(idle));
  EXPECT_FALSE(is_closed(busy));
  answer(0, Response(204));
  world_.turn();
  EXPECT_THAT(world_.kernel.client(busy).received, HasSubstr("Connection: close\r\n"));
  EXPECT_TRUE(is_closed(busy));
  const size_t late = world_.kernel.connect();
  world_.turn();
  EXPECT_TRUE(is_closed(late));
}

TEST(Server, RefusesNewcomersBeyondTheBound) {
  TestWorld world;
  std::optional<Server> server;
  {
    runtime::TurnScope scope(world.shard);
    server.emplace(world.sockets, Server::Options{.newcomers_max = 1});
    server->routes().add("/now",
                         {.handle = [](Exchange exchange) { exchange.answer(Response(204)); }});
    server->routes().add("/long", {.handle = [](Exchange exchange) {
                           exchange.answer(Response(200, "text/plain", std::string(kLong, 'x')));
                         }});
    ASSERT_TRUE(world.sockets.listen({}, *server));
  }
  const size_t first = world.kernel.connect();
  const size_t second = world.kernel.connect();
  world.turn();
  EXPECT_FALSE(world.kernel.client(first).is_closed);
  EXPECT_TRUE(world.kernel.client(second).is_closed);
  world.say(first, kGetNow);
  const size_t third = world.kernel.connect();
  EXPECT_THAT(world.say(third, kGetNow), StartsWith("HTTP/1.1 204"));
  world.kernel.client(first).finishes = true;
  const size_t slow = world.kernel.connect();
  world.kernel.client(slow).room = 0;
  world.say(slow, kGetLong);
  const size_t last = world.kernel.connect();
  EXPECT_THAT(world.say(last, kGetNow), StartsWith("HTTP/1.1 204")) << "an answer is on its way";
  world.kernel.client(third).finishes = true;
  world.turn();
}

}  // namespace
}  // namespace gyre::http
