#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "harness.h"
#include "websocket/frame_parser.h"
#include "websocket/frame_writer.h"

namespace gyre::websocket {
namespace {

using Event = FrameParser::Event;

constexpr FrameParser::Rules kRules{.message_bytes_max = 2000};
constexpr size_t kPadding = 64;  // the parser may read so far behind its input

Opcode opcode_of(Event event) {
  switch (event) {
    case Event::text:
      return Opcode::text;
    case Event::binary:
      return Opcode::binary;
    case Event::ping:
      return Opcode::ping;
    case Event::pong:
      return Opcode::pong;
    default:
      return Opcode::close;
  }
}

// The message as a client would send it.
void append_message(const FrameParser::Output& message, std::string& out) {
  const Opcode opcode = opcode_of(message.event);
  if (opcode == Opcode::close) {
    append_masked_frame(out, opcode, close_payload(message.code, message.payload), 0x12345678);
  } else {
    append_masked_frame(out, opcode, message.payload, 0x12345678);
  }
}

// Feeds the bytes in pieces and takes down what comes out; `written` gets the messages again.
fuzz::Digest read(std::string_view bytes, size_t piece, fuzz::AllocationBound& bound,
                  std::string* written) {
  static std::string buffer;  // unmasking changes it; keeps its room
  FrameParser parser;
  fuzz::Digest seen;
  for (size_t at = 0; at < bytes.size(); at += std::min(piece, bytes.size() - at)) {
    const std::string_view part = bytes.substr(at, piece);
    buffer.assign(part).append(kPadding, '\xa5');
    std::span<char> input(buffer.data(), part.size());
    while (true) {
      const auto output = bound.watch([&] { return parser.next(input, kRules); });
      if (output.event == Event::need_more) break;
      seen.add(static_cast<size_t>(output.event));
      seen.add(size_t{output.code});
      seen.add(output.payload);
      if (output.event == Event::failed) return seen;
      GYRE_CHECK(output.payload.size() <= kRules.message_bytes_max);
      if (written) append_message(output, *written);
    }
    GYRE_CHECK(input.empty());
  }
  bound.watch([&] { parser = FrameParser(); });
  return seen;
}

}  // namespace
}  // namespace gyre::websocket

// However the bytes are split, the parser sees the same messages, and it sees them again when they
// are written as a client would. The first byte is the size of the pieces.
void gyre::fuzz::take_input(std::string_view input) {
  static std::string written;
  static std::string rewritten;
  if (input.empty()) return;
  const size_t piece = std::max<size_t>(1, static_cast<unsigned char>(input.front()));
  input.remove_prefix(1);
  AllocationBound bound(input.size(), AllocationBound::kOwn);
  written.clear();
  rewritten.clear();
  const auto whole = websocket::read(input, std::string_view::npos, bound, &written);
  GYRE_CHECK(whole == websocket::read(input, piece, bound, nullptr));
  websocket::read(written, 7, bound, &rewritten);
  GYRE_CHECK(written == rewritten);
}
