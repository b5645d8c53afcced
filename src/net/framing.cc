#include "net/framing.h"

namespace gyre::net {

size_t write_websocket_header(char* out, uint8_t first_byte, uint64_t payload) {
  out[0] = static_cast<char>(first_byte);
  if (payload < 126) {
    out[1] = static_cast<char>(payload);
    return 2;
  }
  const size_t length_bytes = payload <= 0xffff ? 2 : 8;
  out[1] = static_cast<char>(length_bytes == 2 ? 126 : 127);
  for (size_t i = 0; i < length_bytes; ++i) {
    out[2 + i] = static_cast<char>(payload >> (8 * (length_bytes - 1 - i)));
  }
  return 2 + length_bytes;
}

std::string_view framed_alone(Frame& frame, Framing framing) {
  if (framing == Framing::raw || frame.is_raw()) return frame.message();
  // Written again for each receiver: two to ten bytes of a line that the send reads anyway.
  char header[kHeaderMax];
  const size_t size = write_websocket_header(header, data_opcode(framing), frame.size());
  char* start = frame.data() - size;
  for (size_t i = 0; i < size; ++i) start[i] = header[i];
  return {start, size + frame.size()};
}

}  // namespace gyre::net
