#include "http/conversation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace gyre::http {
namespace {

using testing::HasSubstr;
using testing::StartsWith;
using Waiting = Conversation::Waiting;

struct NoTakeover final : Takeover {
  void take(ServerConnection&, std::string) override {}
};

class ConversationTest : public testing::Test, public Conversation::Owner {
 protected:
  ConversationTest() {
    router_.add("/now", {.handle = [this](Exchange exchange) {
                  log_ += std::string(exchange.request().method) + exchange.request().body + " ";
                  exchange.answer(Response(200, "text/plain", "now"));
                }});
    router_.add("/later",
                {.handle = [this](Exchange exchange) { kept_.push_back(std::move(exchange)); },
                 .body_bytes_max = 10});
    router_.add("/never", {.handle = [](Exchange) {}});
    router_.add("/key", {.handle = [](Exchange exchange) { exchange.answer(Response(200)); },
                         .admit = [](const Request& head) -> std::optional<Response> {
                           if (!head.headers.has("X-API-Key")) return Response(401);
                           return std::nullopt;
                         }});
    router_.add("/upgrade", {.handle = [](Exchange exchange) {
                  exchange.take_over(Response(101).add("Upgrade", "x"),
                                     std::make_unique<NoTakeover>());
                }});
    conversation_.emplace(rules_, *this);
  }

  void on_answer() override { ++answers_; }

  std::string say(std::string_view bytes) {
    conversation_->receive(bytes);
    return conversation_->take_output();
  }
  Waiting waiting() const { return conversation_->waiting_for(); }

