#pragma once

#include <queue>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/broker.h"
#include "engine/memory/idempotency_cache.h"
#include "engine/memory/stream.h"
#include "runtime/shard.h"

namespace gyre::engine::memory {

// The broker of a single node (spec memory.md): streams in memory, delivery in the event that
// publishes, before its result. One for each home shard, on that shard; lives as long as the
// process, and its state no longer.
class MemoryBroker final : public Broker, runtime::Timer {
 public:
  // `meta_ttl`: channel.history_meta_ttl, for streams whose namespace has none of its own.
  MemoryBroker(runtime::Shard& shard, std::chrono::seconds meta_ttl)
      : shard_(shard), meta_ttl_(meta_ttl) {}

  void attach(BrokerEvents& events) override { events_ = &events; }
  runtime::Task<Result<void>> subscribe(std::string channel) override;
  runtime::Task<Result<void>> unsubscribe(std::string channel) override;
  runtime::Task<Result<PublishResult>> publish(PublishRequest request) override;
  runtime::Task<Result<HistoryPage>> history(std::string channel, HistoryQuery query) override;
  runtime::Task<Result<void>> remove_history(std::string channel) override;

  size_t streams() const { return streams_.size(); }

 private:
  using Streams = std::unordered_map<std::string, Stream>;
  // A stream's next deadline as it was when queued. Each stream has one entry, put in again with
  // the newer deadline when the old one comes up: a stream that is used all the time costs one look
  // per deadline and not one per use.
  struct Deadline {
    int64_t second;
    Streams::iterator stream;
    bool operator>(const Deadline& other) const { return second > other.second; }
  };

  int64_t now() const { return shard_.now() / os::kSecond; }
  int64_t meta_deadline(std::chrono::seconds own) const {
    return now() + (own.count() > 0 ? own : meta_ttl_).count();
  }
  Stream& stream(const std::string& channel);
  PublishResult append(PublishRequest& request, protocol::PublicationRef& published);
  std::string new_epoch();
  void on_timer() override;
  void arm();

  runtime::Shard& shard_;
  const std::chrono::seconds meta_ttl_;
  BrokerEvents* events_ = nullptr;
  Streams streams_;
  std::priority_queue<Deadline, std::vector<Deadline>, std::greater<>> deadlines_;
  // Streams made since the queue was last looked at; they have no deadline before their first use
  // ends.
  std::vector<Streams::iterator> unqueued_;
  IdempotencyCache results_;
};

}  // namespace gyre::engine::memory
