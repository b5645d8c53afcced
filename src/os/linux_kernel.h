#pragma once

#include <sys/epoll.h>

#include <array>
#include <memory>
#include <vector>

#include "os/kernel.h"
#include "os/send_ring.h"

namespace gyre::os {

// The kernel of a real shard: an epoll set, level-triggered. Made before the shard's thread runs,
// since its wake-up descriptor must exist in every descriptor table; `open` is called on the
// thread, after it has left the shared table if it does.
class LinuxKernel final : public Kernel {
 public:
  static Result<std::unique_ptr<LinuxKernel>> create();
  ~LinuxKernel() override;

  // Creates the epoll set in the calling thread's descriptor table, and the ring for sends if one
  // is wanted and the system has one.
  Result<void> open(bool with_ring = true);
  bool has_ring() const { return ring_ != nullptr; }

  Nanos monotonic() override;
  Nanos wall() override;
  void random(void* bytes, size_t count) override;
  Result<Descriptor> listen(const ListenOptions& options, Token token) override;
  uint16_t local_port(Descriptor socket) override;
  Result<void> attach(Descriptor socket, Token token) override;
  void pause(Descriptor socket, Token token) override;
  void resume(Descriptor socket, Token token) override;
  ptrdiff_t send(Descriptor socket, Token token, std::span<const iovec> parts) override;
  void send_each(std::span<Sending> sendings) override;
  void finish(Descriptor socket) override;
  void close(Descriptor socket) override;
  void reset(Descriptor socket) override;
  std::string peer_address(Descriptor socket) override;
  bool wait(Nanos deadline) override;
  void dispatch(EventSink& sink, std::span<char> buffer) override;
  void wake() override;

 private:
  explicit LinuxKernel(Descriptor wake) : wake_(wake) {}
  void set_interest(Descriptor socket, Token token, uint8_t bits);
  uint8_t& interest(Descriptor socket);
  ptrdiff_t note_sent(Descriptor socket, Token token, size_t wanted, ptrdiff_t result);
  void accept_some(EventSink& sink, Descriptor listener, Token token);
  bool refuse_one(Descriptor listener, Token token);
  void keep_reserve();
  void pause_listening(Descriptor listener, Token token);
  void resume_listening();
  static void fill_randomly(void* bytes, size_t count);
  void receive(EventSink& sink, const epoll_event& event, std::span<char> buffer);

  static constexpr int kEvents = 1024;
  // What has been accepted asks for more work in the turns that follow. In a storm of connects the
  // rest waits in the backlog, and not in front of everybody else.
  static constexpr int kAcceptsPerTurn = 16;
  // A dispatch that has taken so long, judged every few events, leaves the rest for the next turn:
  // deliveries are not held up by ever so many clients that connect.
  static constexpr Nanos kDispatchMost = kMillisecond / 2;
  static constexpr int kEventsPerLook = 16;
  // What a turn takes from one connection: the others wait for its commands.
  static constexpr size_t kReceivedPerTurn = 32 * 1024;
  // Fewer sends than this go one by one.
  static constexpr size_t kRingLeast = 2;
  static constexpr Nanos kRefusalWarningInterval = 3 * kSecond;
  static constexpr Nanos kListeningPause = 100 * kMillisecond;

  Descriptor wake_;
  Descriptor epoll_ = kNoDescriptor;
  // Kept open to be given up for a moment when descriptors run out: the connection can be accepted
  // and closed then, instead of waiting in the backlog without an answer.
  Descriptor reserve_ = kNoDescriptor;
  std::unique_ptr<SendRing> ring_;  // may be null
  Nanos next_refusal_warning_ = 0;
  // When listeners that could not be accepted from are tried again. Of the shard's own thread, as
  // timer_due_.
  Nanos listen_again_ = kForever;
  Descriptor timer_ = kNoDescriptor;
  // When timer_ expires. Touched by the shard's own thread only, as `wait` and `dispatch` are.
  Nanos timer_due_ = kForever;
  int ready_ = 0;
  int next_ = 0;  // of those that are ready
  std::array<epoll_event, kEvents> events_;
  std::vector<uint8_t> interest_;  // by descriptor
  std::array<char, 256> entropy_{};
  size_t entropy_left_ = 0;  // at the end of entropy_
  std::vector<std::pair<Token, Descriptor>> listeners_;
};

// Leaves the process's shared descriptor table (CLONE_FILES): the calling thread can hold
// RLIMIT_NOFILE sockets of its own. Descriptors opened before stay valid under their numbers.
Result<void> use_own_descriptor_table();

// How many cores this process may use: affinity and cgroup quota, at least 1.
unsigned usable_cores();

}  // namespace gyre::os
