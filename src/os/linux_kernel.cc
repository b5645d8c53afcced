#include "os/linux_kernel.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <ctime>
#include <fstream>
#include <utility>

#include "base/log.h"

namespace gyre::os {

namespace {

enum Interest : uint8_t {
  kReading = 1,
  kWaitingForRoom = 2,
  kFinished = 4,  // the end is reported: reading does not go on
};

// Unsent bytes beyond this stay with us, where they are shared and counted, instead of in the
// kernel (TCP_NOTSENT_LOWAT).
constexpr int kUnsentLow = 4 * 1024;
// The kernel asks for the bound above only when it begins a new buffer, and adds to the last one up
// to 64 KB without asking. A send of this size or more ends its buffer (MSG_EOR), so that the next
// one must ask; smaller ones fill a buffer's 17 fragments first.
constexpr size_t kBufferEnds = 4 * 1024;

// Tokens of what a shard watches for itself; no slot of a connection comes this far.
constexpr Token kWakeToken = UINT64_MAX;
constexpr Token kTimerToken = UINT64_MAX - 1;

Error last_error(Errc code, std::string_view what) {
  return Error{code, fmt::format("{}: {}", what, std::strerror(errno))};
}

Nanos read_clock(clockid_t clock) {
  timespec now;
  clock_gettime(clock, &now);
  return now.tv_sec * kSecond + now.tv_nsec;
}

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
};

Result<SocketAddress> parse_address(const ListenOptions& options) {
  SocketAddress address;
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&address.storage);
  auto* v4 = reinterpret_cast<sockaddr_in*>(&address.storage);
  if (options.address.empty() || options.address == "::") {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(options.port);
    v6->sin6_addr = in6addr_any;
    address.size = sizeof(sockaddr_in6);
    return address;
  }
  const std::string text = options.address == "localhost" ? "127.0.0.1" : options.address;
  if (inet_pton(AF_INET, text.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(options.port);
    address.size = sizeof(sockaddr_in);
    return address;
  }
  if (inet_pton(AF_INET6, text.c_str(), &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(options.port);
    address.size = sizeof(sockaddr_in6);
    return address;
  }
  return fail(Errc::invalid, fmt::format("listen address \"{}\" is not an IP address", text));
}

void set_option(Descriptor socket, int level, int name, int value) {
  setsockopt(socket, level, name, &value, sizeof(value));
}

bool is_out_of_descriptors(int error) {
  return error == EMFILE || error == ENFILE;
}

}  // namespace

Result<std::unique_ptr<LinuxKernel>> LinuxKernel::create() {
  const Descriptor wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (wake < 0) return std::unexpected(last_error(Errc::unavailable, "eventfd"));
  return std::unique_ptr<LinuxKernel>(new LinuxKernel(wake));
}

LinuxKernel::~LinuxKernel() {
  ::close(wake_);
  if (epoll_ >= 0) ::close(epoll_);
  if (timer_ >= 0) ::close(timer_);
  if (reserve_ >= 0) ::close(reserve_);
}

Result<void> LinuxKernel::open(bool with_ring) {
  epoll_ = epoll_create1(EPOLL_CLOEXEC);
  if (epoll_ < 0) return std::unexpected(last_error(Errc::unavailable, "epoll_create1"));
  keep_reserve();
  timer_ = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  if (timer_ < 0) return std::unexpected(last_error(Errc::unavailable, "timerfd_create"));
  for (const auto& [descriptor, token] : {std::pair(wake_, kWakeToken), {timer_, kTimerToken}}) {
    // Edge-triggered, so that neither has to be read: every write and every expiry is an event.
    epoll_event event{.events = EPOLLIN | EPOLLET, .data = {.u64 = token}};
    if (epoll_ctl(epoll_, EPOLL_CTL_ADD, descriptor, &event) != 0) {
      return std::unexpected(last_error(Errc::unavailable, "epoll_ctl"));
    }
  }
  if (with_ring) ring_ = SendRing::create().value_or(nullptr);
  return {};
}

Nanos LinuxKernel::monotonic() {
  return read_clock(CLOCK_MONOTONIC);
}
Nanos LinuxKernel::wall() {
  return read_clock(CLOCK_REALTIME);
}

// Ids are short: one call to the system serves some of them.
void LinuxKernel::random(void* bytes, size_t count) {
  if (count > entropy_.size()) return fill_randomly(bytes, count);
  if (count > entropy_left_) {
    fill_randomly(entropy_.data(), entropy_.size());
    entropy_left_ = entropy_.size();
  }
  char* const taken = entropy_.data() + (entropy_.size() - entropy_left_);
  std::memcpy(bytes, taken, count);
  std::memset(taken, 0, count);  // given out once, and kept nowhere
  entropy_left_ -= count;
}

void LinuxKernel::fill_randomly(void* bytes, size_t count) {
  auto* out = static_cast<char*>(bytes);
  while (count > 0) {
    const ssize_t got = getrandom(out, count, 0);
    if (got < 0) continue;  // interrupted by a signal
    out += got;
    count -= static_cast<size_t>(got);
  }
}

Result<Descriptor> LinuxKernel::listen(const ListenOptions& options, Token token) {
  GYRE_TRY(const SocketAddress address, parse_address(options));
  const Descriptor socket =
      ::socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (socket < 0) return std::unexpected(last_error(Errc::unavailable, "socket"));
  set_option(socket, SOL_SOCKET, SO_REUSEADDR, 1);
  // A socket that does not share when it is bound is refused where others listen, sharing or not.
  const auto share = [socket] { set_option(socket, SOL_SOCKET, SO_REUSEPORT, 1); };
  if (!options.must_be_free) share();
  if (address.storage.ss_family == AF_INET6) set_option(socket, IPPROTO_IPV6, IPV6_V6ONLY, 0);
  // Connections inherit these, which saves their system calls.
  set_option(socket, IPPROTO_TCP, TCP_NODELAY, 1);
  set_option(socket, IPPROTO_TCP, TCP_NOTSENT_LOWAT, kUnsentLow);
  const std::string what = fmt::format("listening on {}:{}", options.address, options.port);
  const bool is_bound =
      bind(socket, reinterpret_cast<const sockaddr*>(&address.storage), address.size) == 0;
  if (is_bound && options.must_be_free) share();
  if (!is_bound || ::listen(socket, options.backlog) != 0) {
    Error error = last_error(Errc::unavailable, what);
    ::close(socket);
    return std::unexpected(std::move(error));
  }
  epoll_event event{.events = EPOLLIN, .data = {.u64 = token}};
  if (epoll_ctl(epoll_, EPOLL_CTL_ADD, socket, &event) != 0) {
    Error error = last_error(Errc::unavailable, what);
    ::close(socket);
    return std::unexpected(std::move(error));
  }
  listeners_.emplace_back(token, socket);
  return socket;
}

uint16_t LinuxKernel::local_port(Descriptor socket) {
  sockaddr_storage storage{};
  socklen_t size = sizeof(storage);
  if (getsockname(socket, reinterpret_cast<sockaddr*>(&storage), &size) != 0) return 0;
  return ntohs(storage.ss_family == AF_INET
                   ? reinterpret_cast<const sockaddr_in&>(storage).sin_port
                   : reinterpret_cast<const sockaddr_in6&>(storage).sin6_port);
}

std::string LinuxKernel::peer_address(Descriptor socket) {
  sockaddr_storage storage{};
  socklen_t size = sizeof(storage);
  if (getpeername(socket, reinterpret_cast<sockaddr*>(&storage), &size) != 0) return {};
  char text[INET6_ADDRSTRLEN] = {};
  if (storage.ss_family == AF_INET) {
    inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in&>(storage).sin_addr, text, sizeof(text));
  } else {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(storage).sin6_addr;
    if (IN6_IS_ADDR_V4MAPPED(&v6)) {
      inet_ntop(AF_INET, v6.s6_addr + 12, text, sizeof(text));
    } else {
      inet_ntop(AF_INET6, &v6, text, sizeof(text));
    }
  }
  return text;
}

