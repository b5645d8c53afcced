#include "http/router.h"

#include <gtest/gtest.h>

#include "http/origin.h"

namespace gyre::http {
namespace {

Request get(std::string_view path, std::string_view query = "") {
  Request request;
  request.method = "GET";
  request.path = path;
  request.query = query;
  return request;
}

int route_of(const Router<int>& router, std::string_view path) {
  auto found = look_up(router, get(path));
  return found.route ? *found.route : -found.answer->status;
}

TEST(Router, FindsExactPathsAndSubTrees) {
  Router<int> router;
  router.add("/api", 1);
  router.add("/api/publish", 2);
  router.add("/swagger/", 3);
  router.add("/swagger/deep/", 4);
  EXPECT_EQ(route_of(router, "/api"), 1);
  EXPECT_EQ(route_of(router, "/api/publish"), 2);
  EXPECT_EQ(route_of(router, "/%61pi"), 1);
  EXPECT_EQ(route_of(router, "/api/"), -404);
  EXPECT_EQ(route_of(router, "/api/publish/"), -404);
  EXPECT_EQ(route_of(router, "/API"), -404);
  EXPECT_EQ(route_of(router, "/swagger/"), 3);
  EXPECT_EQ(route_of(router, "/swagger/x/y"), 3);
  EXPECT_EQ(route_of(router, "/swagger/deep/x"), 4);
  EXPECT_EQ(route_of(router, "/swagger"), -307);
  EXPECT_EQ(route_of(router, "/swaggers"), -404);
  EXPECT_EQ(route_of(router, "*"), -404);
}

TEST(Router, LetsTheRootMatchEverythingElse) {
  Router<int> router;
  router.add("", 1);
  router.add("/api", 2);
  EXPECT_EQ(route_of(router, "/"), 1);
  EXPECT_EQ(route_of(router, "/x/y"), 1);
  EXPECT_EQ(route_of(router, "/api"), 2);
}

TEST(Router, SendsUncleanPathsToTheCleanOnes) {
  Router<int> router;
  auto found = look_up(router, get("//api/../x/", "a=1"));
  ASSERT_TRUE(found.answer);
  EXPECT_EQ(found.answer->status, 307);
  EXPECT_NE(found.answer->encode().find("Location: /x/?a=1\r\n"), std::string::npos);
  EXPECT_EQ(route_of(router, "/.well-known"), -404);
  EXPECT_EQ(clean_path("/a/./b/../../.."), "/");
  EXPECT_EQ(clean_path("//evil.example/%2e%2e"), "/evil.example/%2e%2e");
}

TEST(Router, RedirectsWithTheReferencesBody) {
  Router<int> router;
  router.add("/swagger/", 1);
  auto found = look_up(router, get("/swagger"));
  ASSERT_TRUE(found.answer);
  EXPECT_EQ(found.answer->body, "<a href=\"/swagger/\">Temporary Redirect</a>.\n\n");
}

Request with_origin(std::string_view origin) {
  Request request;
  request.headers.add({"Origin", origin});
  return request;
}

TEST(AllowedOrigins, FollowTheList) {
  auto empty = AllowedOrigins::compile({});
  EXPECT_TRUE(empty->allows(Request()));
  EXPECT_FALSE(empty->allows(with_origin("https://example.com")));
  auto all = AllowedOrigins::compile({"*"});
  EXPECT_TRUE(all->allows_everything());
  EXPECT_TRUE(all->allows(with_origin("null")));
  auto some = AllowedOrigins::compile({"https://example.com", "http://*.test.com"});
  EXPECT_TRUE(some->allows(Request()));
  EXPECT_TRUE(some->allows(with_origin("https://example.com")));
  EXPECT_TRUE(some->allows(with_origin("http://A.TEST.com")));
  EXPECT_FALSE(some->allows(with_origin("http://evil.com")));
  EXPECT_FALSE(some->allows(with_origin("https://example.com.evil.com")));
  EXPECT_FALSE(some->allows(with_origin("null")));
  EXPECT_FALSE(AllowedOrigins::compile({"http://["}));
}

TEST(AllowedOrigins, NoneIsLongerThanHostsAre) {
  const auto origins = AllowedOrigins::compile({"http://*.test.com"});
  const auto of_size = [](size_t size) {
    const std::string_view start = "http://", end = ".test.com";
    return std::string(start) + std::string(size - start.size() - end.size(), 'a') +
           std::string(end);
  };
  EXPECT_TRUE(origins->allows(with_origin(of_size(1024))));
  EXPECT_FALSE(origins->allows(with_origin(of_size(1025))));
}

TEST(Cors, EchoesWhatTheBrowserAsks) {
  Request request = with_origin("http://a.test.com");
  request.headers.add({"Access-Control-Request-Headers", "x-a, x-b"});
  Response response = preflight();
  add_cors(response, request);
  EXPECT_EQ(response.encode(),
            "HTTP/1.1 204 No Content\r\nAccess-Control-Max-Age: 300\r\n"
            "Access-Control-Allow-Methods: POST, OPTIONS\r\n"
            "Access-Control-Allow-Origin: http://a.test.com\r\n"
            "Access-Control-Allow-Credentials: true\r\n"
            "Access-Control-Allow-Headers: x-a, x-b\r\n\r\n");
}

}  // namespace
}  // namespace gyre::http
