#pragma once

#include <string_view>

#include "protocol/messages.h"

namespace gyre::protocol {

// The Protobuf face of the described structs (framing.md 2.2): a message without its length.
// Instantiated in protobuf_decoder.cc. False if malformed; as at the reference server a known field
// with another wire type is.
bool decode_protobuf_command(std::string_view bytes, Command& command);

template <class Message>
bool decode_protobuf(std::string_view bytes, Message& message);

// Takes the length in front of a message off `rest`; false if it is cut short or no varint of at
// most ten bytes.
bool take_length(std::string_view& rest, uint64_t& length);

}  // namespace gyre::protocol
