#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <span>
#include <string_view>

#include "base/frame.h"

namespace gyre::net {

// What stands around the frames of a connection on the wire. Decided when they are written, not
// when they are queued, so that one frame serves every subscriber.
enum class Framing : uint8_t {
  raw,               // the bytes as they are: HTTP
  websocket_text,    // JSON: WebSocket text messages, joined by newlines
  websocket_binary,  // Protobuf: WebSocket binary messages, each part carries its own length
};

// At most this many frames become one WebSocket message (spec framing.md, 4).
inline constexpr size_t kMessagesPerBatch = 16;
// The longest header that a server's WebSocket frame can have (RFC 6455, 5.2).
inline constexpr size_t kHeaderMax = Frame::kHeaderRoom;

// Writes the header of an unmasked, unfragmented frame with this first byte; returns its size.
size_t write_websocket_header(char* out, uint8_t first_byte, uint64_t payload);

// The first byte of a data message: FIN and the opcode.
inline uint8_t data_opcode(Framing framing) {
  return framing == Framing::websocket_text ? 0x81 : 0x82;
}

// The bytes of a frame that goes out alone, its header written into the room in front of it.
std::string_view framed_alone(Frame& frame, Framing framing);

}  // namespace gyre::net
