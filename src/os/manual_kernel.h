#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "os/kernel.h"

namespace gyre::os {

// A kernel for unit tests of one shard: time stands until it is moved, randomness counts up, and
// what is sent is taken while there is room, and kept. Nothing ever arrives; what needs traffic is
// a case for the simulation.
class ManualKernel : public Kernel {
 public:
  Nanos monotonic() override { return now; }
  Nanos wall() override { return now; }
  void random(void* bytes, size_t count) override {
    std::generate_n(static_cast<char*>(bytes), count,
                    [this] { return static_cast<char>(next_random++); });
  }
  Result<Descriptor> listen(const ListenOptions&, Token token) override {
    listener = token;
    return 1;
  }
  uint16_t local_port(Descriptor) override { return 0; }
  Result<void> attach(Descriptor, Token) override { return {}; }
  void pause(Descriptor, Token) override {}
  void resume(Descriptor, Token) override {}
  ptrdiff_t send(Descriptor socket, Token, std::span<const iovec> parts) override {
    ++sends;
    if (is_broken) return -1;
    ptrdiff_t size = 0;
    for (const iovec& part : parts) {
      const size_t taken = std::min(part.iov_len, room);
      sent[socket].append(static_cast<const char*>(part.iov_base), taken);
      size += static_cast<ptrdiff_t>(taken);
      room -= taken;
      if (taken < part.iov_len) break;
    }
    return size;
  }
  void finish(Descriptor) override {}
  void close(Descriptor socket) override { closed.push_back(socket); }
  void reset(Descriptor socket) override {
    resets.push_back(socket);
    close(socket);
  }
  std::string peer_address(Descriptor) override { return {}; }
  bool wait(Nanos) override { return false; }
  void dispatch(EventSink&, std::span<char>) override {}
  void wake() override {}

  Nanos now = 1'000 * kSecond;
  uint8_t next_random = 0;
  Token listener = 0;
  std::map<Descriptor, std::string> sent;
  std::vector<Descriptor> closed;
  std::vector<Descriptor> resets;  // are in `closed` as well
  size_t room = SIZE_MAX / 2;      // bytes that sends still take
  bool is_broken = false;
  int sends = 0;
};

}  // namespace gyre::os
