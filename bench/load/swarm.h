#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "load/loop.h"
#include "load/options.h"

namespace gyre::bench {

/// Told what subscribers live through. `index` counts within the swarm.
class Observer {
 public:
  virtual ~Observer() = default;
  virtual void on_push(uint32_t index, std::string_view message) = 0;
  virtual void on_reply(uint32_t /*index*/, std::string_view /*message*/) {}
  /// The reply to a command sent after the login. False: there was none, so the run is wrong.
  virtual bool on_answer(uint32_t /*index*/, std::string_view /*message*/) { return false; }
  /// The server ended a live connection. False: it must not, so the run is wrong.
  virtual bool on_end(uint32_t /*index*/) { return false; }
  virtual void on_live(uint32_t /*index*/) {}
};

/// How a subscriber logs in.
struct Script {
  std::function<std::string(uint32_t global_index)> login;  // a frame; unused with --raw
  uint32_t replies = 0;                                     // that the login is answered with
};

/// The subscribers of one thread: 16 bytes each, and a buffer only for one in the middle of a
/// frame. Opens them a few at a time, counts what they receive, answers pings.
class Swarm : public EventHandler {
 public:
  Swarm(const Options& options, const Script& script, Loop& loop, Observer& observer,
        uint32_t first, uint32_t count);
  ~Swarm() override;

  /// Starts as many connections as may be in the making at once.
  void open_some();
  void open(uint32_t index);
  void close(uint32_t index);
  /// Sends a frame over a live connection.
  void send(uint32_t index, std::string_view frame);
  /// Never reads from a live connection again. Only its end is still noticed, if it can be:
  /// behind bytes that nobody takes away, only a reset is.
  void stop_reading(uint32_t index);

  uint32_t first() const { return first_; }
  uint32_t size() const { return static_cast<uint32_t>(subscribers_.size()); }
  uint32_t live() const { return live_; }

  void on_event(uint32_t index, uint32_t events) override;

 private:
  enum class State : uint8_t { closed, dialing, upgrading, logging_in, live, deaf };
  struct Subscriber {
    int fd = -1;
    uint32_t replies = 0;  // still awaited
    State state = State::closed;
    bool partial = false;  // partial_ holds the beginning of a frame
  };

  void send_upgrade(uint32_t index);
  void on_ended(uint32_t index, std::string_view why);
  void on_upgraded(uint32_t index);
  void on_live(uint32_t index);
  size_t take_response(uint32_t index, std::string_view bytes);
  size_t take_frames(uint32_t index, std::string_view bytes);
  /// False if the frame was the connection's last.
  bool on_frame(uint32_t index, uint8_t opcode, std::string_view payload);
  void on_message(uint32_t index, std::string_view message);

  const Options& options_;
  const Script& script_;
  Loop& loop_;
  Observer& observer_;
  uint32_t handler_;
  uint32_t first_;
  uint32_t next_ = 0;
  uint32_t live_ = 0;
  uint32_t opening_ = 0;
  uint32_t dialed_ = 0;
  std::vector<Subscriber> subscribers_;
  std::unordered_map<uint32_t, std::string> partial_;
  std::string upgrade_;
  std::string pong_;
};

}  // namespace gyre::bench
