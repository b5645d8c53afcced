#include "runtime/shard.h"

#include <sched.h>

#include <algorithm>

#include "base/check.h"
#include "base/fault_points.h"

namespace gyre::runtime {

namespace {
thread_local Shard* current_shard = nullptr;
}

Shard* Shard::current() {
  return current_shard;
}

TurnScope::TurnScope(Shard& shard) : previous_(std::exchange(current_shard, &shard)) {}
TurnScope::~TurnScope() {
  current_shard = previous_;
}

Shard::Shard(ShardId id, os::Kernel& kernel, ShardSet& set)
    : id_(id),
      kernel_(kernel),
      set_(set),
      now_(kernel.monotonic()),
      wall_(kernel.wall()),
      timers_(now_),
      buffer_(new char[kReceiveBuffer]()) {}

Shard::~Shard() = default;

void Shard::attach(os::EventSink& sink, OutputStage& output) {
  sink_ = &sink;
  output_ = &output;
}

void Shard::run() {
  while (!stopping_.load(std::memory_order_acquire)) turn();
}

void Shard::stop() {
  stopping_.store(true, std::memory_order_release);
  kernel_.wake();
}

// The whole scheduling policy, in reading order.
void Shard::turn(os::Nanos deadline) {
  // asleep_until_ is ours to read: only turns of this thread write it.
  os::Nanos until = std::min(deadline, asleep_until_);
  if (mailbox_.has_arrivals()) until = 0;
  kernel_.wait(until);

  take_baton();
  // From here on whoever posts must wake again; what was posted before is found below.
  is_woken_.store(false, std::memory_order_seq_cst);
  {
    TurnScope scope(*this);
    refresh_clock();
    kernel_.dispatch(*sink_, {buffer_.get(), kReceiveBuffer});
    timers_.advance(now_);
    work();
    gather();
    output_->flush();
    output_->settle();
    post_outboxes(addressees_);
    nudge_all(addressees_);
    graveyard_.clear();
    asleep_until_ = has_work() ? 0 : timers_.next_due();
  }
  put_baton();
}

void Shard::work() {
  // Answers of shards that were run on the spot are worth taking before the output leaves.
  for (int round = 0; round < kRoundsPerTurn; ++round) {
    mailbox_.drain(GYRE_FAULT(small_drain) ? 1 : kMessagesPerTurn);
    run_ready(kTasksPerTurn);
    post_outboxes(addressees_);
    nudge_all(addressees_);
    if (!mailbox_.has_arrivals()) break;
  }
}

// Publications that come close together leave in one send per receiver: while there is much to
// send, what has just arrived is worth a look first.
void Shard::gather() {
  for (int round = 0; round < kGathersPerTurn; ++round) {
    if (output_->waiting() < kGatheredSends && !GYRE_FAULT(eager_gather)) return;
    if (kernel_.monotonic() - now_ > kGatherMost) return;
    const bool has_more = kernel_.wait(0);
    // This look may have taken the wake-up of who read the baton before the turn took it: the next
    // one must wake again.
    if (!GYRE_PLANTED(gathered_wake_is_kept)) is_woken_.store(false, std::memory_order_seq_cst);
    if (!has_more) return;
    kernel_.dispatch(*sink_, {buffer_.get(), kReceiveBuffer});
    work();
  }
}

void Shard::send(Shard& to, Message& message) {
  GYRE_DCHECK(current_shard == this);
  if (outboxes_.size() < set_.size()) outboxes_.resize(set_.size());
  Outbox& outbox = outboxes_[to.id_.value];
  if (outbox.is_empty()) addressed_.push_back(to.id_.value);
  outbox.add(message);
}

void Shard::post(Message& message) {
  mailbox_.post(message);
  wake_sleeper();
}

// A system call for each wake-up, however many post to a sleeper before it runs.
void Shard::wake_sleeper() {
  if (baton_.load(std::memory_order_seq_cst) != Baton::free && !GYRE_FAULT(late_wake)) return;
  if (!is_woken_.exchange(true, std::memory_order_seq_cst)) kernel_.wake();
}

void Shard::post_outboxes(std::vector<Shard*>& addressees) {
  for (uint16_t destination : addressed_) {
    Shard& to = *set_.shards[destination];
    to.mailbox_.post(outboxes_[destination]);
    // A message to oneself is found by the next look into the mailbox.
    if (&to != this) addressees.push_back(&to);
  }
  addressed_.clear();
}

void Shard::nudge_all(std::vector<Shard*>& addressees) {
  // Lent turns post on and grow the list; they never nest.
  for (size_t i = 0; i < addressees.size(); ++i) addressees[i]->nudge(addressees);
  addressees.clear();
}

void Shard::nudge(std::vector<Shard*>& addressees) {
  const bool lend = set_.lend_choice ? set_.lend_choice() : set_.lends;
  if (!lend) {
    if (GYRE_PLANTED(wake_is_skipped)) return;
    return wake_sleeper();
  }
  // A held baton means a turn is running, whose holder looks into the mailbox after putting it
  // down.
  while (mailbox_.has_arrivals() && try_take_baton()) {
    lent_turn(addressees);
    // The dead wait for the owner, too: what they hold on to must not stay until it happens to
    // wake.
    const bool is_late = timers_.next_due() < asleep_until_ && !GYRE_PLANTED(lent_timer_is_missed);
    const bool wake = has_work() || !graveyard_.empty() || is_late;
    put_baton();
    if (wake) return wake_sleeper();
  }
}

void Shard::lent_turn(std::vector<Shard*>& addressees) {
  TurnScope scope(*this);
  refresh_clock();
  mailbox_.drain(GYRE_FAULT(small_drain) ? 1 : kMessagesPerLentTurn);
  run_ready(kTasksPerTurn);
  // More is the owner's work.
  if (output_->waiting() <= kLentSends && !GYRE_FAULT(deferred_lent_flush)) {
    output_->flush();
    output_->settle();
  }
  post_outboxes(addressees);
}

bool Shard::try_take_baton() {
  Baton expected = Baton::free;
  return baton_.compare_exchange_strong(expected, Baton::held, std::memory_order_seq_cst);
}

void Shard::take_baton() {
  // A lender holds it for some microseconds at most.
  for (int spins = 0; !try_take_baton(); ++spins) {
    if (spins > 64) sched_yield();
  }
}

void Shard::refresh_clock() {
  now_ = kernel_.monotonic();
  wall_ = kernel_.wall();
}

// What is ready now, and not what becomes ready by it: a coroutine that gives way lets input and
// output go first.
void Shard::run_ready(size_t limit) {
  running_.swap(ready_);
  const size_t count = std::min(GYRE_FAULT(small_batch) ? 1 : limit, running_.size());
  for (size_t i = 0; i < count; ++i) running_[i].resume();
  if (!GYRE_PLANTED(ready_rest_is_dropped)) {
    ready_.insert(ready_.begin(), running_.begin() + static_cast<ptrdiff_t>(count), running_.end());
  }
  running_.clear();
}

bool Shard::has_work() const {
  return mailbox_.has_backlog() || !ready_.empty() || output_->waiting() > 0;
}

bool Shard::is_idle() const {
  return !has_work() && !mailbox_.has_arrivals() && tasks_.active() == 0 && timers_.armed() == 0 &&
         graveyard_.empty();
}

}  // namespace gyre::runtime
