#pragma once

#include <atomic>
#include <utility>

#include "base/fault_points.h"
#include "runtime/message.h"

namespace gyre::runtime {

// A chain of messages for one destination, in order, collected during a turn. Belongs to the
// sending shard.
class Outbox {
 public:
  bool is_empty() const { return newest_ == nullptr; }
  void add(Message& message) {
    message.next_ = newest_;
    newest_ = &message;
    if (!oldest_) oldest_ = &message;
  }

 private:
  friend class Mailbox;
  // Newest first, as Mailbox keeps them.
  Message* newest_ = nullptr;
  Message* oldest_ = nullptr;
};

// The only way into a shard from another thread: a lock-free stack of messages that its owner takes
// whole and turns over. Many producers, one consumer (whoever holds the shard's baton). First in,
// first out for each producer.
class Mailbox {
 public:
  // Something has come since the last drain. From any thread.
  bool has_arrivals() const { return arrived_.load(std::memory_order_seq_cst) != nullptr; }
  // A drain has stopped at its limit. For the holder of the baton.
  bool has_backlog() const { return pending_ != nullptr; }

  void post(Message& message) {
    Outbox chain;
    chain.add(message);
    post(chain);
  }
  // Takes over the chain.
  void post(Outbox& chain) {
    Message* head = arrived_.load(std::memory_order_relaxed);
    do {
      chain.oldest_->next_ = head;
    } while (!arrived_.compare_exchange_weak(head, chain.newest_, std::memory_order_seq_cst,
                                             std::memory_order_relaxed));
    chain = Outbox();
  }

  // Delivers up to `limit` messages, oldest first; returns how many.
  int drain(int limit) {
    int count = 0;
    for (; count < limit; ++count) {
      if (!pending_) take();
      if (!pending_) break;
      Message* message = std::exchange(pending_, pending_->next_);
      message->deliver();
    }
    return count;
  }

 private:
  void take() {
    Message* newest = arrived_.exchange(nullptr, std::memory_order_acquire);
    if (GYRE_PLANTED(mailbox_turns_over) && newest && newest->next_ && newest->next_->next_) {
      pending_ = newest;
      return;
    }
    while (newest) {
      Message* next = std::exchange(newest->next_, pending_);
      pending_ = std::exchange(newest, next);
    }
  }

  std::atomic<Message*> arrived_{nullptr};  // newest first
  Message* pending_ = nullptr;              // oldest first
};

}  // namespace gyre::runtime
