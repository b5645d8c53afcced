#include "grpc/worker.h"

#include <grpc/grpc.h>
#include <grpc/support/log.h>
#include <pthread.h>

#include <utility>

#include "base/log.h"

namespace gyre::grpc {

namespace {

// What the library would write to the standard error.
void take_log_line(gpr_log_func_args* line) {
  log::debug("GRPC library", {{"message", line->message}});
}

}  // namespace

Worker::~Worker() {
  {
    const std::lock_guard lock(mutex_);
    if (!thread_.joinable()) return;
    is_to_end_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void Worker::submit(Work work) {
  {
    const std::lock_guard lock(mutex_);
    submitted_.push_back(std::move(work));
    if (!thread_.joinable()) thread_ = std::jthread([this] { run(); });
    if (is_awake_) return;
  }
  changed_.notify_one();
}

void Worker::run() {
  pthread_setname_np(pthread_self(), "gyre-grpc");
  gpr_set_log_function(&take_log_line);
  grpc_init();
  queue_ = std::make_unique<::grpc::CompletionQueue>();
  channels_ = std::make_unique<Channels>();
  waker_ = std::jthread([this] { wake_when_needed(); });
  void* tag = nullptr;
  bool is_ok = false;
  while (queue_->Next(&tag, &is_ok)) static_cast<Event*>(tag)->on_event(is_ok);
  channels_.reset();
  queue_.reset();
  // The library ends its own threads here.
  grpc_shutdown_blocking();
}

void Worker::wake_when_needed() {
  pthread_setname_np(pthread_self(), "gyre-grpc-wake");
  ::grpc::Alarm alarm;
  bool has_told_end = false;
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] {
      const bool has_news = !submitted_.empty() || (is_to_end_ && !has_told_end);
      return has_ended_ || (!is_awake_ && has_news);
    });
    if (has_ended_) return;
    has_told_end = is_to_end_;
    is_awake_ = true;
    lock.unlock();
    // A time that is past: one of now would be rounded up to the next millisecond.
    alarm.Set(queue_.get(), gpr_time_0(GPR_CLOCK_REALTIME), static_cast<Event*>(&wakeup_));
    lock.lock();
  }
}

void Worker::work() {
  std::vector<Work> works;
  bool is_end = false;
  {
    const std::lock_guard lock(mutex_);
    is_awake_ = false;
    works.swap(submitted_);
    is_end = is_to_end_;
  }
  // Later ones find the alarm free again.
  if (is_end && !is_ending_) {
    is_ending_ = true;
    for (Call* call : calls_) call->cancel();
  }
  for (Work& work : works) work();
  if (is_end) changed_.notify_one();
  end_if_done();
}

void Worker::remove(Call& call) {
  calls_.erase(&call);
  end_if_done();
}

void Worker::end_if_done() {
  if (!is_ending_ || !calls_.empty()) return;
  {
    const std::lock_guard lock(mutex_);
    if (has_ended_ || is_awake_ || !submitted_.empty()) return;
    has_ended_ = true;
  }
  changed_.notify_one();
  waker_.join();
  queue_->Shutdown();
}

}  // namespace gyre::grpc
