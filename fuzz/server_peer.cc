#include "server_peer.h"

#include "base/check.h"
#include "protocol/json.h"
#include "websocket/frame_writer.h"

namespace gyre::fuzz {

void ServerPeer::open(uint16_t port) {
  reconnect(port);
  stage_ = Stage::unchecked;
  has_said_end_ = false;
}

void ServerPeer::say(std::string_view bytes) {
  if (!has_said_end_) send(bytes);
}

void ServerPeer::say_end() {
  has_said_end_ = true;
  finish();
}

void ServerPeer::open_websocket(uint16_t port, std::string_view query, std::string_view fields) {
  open(port);
  stage_ = Stage::handshake;
  head_.clear();
  parser_ = websocket::FrameParser();
  std::string request = "GET /connection/websocket";
  request.append(query);
  request +=
      " HTTP/1.1\r\nHost: gyre\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
  request.append(fields).append("\r\n");
  say(request);
}

void ServerPeer::send_frame(unsigned opcode, std::string_view payload, bool is_final) {
  std::string frame;
  websocket::append_masked_frame(frame, static_cast<websocket::Opcode>(opcode & 15), payload,
                                 0x01020304, is_final);
  say(frame);
}

void ServerPeer::on_received() {
  if (stage_ == Stage::handshake) read_head();
  if (stage_ == Stage::frames) read_frames();
  if (stage_ == Stage::unchecked || stage_ == Stage::closed) take_received();
}

void ServerPeer::read_head() {
  head_ += take_received();
  const size_t end = head_.find("\r\n\r\n");
  if (end == std::string::npos) return;
  GYRE_CHECK(head_.starts_with("HTTP/1.1 "));
  if (head_.starts_with("HTTP/1.1 101 ")) {
    head_.erase(0, end + 4);
    stage_ = Stage::frames;
  } else {
    stage_ = Stage::unchecked;
  }
}

void ServerPeer::read_frames() {
  constexpr size_t kPadding = 64;
  constexpr websocket::FrameParser::Rules kRules{.message_bytes_max = 1 << 24,
                                                 .expects_mask = false};
  using Event = websocket::FrameParser::Event;
  std::string bytes = std::exchange(head_, {}) + take_received();
  const size_t size = bytes.size();
  bytes.append(kPadding, '\0');
  std::span<char> input(bytes.data(), size);
  while (true) {
    const auto output = parser_.next(input, kRules);
    if (output.event == Event::need_more) return;
    GYRE_CHECK(output.event != Event::failed);  // text that is not UTF-8 is among the reasons
    if (output.event == Event::text) check_message(output.payload);
    if (output.event == Event::close) {
      stage_ = Stage::closed;
      return;
    }
  }
}

void ServerPeer::check_message(std::string_view text) {
  while (!text.empty()) {
    const size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    GYRE_CHECK(!line.contains('\r'));
    GYRE_CHECK(protocol::json::validate(line));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
}

}  // namespace gyre::fuzz
