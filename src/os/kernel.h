#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace gyre::os {

using Nanos = int64_t;  // a point in time or a duration, in nanoseconds
inline constexpr Nanos kMicrosecond = 1'000;
inline constexpr Nanos kMillisecond = 1'000'000;
inline constexpr Nanos kSecond = 1'000'000'000;
inline constexpr Nanos kForever = INT64_MAX;

// A socket, by the number that its descriptor table gives it. It means something on its own shard
// only.
using Descriptor = int32_t;
inline constexpr Descriptor kNoDescriptor = -1;

// Chosen by the caller when a socket is attached; comes back with every event. Carries a
// generation, so that an event of a socket that is closed already can be told from one of its
// successor.
using Token = uint64_t;

// Every receive buffer has this many readable bytes behind the received ones, for parsers that look
// ahead.
inline constexpr size_t kReceivePadding = 64;

struct ListenOptions {
  std::string address;  // numeric; empty means all interfaces
  uint16_t port = 0;    // 0 lets the system choose
  int backlog = 4096;
  // For the first of the shards that share a port: fails where anybody listens already.
  bool must_be_free = false;
};

// One of many sends that are asked for at once.
struct Sending {
  Descriptor socket = kNoDescriptor;
  Token token = 0;
  std::string_view bytes;
  ptrdiff_t sent = 0;  // as Kernel::send returns it
};

// What a kernel reports while it dispatches. Implemented by net::Sockets.
class EventSink {
 public:
  virtual ~EventSink() = default;
  // The socket that a token still stands for, kNoDescriptor if it is closed. Asked before its event
  // is looked into: the number may belong to another connection by now.
  virtual Descriptor descriptor(Token socket) const = 0;
  // A new connection at a listener. The sink attaches or closes it.
  virtual void on_connection(Token listener, Descriptor socket) = 0;
  // Bytes arrived. They may be changed in place and are gone after the call; kReceivePadding more
  // are readable.
  virtual void on_bytes(Token socket, std::span<char> bytes) = 0;
  // Nothing will arrive any more: the peer has finished, or (broken) the connection is gone.
  virtual void on_end(Token socket, bool broken) = 0;
  // A send that was cut short may go on.
  virtual void on_room(Token socket) = 0;
};

// The one door to the outside: sockets, time, randomness and wake-ups of one shard. Production has
// LinuxKernel, tests have the simulated one. All methods belong to whoever holds the shard's baton,
// except `wait`, which its thread calls without it, and `wake`, which anybody may call.
class Kernel {
 public:
  virtual ~Kernel() = default;

  virtual Nanos monotonic() = 0;
  virtual Nanos wall() = 0;  // since 1970-01-01 UTC
  virtual void random(void* bytes, size_t count) = 0;

  // A listening socket; connections are reported as on_connection(token, …).
  virtual Result<Descriptor> listen(const ListenOptions& options, Token token) = 0;
  virtual uint16_t local_port(Descriptor socket) = 0;
  // Reports events of a connection from now on. Fails when the system has no room to watch it.
  virtual Result<void> attach(Descriptor socket, Token token) = 0;
  // Reading stops, and goes on, for backpressure. The peer's end stands behind its bytes, so it is
  // not reported meanwhile; a broken connection and on_room are.
  virtual void pause(Descriptor socket, Token token) = 0;
  virtual void resume(Descriptor socket, Token token) = 0;
  // Sends what the system takes at once and returns its size. Less than asked for means that
  // on_room follows; -1 means that the connection is broken.
  virtual ptrdiff_t send(Descriptor socket, Token token, std::span<const iovec> parts) = 0;
  // `send` for each of them, of different sockets, in their order; in fewer system calls if the
  // system can.
  virtual void send_each(std::span<Sending> sendings) {
    for (Sending& sending : sendings) {
      const iovec part{.iov_base = const_cast<char*>(sending.bytes.data()),
                       .iov_len = sending.bytes.size()};
      sending.sent = send(sending.socket, sending.token, {&part, 1});
    }
  }
  // No more bytes from us; the peer sees the end of the stream.
  virtual void finish(Descriptor socket) = 0;
  virtual void close(Descriptor socket) = 0;
  // Closes it with all that the peer has not taken yet, which it is not going to: the system would
  // keep that for minutes.
  virtual void reset(Descriptor socket) { close(socket); }
  // The peer's address as text, "" when it is not known any more.
  virtual std::string peer_address(Descriptor socket) = 0;

  // Sleeps until something happened, `wake` was called or the deadline (monotonic) is reached.
  // Returns whether `dispatch` has something to look into.
  virtual bool wait(Nanos deadline) = 0;
  // Reports what `wait` found. Bytes are received into `buffer`, whose last kReceivePadding bytes
  // stay unused.
  virtual void dispatch(EventSink& sink, std::span<char> buffer) = 0;
  // Ends the current or the next `wait`. From any thread.
  virtual void wake() = 0;
};

}  // namespace gyre::os
