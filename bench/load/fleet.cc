#include "load/fleet.h"

#include <sched.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "load/clock.h"
#include "load/fail.h"

namespace gyre::bench {
namespace {

uint32_t threads_for(const Options& options, uint32_t count) {
  return count <= options.per_thread ? 0 : (count - 1) / options.per_thread;
}

}  // namespace

Fleet::Bell::Bell(Loop& loop) : fd_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  if (fd_ < 0) fail("eventfd: {}", std::strerror(errno));
  loop.watch(fd_, loop.enlist(*this), 0, EPOLLIN);
}

Fleet::Bell::~Bell() {
  close(fd_);
}

void Fleet::Bell::ring() const {
  const uint64_t one = 1;
  if (write(fd_, &one, sizeof one) < 0 && errno != EAGAIN) {
    fail("eventfd: {}", std::strerror(errno));
  }
}

void Fleet::Bell::on_event(uint32_t /*index*/, uint32_t /*events*/) {
  uint64_t rings = 0;
  if (read(fd_, &rings, sizeof rings) < 0 && errno != EAGAIN) {
    fail("eventfd: {}", std::strerror(errno));
  }
}

Fleet::Fleet(const Options& options, Script script, uint32_t count, const MakeObserver& make)
    : options_(options),
      script_(std::move(script)),
      bell_(loop_),
      split_(threads_for(options, count)) {
  loop_.gather(int64_t{options.gather_us} * kMicrosecond);
  const uint32_t own = std::min(count, options.per_thread);
  observers_.push_back(make(0, 0, own));
  own_ = std::make_unique<Swarm>(options_, script_, loop_, *observers_[0], 0, own);
  std::vector<std::pair<uint32_t, uint32_t>> rest;
  for (uint32_t first = own; first < count; first += options.per_thread) {
    rest.emplace_back(first, std::min(options.per_thread, count - first));
    observers_.push_back(make(swarms(), first, rest.back().second));
  }
  elsewhere_ = count - own;
  for (uint32_t at = 0; at < rest.size(); ++at) {
    threads_.emplace_back([this, at, place = rest[at]] { run(at + 1, place.first, place.second); });
  }
  split_.wait();
}

Fleet::~Fleet() {
  stop();
}

void Fleet::run(uint32_t swarm_number, uint32_t first, uint32_t count) {
  // The limit on open files is one of descriptor tables. The bell stays valid in the copy.
  if (unshare(CLONE_FILES) != 0) fail("unshare: {}", std::strerror(errno));
  split_.count_down();
  Loop loop;
  loop.gather(int64_t{options_.gather_us} * kMicrosecond);
  Swarm swarm(options_, script_, loop, *observers_[swarm_number], first, count);
  go_.wait(false);
  uint32_t known = 0;
  while (!stop_.load(std::memory_order_relaxed)) {
    swarm.open_some();
    loop.turn(20 * kMillisecond);
    if (swarm.live() != known) {
      live_elsewhere_.fetch_add(swarm.live() - known);
      known = swarm.live();
      if (known == count) wake();
    }
  }
}

void Fleet::turn(int64_t timeout_ns) {
  loop_.turn(timeout_ns);
}
void Fleet::wake() {
  bell_.ring();
}

void Fleet::open_all() {
  go_ = true;
  go_.notify_all();
  int64_t moved = now_ns();
  uint32_t before = 0;
  while (true) {
    own_->open_some();
    const uint32_t live = own_->live() + live_elsewhere_.load();
    if (live == own_->size() + elsewhere_) return;
    if (live != before) moved = now_ns();
    before = live;
    if (now_ns() - moved > 20 * kSecond) {
      fail("no connection came up for 20 s; {} of {} are", live, own_->size() + elsewhere_);
    }
    loop_.turn(100 * kMillisecond);
  }
}

void Fleet::idle(double seconds) {
  const int64_t end = now_ns() + static_cast<int64_t>(seconds * 1e9);
  for (int64_t now = now_ns(); now < end; now = now_ns()) loop_.turn(end - now);
}

void Fleet::stop() {
  stop_ = true;
  go_ = true;
  go_.notify_all();
  threads_.clear();
}

}  // namespace gyre::bench
