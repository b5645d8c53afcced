#include "http/response.h"

#include <gtest/gtest.h>

#include "http/query.h"
#include "http/request.h"

namespace gyre::http {
namespace {

TEST(Response, IsOnePieceWithItsLength) {
  Response response = Response::json("{}");
  EXPECT_EQ(response.encode(),
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}");
}

TEST(Response, IsTheSameInTheBodysOwnMemory) {
  for (const int status : {200, 204, 304}) {
    for (const Envelope& envelope : {Envelope(), Envelope{.date = "D", .keep_alive = false},
                                     Envelope{.is_head_request = true}}) {
      Response response(status, "text/plain", "hello");
      response.body.reserve(1000);
      const std::string copied = response.encode(envelope);
      EXPECT_EQ(std::move(response).encode_in_place(envelope), copied) << status;
    }
  }
}
TEST(Response, SaysWhatBecomesOfTheConnection) {
  Response response(405);
  EXPECT_EQ(response.encode({.date = "D", .keep_alive = false}),
            "HTTP/1.1 405 Method Not Allowed\r\nDate: D\r\nConnection: close\r\nContent-Length: "
            "0\r\n\r\n");
  EXPECT_EQ(
      response.encode({.version_minor = 0}),
      "HTTP/1.1 405 Method Not Allowed\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n");
}

TEST(Response, HasNoBodyWhereNoneMayBe) {
  EXPECT_EQ(Response(204).encode(), "HTTP/1.1 204 No Content\r\n\r\n");
  EXPECT_EQ(Response(200, "text/plain", "hello").encode({.is_head_request = true}),
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\n");
}

TEST(Response, HasTheFacesOfTheReference) {
  EXPECT_EQ(Response::not_found().encode(),
            "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain; charset=utf-8\r\n"
            "X-Content-Type-Options: nosniff\r\nContent-Length: 19\r\n\r\n404 page not found\n");
  EXPECT_EQ(Response::error(400).body, "Bad Request\n");
  EXPECT_EQ(Response::error(403).body, "Forbidden\n");
}

TEST(Response, LetsNoValueBeginAField) {
  Response response(204);
  response.add("X", std::string_view("a\r\nSet-Cookie: b\0", 17));
  EXPECT_EQ(response.encode(), "HTTP/1.1 204 No Content\r\nX: aSet-Cookie: b\r\n\r\n");
  EXPECT_TRUE(response.has("x"));
  EXPECT_FALSE(response.has("Set-Cookie"));
}

TEST(HttpDate, IsTheFixedForm) {
  EXPECT_EQ(http_date(784887151), "Tue, 15 Nov 1994 08:12:31 GMT");
  EXPECT_EQ(http_date(0), "Thu, 01 Jan 1970 00:00:00 GMT");
}

TEST(Query, DecodesValues) {
  EXPECT_EQ(query_value("a=1&b=2&b=3", "b"), "2");
  EXPECT_EQ(query_value("cf_connect=%7B%22id%22%3A1%7D", "cf_connect"), "{\"id\":1}");
  EXPECT_EQ(query_value("a=x+y%2Bz", "a"), "x y+z");
  EXPECT_EQ(query_value("a", "a"), "");
  EXPECT_EQ(query_value("%61=1", "a"), "1");
  EXPECT_EQ(query_value("a=%zz&a=2", "a"), "2");
  EXPECT_EQ(query_value("a=1;b=2", "a"), std::nullopt);
  EXPECT_EQ(query_value("", "a"), std::nullopt);
  EXPECT_EQ(query_value("&&=&", "a"), std::nullopt);
}

TEST(PercentCoding, IsItsOwnInverse) {
  std::string all;
  for (int c = 0; c < 256; ++c) all += static_cast<char>(c);
  EXPECT_EQ(percent_decode(percent_encode(all)), all);
  EXPECT_EQ(percent_decode("%"), std::nullopt);
  EXPECT_EQ(percent_decode("a%4"), std::nullopt);
  EXPECT_EQ(percent_decode("a+b"), "a+b");
}

}  // namespace
}  // namespace gyre::http
