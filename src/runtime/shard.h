#pragma once

#include <atomic>
#include <coroutine>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "os/kernel.h"
#include "runtime/mailbox.h"
#include "runtime/task.h"
#include "runtime/timer_wheel.h"

namespace gyre::runtime {

class Shard;

struct ShardId {
  uint16_t value = 0;
  friend bool operator==(ShardId, ShardId) = default;
};

// All shards of a node, in order. Shared by them; fixed once the first of them runs.
struct ShardSet {
  std::vector<Shard*> shards;
  // Whether a sleeping shard may be run by whoever posts to it. Off when shards have descriptor
  // tables of their own.
  bool lends = true;
  // The simulation decides by its seed instead, per post.
  std::function<bool()> lend_choice;

  uint16_t size() const { return static_cast<uint16_t>(shards.size()); }
  Shard& operator[](ShardId id) const { return *shards[id.value]; }
};

// The stage of a turn in which gathered output leaves. Implemented by net::Sockets.
class OutputStage {
 public:
  virtual ~OutputStage() = default;
  // How many connections have something waiting.
  virtual size_t waiting() const = 0;
  // Sends what is waiting, up to a budget. What is left, or comes up by it, waits for the next
  // turn.
  virtual void flush() = 0;
  // Ends all that was marked for its end during the turn.
  virtual void settle() = 0;
};

// Whoever wants to be destroyed when nothing of the current turn can refer to it any more.
class Mortal {
 public:
  virtual ~Mortal() = default;
};

// One thread's world: event loop, timers, tasks, mailbox. A small single-threaded server;
// everything that it owns is touched only by the holder of its baton, which is its own thread
// during a turn, or another shard that runs a turn on behalf of a sleeping one
// (docs/architecture.md, "The turn"). Owned by app (or a test), lives as long as the process.
class Shard {
 public:
  Shard(ShardId id, os::Kernel& kernel, ShardSet& set);
  Shard(const Shard&) = delete;
  Shard& operator=(const Shard&) = delete;
  ~Shard();

  // The shard whose turn the calling thread runs; null outside of a turn.
  static Shard* current();

  ShardId id() const { return id_; }
  ShardSet& set() { return set_; }
  os::Kernel& kernel() { return kernel_; }
  TimerWheel& timers() { return timers_; }
  TaskScope& tasks() { return tasks_; }

  // Time as of the start of the turn.
  os::Nanos now() const { return now_; }
  os::Nanos wall() const { return wall_; }
  int64_t unix_seconds() const { return wall_ / os::kSecond; }
  int64_t unix_milliseconds() const { return wall_ / os::kMillisecond; }

  // Where events and output go; set once, before the first turn.
  void attach(os::EventSink& sink, OutputStage& output);

  // Turns until `stop` is called. The shard's thread.
  void run();
  void stop();  // from any thread

  // One turn: what can be done now, sleeping at most until `deadline` when there is nothing.
  void turn(os::Nanos deadline = os::kForever);

  // From a turn of this shard: the message leaves at the end of the turn, with others for the same
  // shard.
  void send(Shard& to, Message& message);
  // From a thread that is no shard ("guest"), or before shards run: at once.
  void post(Message& message);

  // The rest of a coroutine that gives others a chance: runs later, in this turn or the next.
  void resume_later(std::coroutine_handle<> coroutine) { ready_.push_back(coroutine); }

  // Destroys the object at the end of a turn of the shard's own thread.
  void bury(std::unique_ptr<Mortal> object) { graveyard_.push_back(std::move(object)); }

  // Until when a thread that has just finished a turn would sleep; for the simulation.
  os::Nanos asleep_until() const { return mailbox_.has_arrivals() ? 0 : asleep_until_; }

  // Whether nothing waits for a turn before that time; for the simulation, which looks for wake-ups
  // that got lost.
  bool may_sleep_until(os::Nanos when) const {
    return !has_work() && !mailbox_.has_arrivals() && graveyard_.empty() &&
           timers_.next_due() >= when;
  }

