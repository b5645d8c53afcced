#include "websocket/frame_writer.h"

namespace gyre::websocket {
namespace {

constexpr char kMaskBit = static_cast<char>(0x80);

size_t put_header(char* out, Opcode opcode, uint64_t length, bool is_final) {
  out[0] = static_cast<char>(static_cast<uint8_t>(opcode) | (is_final ? 0x80 : 0));
  if (length < 126) {
    out[1] = static_cast<char>(length);
    return 2;
  }
  const int bytes = length < 65536 ? 2 : 8;
  out[1] = bytes == 2 ? 126 : 127;
  for (int i = 0; i < bytes; ++i) out[2 + i] = static_cast<char>(length >> (8 * (bytes - 1 - i)));
  return 2 + static_cast<size_t>(bytes);
}

}  // namespace

size_t encode_header(char* out, Opcode opcode, uint64_t length, bool is_final) {
  return put_header(out, opcode, length, is_final);
}

void append_frame(std::string& out, Opcode opcode, std::string_view payload, bool is_final) {
  char header[kServerHeaderMax];
  out.append(header, put_header(header, opcode, payload.size(), is_final));
  out.append(payload);
}

void append_masked_frame(std::string& out, Opcode opcode, std::string_view payload, uint32_t key,
                         bool is_final) {
  char header[kServerHeaderMax + 4];
  const size_t size = put_header(header, opcode, payload.size(), is_final);
  header[1] = static_cast<char>(header[1] | kMaskBit);
  std::memcpy(header + size, &key, 4);
  out.append(header, size + 4);
  const size_t start = out.size();
  out.append(payload);
  apply_mask(out.data() + start, payload.size(), key);
}

std::string close_payload(uint16_t code, std::string_view reason) {
  if (code == close_code::kNoStatus) return {};
  if (reason.size() > kCloseReasonMax) {
    size_t end = kCloseReasonMax;
    while (end > 0 && (static_cast<unsigned char>(reason[end]) & 0xC0) == 0x80) --end;
    reason = reason.substr(0, end);
  }
  std::string payload{static_cast<char>(code >> 8), static_cast<char>(code)};
  payload.append(reason);
  return payload;
}

std::string close_frame(uint16_t code, std::string_view reason) {
  std::string frame;
  append_frame(frame, Opcode::close, close_payload(code, reason));
  return frame;
}

}  // namespace gyre::websocket
