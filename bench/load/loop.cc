#include "load/loop.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <ctime>
#include <string>

#include "load/clock.h"
#include "load/fail.h"

namespace gyre::bench {
namespace {

constexpr size_t kEventsPerTurn = 512;
constexpr size_t kBufferSize = 256 * 1024;

sockaddr_in address_of(std::string_view host, uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  if (inet_pton(AF_INET, std::string(host).c_str(), &address.sin_addr) != 1) {
    fail("'{}' is not an IPv4 address", host);
  }
  return address;
}

}  // namespace

Loop::Loop() : epoll_(epoll_create1(EPOLL_CLOEXEC)), events_(kEventsPerTurn), buffer_(kBufferSize) {
  if (epoll_ < 0) fail("epoll_create1: {}", std::strerror(errno));
}

Loop::~Loop() {
  close(epoll_);
}

uint32_t Loop::enlist(EventHandler& handler) {
  handlers_.push_back(&handler);
  return static_cast<uint32_t>(handlers_.size() - 1);
}

void Loop::control(int operation, int fd, uint32_t handler, uint32_t index, uint32_t events) const {
  epoll_event event{};
  event.events = events;
  event.data.u64 = uint64_t{handler} << 32 | index;
  if (epoll_ctl(epoll_, operation, fd, &event) != 0) fail("epoll_ctl: {}", std::strerror(errno));
}

void Loop::watch(int fd, uint32_t handler, uint32_t index, uint32_t events) {
  control(EPOLL_CTL_ADD, fd, handler, index, events);
}

void Loop::change(int fd, uint32_t handler, uint32_t index, uint32_t events) {
  control(EPOLL_CTL_MOD, fd, handler, index, events);
}

void Loop::turn(int64_t timeout_ns) {
  if (pause_ns_ > 0) {
    const timespec pause{pause_ns_ / kSecond, pause_ns_ % kSecond};
    nanosleep(&pause, nullptr);
  }
  const timespec timeout{timeout_ns / kSecond, timeout_ns % kSecond};
  const int count =
      epoll_pwait2(epoll_, events_.data(), static_cast<int>(events_.size()), &timeout, nullptr);
  if (count < 0 && errno != EINTR) fail("epoll_pwait2: {}", std::strerror(errno));
  for (int at = 0; at < count; ++at) {
    const epoll_event& event = events_[static_cast<size_t>(at)];
    handlers_[event.data.u64 >> 32]->on_event(static_cast<uint32_t>(event.data.u64), event.events);
  }
}

int dial(std::string_view host, uint16_t port, uint32_t source) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) fail("socket: {}", std::strerror(errno));
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  const sockaddr_in to = address_of(host, port);
  if ((ntohl(to.sin_addr.s_addr) >> 24) == 127) {
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    sockaddr_in from{};
    from.sin_family = AF_INET;
    from.sin_addr.s_addr = htonl(0x7F000002U + source);
    if (bind(fd, reinterpret_cast<const sockaddr*>(&from), sizeof from) != 0) {
      fail("bind: {}", std::strerror(errno));
    }
  }
  if (connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0 && errno != EINPROGRESS) {
    fail("connect to {}:{}: {}", host, port, std::strerror(errno));
  }
  return fd;
}

void send_all(int fd, std::string_view bytes) {
  const ssize_t sent = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  if (sent != static_cast<ssize_t>(bytes.size())) {
    fail("send of {} bytes: {}", bytes.size(), sent < 0 ? std::strerror(errno) : "buffer full");
  }
}

}  // namespace gyre::bench