  // Nothing armed, waiting or running; for tests and the simulation's end.
  bool is_idle() const;

 private:
  static constexpr int kMessagesPerTurn = 1024;
  static constexpr size_t kTasksPerTurn = 1024;
  static constexpr int kMessagesPerLentTurn = 64;
  static constexpr size_t kReceiveBuffer = 256 * 1024;

  static constexpr int kRoundsPerTurn = 4;
  // From so many sends on, which take a millisecond, a turn looks for more before it sends; and
  // again, while it finds something, for as long at most as sending would have taken.
  static constexpr size_t kGatheredSends = 256;
  static constexpr int kGathersPerTurn = 16;
  static constexpr os::Nanos kGatherMost = os::kMillisecond;
  // Beyond this many sends the owner is worth waking: parallel work outweighs the price of the
  // wake-up.
  static constexpr size_t kLentSends = 256;

  enum class Baton : uint32_t { free, held };
  bool try_take_baton();
  void take_baton();
  void put_baton() { baton_.store(Baton::free, std::memory_order_seq_cst); }

  void refresh_clock();
  void work();
  void gather();
  void run_ready(size_t limit);
  bool has_work() const;
  void post_outboxes(std::vector<Shard*>& addressees);
  // After messages were posted to this shard: runs its turn when it sleeps, or wakes it.
  void nudge(std::vector<Shard*>& addressees);
  void wake_sleeper();
  void lent_turn(std::vector<Shard*>& addressees);
  static void nudge_all(std::vector<Shard*>& addressees);

  const ShardId id_;
  os::Kernel& kernel_;
  ShardSet& set_;
  os::EventSink* sink_ = nullptr;
  OutputStage* output_ = nullptr;

  os::Nanos now_;
  os::Nanos wall_;
  TimerWheel timers_;
  TaskScope tasks_;
  std::vector<std::coroutine_handle<>> ready_;
  std::vector<std::coroutine_handle<>> running_;  // spare for run_ready
  std::vector<Outbox> outboxes_;                  // by destination
  std::vector<uint16_t> addressed_;               // outboxes that are not empty
  std::vector<Shard*> addressees_;                // spare for turn
  std::vector<std::unique_ptr<Mortal>> graveyard_;
  std::unique_ptr<char[]> buffer_;
  // Until when the thread means to sleep. Written before the baton is put down, so a lender sees
  // it.
  os::Nanos asleep_until_ = 0;

  alignas(64) Mailbox mailbox_;
  std::atomic<Baton> baton_{Baton::free};
  // The sleeping thread is on its way: it has been woken and has not begun its turn.
  std::atomic<bool> is_woken_{false};
  std::atomic<bool> stopping_{false};
};

// Makes `shard` the current one of this thread for a while: what runs inside is part of its turn.
// Used by turns themselves, and by app and tests to set a shard up before it runs.
class TurnScope {
 public:
  explicit TurnScope(Shard& shard);
  ~TurnScope();
  TurnScope(const TurnScope&) = delete;

 private:
  Shard* previous_;
};

// Suspends the awaiting coroutine until the time has come (monotonic; precision of a timer tick).
class SleepUntil final : Timer {
 public:
  explicit SleepUntil(os::Nanos when) : when_(when) {}
  bool await_ready() const { return Shard::current()->now() >= when_; }
  void await_suspend(std::coroutine_handle<> coroutine) {
    coroutine_ = coroutine;
    Shard::current()->timers().arm(*this, when_);
  }
  void await_resume() {}

 private:
  void on_timer() override { coroutine_.resume(); }
  os::Nanos when_;
  std::coroutine_handle<> coroutine_;
};

// Gives way to the rest of the turn.
struct Yield {
  bool await_ready() const { return false; }
  void await_suspend(std::coroutine_handle<> coroutine) {
    Shard::current()->resume_later(coroutine);
  }
  void await_resume() {}
};

}  // namespace gyre::runtime
