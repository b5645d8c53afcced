#pragma once

#include <cstdint>

namespace gyre::protocol {

// How the messages of a connection are written (framing.md 2).
enum class Encoding : uint8_t { json, protobuf };

// What a push travels in: a Reply on bidirectional transports, nothing on unidirectional ones
// (framing.md 1).
enum class Envelope : uint8_t { reply, push };

}  // namespace gyre::protocol
