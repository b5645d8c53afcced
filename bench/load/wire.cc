#include "load/wire.h"

#include <openssl/hmac.h>

#include <array>
#include <charconv>
#include <cstring>

#include "load/fail.h"

namespace gyre::bench {
namespace {

constexpr std::array<char, 4> kMask = {0x21, 0x5a, 0x13, 0x7e};

void put_varint(std::string& out, uint64_t value) {
  while (value >= 0x80) {
    out += static_cast<char>(value | 0x80);
    value >>= 7;
  }
  out += static_cast<char>(value);
}

void put_number(std::string& out, uint32_t field, uint64_t value) {
  if (value == 0) return;
  put_varint(out, field << 3);
  put_varint(out, value);
}

void put_bytes(std::string& out, uint32_t field, std::string_view bytes) {
  put_varint(out, field << 3 | 2);
  put_varint(out, bytes.size());
  out += bytes;
}

// Command numbers, and the fields of both requests: spec framing.md 3.1, 3.8, 3.9.
std::string protobuf_login(std::string_view token, const std::vector<std::string>& channels,
                           const Position* since) {
  std::string out;
  uint64_t id = 0;
  const auto command = [&](uint32_t field, std::string_view request) {
    std::string body;
    put_number(body, 1, ++id);
    put_bytes(body, field, request);
    put_varint(out, body.size());
    out += body;
  };
  std::string connect;
  if (!token.empty()) put_bytes(connect, 1, token);
  command(4, connect);
  for (const std::string& channel : channels) {
    std::string subscribe;
    put_bytes(subscribe, 1, channel);
    if (since != nullptr) {
      put_number(subscribe, 3, 1);
      put_bytes(subscribe, 6, since->epoch);
      put_number(subscribe, 7, since->offset);
    }
    command(5, subscribe);
  }
  return out;
}

std::string json_login(std::string_view token, const std::vector<std::string>& channels,
                       const Position* since, std::string_view members) {
  std::string out = token.empty() ? R"({"id":1,"connect":{}})"
                                  : fmt::format(R"({{"id":1,"connect":{{"token":"{}"}}}})", token);
  uint64_t id = 1;
  for (const std::string& channel : channels) {
    out += fmt::format(R"({}{{"id":{},"subscribe":{{"channel":"{}")", '\n', ++id, channel);
    if (since != nullptr) {
      out +=
          fmt::format(R"(,"recover":true,"epoch":"{}","offset":{})", since->epoch, since->offset);
    }
    out.append(members).append("}}");
  }
  return out;
}

std::string base64url(std::string_view bytes) {
  constexpr std::string_view alphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::string out;
  uint32_t held = 0;
  unsigned bits = 0;
  for (const char byte : bytes) {
    held = held << 8 | static_cast<uint8_t>(byte);
    for (bits += 8; bits >= 6; bits -= 6) out += alphabet[held >> (bits - 6) & 63];
  }
  if (bits > 0) out += alphabet[held << (6 - bits) & 63];
  return out;
}

template <class Number>
void put_hex(char* at, unsigned digits, Number value) {
  for (unsigned place = digits; place-- > 0;) {
    at[place] = "0123456789abcdef"[value & 15];
    value = static_cast<Number>(value >> 4);
  }
}

template <class Number>
bool get_hex(std::string_view text, Number& value) {
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value, 16);
  return error == std::errc{} && stop == end;
}

}  // namespace

std::string upgrade_request(const Options& options) {
  return fmt::format(
      "GET {}{} HTTP/1.1\r\nHost: {}:{}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
      options.path, options.protocol == Protocol::protobuf ? "?cf_protocol=protobuf" : "",
      options.host, options.port);
}

std::string client_frame(Protocol protocol, std::string_view payload) {
  std::string out;
  out += static_cast<char>(protocol == Protocol::json ? 0x81 : 0x82);
  if (payload.size() < 126) {
    out += static_cast<char>(0x80 | payload.size());
  } else if (payload.size() < 65536) {
    out += static_cast<char>(0x80 | 126);
    out += static_cast<char>(payload.size() >> 8);
    out += static_cast<char>(payload.size());
  } else {
    fail("a login of {} bytes does not fit the servers' limit", payload.size());
  }
  out.append(kMask.data(), kMask.size());
  for (size_t at = 0; at < payload.size(); ++at) {
    out += static_cast<char>(payload[at] ^ kMask[at % kMask.size()]);
  }
  return out;
}

std::string pong_frame(Protocol protocol) {
  return client_frame(protocol, protocol == Protocol::json ? "{}" : std::string_view("\0", 1));
}

