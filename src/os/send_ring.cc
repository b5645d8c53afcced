#include "os/send_ring.h"

#include <fmt/format.h>
#include <liburing.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/check.h"

namespace gyre::os {

Result<std::unique_ptr<SendRing>> SendRing::create() {
  auto ring = std::make_unique<io_uring>();
  // Nothing completes later, so nobody has to be interrupted for it. Known since Linux 5.19.
  int error = io_uring_queue_init(kMost, ring.get(), IORING_SETUP_COOP_TASKRUN);
  if (error == -EINVAL) error = io_uring_queue_init(kMost, ring.get(), 0);
  if (error < 0) {
    return fail(Errc::unavailable, fmt::format("io_uring_setup: {}", std::strerror(-error)));
  }
  return std::unique_ptr<SendRing>(new SendRing(std::move(ring)));
}

SendRing::SendRing(std::unique_ptr<io_uring> ring) : ring_(std::move(ring)) {}

SendRing::~SendRing() {
  io_uring_queue_exit(ring_.get());
}

void SendRing::send(std::span<Sending> sendings) {
  GYRE_CHECK(sendings.size() <= kMost);
  for (Sending& sending : sendings) {
    io_uring_sqe* const entry = io_uring_get_sqe(ring_.get());
    // Not to wait for room: a send that finds none ends with EAGAIN at once.
    io_uring_prep_send(entry, sending.socket, sending.bytes.data(), sending.bytes.size(),
                       send_flags(sending.bytes.size()) | MSG_DONTWAIT);
    io_uring_sqe_set_data(entry, &sending);
    sending.sent = -ECANCELED;
  }
  for (size_t done = 0; done < sendings.size();) {
    // The first call does all of them; others only follow where a signal came in between.
    io_uring_submit_and_wait(ring_.get(), static_cast<unsigned>(sendings.size() - done));
    io_uring_cqe* completion = nullptr;
    unsigned head = 0;
    unsigned seen = 0;
    io_uring_for_each_cqe(ring_.get(), head, completion) {
      static_cast<Sending*>(io_uring_cqe_get_data(completion))->sent = completion->res;
      ++seen;
    }
    io_uring_cq_advance(ring_.get(), seen);
    done += seen;
  }
}

}  // namespace gyre::os
