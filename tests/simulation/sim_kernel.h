#pragma once

#include <map>

#include "tests/simulation/sim_network.h"

namespace gyre::sim {

// The kernel of one simulated shard: sockets of the shared network under numbers of its own, which
// are used again as early as possible, as Linux does. Events are collected by `wait` (or before it,
// by `collect`) and looked into by `dispatch`, so that a lent turn may fall between. Owned by
// SimWorld.
class SimKernel final : public os::Kernel {
 public:
  SimKernel(SimNetwork& network, uint64_t number) : network_(network), number_(number) {}

  // --- For SimWorld.
  // Whether a thread that slept here would wake up.
  bool has_events() const { return is_woken_ || is_collected_ || has_ready(); }
  // What the sleeping thread would find now; it has not got the baton yet.
  void collect();
  size_t open_sockets() const { return sockets_.size(); }

  // The machine is gone: all of its connections are broken, and nobody listens.
  void die();

  os::Nanos monotonic() override { return network_.now(); }
  os::Nanos wall() override { return network_.wall(); }
  void random(void* bytes, size_t count) override;
  Result<os::Descriptor> listen(const os::ListenOptions& options, os::Token token) override;
  uint16_t local_port(os::Descriptor socket) override;
  Result<void> attach(os::Descriptor socket, os::Token token) override;
  void pause(os::Descriptor socket, os::Token token) override;
  void resume(os::Descriptor socket, os::Token token) override;
  ptrdiff_t send(os::Descriptor socket, os::Token token, std::span<const iovec> parts) override;
  void finish(os::Descriptor socket) override;
  void close(os::Descriptor socket) override;
  std::string peer_address(os::Descriptor socket) override;
  bool wait(os::Nanos deadline) override;
  void dispatch(os::EventSink& sink, std::span<char> buffer) override;
  void wake() override { is_woken_ = true; }

 private:
  struct Socket {
    End end;
    std::shared_ptr<SimNetwork::Listener> listener;  // of a listening one
    os::Token token = 0;
    bool is_attached = false;
    bool is_reading = true;
    bool end_is_told = false;
    bool wants_room = false;
  };
  os::Descriptor add(Socket socket);
  Socket& at(os::Descriptor socket);
  bool is_ready(const Socket& socket) const;
  bool is_readable(const Socket& socket) const;
  bool has_room(const Socket& socket) const;
  bool has_ready() const;
  void accept_some(os::EventSink& sink, os::Descriptor listener);
  void report(os::EventSink& sink, os::Token token, std::span<char> buffer);
  void receive(os::EventSink& sink, Socket& socket, std::span<char> buffer);

  SimNetwork& network_;
  const uint64_t number_;
  std::map<os::Descriptor, Socket> sockets_;
  struct Ready {
    os::Token token;
    os::Descriptor listener;  // kNoDescriptor for a connection
  };
  std::vector<Ready> ready_;
  bool is_collected_ = false;
  bool is_woken_ = false;
};

}  // namespace gyre::sim
