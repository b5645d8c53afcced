#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace gyre::websocket {

// RFC 6455, 5.2.
enum class Opcode : uint8_t {
  continuation = 0,
  text = 1,
  binary = 2,
  close = 8,
  ping = 9,
  pong = 10,
};
constexpr bool is_control(Opcode opcode) {
  return static_cast<uint8_t>(opcode) >= 8;
}

// Status codes of close frames (RFC 6455, 7.4.1).
namespace close_code {
constexpr uint16_t kNormal = 1000;
constexpr uint16_t kGoingAway = 1001;
constexpr uint16_t kProtocolError = 1002;
constexpr uint16_t kNoStatus = 1005;  // never on the wire: a close frame without a code
constexpr uint16_t kAbnormal = 1006;  // never on the wire: no close frame came
constexpr uint16_t kInvalidPayload = 1007;
constexpr uint16_t kPolicyViolation = 1008;
constexpr uint16_t kTooBig = 1009;
}  // namespace close_code

// Whether a peer may put that code into a close frame.
constexpr bool may_be_received(uint16_t code) {
  if (code >= 3000 && code <= 4999) return true;
  return code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006;
}

constexpr size_t kControlPayloadMax = 125;  // RFC 6455, 5.5
constexpr size_t kCloseReasonMax = kControlPayloadMax - 2;

// XORs with the masking key (RFC 6455, 5.3), eight bytes a step, which compilers widen further.
// `key` is in memory order; `offset` is the place in the payload that `data` begins at.
inline void apply_mask(char* data, size_t size, uint32_t key, size_t offset = 0) {
  static_assert(std::endian::native == std::endian::little);
  key = std::rotr(key, static_cast<int>(8 * (offset & 3)));
  const uint64_t wide_key = key | (static_cast<uint64_t>(key) << 32);
  size_t i = 0;
  for (; i + 8 <= size; i += 8) {
    uint64_t word;
    std::memcpy(&word, data + i, 8);
    word ^= wide_key;
    std::memcpy(data + i, &word, 8);
  }
  for (; i < size; ++i)
    data[i] = static_cast<char>(data[i] ^ static_cast<char>(key >> (8 * (i & 3))));
}

}  // namespace gyre::websocket
