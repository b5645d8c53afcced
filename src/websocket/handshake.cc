#include "websocket/handshake.h"

#include <openssl/evp.h>

#include <array>

#include "http/query.h"

namespace gyre::websocket {
namespace {

http::Response refusal(int status) {
  http::Response response = http::Response::error(status);
  response.add("Sec-Websocket-Version", "13");
  return response;
}

// Base64 of 16 bytes: 22 characters and two of padding.
bool is_key(std::string_view key) {
  if (key.size() != 24 || !key.ends_with("==")) return false;
  for (char c : key.substr(0, 22)) {
    const bool is_base64 = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
                           (c >= 'A' && c <= 'Z') || c == '+' || c == '/';
    if (!is_base64) return false;
  }
  return true;
}

constexpr std::string_view kJson = "centrifuge-json";
constexpr std::string_view kProtobuf = "centrifuge-protobuf";

// The first that the client lists and we know.
std::string_view choose_subprotocol(const http::Request& request) {
  for (const http::Header& header : request.headers) {
    if (!http::equals_ignoring_case(header.name, "Sec-WebSocket-Protocol")) continue;
    std::string_view list = header.value;
    while (!list.empty()) {
      const size_t comma = list.find(',');
      std::string_view item = list.substr(0, comma);
      list.remove_prefix(comma == std::string_view::npos ? list.size() : comma + 1);
      while (item.starts_with(' ') || item.starts_with('\t')) item.remove_prefix(1);
      while (item.ends_with(' ') || item.ends_with('\t')) item.remove_suffix(1);
      if (item == kJson) return kJson;
      if (item == kProtobuf) return kProtobuf;
    }
  }
  return {};
}

}  // namespace

std::optional<http::Response> refuse_upgrade(const http::Request& request,
                                             const http::AllowedOrigins& origins) {
  const http::Headers& headers = request.headers;
  // HTTP/1.0 knows no upgrades (RFC 9110, 7.8).
  if (request.version_minor == 0 || !headers.has_token("Connection", "upgrade")) {
    return refusal(400);
  }
  if (!headers.has_token("Upgrade", "websocket")) return refusal(400);
  if (!request.is("GET")) return refusal(405);
  if (!headers.has_token("Sec-WebSocket-Version", "13")) return refusal(400);
  if (!is_key(headers.value("Sec-WebSocket-Key"))) return refusal(400);
  if (!origins.allows(request)) return refusal(403);
  return std::nullopt;
}

http::Response accept_upgrade(const http::Request& request, std::string_view subprotocol) {
  http::Response response(101);
  response.add("Upgrade", "websocket");
  response.add("Connection", "Upgrade");
  response.add("Sec-WebSocket-Accept", accept_key(request.headers.value("Sec-WebSocket-Key")));
  if (!subprotocol.empty()) response.add("Sec-WebSocket-Protocol", subprotocol);
  return response;
}

std::string accept_key(std::string_view key) {
  std::string text(key);
  text += "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned int size = 0;
  if (EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha1(), nullptr) != 1)
    return {};
  std::string encoded(4 * ((size + 2) / 3), '\0');
  // EVP_EncodeBlock writes a NUL behind the text, where std::string has one.
  EVP_EncodeBlock(reinterpret_cast<unsigned char*>(encoded.data()), digest.data(),
                  static_cast<int>(size));
  return encoded;
}

Wishes read_wishes(const http::Request& request) {
  Wishes wishes;
  wishes.subprotocol = choose_subprotocol(request);
  wishes.is_protobuf = wishes.subprotocol == kProtobuf ||
                       http::query_value(request.query, "format") == "protobuf" ||
                       http::query_value(request.query, "cf_protocol") == "protobuf";
  wishes.wants_frame_pings = http::query_value(request.query, "cf_ws_frame_ping_pong") == "true";
  return wishes;
}

}  // namespace gyre::websocket
