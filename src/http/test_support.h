#pragma once

#include <algorithm>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "net/sockets.h"
#include "os/kernel.h"
#include "runtime/shard.h"

namespace gyre::http {

// A kernel for tests of connection handlers: clients are strings, time stands still unless it is
// moved.
class TestKernel final : public os::Kernel {
 public:
  struct Client {
    std::deque<std::string> sends;  // each arrives as one piece
    bool finishes = false;          // after what it sends
    std::string received;
    size_t room = SIZE_MAX;  // what it takes before the server's sends are cut short
    bool is_closed = false;  // by the server
    os::Token token = 0;
    bool is_paused = false;
    bool is_blocked = false;
    bool is_announced = false;
  };

  // A new connection; its number.
  size_t connect() {
    clients_.emplace_back();
    return clients_.size() - 1;
  }
  Client& client(size_t number) { return clients_[number]; }
  void advance(os::Nanos time) { now_ += time; }

  os::Nanos monotonic() override { return now_; }
  os::Nanos wall() override { return 784887151 * os::kSecond + now_; }
  void random(void* bytes, size_t count) override {
    std::fill_n(static_cast<char*>(bytes), count, 'r');
  }
  Result<os::Descriptor> listen(const os::ListenOptions&, os::Token token) override {
    listener_ = token;
    return 1'000'000;
  }
  uint16_t local_port(os::Descriptor) override { return 8000; }
  Result<void> attach(os::Descriptor socket, os::Token token) override {
    of(socket).token = token;
    return {};
  }
  void pause(os::Descriptor socket, os::Token) override { of(socket).is_paused = true; }
  void resume(os::Descriptor socket, os::Token) override { of(socket).is_paused = false; }
  ptrdiff_t send(os::Descriptor socket, os::Token, std::span<const iovec> parts) override {
    Client& to = of(socket);
    ptrdiff_t sent = 0;
    for (const iovec& part : parts) {
      const size_t size = std::min(part.iov_len, to.room);
      to.received.append(static_cast<const char*>(part.iov_base), size);
      if (to.room != SIZE_MAX) to.room -= size;
      sent += static_cast<ptrdiff_t>(size);
      if (size < part.iov_len) to.is_blocked = true;
    }
    return sent;
  }
  void finish(os::Descriptor) override {}
  void close(os::Descriptor socket) override {
    if (socket < 1'000'000) of(socket).is_closed = true;
  }
  std::string peer_address(os::Descriptor) override { return "192.0.2.1:1"; }
  bool wait(os::Nanos) override { return false; }
  void dispatch(os::EventSink& sink, std::span<char> buffer) override {
    for (size_t i = 0; i < clients_.size(); ++i) dispatch(sink, buffer, static_cast<int>(i));
  }
  void wake() override {}

 private:
  Client& of(os::Descriptor socket) { return clients_[static_cast<size_t>(socket)]; }

  void dispatch(os::EventSink& sink, std::span<char> buffer, os::Descriptor socket) {
    Client& from = of(socket);
    if (!from.is_announced) {
      from.is_announced = true;
      sink.on_connection(listener_, socket);
    }
    if (from.is_blocked && from.room > 0 && !from.is_closed) {
      from.is_blocked = false;
      sink.on_room(from.token);
    }
    if (from.is_paused || from.is_closed) return;
    if (!from.sends.empty()) {
      const std::string bytes = from.sends.front();
      from.sends.pop_front();
      std::ranges::copy(bytes, buffer.begin());
      sink.on_bytes(from.token, buffer.first(bytes.size()));
    } else if (from.finishes) {
      from.finishes = false;
      sink.on_end(from.token, false);
    }
  }

  os::Nanos now_ = 0;
  os::Token listener_ = 0;
  std::deque<Client> clients_;
};

// One shard with its sockets on such a kernel.
struct TestWorld {
  TestWorld() {
    set.shards = {&shard};
    shard.attach(sockets, sockets);
  }
  ~TestWorld() { turn(); }

  void turn() {
    for (int i = 0; i < 3; ++i) shard.turn(0);
  }
  void pass(os::Nanos time) {
    kernel.advance(time);
    turn();
  }
  // Sends and returns what came back.
  std::string say(size_t client, std::string_view bytes) {
    kernel.client(client).sends.emplace_back(bytes);
    turn();
    return std::exchange(kernel.client(client).received, {});
  }

  TestKernel kernel;
  runtime::ShardSet set;
  runtime::Shard shard{runtime::ShardId{0}, kernel, set};
  net::Sockets sockets{shard, {}};
};

}  // namespace gyre::http
