#pragma once

#include <atomic>
#include <memory>

#include "net/sockets.h"
#include "runtime/call.h"

namespace gyre::sim {

// What happened to the handlers of an echo server, over all its shards.
struct EchoStats {
  std::atomic<uint64_t> opened{0};
  std::atomic<uint64_t> destroyed{0};
  std::atomic<uint64_t> finished{0};  // peers that have finished
  std::atomic<uint64_t> lost{0};      // connections that have broken
  std::atomic<uint64_t> mistakes{0};  // told an end twice, or something after a break

  // Blocks until so many handlers have come and gone.
  void wait_for_destroyed(uint64_t wanted) {
    for (uint64_t now = destroyed.load(); now < wanted; now = destroyed.load()) destroyed.wait(now);
  }
};

// Sends back what it gets, and reads no more while much of it waits. With a relay, each piece makes
// a detour over another shard, so that it leaves in a turn that may be a lent one.
class EchoHandler final : public net::Handler {
 public:
  EchoHandler(net::Sockets& sockets, net::SocketHandle socket, runtime::Shard* relay,
              EchoStats& stats)
      : sockets_(sockets), socket_(socket), relay_(relay), stats_(stats) {
    ++stats_.opened;
  }
  ~EchoHandler() override {
    ++stats_.destroyed;
    stats_.destroyed.notify_all();
  }

  void on_bytes(std::span<char> bytes) override {
    if (has_ended_) ++stats_.mistakes;
    answer([sockets = &sockets_, socket = socket_, text = std::string(bytes.data(), bytes.size())] {
      sockets->send(socket, Frame::make_raw(text));
    });
    if (sockets_.queued_bytes(socket_) > kQueueMax) {
      sockets_.pause_reading(socket_);
      sockets_.notify_when_flushed(socket_);
      is_paused_ = true;
    }
  }

  void on_end(net::EndReason reason) override {
    if (reason == net::EndReason::peer_finished) {
      if (has_ended_ || has_finished_) ++stats_.mistakes;
      has_finished_ = true;
      ++stats_.finished;
      answer([sockets = &sockets_, socket = socket_] { sockets->close_when_flushed(socket); });
      return;
    }
    if (has_ended_) ++stats_.mistakes;
    has_ended_ = true;
    ++stats_.lost;
    sockets_.close(socket_);
  }

  void on_flushed() override {
    if (has_ended_) ++stats_.mistakes;
    if (std::exchange(is_paused_, false)) sockets_.resume_reading(socket_);
  }

 private:
  static constexpr size_t kQueueMax = 8 * 1024;

  template <class Work>
  void answer(Work work) {
    if (!relay_) {
      work();
      return;
    }
    runtime::Shard* home = &sockets_.shard();
    runtime::send_errand(*relay_, [home, work = std::move(work)]() mutable {
      runtime::send_errand(*home, std::move(work));
    });
  }

  net::Sockets& sockets_;
  const net::SocketHandle socket_;
  runtime::Shard* const relay_;
  EchoStats& stats_;
  bool is_paused_ = false;
  bool has_finished_ = false;
  bool has_ended_ = false;
};

// Every other connection is echoed over `relay`, if there is one.
class EchoAcceptor final : public net::Acceptor {
 public:
  EchoAcceptor(net::Sockets& sockets, runtime::Shard* relay, EchoStats& stats)
      : sockets_(sockets), relay_(relay), stats_(stats) {}
  std::unique_ptr<net::Handler> accept(net::SocketHandle socket) override {
    runtime::Shard* relay = count_++ % 2 == 0 ? relay_ : nullptr;
    return std::make_unique<EchoHandler>(sockets_, socket, relay, stats_);
  }

 private:
  net::Sockets& sockets_;
  runtime::Shard* const relay_;
  EchoStats& stats_;
  uint64_t count_ = 0;
};

}  // namespace gyre::sim