  Router<Route> router_;
  Conversation::Rules rules_{.router = router_, .limits = {.body_bytes = 1000}};
  std::optional<Conversation> conversation_;
  std::vector<Exchange> kept_;
  std::string log_;
  int answers_ = 0;
};

std::string get_request(std::string_view path, std::string_view more = "") {
  return "GET " + std::string(path) + " HTTP/1.1\r\nHost: a\r\n" + std::string(more) + "\r\n";
}
std::string post_request(std::string_view path, std::string_view body, std::string_view more = "") {
  return "POST " + std::string(path) +
         " HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" +
         std::string(more) + "\r\n" + std::string(body);
}

constexpr std::string_view kNow =
    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\nnow";

TEST_F(ConversationTest, LetsAPipelineWaitForItsAnswersToBeTaken) {
  rules_.output_bytes_max = 500;
  std::string requests;
  for (int i = 0; i < 20; ++i) requests += get_request("/now");
  const std::string first = say(requests);
  EXPECT_LT(first.size(), 1000u);
  EXPECT_FALSE(conversation_->wants_input());
  conversation_->drain();  // what has arrived is answered
  EXPECT_NE(waiting(), Waiting::end);
  EXPECT_EQ(say(get_request("/now")), "");
  while (conversation_->wants_to_go_on()) {
    conversation_->go_on();
    EXPECT_LT(conversation_->take_output().size(), 1000u);
  }
  EXPECT_EQ(waiting(), Waiting::end);
}

TEST_F(ConversationTest, AnswersAllOfAPipelineThatHadToWait) {
  rules_.output_bytes_max = 500;
  std::string requests;
  for (int i = 0; i < 20; ++i) requests += get_request("/now");
  say(requests);
  EXPECT_EQ(say(get_request("/now")), "");
  while (conversation_->wants_to_go_on()) {
    conversation_->go_on();
    conversation_->take_output();
  }
  EXPECT_EQ(conversation_->requests(), 21u);
  EXPECT_TRUE(conversation_->wants_input());
}

TEST_F(ConversationTest, AnswersAndWaitsForTheNextRequest) {
  EXPECT_EQ(waiting(), Waiting::first_head);
  EXPECT_EQ(say("GET /now HT"), "");
  EXPECT_EQ(waiting(), Waiting::first_head);
  EXPECT_EQ(say("TP/1.1\r\nHost: a\r\n\r\n"), kNow);
  EXPECT_EQ(waiting(), Waiting::idle);
  EXPECT_EQ(say("P"), "");
  EXPECT_EQ(waiting(), Waiting::head);
  say("OST /now HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n1");
  EXPECT_EQ(waiting(), Waiting::body);
  EXPECT_EQ(say("2"), kNow);
  EXPECT_EQ(log_, "GET POST12 ");
  EXPECT_EQ(answers_, 0);
}

TEST_F(ConversationTest, AnswersPipelinedRequestsInOneGo) {
  EXPECT_EQ(say(get_request("/now") + post_request("/now", "x") + get_request("/now")),
            std::string(kNow) + std::string(kNow) + std::string(kNow));
}

TEST_F(ConversationTest, KeepsTheOrderWhenAnAnswerComesLater) {
  EXPECT_EQ(say(get_request("/later") + get_request("/now") + get_request("/later").substr(0, 5)),
            "");
  EXPECT_EQ(waiting(), Waiting::handler);
  EXPECT_FALSE(conversation_->wants_input());
  EXPECT_EQ(say(get_request("/later").substr(5)), "");
  kept_[0].answer(Response(204));
  EXPECT_EQ(answers_, 1);
  EXPECT_EQ(conversation_->take_output(), "HTTP/1.1 204 No Content\r\n\r\n" + std::string(kNow));
  EXPECT_EQ(kept_.size(), 2u);
  EXPECT_TRUE(conversation_->wants_input());
  kept_[1].answer(Response(204));
  EXPECT_EQ(waiting(), Waiting::idle);
}

TEST_F(ConversationTest, IsSurvivedByItsExchanges) {
  say(get_request("/later"));
  EXPECT_TRUE(kept_[0].is_open());
  conversation_.reset();
  EXPECT_FALSE(kept_[0].is_open());
  kept_[0].answer(Response(204));
}

TEST_F(ConversationTest, AnswersForAHandlerThatForgets) {
  EXPECT_THAT(say(get_request("/never")), StartsWith("HTTP/1.1 500 Internal Server Error\r\n"));
  EXPECT_EQ(waiting(), Waiting::idle);
}

TEST_F(ConversationTest, EndsWhenTheClientWishes) {
  EXPECT_THAT(say(get_request("/now", "Connection: close\r\n") + get_request("/now")),
              HasSubstr("Connection: close\r\n"));
  EXPECT_EQ(waiting(), Waiting::end);
  EXPECT_EQ(log_, "GET ");
  EXPECT_EQ(say(get_request("/now")), "");
}

TEST_F(ConversationTest, TellsAnOldClientThatItMayStay) {
  EXPECT_THAT(say("GET /now HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"),
              HasSubstr("Connection: keep-alive\r\n"));
  EXPECT_THAT(say("GET /now HTTP/1.0\r\n\r\n"), HasSubstr("Connection: close\r\n"));
  EXPECT_EQ(waiting(), Waiting::end);
}

TEST_F(ConversationTest, EndsAfterWhatDoesNotParse) {
  EXPECT_EQ(say("GET / HTTP/1.1\r\n\r\n"),
            "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\n"
            "Connection: close\r\nContent-Length: 29\r\n\r\n400 Bad Request: missing Host");
  EXPECT_EQ(waiting(), Waiting::end);
}

TEST_F(ConversationTest, LetsUnknownPathsKeepTheConnection) {
  EXPECT_THAT(say(get_request("/x")), StartsWith("HTTP/1.1 404 Not Found\r\n"));
  EXPECT_THAT(say(post_request("/x", "body") + get_request("/now")), testing::EndsWith(kNow));
  EXPECT_EQ(waiting(), Waiting::idle);
}

TEST_F(ConversationTest, RefusesBeforeTheBodyButReadsASmallOne) {
  EXPECT_THAT(say(post_request("/key", "body") + get_request("/now")), testing::EndsWith(kNow));
  EXPECT_EQ(say(post_request("/key", "body", "X-API-Key: k\r\n")),
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  EXPECT_THAT(say("POST /key HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000\r\n\r\n"),
              StartsWith("HTTP/1.1 401 Unauthorized\r\nConnection: close\r\n"));
  EXPECT_EQ(waiting(), Waiting::end);
}

TEST_F(ConversationTest, BoundsTheBodyPerRoute) {
  EXPECT_EQ(
      say(post_request("/later", "0123456789a")),
      "HTTP/1.1 413 Request Entity Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(waiting(), Waiting::end);
}

TEST_F(ConversationTest, SaysContinueToWhoWaitsForIt) {
  const std::string request = post_request("/now", "hello", "Expect: 100-continue\r\n");
  const size_t head = request.size() - 5;
  EXPECT_EQ(say(request.substr(0, head)), "HTTP/1.1 100 Continue\r\n\r\n");
  EXPECT_EQ(say("hello"), kNow);
  EXPECT_EQ(say(request), kNow);
}

TEST_F(ConversationTest, SaysNoInsteadOfContinue) {
  EXPECT_THAT(
      say("POST /key HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"),
      StartsWith("HTTP/1.1 401 Unauthorized\r\nConnection: close\r\n"));
  EXPECT_EQ(waiting(), Waiting::end);
}

TEST_F(ConversationTest, GivesHeadNoBody) {
  EXPECT_EQ(say("HEAD /now HTTP/1.1\r\nHost: a\r\n\r\n"), kNow.substr(0, kNow.size() - 3));
}

TEST_F(ConversationTest, GivesTheConnectionAwayWithWhatHasArrived) {
  EXPECT_EQ(say(get_request("/upgrade") + "early"),
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n");
  EXPECT_EQ(waiting(), Waiting::takeover);
  EXPECT_EQ(say(" bytes"), "");
  auto taken = conversation_->take_takeover();
  EXPECT_EQ(taken.early_bytes, "early bytes");
  EXPECT_TRUE(taken.takeover);
}

TEST_F(ConversationTest, AnswersLateRequestsWith408) {
  say(get_request("/now"));
  say("GET ");
  conversation_->expire();
  EXPECT_THAT(conversation_->take_output(), StartsWith("HTTP/1.1 408 Request Timeout\r\n"));
  EXPECT_EQ(waiting(), Waiting::end);
}

TEST_F(ConversationTest, EndsIdleConnectionsWithoutAWord) {
  conversation_->expire();
  EXPECT_EQ(conversation_->take_output(), "");
  EXPECT_EQ(waiting(), Waiting::end);
}

TEST_F(ConversationTest, GivesUpALateHandler) {
  say(get_request("/later"));
  conversation_->expire();
  EXPECT_THAT(conversation_->take_output(), StartsWith("HTTP/1.1 503 Service Unavailable\r\n"));
  kept_[0].answer(Response(200));
  EXPECT_EQ(conversation_->take_output(), "");
}

TEST_F(ConversationTest, MakesTheCurrentRequestTheLastWhenDraining) {
  say(get_request("/later"));
  conversation_->drain();
  EXPECT_EQ(waiting(), Waiting::handler);
  kept_[0].answer(Response(204));
  EXPECT_EQ(conversation_->take_output(), "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(waiting(), Waiting::end);
}

TEST_F(ConversationTest, EndsAtOnceWhenDrainingIdle) {
  say(get_request("/now"));
  conversation_->drain();
  EXPECT_EQ(waiting(), Waiting::end);
}

}  // namespace
}  // namespace gyre::http