uint8_t& LinuxKernel::interest(Descriptor socket) {
  const auto index = static_cast<size_t>(socket);
  if (index >= interest_.size())
    interest_.resize(std::max<size_t>(index + 1, interest_.size() * 5 / 4));
  return interest_[index];
}

void LinuxKernel::set_interest(Descriptor socket, Token token, uint8_t bits) {
  uint8_t& current = interest(socket);
  if (current == bits) return;
  current = bits;
  epoll_event event{.events = (bits & kReading ? uint32_t{EPOLLIN} : 0u) |
                              (bits & kWaitingForRoom ? uint32_t{EPOLLOUT} : 0u),
                    .data = {.u64 = token}};
  epoll_ctl(epoll_, EPOLL_CTL_MOD, socket, &event);
}

Result<void> LinuxKernel::attach(Descriptor socket, Token token) {
  interest(socket) = kReading;
  epoll_event event{.events = EPOLLIN, .data = {.u64 = token}};
  if (epoll_ctl(epoll_, EPOLL_CTL_ADD, socket, &event) != 0) {
    return std::unexpected(last_error(Errc::unavailable, "epoll_ctl"));
  }
  return {};
}

void LinuxKernel::pause(Descriptor socket, Token token) {
  set_interest(socket, token, interest(socket) & ~kReading);
}

