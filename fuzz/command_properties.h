#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "protocol/command_reader.h"
#include "protocol/encoder.h"
#include "protocol/json.h"

namespace gyre::protocol {

// What must hold for the commands of any frame: each, taken by itself, is the same command; and
// written again and read again it is the same request.
inline void check_frame(Encoding encoding, std::string_view frame) {
  CommandReader reader(encoding, frame);
  Command command;
  CommandReader::Next next;
  size_t count = 0;
  while ((next = reader.next(command)) == CommandReader::Next::command) {
    GYRE_CHECK(++count <= frame.size());
    const std::string alone(reader.command_bytes());
    if (!alone.empty()) {
      CommandReader again(encoding, alone);
      Command same;
      GYRE_CHECK(again.next(same) == CommandReader::Next::command);
      GYRE_CHECK(same.id == command.id && same.request == command.request);
      GYRE_CHECK(again.next(same) == CommandReader::Next::end);
    }
    if (const auto* publish = std::get_if<PublishRequest>(&command.request);
        publish && encoding == Encoding::json && !publish->data.empty()) {
      GYRE_CHECK(json::validate(publish->data));
    }
    std::string written;
    encode_command(encoding, command.id, command.request, written);
    CommandReader rereader(encoding, written);
    Command reread;
    GYRE_CHECK(rereader.next(reread) == CommandReader::Next::command);
    GYRE_CHECK(reread.request == command.request);
  }
  GYRE_CHECK(reader.next(command) == next);
}

}  // namespace gyre::protocol
