#pragma once

#include <grpcpp/alarm.h>
#include <grpcpp/completion_queue.h>

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "grpc/channels.h"

namespace gyre::grpc {

// The thread that does everything that the library is asked for, and to which the library reports:
// so whatever is part of a call needs no lock. A second one does nothing but wake it. Shards never
// call into the library, which would run other calls' work on their time, and whose descriptors a
// shard with a table of its own does not have. Owned by ChannelClient; both threads start with the
// first work.
class Worker {
 public:
  using Work = std::move_only_function<void()>;

  // What the library reports on; its address is the tag.
  class Event {
   public:
    virtual void on_event(bool is_ok) = 0;

   protected:
    ~Event() = default;
  };

  // A call from its start to its end.
  class Call {
   public:
    // Its end is told soon.
    virtual void cancel() = 0;

   protected:
    ~Call() = default;
  };

  Worker() = default;
  // Cancels what is open and returns when all of it has ended.
  ~Worker();
  Worker(const Worker&) = delete;

  // From any thread: `work` runs on the worker's, in the order of these calls.
  void submit(Work work);

  // On the worker's thread only:
  Channels& channels() { return *channels_; }
  ::grpc::CompletionQueue& queue() { return *queue_; }
  bool is_ending() const { return is_ending_; }
  void add(Call& call) { calls_.insert(&call); }
  // The worker may end then.
  void remove(Call& call);

 private:
  struct Wakeup final : Event {
    explicit Wakeup(Worker& owner) : worker(owner) {}
    void on_event(bool) override { worker.work(); }
    Worker& worker;
  };
  void run();
  void wake_when_needed();
  void work();
  void end_if_done();

  // The worker's thread's:
  std::unique_ptr<Channels> channels_;
  std::unique_ptr<::grpc::CompletionQueue> queue_;
  std::set<Call*> calls_;
  bool is_ending_ = false;
  Wakeup wakeup_{*this};
  std::jthread waker_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Work> submitted_;  // this and the rest: guarded by mutex_
  bool is_awake_ = false;        // has been woken, and has not looked yet
  bool is_to_end_ = false;
  bool has_ended_ = false;
  std::jthread thread_;  // last: uses all of the above
};

}  // namespace gyre::grpc
