#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include "os/kernel.h"

namespace gyre::client {

// A random UUID (RFC 9562, version 4): the id of a connection, or of a node. Kept as 16 bytes,
// since every connection has one; text where somebody is told.
class ClientId {
 public:
  static constexpr size_t kTextSize = 36;

  static ClientId make(os::Kernel& kernel) {
    ClientId id;
    kernel.random(id.bytes_.data(), id.bytes_.size());
    id.bytes_[6] = static_cast<uint8_t>((id.bytes_[6] & 0x0f) | 0x40);
    id.bytes_[8] = static_cast<uint8_t>((id.bytes_[8] & 0x3f) | 0x80);
    return id;
  }

  // As `text` writes it; nothing else is an id of ours.
  static std::optional<ClientId> parse(std::string_view text) {
    ClientId id;
    size_t digits = 0;
    for (const char c : text) {
      if (c == '-') continue;
      const int value = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
      if (value < 0 || digits == 32) return std::nullopt;
      uint8_t& byte = id.bytes_[digits++ / 2];
      byte = static_cast<uint8_t>(byte << 4 | value);
    }
    if (id.text() != text) return std::nullopt;
    return id;
  }

  std::string text() const {
    static constexpr char kHex[] = "0123456789abcdef";
    std::string out;
    out.reserve(kTextSize);
    for (size_t i = 0; i < bytes_.size(); ++i) {
      if (i == 4 || i == 6 || i == 8 || i == 10) out += '-';
      out += kHex[bytes_[i] >> 4];
      out += kHex[bytes_[i] & 15];
    }
    return out;
  }

  // Random already, so it needs no hashing to spread.
  uint64_t hash() const {
    uint64_t value;
    std::memcpy(&value, bytes_.data(), sizeof(value));
    return value;
  }
  friend bool operator==(const ClientId&, const ClientId&) = default;

 private:
  std::array<uint8_t, 16> bytes_{};
};

}  // namespace gyre::client
