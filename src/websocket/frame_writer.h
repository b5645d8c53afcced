#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "websocket/frame.h"

namespace gyre::websocket {

constexpr size_t kServerHeaderMax = 10;  // without a masking key (RFC 6455, 5.2)

constexpr size_t header_size(uint64_t length) {
  return length < 126 ? 2 : length < 65536 ? 4 : 10;
}

// Writes the header of an unmasked frame, header_size(length) bytes. Returns their number.
size_t encode_header(char* out, Opcode opcode, uint64_t length, bool is_final = true);

// Writes it so that it ends where the payload begins, as base/frame.h leaves room for it. Returns
// where it begins.
inline char* put_header_before(char* payload, Opcode opcode, uint64_t length) {
  char* start = payload - header_size(length);
  encode_header(start, opcode, length);
  return start;
}

void append_frame(std::string& out, Opcode opcode, std::string_view payload, bool is_final = true);

// As a client must send it (RFC 6455, 5.3). `key` should be random.
void append_masked_frame(std::string& out, Opcode opcode, std::string_view payload, uint32_t key,
                         bool is_final = true);

// The payload of a close frame: code and reason, cut to 123 bytes between two characters.
// kNoStatus: empty.
std::string close_payload(uint16_t code, std::string_view reason);
// The whole frame of a server.
std::string close_frame(uint16_t code, std::string_view reason);

}  // namespace gyre::websocket
