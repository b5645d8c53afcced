#pragma once

#include "protocol/json_scanner.h"
#include "protocol/messages.h"
#include "protocol/scratch.h"

namespace gyre::protocol {

// The JSON face of the described structs (framing.md 2.1). Instantiated in json_decoder.cc.

// Decodes the first value of a line; what follows it is ignored.
bool decode_json_command(std::string_view line, Scratch& scratch, Command& command);

// Decodes a text that is one object.
template <class Message>
bool decode_json(std::string_view text, Scratch& scratch, Message& message);

}  // namespace gyre::protocol
