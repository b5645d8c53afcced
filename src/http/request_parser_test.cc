#include "http/request_parser.h"

#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

namespace gyre::http {
namespace {

using Progress = RequestParser::Progress;

struct Outcome {
  int status = 0;  // 0: complete; -1: wants more
  Request request;
  size_t consumed = 0;
};

// Feeds the text in pieces of `piece` bytes.
Outcome parse(std::string_view text, size_t piece = std::string_view::npos, Limits limits = {}) {
  RequestParser parser(limits);
  Outcome outcome;
  while (true) {
    const std::string_view rest = text.substr(outcome.consumed, piece);
    const auto step = parser.feed(rest);
    outcome.consumed += step.consumed;
    if (step.progress == Progress::failed) {
      outcome.status = parser.failure().status;
      return outcome;
    }
    if (step.progress == Progress::complete) {
      outcome.request = parser.take();
      return outcome;
    }
    if (step.progress == Progress::need_more && outcome.consumed == text.size()) {
      outcome.status = -1;
      return outcome;
    }
  }
}

constexpr std::string_view kBrowserUpgrade =
    "GET /connection/websocket?cf_protocol=protobuf HTTP/1.1\r\n"
    "Host: example.com\r\n"
    "Connection: keep-alive, Upgrade\r\n"
    "Upgrade: websocket\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    "\r\n";

TEST(RequestParser, YieldsTheRequestAndItsParts) {
  Outcome outcome = parse(kBrowserUpgrade);
  ASSERT_EQ(outcome.status, 0);
  const Request& request = outcome.request;
  EXPECT_EQ(request.method, "GET");
  EXPECT_EQ(request.target, "/connection/websocket?cf_protocol=protobuf");
  EXPECT_EQ(request.path, "/connection/websocket");
  EXPECT_EQ(request.query, "cf_protocol=protobuf");
  EXPECT_EQ(request.version_minor, 1);
  EXPECT_TRUE(request.keep_alive);
  EXPECT_EQ(request.headers.size(), 4u);
  EXPECT_EQ(request.headers.value("sec-websocket-key"), "dGhlIHNhbXBsZSBub25jZQ==");
  EXPECT_TRUE(request.headers.has_token("CONNECTION", "upgrade"));
  EXPECT_FALSE(request.headers.has_token("Connection", "up"));
  EXPECT_FALSE(request.headers.find("Origin"));
}

const std::string kChunked =
    "POST /api HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    "5;name=value;other=\"a b\"\r\nhello\r\n6\r\n world\r\n0\r\nTrailer: x\r\n\r\n";
const std::string kSized = "POST /api HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\nhello world";

TEST(RequestParser, GivesTheSameForEverySplit) {
  for (const std::string& text : {kChunked, kSized, std::string(kBrowserUpgrade)}) {
    const Outcome whole = parse(text);
    ASSERT_EQ(whole.status, 0) << text;
    for (size_t piece = 1; piece < text.size(); ++piece) {
      const Outcome split = parse(text, piece);
      ASSERT_EQ(split.status, 0) << piece << text;
      EXPECT_EQ(split.consumed, text.size());
      EXPECT_EQ(split.request.body, whole.request.body);
      EXPECT_EQ(split.request.headers.size(), whole.request.headers.size());
    }
    for (size_t at = 0; at < text.size(); ++at) {
      RequestParser parser;
      auto step = parser.feed(std::string_view(text).substr(0, at));
      size_t done = step.consumed;
      while (step.progress != Progress::complete) {
        ASSERT_NE(step.progress, Progress::failed) << at;
        step = parser.feed(std::string_view(text).substr(done));
        done += step.consumed;
      }
      EXPECT_EQ(parser.take().body, whole.request.body);
    }
  }
}

TEST(RequestParser, LeavesTheNextRequestInThePipeline) {
  for (const std::string& first : {kChunked, kSized, std::string(kBrowserUpgrade)}) {
    const std::string both = first + kSized;
    Outcome outcome = parse(both);
    ASSERT_EQ(outcome.status, 0);
    EXPECT_EQ(outcome.consumed, first.size());
    for (size_t piece = 1; piece < both.size(); ++piece) {
      EXPECT_EQ(parse(both, piece).consumed, first.size()) << piece;
    }
  }
}

TEST(RequestParser, ServesOneRequestAfterTheOther) {
  RequestParser parser;
  std::string text;
  for (int i = 0; i < 3; ++i) text += kSized + kChunked;
  std::string_view rest = text;
  int requests = 0;
  while (!rest.empty()) {
    const auto step = parser.feed(rest);
    rest.remove_prefix(step.consumed);
    ASSERT_NE(step.progress, Progress::failed);
    if (step.progress == Progress::complete) {
      EXPECT_FALSE(parser.is_idle());
      EXPECT_EQ(parser.take().body, "hello world");
      EXPECT_TRUE(parser.is_idle());
      ++requests;
    }
  }
  EXPECT_EQ(requests, 6);
}

TEST(RequestParser, StopsAtTheHeadSoThatTheBodysBoundCanBeChosen) {
  RequestParser parser;
  auto step = parser.feed(kSized);
  ASSERT_EQ(step.progress, Progress::head);
  EXPECT_EQ(parser.request().path, "/api");
  parser.limit_body(10);
  step = parser.feed(std::string_view(kSized).substr(step.consumed));
  ASSERT_EQ(step.progress, Progress::failed);
  EXPECT_EQ(parser.failure().status, 413);
}

TEST(RequestParser, RefusesBodiesOverTheBound) {
  const Limits limits{.body_bytes = 10};
  EXPECT_EQ(parse(kSized, std::string::npos, limits).status, 413);
  EXPECT_EQ(parse(kChunked, std::string::npos, limits).status, 413);
  EXPECT_EQ(parse(kChunked, 1, limits).status, 413);
  EXPECT_EQ(parse(kChunked, 1, Limits{.body_bytes = 11}).status, 0);
  EXPECT_EQ(
      parse("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551615\r\n\r\n").status,
      413);
  EXPECT_EQ(parse("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                  "FFFFFFFFFFFFFFFF\r\n")
                .status,
            413);
}

TEST(RequestParser, RefusesHeadsOverTheBounds) {
  const Limits limits{.head_bytes = 100, .header_count = 3};
  std::string text = "GET / HTTP/1.1\r\nHost: a\r\nLong: " + std::string(100, 'x') + "\r\n\r\n";
  EXPECT_EQ(parse(text, std::string::npos, limits).status, 431);
  EXPECT_EQ(parse(text, 1, limits).status, 431);
  EXPECT_EQ(parse("GET / HTTP/1.1\r\nHost: a\r\nA: b\r\nC: d\r\n\r\n", 7, limits).status, 0);
  EXPECT_EQ(parse("GET / HTTP/1.1\r\nHost: a\r\nA: b\r\nC: d\r\nE: f\r\n\r\n", 7, limits).status,
            431);
  EXPECT_EQ(parse(std::string(101, 'A'), 1, limits).status, 431);
}

TEST(RequestParser, BoundsChunkLinesAndTrailers) {
  const Limits limits{.head_bytes = 4096};
  const std::string head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (size_t piece : {size_t{1}, size_t{100}, size_t{100000}}) {
    EXPECT_EQ(parse(head + "5;" + std::string(9000, 'x'), piece, limits).status, 400);
    EXPECT_EQ(parse(head + "5;a=\"" + std::string(9000, 'x'), piece, limits).status, 400);
    std::string trailers;
    for (int i = 0; i < 1000; ++i) trailers += "Trailer: x\r\n";
    EXPECT_GE(parse(head + "0\r\n" + trailers, piece, limits).status, 400);
  }
}

TEST(RequestParser, KeepsTheConnectionAsTheVersionSays) {
  EXPECT_TRUE(parse("GET / HTTP/1.1\r\nHost: a\r\n\r\n").request.keep_alive);
  EXPECT_FALSE(parse("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").request.keep_alive);
  EXPECT_FALSE(parse("GET / HTTP/1.0\r\n\r\n").request.keep_alive);
  EXPECT_TRUE(parse("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n").request.keep_alive);
}

TEST(RequestParser, TakesTheFormsOfTargets) {
  EXPECT_EQ(parse("GET http://a.b:80/p/q?x=1 HTTP/1.1\r\nHost: a\r\n\r\n").request.path, "/p/q");
  EXPECT_EQ(parse("GET http://a.b HTTP/1.1\r\nHost: a\r\n\r\n").request.path, "/");
  EXPECT_EQ(parse("GET http://a.b?x HTTP/1.1\r\nHost: a\r\n\r\n").request.query, "x");
  EXPECT_EQ(parse("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n").request.path, "*");
  EXPECT_EQ(parse("CONNECT a.b:443 HTTP/1.1\r\nHost: a\r\n\r\n").request.path, "a.b:443");
  EXPECT_EQ(parse("GET /?a=http://b HTTP/1.1\r\nHost: a\r\n\r\n").request.path, "/");
}

TEST(RequestParser, TellsWhoWaitsForTheContinue) {
  RequestParser parser;
  auto step = parser.feed(
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nExpect: 100-Continue\r\n\r\n");
  EXPECT_EQ(step.progress, Progress::head);
  EXPECT_TRUE(parser.request().expects_continue);
  EXPECT_TRUE(parser.is_in_body());
  EXPECT_FALSE(
      parse("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n").request.expects_continue);
  EXPECT_FALSE(parse("POST / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n").request.expects_continue);
}

TEST(RequestParser, ForgivesOneBlankLineBeforeARequest) {
  EXPECT_EQ(parse("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n").status, 0);
  EXPECT_EQ(parse("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 1).status, 0);
  EXPECT_EQ(parse("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n").status, 400);
}

TEST(RequestParser, KeepsViewsValidWhenTheRequestMoves) {
  Request moved;
  {
    Outcome outcome = parse("A / HTTP/1.0\r\n\r\n");
    moved = std::move(outcome.request);
  }
  EXPECT_EQ(moved.method, "A");
  EXPECT_EQ(moved.path, "/");
}

TEST(RequestParser, LeavesRoomBehindTheBody) {
  Outcome outcome = parse(kSized);
  EXPECT_GE(outcome.request.body.capacity(), outcome.request.body.size() + Request::kBodyPadding);
}

struct Refused {
  std::string what;
  int status = 0;
  std::string text;
};

std::string unescape(std::string_view text) {
  std::string bytes;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      bytes += text[i];
    } else if (const char kind = text[++i]; kind == 'x') {
      bytes += static_cast<char>(std::stoi(std::string(text.substr(i + 1, 2)), nullptr, 16));
      i += 2;
    } else {
      bytes += kind == 'r' ? '\r' : kind == 'n' ? '\n' : kind == 't' ? '\t' : kind;
    }
  }
  return bytes;
}

// Each of these makes some pair of parsers disagree about where a request ends, or is simply
// broken. The same rows go through a server's sockets in tests/attackers.
std::vector<Refused> refused_requests() {
  std::ifstream file(GYRE_SOURCE_DIR "/tests/attackers/smuggling.tsv");
  std::vector<Refused> rows;
  std::string line;
  std::getline(file, line);  // the names of the columns
  while (std::getline(file, line)) {
    const size_t first = line.find('\t');
    const size_t second = line.find('\t', first + 1);
    rows.push_back({line.substr(0, first), std::stoi(line.substr(first + 1)),
                    unescape(line.substr(second + 1))});
  }
  return rows;
}

TEST(RequestParser, RefusesWhatTwoParsersCouldReadDifferently) {
  const std::vector<Refused> rows = refused_requests();
  EXPECT_GE(rows.size(), 200u);
  for (const Refused& row : rows) {
    // Some show themselves only when the parser that believes them goes on.
    const std::string text = row.text + "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    EXPECT_EQ(parse(text).status, row.status) << row.what;
    EXPECT_EQ(parse(text, 1).status, row.status) << row.what << ", byte by byte";
    EXPECT_EQ(parse(text, 7).status, row.status) << row.what << ", in sevens";
  }
}

// What comes after the data of a chunk is told at once, and not when a whole line of it is there.
TEST(RequestParser, SeesAtOnceThatAChunkIsLongerThanItSaid) {
  const std::string text =
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n\r\r\n\r\n";
  EXPECT_EQ(parse(text).status, -1);
  EXPECT_EQ(parse(text + "\r").status, -1);
  for (const std::string_view rest : {"0", "0\r\n", "0\r\n\x9F", "\r0"}) {
    for (const size_t piece : {std::string_view::npos, size_t{1}, size_t{2}, size_t{3}}) {
      EXPECT_EQ(parse(text + std::string(rest), piece).status, 400) << rest << ", by " << piece;
    }
  }
}

TEST(RequestParser, StaysFailed) {
  RequestParser parser;
  EXPECT_EQ(parser.feed("\n").progress, Progress::failed);
  EXPECT_EQ(parser.feed(kBrowserUpgrade).progress, Progress::failed);
}

}  // namespace
}  // namespace gyre::http
