#pragma once

#include <string>
#include <string_view>

#include "tests/simulation/sim_network.h"

namespace gyre::sim {

// Something besides shards that acts in a simulation; the world steps it when the seed says so.
class SimActor {
 public:
  virtual ~SimActor() = default;
  virtual bool is_runnable() const = 0;
  virtual void step() = 0;
};

// A scripted peer: queues bytes to send, collects what arrives. Owned by the test, registered with
// SimWorld::add for its lifetime.
class SimClient : public SimActor {
 public:
  explicit SimClient(SimNetwork& network) : network_(network) {}
  ~SimClient() override { close(); }
  SimClient(const SimClient&) = delete;

  void connect(uint16_t port) { end_ = network_.connect(port); }
  // Once more, as a new one.
  void reconnect(uint16_t port) {
    close();
    outgoing_.clear();
    received_.clear();
    finishing_ = paused_ = ended_ = broken_ = false;
    connect(port);
  }
  void send(std::string_view bytes) {
    if (!finishing_) outgoing_ += bytes;
  }
  // No more will be sent, after what is queued.
  void finish() { finishing_ = true; }
  void close() {
    if (end_.connection) network_.close(end_);
    end_ = End();
  }
  // The network breaks the connection now.
  void cut() {
    if (is_open()) end_.connection->break_at = network_.now();
  }
  void pause_reading(bool pause) { paused_ = pause; }

  bool is_open() const { return end_.connection != nullptr; }
  bool is_broken() const { return broken_; }
  // The other side has finished.
  bool has_end() const { return ended_; }
  bool is_paused() const { return paused_; }
  const std::string& received() const { return received_; }
  std::string take_received() { return std::exchange(received_, {}); }

  bool is_runnable() const override {
    if (!is_open()) return false;
    if (end_.is_broken()) return true;
    return can_write() || can_read();
  }
  void step() override {
    if (end_.is_broken()) {
      broken_ = true;
      close();
      on_broken();
      return;
    }
    if (can_read() && (!can_write() || network_.chance(500))) {
      read();
    } else if (can_write()) {
      write();
    }
  }

 protected:
  // Bytes have arrived, `received` has them; or the end has come.
  virtual void on_received() {}
  virtual void on_broken() {}
  SimNetwork& network() const { return network_; }

 private:
  bool can_write() const {
    if (!outgoing_.empty()) return network_.room(end_) > 0;
    return finishing_ && !end_.out().is_finished;
  }
  bool can_read() const { return !paused_ && !ended_ && end_.has_input(); }
  void write() {
    if (outgoing_.empty()) {
      network_.finish(end_);
      return;
    }
    const ptrdiff_t sent = network_.send(end_, outgoing_);
    if (sent > 0) outgoing_.erase(0, static_cast<size_t>(sent));
  }
  void read() {
    const std::string bytes = network_.receive(end_, 1 + network_.below(2000));
    network_.observe(end_.connection->number);
    network_.observe(bytes);
    if (bytes.empty()) ended_ = true;
    received_ += bytes;
    on_received();
  }

  SimNetwork& network_;
  End end_;
  std::string outgoing_;
  std::string received_;
  bool finishing_ = false;
  bool paused_ = false;
  bool ended_ = false;
  bool broken_ = false;
};

}  // namespace gyre::sim
