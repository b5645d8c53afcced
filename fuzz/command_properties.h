#pragma once

#include <string>
#include <string_view>

#include "base/check.h"
#include "harness.h"
#include "protocol/command_reader.h"
#include "protocol/encoder.h"
#include "protocol/json.h"

namespace gyre::protocol {

// A command taken by itself is the same command.
inline void check_alone(Encoding encoding, std::string_view bytes, const Command& command) {
  if (bytes.empty()) return;
  CommandReader reader(encoding, bytes);
  Command same;
  GYRE_CHECK(reader.next(same) == CommandReader::Next::command);
  GYRE_CHECK(same.id == command.id && same.request == command.request);
  GYRE_CHECK(reader.next(same) == CommandReader::Next::end);
}

// Written again and read again it is the same request.
inline void check_round_trip(Encoding encoding, const Command& command) {
  static std::string written;  // keeps its room from input to input
  written.clear();
  encode_command(encoding, command.id, command.request, written);
  CommandReader reader(encoding, written);
  Command reread;
  GYRE_CHECK(reader.next(reread) == CommandReader::Next::command);
  GYRE_CHECK(reread.request == command.request);
}

// What must hold for the commands of any frame.
inline void check_frame(Encoding encoding, std::string_view frame) {
  fuzz::AllocationBound bound(frame.size(), fuzz::AllocationBound::kOwn);
  CommandReader reader(encoding, frame);
  Command command;
  CommandReader::Next next;
  size_t count = 0;
  while ((next = bound.watch([&] { return reader.next(command); })) ==
         CommandReader::Next::command) {
    GYRE_CHECK(++count <= frame.size());
    check_alone(encoding, reader.command_bytes(), command);
    if (const auto* publish = std::get_if<PublishRequest>(&command.request);
        publish && encoding == Encoding::json && !publish->data.empty()) {
      GYRE_CHECK(json::validate(publish->data));
    }
    check_round_trip(encoding, command);
  }
  GYRE_CHECK(reader.next(command) == next);
}

}  // namespace gyre::protocol
