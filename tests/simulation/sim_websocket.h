#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "tests/simulation/sim_client.h"

namespace gyre::sim {

// The client's side of a WebSocket (RFC 6455): asks for the upgrade, sends masked frames, now and
// then in fragments, answers pings and closes, and takes nothing that a server must not send.
class SimWebSocket : public SimClient {
 public:
  using SimClient::SimClient;

  // `fields`: header fields of the request, each with its line end.
  void open(uint16_t port, std::string_view path, std::string_view fields);
  void send_message(bool is_binary, std::string_view message);
  // Begins the closing handshake.
  void send_close(uint16_t code);

 protected:
  virtual void on_open() = 0;
  virtual void on_message(std::string_view message) = 0;
  // The server has closed, with its code.
  virtual void on_close(uint16_t code) = 0;
  // The connection has ended: after a close, or by a break.
  virtual void on_lost() = 0;
  virtual void on_mistake(std::string_view what) = 0;

 private:
  void on_received() final;
  void on_broken() final;
  bool take_head();
  bool take_frame();
  void take_payload(uint8_t opcode, bool is_final, std::string_view payload);
  void send_frame(uint8_t opcode, bool is_final, std::string_view payload);

  bool is_upgraded_ = false;
  bool has_sent_close_ = false;
  bool is_told_ = false;
  std::string input_;
  std::string fragments_;
};

}  // namespace gyre::sim
