#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "os/kernel.h"

namespace gyre::sim {

// How unkind the network is. Chances are out of 1000.
struct Weather {
  os::Nanos delay_max = 20 * os::kMillisecond;  // of each segment
  size_t segment_max = 700;                     // bytes that travel together
  size_t buffer = 4096;                         // unread bytes that a direction holds
  uint32_t short_send = 200;                    // a send takes less than there is room for
  uint32_t stall = 30;                          // a segment is late by up to stall_max
  os::Nanos stall_max = 400 * os::kMillisecond;
  uint32_t breaks = 0;  // a connection breaks at some time within break_within
  os::Nanos break_within = 500 * os::kMillisecond;
};

// One direction of a connection.
struct Pipe {
  struct Segment {
    os::Nanos due;
    std::string bytes;
    bool is_end;
  };
  std::deque<Segment> in_flight;  // in order; due times never decrease
  size_t in_flight_bytes = 0;
  std::string arrived;
  bool has_end = false;      // nothing comes after `arrived`
  bool is_finished = false;  // the sender has finished

  size_t held() const { return in_flight_bytes + arrived.size(); }
};

// Both directions; side 0 has connected, side 1 was accepted. pipes[s] is what side s sends.
struct Connection {
  std::array<Pipe, 2> pipes;
  std::array<bool, 2> is_closed{};
  os::Nanos break_at = os::kForever;
  bool is_broken = false;
  uint64_t number = 0;
};

// One end of a connection, as a kernel's socket or a scripted peer holds it.
struct End {
  std::shared_ptr<Connection> connection;
  size_t side = 0;

  Pipe& out() const { return connection->pipes[side]; }
  Pipe& in() const { return connection->pipes[1 - side]; }
  bool is_broken() const { return connection->is_broken; }
  bool has_input() const { return !in().arrived.empty() || in().has_end; }
};

// The world around the shards of a simulation: virtual time, the seed's randomness, and streams
// that delay, split, stall and break. Everything observable goes into a hash, so that two runs can
// be compared. One thread; owned by SimWorld.
class SimNetwork {
 public:
  SimNetwork(uint64_t seed, Weather weather) : random_(seed), weather_(weather) {}

  os::Nanos now() const { return now_; }
  // The clock on the wall, which others may set.
  os::Nanos wall() const { return kEpoch + now_ + wall_shift_; }
  void set_wall_clock(os::Nanos change) { wall_shift_ += change; }
  void advance_to(os::Nanos when);
  // When the network changes next by itself; kForever if it does not.
  os::Nanos next_due() const;

  uint64_t random() { return random_(); }
  uint64_t below(uint64_t bound) { return bound == 0 ? 0 : random_() % bound; }
  bool chance(uint32_t of_1000) { return below(1000) < of_1000; }

  void observe(uint64_t value);
  void observe(std::string_view bytes);
  uint64_t hash() const { return hash_; }

  // --- Connections.
  struct Arrival {
    os::Nanos due;
    End end;
  };
  struct Listener {
    uint16_t port = 0;
    std::deque<Arrival> backlog;
  };
  std::shared_ptr<Listener> listen(uint16_t port);
  // Refuses whoever is waiting.
  void unlisten(const std::shared_ptr<Listener>& listener);
  // Picks one of the port's listeners by the seed, as the system does by a hash. Without one, the
  // connection is broken from the start.
  End connect(uint16_t port);

  // --- For the holder of an end.
  size_t room(const End& end) const;
  // How much was taken; -1 when broken.
  ptrdiff_t send(const End& end, std::string_view bytes);
  std::string receive(const End& end, size_t most);
  void finish(const End& end);
  void close(const End& end);
  // Now, with all that is on its way.
  void break_off(const End& end);

  size_t open_connections() const { return connections_.size(); }

 private:
  os::Nanos due_after(os::Nanos previous);
  void deliver(Connection& connection);

  std::mt19937_64 random_;
  const Weather weather_;
  static constexpr os::Nanos kEpoch = 1'700'000'000 * os::kSecond;
  os::Nanos now_ = 1'000 * os::kSecond;
  os::Nanos wall_shift_ = 0;
  uint64_t hash_ = 14695981039346656037ull;
  uint64_t next_number_ = 1;
  uint16_t next_port_ = 20'000;
  std::vector<std::shared_ptr<Connection>> connections_;
  std::vector<std::shared_ptr<Listener>> listeners_;
};

}  // namespace gyre::sim
