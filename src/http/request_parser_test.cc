#include "http/request_parser.h"

#include <gtest/gtest.h>

#include <string>

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
  std::string_view what;
  std::string text;
  int status;
};

// Each of these makes some pair of parsers disagree about where a request ends, or is simply
// broken.
std::vector<Refused> refused_requests() {
  const std::string get = "GET / HTTP/1.1\r\nHost: a\r\n";
  const std::string post = "POST / HTTP/1.1\r\nHost: a\r\n";
  const std::string chunked = post + "Transfer-Encoding: chunked\r\n\r\n";
  return {
      {"length before coding",
       post + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
      {"coding before length",
       post + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", 400},
      {"two lengths that differ", post + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
       400},
      {"two equal lengths", post + "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", 400},
      {"two zero lengths", post + "Content-Length: 0\r\nContent-Length: 0\r\n\r\n", 400},
      {"a list of lengths", post + "Content-Length: 5, 5\r\n\r\nhello", 400},
      {"a list of different lengths", post + "Content-Length: 5, 6\r\n\r\nhello", 400},
      {"a signed length", post + "Content-Length: +5\r\n\r\nhello", 400},
      {"a negative length", post + "Content-Length: -5\r\n\r\nhello", 400},
      {"a hexadecimal length", post + "Content-Length: 0x5\r\n\r\nhello", 400},
      {"a length with a space inside", post + "Content-Length: 5 5\r\n\r\nhello", 400},
      {"an empty length", post + "Content-Length:\r\n\r\n", 400},
      {"a fractional length", post + "Content-Length: 5.0\r\n\r\nhello", 400},
      {"a length beyond 64 bits", post + "Content-Length: 18446744073709551621\r\n\r\nhello", 400},
      {"a length in a quoted string", post + "Content-Length: \"5\"\r\n\r\nhello", 400},
      {"an unknown coding", post + "Transfer-Encoding: gzip\r\n\r\n", 501},
      {"chunked not last", post + "Transfer-Encoding: chunked, gzip\r\n\r\n", 501},
      {"chunked after another", post + "Transfer-Encoding: gzip, chunked\r\n\r\n", 501},
      {"chunked twice", post + "Transfer-Encoding: chunked, chunked\r\n\r\n", 501},
      {"identity", post + "Transfer-Encoding: identity\r\n\r\n", 501},
      {"a misspelt coding", post + "Transfer-Encoding: xchunked\r\n\r\n", 501},
      {"a quoted coding", post + "Transfer-Encoding: \"chunked\"\r\n\r\n", 501},
      {"an empty coding", post + "Transfer-Encoding:\r\n\r\n", 501},
      {"two coding fields",
       post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
      {"a vertical tab before the coding", post + "Transfer-Encoding: \vchunked\r\n\r\n0\r\n\r\n",
       400},
      {"a coding with parameters", post + "Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n", 501},
      {"a coding in HTTP/1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
       400},
      {"a space before the colon", post + "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400},
      {"a tab before the colon", post + "Content-Length\t: 5\r\n\r\nhello", 400},
      {"a space before the name", get + " X: y\r\n\r\n", 400},
      {"a folded value", get + "X: a\r\n b\r\n\r\n", 400},
      {"a value folded with a tab", get + "X: a\r\n\tb\r\n\r\n", 400},
      {"a fold after an empty value", get + "Transfer-Encoding:\r\n chunked\r\n\r\n", 400},
      {"a fold of blanks", get + "X: a\r\n \r\n\r\n", 400},
      {"a folded first line", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400},
      {"a bare CR in a value", get + "X: a\rb\r\n\r\n", 400},
      {"a bare CR before a field", get + "X: a\rContent-Length: 5\r\n\r\n", 400},
      {"a bare CR in the name", get + "X\r: a\r\n\r\n", 400},
      {"a bare LF after the request line", "GET / HTTP/1.1\nHost: a\r\n\r\n", 400},
      {"a bare LF after a field", get + "X: a\nY: b\r\n\r\n", 400},
      {"a bare LF as the blank line", get + "\n", 400},
      {"CR CR LF", get + "X: a\r\r\n\r\n", 400},
      {"a NUL in a value", get + std::string("X: a\0b\r\n\r\n", 10), 400},
      {"a control character in a value", get + "X: a\x01\r\n\r\n", 400},
      {"a DEL in a value", get + "X: a\x7f\r\n\r\n", 400},
      {"a NUL in a name", get + std::string("X\0: a\r\n\r\n", 9), 400},
      {"a name outside of ASCII", get + "X\xc3\xa9: a\r\n\r\n", 400},
      {"an empty name", get + ": a\r\n\r\n", 400},
      {"a line without a colon", get + "abc\r\n\r\n", 400},
      {"a name in brackets", get + "[X]: a\r\n\r\n", 400},
      {"a chunk longer than said", chunked + "5\r\nhello!\r\n0\r\n\r\n", 400},
      {"a chunk shorter than said", chunked + "6\r\nhello\r\n0\r\n\r\n", 400},
      {"a chunk size beyond 64 bits", chunked + "10000000000000005\r\nhello\r\n0\r\n\r\n", 400},
      {"a chunk size with a prefix", chunked + "0x5\r\nhello\r\n0\r\n\r\n", 400},
      {"a signed chunk size", chunked + "+5\r\nhello\r\n0\r\n\r\n", 400},
      {"a negative chunk size", chunked + "-5\r\nhello\r\n0\r\n\r\n", 400},
      {"an empty chunk size", chunked + "\r\nhello\r\n0\r\n\r\n", 400},
      {"a space before the chunk size", chunked + " 5\r\nhello\r\n0\r\n\r\n", 400},
      {"a space behind the chunk size", chunked + "5 \r\nhello\r\n0\r\n\r\n", 400},
      {"letters behind the chunk size", chunked + "5xyz\r\nhello\r\n0\r\n\r\n", 400},
      {"a bare LF behind the chunk size", chunked + "5\nhello\r\n0\r\n\r\n", 400},
      {"a bare CR behind the chunk size", chunked + "5\rhello\r\n0\r\n\r\n", 400},
      {"a bare LF in a chunk extension", chunked + "5;a\nb\r\nhello\r\n0\r\n\r\n", 400},
      {"a bare LF in a quoted chunk extension", chunked + "5;a=\"\n\"\r\nhello\r\n0\r\n\r\n", 400},
      {"a NUL in a chunk extension", chunked + std::string("5;a=\"\0\"\r\nhello\r\n0\r\n\r\n", 21),
       400},
      {"an unnamed chunk extension", chunked + "5;=\r\nhello\r\n0\r\n\r\n", 400},
      {"a bare LF behind chunk data", chunked + "5\r\nhello\n0\r\n\r\n\r\n", 400},
      {"a length in the trailers", chunked + "0\r\nContent-Length: 5\r\n\r\n", 400},
      {"a coding in the trailers", chunked + "0\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
      {"a broken trailer", chunked + "0\r\nabc\r\n\r\n", 400},
      {"a folded trailer", chunked + "0\r\nA: b\r\n c\r\n\r\n", 400},
      {"no host", "GET / HTTP/1.1\r\n\r\n", 400},
      {"two hosts", get + "Host: b\r\n\r\n", 400},
      {"two equal hosts", get + "Host: a\r\n\r\n", 400},
      {"a host with a slash", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400},
      {"a host with a user", "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400},
      {"a host with a space", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400},
      {"a host outside of ASCII", "GET / HTTP/1.1\r\nHost: \xc3\xa9\r\n\r\n", 400},
      {"a method with a control character", "G\x01T / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"a method in brackets", "G(T / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"no method", " / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"a tab as separator", "GET\t/\tHTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"two spaces", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"a target with a space", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"a target with a NUL", std::string("GET /a\0b HTTP/1.1\r\nHost: a\r\n\r\n", 30), 400},
      {"a target with a control character", "GET /a\x01 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"a target with a DEL", "GET /a\x7f HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"a target with a fragment", "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"a relative target", "GET a HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"an asterisk for GET", "GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"an absolute target without a host", "GET http:///a HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"an absolute target with a user", "GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"a broken escape in the path", "GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"a cut escape in the path", "GET /%2 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"no version", "GET /\r\nHost: a\r\n\r\n", 400},
      {"HTTP/0.9", "GET /\r\n\r\n", 400},
      {"a version in small letters", "GET / http/1.1\r\nHost: a\r\n\r\n", 400},
      {"a longer version", "GET / HTTP/1.10\r\nHost: a\r\n\r\n", 400},
      {"a space behind the version", "GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400},
      {"a cut version", "GET / HTTP/1\r\nHost: a\r\n\r\n", 400},
      {"HTTP/2.0", "GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505},
      {"HTTP/1.2", "GET / HTTP/1.2\r\nHost: a\r\n\r\n", 505},
      {"the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
      {"an unknown expectation", post + "Expect: 200-ok\r\n\r\n", 417},
      {"a TLS hello", std::string("\x16\x03\x01\x02\x00\x01\x00", 7), 400},
      {"a broken connection list", get + "Connection: close, \x80\x81\r\n\r\n", 400},
  };
}

TEST(RequestParser, RefusesWhatTwoParsersCouldReadDifferently) {
  for (const Refused& row : refused_requests()) {
    EXPECT_EQ(parse(row.text).status, row.status) << row.what;
    EXPECT_EQ(parse(row.text, 1).status, row.status) << row.what << ", byte by byte";
    EXPECT_EQ(parse(row.text, 7).status, row.status) << row.what << ", in sevens";
  }
}

TEST(RequestParser, StaysFailed) {
  RequestParser parser;
  EXPECT_EQ(parser.feed("\n").progress, Progress::failed);
  EXPECT_EQ(parser.feed(kBrowserUpgrade).progress, Progress::failed);
}

}  // namespace
}  // namespace gyre::http