void LinuxKernel::resume(Descriptor socket, Token token) {
  if (interest(socket) & kFinished) return;
  set_interest(socket, token, interest(socket) | kReading);
}

ptrdiff_t LinuxKernel::send(Descriptor socket, Token token, std::span<const iovec> parts) {
  ssize_t sent = 0;
  size_t wanted = 0;
  for (const iovec& part : parts) wanted += part.iov_len;
  const int flags = send_flags(wanted);
  do {
    if (parts.size() == 1) {
      sent = ::send(socket, parts[0].iov_base, parts[0].iov_len, flags);
    } else {
      msghdr message{};
      message.msg_iov = const_cast<iovec*>(parts.data());
      message.msg_iovlen = parts.size();
      sent = ::sendmsg(socket, &message, flags);
    }
  } while (sent < 0 && errno == EINTR);
  return note_sent(socket, token, wanted, sent < 0 ? -errno : sent);
}

// What `send` returns for the system's result, an error number if it is below zero.
ptrdiff_t LinuxKernel::note_sent(Descriptor socket, Token token, size_t wanted, ptrdiff_t result) {
  if (result == -EAGAIN || result == -EWOULDBLOCK) result = 0;
  if (result < 0) return -1;
  if (static_cast<size_t>(result) < wanted) {
    set_interest(socket, token, interest(socket) | kWaitingForRoom);
  }
  return result;
}

void LinuxKernel::send_each(std::span<Sending> sendings) {
  if (!ring_ || sendings.size() < kRingLeast) return Kernel::send_each(sendings);
  while (!sendings.empty()) {
    const std::span<Sending> part = sendings.first(std::min(sendings.size(), SendRing::kMost));
    ring_->send(part);
    for (Sending& sending : part) {
      // A signal or the ring's own want of memory: as if it had not been tried.
      if (sending.sent == -EINTR || sending.sent == -ECANCELED || sending.sent == -ENOMEM) {
        Kernel::send_each({&sending, 1});
      } else {
        sending.sent = note_sent(sending.socket, sending.token, sending.bytes.size(), sending.sent);
      }
    }
    sendings = sendings.subspan(part.size());
  }
}

int send_flags(size_t size) {
  return MSG_NOSIGNAL | (size >= kBufferEnds ? MSG_EOR : 0);
}

void LinuxKernel::finish(Descriptor socket) {
  ::shutdown(socket, SHUT_WR);
}

void LinuxKernel::close(Descriptor socket) {
  std::erase_if(listeners_, [socket](const auto& listener) { return listener.second == socket; });
  ::close(socket);
}

