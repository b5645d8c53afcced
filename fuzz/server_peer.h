#pragma once

#include <string>
#include <string_view>

#include "tests/simulation/sim_client.h"
#include "websocket/frame_parser.h"

namespace gyre::fuzz {

// A client of the server target: sends what the script says, and holds the server to what no client
// may make it send: a frame that is none, text that is not UTF-8, a line that is not one JSON
// value. Owned by the run.
class ServerPeer : public sim::SimClient {
 public:
  explicit ServerPeer(sim::SimNetwork& network) : SimClient(network) {}

  void open(uint16_t port);
  // As open(), with the handshake of a WebSocket; `query` begins with a '?' or is empty, `fields`
  // are header fields with their line ends.
  void open_websocket(uint16_t port, std::string_view query, std::string_view fields);
  // Sends, unless it has said that nothing more comes.
  void say(std::string_view bytes);
  void say_end();
  void send_frame(unsigned opcode, std::string_view payload, bool is_final);

 private:
  enum class Stage { unchecked, handshake, frames, closed };

  void on_received() override;
  void read_head();
  void read_frames();
  void check_message(std::string_view text);

  Stage stage_ = Stage::unchecked;
  bool has_said_end_ = false;
  std::string head_;
  websocket::FrameParser parser_;
};

}  // namespace gyre::fuzz
