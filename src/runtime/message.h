#pragma once

namespace gyre::runtime {

class Shard;

// What travels between shards: an intrusive node. The receiver's turn calls `deliver` once, on the
// receiver, after which the message belongs to itself (it may be part of a coroutine's frame, or
// delete itself).
class Message {
 public:
  virtual void deliver() = 0;

 protected:
  ~Message() = default;

 private:
  friend class Mailbox;
  friend class Outbox;
  Message* next_ = nullptr;
};

}  // namespace gyre::runtime