std::string login_frame(Protocol protocol, std::string_view token,
                        const std::vector<std::string>& channels, const Position* since,
                        std::string_view members) {
  return client_frame(protocol, protocol == Protocol::json
                                    ? json_login(token, channels, since, members)
                                    : protobuf_login(token, channels, since));
}

std::string publish_frame(Protocol protocol, uint32_t id, std::string_view channel,
                          std::string_view data) {
  if (protocol == Protocol::json) {
    return client_frame(
        protocol,
        fmt::format(R"({{"id":{},"publish":{{"channel":"{}","data":{}}}}})", id, channel, data));
  }
  // Field 7 of a command: spec framing.md 3.1.
  std::string publish;
  put_bytes(publish, 1, channel);
  put_bytes(publish, 2, data);
  std::string command;
  put_number(command, 1, id);
  put_bytes(command, 7, publish);
  std::string out;
  put_varint(out, command.size());
  return client_frame(protocol, out + command);
}

std::string hs256_token(std::string_view secret, std::string_view user) {
  std::string token = base64url(R"({"alg":"HS256","typ":"JWT"})") + "." +
                      base64url(fmt::format(R"({{"sub":"{}"}})", user));
  std::array<unsigned char, 32> signature{};
  unsigned size = signature.size();
  HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
       reinterpret_cast<const unsigned char*>(token.data()), token.size(), signature.data(), &size);
  return token + "." + base64url({reinterpret_cast<const char*>(signature.data()), size});
}

std::string publication_data(uint32_t size) {
  if (size < kLeastSize) fail("--size must be at least {}", kLeastSize);
  std::string data = R"({"n":")" + std::string(kStampSize, '0') + R"(","x":")";
  data.append(size - data.size() - 2, 'x');
  return data + "\"}";
}

void write_stamp(char* at, const Stamp& stamp) {
  std::memcpy(at, kStampMark.data(), kStampMark.size());
  at += kStampMark.size();
  put_hex(at, 4, stamp.publisher);
  at[4] = ':';
  put_hex(at + 5, 8, stamp.sequence);
  at[13] = ':';
  put_hex(at + 14, 16, static_cast<uint64_t>(stamp.due));
}

std::optional<Stamp> find_stamp(std::string_view message, size_t& hint) {
  if (message.size() < hint + kStampSize ||
      std::memcmp(message.data() + hint, kStampMark.data(), kStampMark.size()) != 0) {
    const size_t at = message.find(kStampMark);
    if (at == std::string_view::npos || message.size() - at < kStampSize) return std::nullopt;
    hint = at;
  }
  const std::string_view text = message.substr(hint + kStampMark.size());
  Stamp stamp;
  uint64_t due = 0;
  if (!get_hex(text.substr(0, 4), stamp.publisher) || !get_hex(text.substr(5, 8), stamp.sequence) ||
      !get_hex(text.substr(14, 16), due)) {
    return std::nullopt;
  }
  stamp.due = static_cast<int64_t>(due);
  return stamp;
}

size_t count_stamps(std::string_view message) {
  size_t count = 0;
  for (size_t at = message.find(kStampMark); at != std::string_view::npos;
       at = message.find(kStampMark, at + 1)) {
    ++count;
  }
  return count;
}

std::string numbered(std::string_view prefix, uint64_t number) {
  constexpr size_t kNameSize = 24;
  const std::string digits = fmt::format("{}", number);
  std::string out(prefix);
  if (out.size() + digits.size() < kNameSize) {
    out.append(kNameSize - out.size() - digits.size(), '0');
  }
  return out + digits;
}

Kind kind_of_protobuf(std::string_view message) {
  if (message.empty()) return Kind::ping;
  // Reply (spec framing.md 3.2): field 4 is the push, field 1 the id, field 2 an error.
  if (message[0] == 0x22) return Kind::push;
  size_t at = 0;
  if (message[0] == 0x08) {
    for (at = 1; at < message.size() && (message[at] & 0x80) != 0;) ++at;
    ++at;
  }
  return at < message.size() && message[at] == 0x12 ? Kind::failure : Kind::reply;
}

std::optional<Position> find_position(std::string_view reply) {
  constexpr std::string_view kEpoch = "\"epoch\":\"";
  constexpr std::string_view kOffset = "\"offset\":";
  const size_t epoch = reply.find(kEpoch);
  if (epoch == std::string_view::npos) return std::nullopt;
  const std::string_view from = reply.substr(epoch + kEpoch.size());
  Position position{.epoch = std::string(from.substr(0, from.find('"')))};
  if (const size_t offset = reply.find(kOffset); offset != std::string_view::npos) {
    const std::string_view digits = reply.substr(offset + kOffset.size());
    std::from_chars(digits.data(), digits.data() + digits.size(), position.offset);
  }
  return position;
}

}  // namespace gyre::bench
