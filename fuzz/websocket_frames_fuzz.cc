#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "websocket/frame_parser.h"
#include "websocket/frame_writer.h"

namespace gyre::websocket {
namespace {

using Event = FrameParser::Event;

constexpr FrameParser::Rules kRules{.message_bytes_max = 2000};

struct Seen {
  Event event;
  uint16_t code;
  std::string payload;
  bool operator==(const Seen&) const = default;
};

std::vector<Seen> read(std::string_view bytes, size_t piece, FrameParser::Rules rules) {
  FrameParser parser;
  std::vector<Seen> seen;
  for (size_t at = 0; at < bytes.size(); at += std::min(piece, bytes.size() - at)) {
    std::string buffer(bytes.substr(at, piece));
    std::span<char> input(buffer);
    while (true) {
      const auto output = parser.next(input, rules);
      if (output.event == Event::need_more) break;
      seen.push_back({output.event, output.code, std::string(output.payload)});
      if (output.event == Event::failed) return seen;
      GYRE_CHECK(output.payload.size() <= rules.message_bytes_max);
    }
    GYRE_CHECK(input.empty());
  }
  return seen;
}

// The messages written again as a client would send them are the same messages.
void check_round_trip(const std::vector<Seen>& seen) {
  std::string written;
  std::vector<Seen> expected;
  for (const Seen& one : seen) {
    if (one.event == Event::failed) break;
    const Opcode opcode = one.event == Event::text     ? Opcode::text
                          : one.event == Event::binary ? Opcode::binary
                          : one.event == Event::ping   ? Opcode::ping
                          : one.event == Event::pong   ? Opcode::pong
                                                       : Opcode::close;
    append_masked_frame(
        written, opcode,
        opcode == Opcode::close ? close_payload(one.code, one.payload) : one.payload, 0x12345678);
    expected.push_back(one);
  }
  GYRE_CHECK(read(written, 7, kRules) == expected);
}

}  // namespace
}  // namespace gyre::websocket

// However the bytes are split, the parser sees the same messages.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using gyre::websocket::kRules;
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto whole = gyre::websocket::read(bytes, std::string_view::npos, kRules);
  const auto split = gyre::websocket::read(bytes, std::max<size_t>(1, data[0]), kRules);
  GYRE_CHECK(whole == split);
  gyre::websocket::check_round_trip(whole);
  return 0;
}
