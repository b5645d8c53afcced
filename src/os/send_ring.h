#pragma once

#include <memory>
#include <span>

#include "base/result.h"
#include "os/kernel.h"

struct io_uring;

namespace gyre::os {

// An io_uring through which many sends go with one system call: a seventh of what a send costs on
// its own is the way into the kernel and back (docs/decisions/0012-ring-sends.md). Nothing else
// uses it and nothing stays in it: every send is done when `send` returns. Owned by a LinuxKernel
// and, as it, used by whoever holds the shard's baton.
class SendRing {
 public:
  // Sends that one system call carries.
  static constexpr size_t kMost = 128;

  // Fails where the system has no io_uring or does not let us: old kernels, containers.
  static Result<std::unique_ptr<SendRing>> create();
  ~SendRing();
  SendRing(const SendRing&) = delete;
  SendRing& operator=(const SendRing&) = delete;

  // Does up to kMost sends, in their order; `sent` of each is its size, or an error number below
  // zero.
  void send(std::span<Sending> sendings);

 private:
  explicit SendRing(std::unique_ptr<io_uring> ring);
  std::unique_ptr<io_uring> ring_;
};

// The flags of a send of so many bytes.
int send_flags(size_t size);

}  // namespace gyre::os
