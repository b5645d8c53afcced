#include "tests/simulation/sim_websocket.h"

#include <algorithm>

namespace gyre::sim {

namespace {
enum Opcode : uint8_t {
  kOpContinuation = 0,
  kOpText = 1,
  kOpBinary = 2,
  kOpClose = 8,
  kOpPing = 9,
  kOpPong = 10
};
}  // namespace

void SimWebSocket::open(uint16_t port, std::string_view path, std::string_view fields) {
  is_upgraded_ = has_sent_close_ = is_told_ = false;
  input_.clear();
  fragments_.clear();
  reconnect(port);
  // The key of RFC 6455, 1.3; its answer is checked by the tests of the handshake.
  send(std::string("GET ")
           .append(path)
           .append(" HTTP/1.1\r\nHost: simulation\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                   "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n")
           .append(fields)
           .append("\r\n"));
}

void SimWebSocket::send_message(bool is_binary, std::string_view message) {
  uint8_t opcode = is_binary ? kOpBinary : kOpText;
  while (message.size() > 1 && network().chance(50)) {
    const size_t size = 1 + network().below(message.size() - 1);
    send_frame(opcode, false, message.substr(0, size));
    message.remove_prefix(size);
    opcode = kOpContinuation;
  }
  send_frame(opcode, true, message);
}

void SimWebSocket::send_close(uint16_t code) {
  if (has_sent_close_ || !is_upgraded_) return;
  has_sent_close_ = true;
  const char bytes[2] = {static_cast<char>(code >> 8), static_cast<char>(code)};
  send_frame(kOpClose, true, std::string_view(bytes, 2));
}

void SimWebSocket::send_frame(uint8_t opcode, bool is_final, std::string_view payload) {
  std::string frame;
  frame += static_cast<char>((is_final ? 0x80 : 0) | opcode);
  if (payload.size() < 126) {
    frame += static_cast<char>(0x80 | payload.size());
  } else {
    frame += static_cast<char>(0x80 | 126);
    frame += static_cast<char>(payload.size() >> 8);
    frame += static_cast<char>(payload.size());
  }
  const uint64_t random = network().random();
  char mask[4];
  for (int i = 0; i < 4; ++i) mask[i] = static_cast<char>(random >> (8 * i));
  frame.append(mask, 4);
  for (size_t i = 0; i < payload.size(); ++i) {
    frame += static_cast<char>(payload[i] ^ mask[i % 4]);
  }
  send(frame);
}

void SimWebSocket::on_broken() {
  if (std::exchange(is_told_, true)) return;
  on_lost();
}

void SimWebSocket::on_received() {
  input_ += take_received();
  if (!is_upgraded_) {
    if (!take_head()) {
      if (has_end()) on_broken();
      return;
    }
    is_upgraded_ = true;
    on_open();
  }
  while (is_open() && take_frame()) {
  }
  if (is_open() && has_end()) {
    close();
    on_broken();
  }
}

bool SimWebSocket::take_head() {
  const size_t end = input_.find("\r\n\r\n");
  if (end == std::string::npos) return false;
  const std::string head = input_.substr(0, end);
  input_.erase(0, end + 4);
  if (head.starts_with("HTTP/1.1 101 ")) return true;
  // A node that goes down, or is full.
  if (!head.starts_with("HTTP/1.1 503 ")) on_mistake("refused: " + head.substr(0, 40));
  close();
  on_broken();
  return false;
}

bool SimWebSocket::take_frame() {
  if (input_.size() < 2) return false;
  const auto byte = [this](size_t i) { return static_cast<uint8_t>(input_[i]); };
  const uint8_t opcode = byte(0) & 15;
  const bool is_final = byte(0) & 0x80;
  if (byte(0) & 0x70 || byte(1) & 0x80) {
    on_mistake("a frame with reserved bits or a mask");
    close();
    return false;
  }
  size_t size = byte(1);
  size_t head = 2;
  if (size >= 126) {
    const size_t bytes = size == 126 ? 2 : 8;
    head += bytes;
    if (input_.size() < head) return false;
    size = 0;
    for (size_t i = 0; i < bytes; ++i) size = size << 8 | byte(2 + i);
  }
  if (input_.size() < head + size) return false;
  const std::string payload = input_.substr(head, size);
  input_.erase(0, head + size);
  take_payload(opcode, is_final, payload);
  return true;
}

void SimWebSocket::take_payload(uint8_t opcode, bool is_final, std::string_view payload) {
  switch (opcode) {
    case kOpText:
    case kOpBinary:
      if (!is_final) return on_mistake("a fragmented message");
      return on_message(payload);
    case kOpPing:
      return send_frame(kOpPong, true, payload);
    case kOpPong:
      return;
    case kOpClose: {
      if (payload.size() < 2) return on_mistake("a close without code");
      const auto code = static_cast<uint16_t>(static_cast<uint8_t>(payload[0]) << 8 |
                                              static_cast<uint8_t>(payload[1]));
      if (!has_sent_close_) send_close(code);
      finish();
      return on_close(code);
    }
    default:
      return on_mistake("an unknown opcode");
  }
}

}  // namespace gyre::sim
