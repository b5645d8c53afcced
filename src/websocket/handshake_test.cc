#include "websocket/handshake.h"

#include <gtest/gtest.h>

namespace gyre::websocket {
namespace {

// An acceptable upgrade but for the one field that is named; an empty value leaves it out.
http::Request upgrade(std::string_view name = "", std::string_view value = "") {
  http::Request request;
  request.method = "GET";
  request.path = "/connection/websocket";
  const http::Header fields[] = {{"Connection", "keep-alive, Upgrade"},
                                 {"Upgrade", "websocket"},
                                 {"Sec-WebSocket-Version", "13"},
                                 {"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="}};
  for (const http::Header& field : fields) {
    if (field.name != name) request.headers.add(field);
  }
  if (!value.empty()) request.headers.add({name, value});
  return request;
}

int refusal(const http::Request& request) {
  auto origins = http::AllowedOrigins::compile({"https://example.com"});
  auto response = refuse_upgrade(request, *origins);
  return response ? response->status : 0;
}

TEST(Handshake, ChecksInTheReferencesOrder) {
  EXPECT_EQ(refusal(upgrade()), 0);
  EXPECT_EQ(refusal(upgrade("Connection")), 400);
  EXPECT_EQ(refusal(upgrade("Connection", "upgrades")), 400);
  EXPECT_EQ(refusal(upgrade("Upgrade")), 400);
  EXPECT_EQ(refusal(upgrade("Upgrade", "WebSocket")), 0);
  EXPECT_EQ(refusal(upgrade("Sec-WebSocket-Version", "12")), 400);
  EXPECT_EQ(refusal(upgrade("Sec-WebSocket-Key", "c2hvcnQ=")), 400);
  EXPECT_EQ(refusal(upgrade("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ!!")), 400);
  EXPECT_EQ(refusal(upgrade("Origin", "https://example.com")), 0);
  EXPECT_EQ(refusal(upgrade("Origin", "https://evil.example")), 403);
  http::Request post = upgrade();
  post.method = "POST";
  EXPECT_EQ(refusal(post), 405);
  http::Request old = upgrade();
  old.version_minor = 0;
  EXPECT_EQ(refusal(old), 400);
}

TEST(Handshake, RefusesWithTheReferencesAnswer) {
  auto origins = http::AllowedOrigins::compile({});
  auto response = refuse_upgrade(upgrade("Origin", "http://evil.com"), *origins);
  ASSERT_TRUE(response);
  EXPECT_EQ(response->encode(),
            "HTTP/1.1 403 Forbidden\r\nContent-Type: text/plain; charset=utf-8\r\n"
            "X-Content-Type-Options: nosniff\r\nSec-Websocket-Version: 13\r\n"
            "Content-Length: 10\r\n\r\nForbidden\n");
}

TEST(Handshake, AcceptsWithTheKeyOfTheRfc) {
  EXPECT_EQ(accept_upgrade(upgrade(), "centrifuge-protobuf").encode(),
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
            "Sec-WebSocket-Protocol: centrifuge-protobuf\r\n\r\n");
}

TEST(Handshake, ReadsWhatTheClientWishes) {
  EXPECT_FALSE(read_wishes(upgrade()).is_protobuf);
  EXPECT_EQ(read_wishes(upgrade()).subprotocol, "");
  const auto listed = [](std::string_view list) {
    return read_wishes(upgrade("Sec-WebSocket-Protocol", list));
  };
  EXPECT_TRUE(listed("centrifuge-protobuf").is_protobuf);
  EXPECT_EQ(listed("x, centrifuge-json ,centrifuge-protobuf").subprotocol, "centrifuge-json");
  EXPECT_FALSE(listed("x, centrifuge-json ,centrifuge-protobuf").is_protobuf);
  EXPECT_EQ(listed("x,y").subprotocol, "");
  http::Request request = upgrade("Sec-WebSocket-Protocol", "centrifuge-json");
  request.query = "cf_protocol=protobuf&cf_ws_frame_ping_pong=true&cf_protocol_version=v2";
  EXPECT_TRUE(read_wishes(request).is_protobuf);
  EXPECT_TRUE(read_wishes(request).wants_frame_pings);
  EXPECT_EQ(read_wishes(request).subprotocol, "centrifuge-json");
  request.query = "format=protobuf&cf_ws_frame_ping_pong=1";
  EXPECT_TRUE(read_wishes(request).is_protobuf);
  EXPECT_FALSE(read_wishes(request).wants_frame_pings);
}

}  // namespace
}  // namespace gyre::websocket