void LinuxKernel::reset(Descriptor socket) {
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  setsockopt(socket, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
  close(socket);
}

// The system's timer is set when the next deadline comes earlier than it, and not in every wait: a
// timeout of epoll_wait starts and cancels one each time.
bool LinuxKernel::wait(Nanos deadline) {
  if (next_ < ready_) return true;
  deadline = std::min(deadline, listen_again_);
  if (deadline > 0 && deadline < timer_due_) {
    timer_due_ = deadline;
    itimerspec setting{};
    setting.it_value = {.tv_sec = deadline / kSecond, .tv_nsec = deadline % kSecond};
    timerfd_settime(timer_, TFD_TIMER_ABSTIME, &setting, nullptr);
  }
  ready_ = std::max(epoll_wait(epoll_, events_.data(), kEvents, deadline <= 0 ? 0 : -1), 0);
  next_ = 0;
  return ready_ > 0;
}

void LinuxKernel::dispatch(EventSink& sink, std::span<char> buffer) {
  if (listen_again_ != kForever && monotonic() >= listen_again_) resume_listening();
  const Nanos began = ready_ - next_ > kEventsPerLook ? monotonic() : 0;
  for (int done = 0; next_ < ready_; ++done) {
    if (done > 0 && done % kEventsPerLook == 0 && monotonic() - began > kDispatchMost) return;
    const epoll_event& event = events_[static_cast<size_t>(next_++)];
    const Token token = event.data.u64;  // a copy: the struct is packed, nothing may refer into it
    if (token == kWakeToken) continue;
    if (token == kTimerToken) {
      timer_due_ = kForever;  // a later deadline sets it again
      continue;
    }
    const auto listener =
        std::ranges::find(listeners_, token, &std::pair<Token, Descriptor>::first);
    if (listener != listeners_.end()) {
      accept_some(sink, listener->second, token);
    } else {
      receive(sink, event, buffer);
    }
  }
}

void LinuxKernel::accept_some(EventSink& sink, Descriptor listener, Token token) {
  for (int i = 0; i < kAcceptsPerTurn; ++i) {
    const Descriptor socket = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (socket >= 0) {
      sink.on_connection(token, socket);
      continue;
    }
    if (is_out_of_descriptors(errno)) {
      if (!refuse_one(listener, token)) return;
      continue;
    }
    if (errno != ECONNABORTED && errno != EINTR) return;
  }
}

void LinuxKernel::keep_reserve() {
  if (reserve_ < 0) reserve_ = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
}

// Whether there may be another one to refuse.
bool LinuxKernel::refuse_one(Descriptor listener, Token token) {
  keep_reserve();
  if (reserve_ >= 0) ::close(std::exchange(reserve_, kNoDescriptor));
  const Descriptor socket = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
  const int error = errno;
  if (socket >= 0) ::close(socket);
  keep_reserve();
  const bool is_stuck = socket < 0 && is_out_of_descriptors(error);
  if (is_stuck) pause_listening(listener, token);
  if (socket < 0 && !is_stuck) return false;                          // there was none
  if (const Nanos now = monotonic(); now >= next_refusal_warning_) {  // not for each of a storm
    next_refusal_warning_ = now + kRefusalWarningInterval;
    log::warn("no file descriptor left, connections refused; raise the limit of open files");
  }
  return !is_stuck;
}

// The reserve went to another thread when it was given up. A listener that cannot be accepted from
// would be reported in every turn.
void LinuxKernel::pause_listening(Descriptor listener, Token token) {
  epoll_event event{.events = 0, .data = {.u64 = token}};
  epoll_ctl(epoll_, EPOLL_CTL_MOD, listener, &event);
  listen_again_ = monotonic() + kListeningPause;
}

void LinuxKernel::resume_listening() {
  listen_again_ = kForever;
  for (const auto& [token, listener] : listeners_) {
    epoll_event event{.events = EPOLLIN, .data = {.u64 = token}};
    epoll_ctl(epoll_, EPOLL_CTL_MOD, listener, &event);
  }
}

void LinuxKernel::receive(EventSink& sink, const epoll_event& event, std::span<char> buffer) {
  const Token token = event.data.u64;
  Descriptor socket = sink.descriptor(token);
  if (socket == kNoDescriptor) return;
  if (event.events & EPOLLOUT) {
    set_interest(socket, token, interest(socket) & ~kWaitingForRoom);
    sink.on_room(token);
    socket = sink.descriptor(token);
    if (socket == kNoDescriptor) return;
  }
  if (event.events & EPOLLIN) {
    if (interest(socket) & kFinished) {
      // Level-triggered: without this the end would be reported in every turn until the socket is
      // closed. Most are closed before there is a second report, and need no system call for it.
      set_interest(socket, token, interest(socket) & ~kReading);
      return;
    }
    const size_t most = std::min(buffer.size() - kReceivePadding, kReceivedPerTurn);
    const ssize_t got = recv(socket, buffer.data(), most, 0);
    if (got > 0) {
      sink.on_bytes(token, buffer.first(static_cast<size_t>(got)));
    } else if (got == 0) {
      interest(socket) |= kFinished;
      sink.on_end(token, false);
    } else if (errno != EAGAIN && errno != EINTR) {
      sink.on_end(token, true);
    }
  } else if (event.events & (EPOLLERR | EPOLLHUP)) {
    sink.on_end(token, true);
  }
}

void LinuxKernel::wake() {
  const uint64_t one = 1;
  static_cast<void>(!::write(wake_, &one, sizeof(one)));
}

Result<void> use_own_descriptor_table() {
  if (unshare(CLONE_FILES) != 0) {
    return std::unexpected(last_error(Errc::unavailable, "unshare(CLONE_FILES)"));
  }
  return {};
}

unsigned usable_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  unsigned cores = 1;
  if (sched_getaffinity(0, sizeof(set), &set) == 0) {
    cores = std::max(1u, static_cast<unsigned>(CPU_COUNT(&set)));
  }
  // cgroup v2: "QUOTA PERIOD" in microseconds, or "max PERIOD".
  std::ifstream file("/sys/fs/cgroup/cpu.max");
  double quota = 0;
  double period = 0;
  if (file >> quota >> period && period > 0) {
    cores = std::min(cores, std::max(1u, static_cast<unsigned>(std::ceil(quota / period))));
  }
  return cores;
}

}  // namespace gyre::os
