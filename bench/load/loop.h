#pragma once

#include <sys/epoll.h>

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

namespace gyre::bench {

/// Whoever owns descriptors in a Loop.
class EventHandler {
 public:
  virtual ~EventHandler() = default;
  virtual void on_event(uint32_t index, uint32_t events) = 0;
};

/// One thread's epoll set and its receive buffer. Level-triggered.
class Loop {
 public:
  Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;
  ~Loop();

  /// Handlers are numbered; a descriptor is watched under its handler's number and an index.
  uint32_t enlist(EventHandler& handler);
  void watch(int fd, uint32_t handler, uint32_t index, uint32_t events);
  void change(int fd, uint32_t handler, uint32_t index, uint32_t events);

  /// Looks only so often, so that nobody who sends to this thread pays for waking it up.
  void gather(int64_t pause_ns) { pause_ns_ = pause_ns; }

  /// Waits at most `timeout_ns` for something to happen and hands it out.
  void turn(int64_t timeout_ns);

  /// Scratch space for whoever is handling an event.
  char* buffer() { return buffer_.data(); }
  size_t buffer_size() const { return buffer_.size(); }

 private:
  void control(int operation, int fd, uint32_t handler, uint32_t index, uint32_t events) const;

  int epoll_;
  int64_t pause_ns_ = 0;
  std::vector<EventHandler*> handlers_;
  std::vector<epoll_event> events_;
  std::vector<char> buffer_;
};

/// A non-blocking TCP connection that is being made. Connections are spread over the loopback
/// addresses 127.0.0.0/8 by `source`, since one address has only some 28,000 ports.
int dial(std::string_view host, uint16_t port, uint32_t source);

/// Sends everything or ends the program: what the generator writes always fits a socket's buffer.
void send_all(int fd, std::string_view bytes);

}  // namespace gyre::bench
