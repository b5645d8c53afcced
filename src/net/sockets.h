#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/frame.h"
#include "base/slab.h"
#include "net/framing.h"
#include "os/kernel.h"
#include "runtime/shard.h"

namespace gyre::net {

// Names a connection of this shard; a handle of one that is closed resolves to nothing, not to its
// successor.
struct SocketHandle {
  uint32_t slot = UINT32_MAX;
  uint32_t generation = 0;
  friend bool operator==(SocketHandle, SocketHandle) = default;
};

// Why a connection ends without its handler having asked for it.
enum class EndReason : uint8_t {
  peer_finished,  // the peer will send no more
  broken,         // reset, or a write failed
  slow,           // more waits for the peer than it may
  stalled,        // a write has made no progress for too long
};

// Reads from a connection: first HTTP, after an upgrade a WebSocket connection. Owned by its socket
// and destroyed at the end of the turn in which the socket is closed or gets another handler.
class Handler : public runtime::Mortal {
 public:
  // Bytes arrived; they may be changed in place and kReceivePadding more are readable behind them.
  virtual void on_bytes(std::span<char> bytes) = 0;
  // The connection is about to be useless. The handler answers by closing it now or after a last
  // frame, in the call or later; for all reasons but peer_finished nothing more can be sent except
  // by `abandon_output` for slow ones.
  virtual void on_end(EndReason reason) = 0;
  // All output has left, after `notify_when_flushed`.
  virtual void on_flushed() {}
};

// New connections of a listener go here.
class Acceptor {
 public:
  virtual ~Acceptor() = default;
  // The handler of the new connection; null refuses it.
  virtual std::unique_ptr<Handler> accept(SocketHandle socket) = 0;
};

struct SocketLimits {
  uint32_t queue_bytes_max = 1 << 20;     // client.queue_max_size
  os::Nanos write_timeout = os::kSecond;  // websocket.write_timeout
  // Of HTTP answers (spec security.md 1).
  os::Nanos raw_write_timeout = 10 * os::kSecond;
};

// All connections of one shard: their handlers and their output. Output is queued by reference and
// leaves at the end of the turn with one system call per connection (docs/architecture.md,
// "Connections"). Owned by the shard's assembly in app; lives as long as the shard.
class Sockets final : public os::EventSink, public runtime::OutputStage {
 public:
  Sockets(runtime::Shard& shard, SocketLimits limits);
  ~Sockets() override;

  Result<uint16_t> listen(const os::ListenOptions& options, Acceptor& acceptor);
  void stop_listening();

  // --- For handlers and whoever holds a handle.
  bool is_open(SocketHandle socket) const;
  void set_handler(SocketHandle socket, std::unique_ptr<Handler> handler);
  // What stands around its frames on the wire from now on.
  void set_framing(SocketHandle socket, Framing framing);
  void send(SocketHandle socket, FrameRef frame) {
    if (is_open(socket)) send(socket.slot, std::move(frame));
  }
  void pause_reading(SocketHandle socket);
  void resume_reading(SocketHandle socket);
  void notify_when_flushed(SocketHandle socket);
  // What is sent from now on waits until `release`, which puts `first` in front of it; null:
  // nothing.
  void hold(SocketHandle socket);
  void release(SocketHandle socket, FrameRef first);
  // Drops what is queued, except the rest of a message of which the peer has a part already.
  void abandon_output(SocketHandle socket);
  // Our side is finished; closes when everything has left.
  void close_when_flushed(SocketHandle socket);
  void close(SocketHandle socket);
  std::string peer_address(SocketHandle socket) const;
  size_t queued_bytes(SocketHandle socket) const;
  // A message that is longer is the connection's end, as one that is slow.
  size_t queue_bytes_max() const { return limits_.queue_bytes_max; }
  // More waits than may: the handler is told when the turn settles, and more output is in vain.
  bool is_overflowed(SocketHandle socket) const;

  // --- For the hub: by slot, which it knows to be open.
  void send(uint32_t slot, FrameRef frame);
  // As `send`, but flushed after all prompt output: for deliveries to very many.
  void send_bulk(uint32_t slot, FrameRef frame);
  void prefetch(uint32_t slot) const { __builtin_prefetch(&outlets_[slot], 1); }
  // Whether more than so many bytes wait for a peer whose socket takes no more of them now.
  bool is_behind(uint32_t slot, size_t bytes);
  void notify_when_flushed(uint32_t slot);

  // Ends, as slow, at most so many of those who do not take what is there for them: where the most
  // waits first. Returns how many; they are told when the turn settles.
  size_t cut_slowest(size_t most);

