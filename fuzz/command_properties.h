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

// Written again and read again it is the same request. JSON loses the carriage returns between the
// tokens of raw values, and nothing else.
inline void check_round_trip(Encoding encoding, std::string_view bytes, const Command& command) {
  static std::string written;  // keep their room from input to input
  static std::string rewritten;
  written.clear();
  encode_command(encoding, command.id, command.request, written);
  CommandReader reader(encoding, written);
  Command reread;
  GYRE_CHECK(reader.next(reread) == CommandReader::Next::command);
  if (encoding == Encoding::json && bytes.contains('\r')) {
    rewritten.clear();
    encode_command(encoding, reread.id, reread.request, rewritten);
    GYRE_CHECK(rewritten == written);
  } else {
    GYRE_CHECK(reread.request == command.request);
  }
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
    GYRE_CHECK(!command.is_lonely_ping() || command.kind() == RequestKind::ping);
    GYRE_CHECK(!command.is_pong() || command.id == 0);
    GYRE_CHECK(reader.rest().size() < frame.size());
    check_alone(encoding, reader.command_bytes(), command);
    if (const auto* publish = std::get_if<PublishRequest>(&command.request);
        publish && encoding == Encoding::json && !publish->data.empty()) {
      GYRE_CHECK(json::validate(publish->data));
    }
    check_round_trip(encoding, reader.command_bytes(), command);
  }
  GYRE_CHECK(reader.next(command) == next);
}

// The same bytes as one message without a frame.
template <class Message>
void check_message(Encoding encoding, std::string_view bytes) {
  fuzz::AllocationBound bound(bytes.size(), fuzz::AllocationBound::kOwn);
  bound.watch([&] {
    Scratch scratch(bytes.size());
    Message message;
    static_cast<void>(decode_message(encoding, bytes, scratch, message));
  });
}

}  // namespace gyre::protocol
