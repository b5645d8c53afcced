#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "websocket/frame.h"

namespace gyre::websocket {

// Takes WebSocket frames apart (RFC 6455, 5) and puts messages together. Sans-IO. A message whose
// frame is whole in the input is unmasked in place and handed out as a view into it; only what is
// incomplete is copied, into a buffer that exists until the rest has arrived. So between messages
// the parser is one null pointer.
//
//   while (true) {
//     FrameParser::Output output = parser.next(input, rules);
//     if (output.event == FrameParser::Event::need_more) break;
//     …
//   }
//
// Owned by its connection. The caller sees to it that 64 bytes may be read behind the input's end;
// then the same holds for every payload, as simdjson wants it.
class FrameParser {
 public:
  struct Rules {
    uint32_t message_bytes_max = 65536;  // of all fragments together
    uint32_t fragments_max = 1024;       // of one message; empty ones would never reach its bound
    bool expects_mask = true;            // false on the client's side (RFC 6455, 5.1)
  };

  enum class Event : uint8_t {
    need_more,  // the input is used up
    text,       // a whole message, valid UTF-8
    binary,
    ping,  // to be answered by a pong with the same payload
    pong,
    close,   // `code` is what the peer sent or kNoStatus, `payload` the reason; nothing behind it
             // counts
    failed,  // to be closed with `code` and the reason in `payload`; do not call `next` again
  };
  struct Output {
    Event event = Event::need_more;
    uint16_t code = 0;
    std::string_view payload;  // valid until the next call
  };

  FrameParser();
  ~FrameParser();
  FrameParser(FrameParser&&) noexcept;
  FrameParser& operator=(FrameParser&&) noexcept;

  // The next event; takes what it has used off the front of `input`. To be called until
  // `need_more`, which also frees the buffer of the message before.
  Output next(std::span<char>& input, const Rules& rules);

  // Heap that an incomplete message holds.
  size_t buffered_bytes() const;

 private:
  struct Header;
  struct Partial;

  Output start_frame(std::span<char>& input, const Header& header, const Rules& rules);
  Output take_whole(std::span<char>& input, const Header& header);
  Output take_part(std::span<char>& input);
  Output finish_frame();
  Output keep_header(std::span<char>& input, const Rules& rules);
  Partial& partial();

  std::unique_ptr<Partial> partial_;  // null between messages
};
static_assert(sizeof(FrameParser) == 8);

}  // namespace gyre::websocket