  size_t open_sockets() const { return outlets_.size(); }
  runtime::Shard& shard() { return shard_; }
  template <class Visit>
  void for_each(Visit visit) {
    outlets_.for_each([&](uint32_t slot, Outlet& outlet) {
      visit(SocketHandle{slot, outlet.generation}, *outlet.handler);
    });
  }

  // --- os::EventSink
  os::Descriptor descriptor(os::Token socket) const override;
  void on_connection(os::Token listener, os::Descriptor socket) override;
  void on_bytes(os::Token socket, std::span<char> bytes) override;
  void on_end(os::Token socket, bool broken) override;
  void on_room(os::Token socket) override;

  // --- runtime::OutputStage
  size_t waiting() const override { return prompt_.size() + bulk_.size() - bulk_done_; }
  void flush() override;
  void settle() override;
  // What the list of mass deliveries has, done or not; for tests.
  size_t bulk_entries() const { return bulk_.size(); }

 private:
  class Queue;
  struct Gather;
  // Frames on their way that belong together on the wire, behind one header.
  struct Message {
    uint32_t frames = 0;
    std::string_view header;
  };

  // The writing half of a connection and its handler. Half a cache line, since a broadcast touches
  // one per subscriber.
  struct Outlet {
    // Nothing, one frame (the common case), or a Queue (lowest bit set).
    uintptr_t pending = 0;
    std::unique_ptr<Handler> handler;
    uint32_t queued_bytes = 0;
    os::Descriptor socket = os::kNoDescriptor;
    uint32_t generation = 0;
    Framing framing = Framing::raw;
    uint8_t flags = 0;
    uint16_t unused = 0;
  };
  static_assert(sizeof(Outlet) == 32, "a field here costs every connection and every broadcast");
  enum Flag : uint8_t {
    kDirty = 1,       // in one of the two lists
    kBlocked = 2,     // the kernel has no room; on_room will come
    kClosing = 4,     // close when flushed
    kOverflowed = 8,  // in ended_, as slow
    kNotify = 16,     // tell the handler when flushed
    kEnded = 32,      // the handler has been told
    kHeld = 64,       // nothing leaves until `release`
  };

  os::Token token(uint32_t slot) const;
  os::Nanos write_deadline(const Outlet& outlet) const {
    return shard_.now() +
           (outlet.framing == Framing::raw ? limits_.raw_write_timeout : limits_.write_timeout);
  }
  Outlet* resolve(os::Token token);
  Outlet* resolve(SocketHandle socket);
  void enqueue(uint32_t slot, Outlet& outlet, FrameRef frame);
  Queue& make_queue(Outlet& outlet, uint32_t slot);
  static Queue* queue_of(const Outlet& outlet);
  void drop_pending(Outlet& outlet);
  void mark(uint32_t slot, Outlet& outlet, std::vector<uint32_t>& list);
  // False when the connection broke.
  bool flush_outlet(uint32_t slot, Outlet& outlet);
  bool flush_early(uint32_t slot, Outlet& outlet);
  bool flush_queue(uint32_t slot, Outlet& outlet);
  static void gather(Gather& out, Queue& queue, Framing framing);
  static size_t note_begun(Outlet& outlet, Queue& queue, const Message& message, size_t sent);
  void prefetch_if_open(uint32_t slot) const {
    if (outlets_.contains(slot)) prefetch(slot);
  }
  void note_lone_sent(uint32_t slot, Outlet& outlet, std::string_view bytes, size_t sent);
  void flush_marked(uint32_t slot);
  void send_batch();
  void after_flush(uint32_t slot, Outlet& outlet);
  void after_sent(uint32_t slot, Outlet& outlet);
  void end(uint32_t slot, EndReason reason);

  static constexpr size_t kBulkSendsPerTurn = 512;
  static constexpr size_t kSendsPerBatch = 128;
  // A system call is given no more: the kernel takes all that it is given once it takes a part, and
  // what a peer does not read should wait here, where it is shared and counted.
  static constexpr size_t kBytesPerSend = 16 * 1024;

  runtime::Shard& shard_;
  const SocketLimits limits_;
  Slab<Outlet> outlets_;
  uint32_t next_generation_ = 1;
  std::vector<uint32_t> prompt_;
  std::vector<uint32_t> bulk_;
  size_t bulk_done_ = 0;
  // Lone frames that leave together, which is most of what a turn sends. Empty but while `flush`
  // runs.
  std::array<os::Sending, kSendsPerBatch> batch_;
  size_t batched_ = 0;
  std::vector<std::pair<SocketHandle, EndReason>> ended_;  // to be told at the end of the turn
  struct Listener {
    os::Descriptor socket;
    Acceptor* acceptor;
  };
  std::vector<Listener> listeners_;
};

}  // namespace gyre::net
