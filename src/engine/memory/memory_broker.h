#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>

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

  Traits traits() const override { return {.delivers_all = true}; }
  void attach(BrokerEvents& events) override { events_ = &events; }
  runtime::Task<Result<void>> subscribe(std::string channel) override;
  runtime::Task<Result<void>> unsubscribe(std::string channel) override;
  runtime::Task<Result<PublishResult>> publish(PublishRequest request) override;
  std::optional<Result<PublishResult>> publish_at_once(PublishRequest& request) override;
  runtime::Task<Result<void>> announce(std::string channel,
                                       protocol::AnnouncementRef announcement) override;
  runtime::Task<Result<HistoryPage>> history(std::string channel, HistoryQuery query) override;
  runtime::Task<Result<void>> remove_history(std::string channel) override;

  size_t streams() const { return streams_.size(); }
  size_t remembered_results() const { return results_.size(); }

 private:
  static constexpr int64_t kNever = INT64_MAX;
  // A stream, and when it is looked at next. That is never after its next deadline, but may be long
  // before: a later deadline is queued only when the old one comes up, so that a stream which is
  // used all the time costs one look per deadline and not one per use.
  struct Kept {
    Stream stream;
    int64_t look = kNever;
  };
  using Streams = std::unordered_map<std::string, Kept>;
  using Node = Streams::value_type;  // stays where it is when the map grows

  int64_t now() const { return shard_.now() / os::kSecond; }
  int64_t meta_deadline(std::chrono::seconds own) const {
    return now() + (own.count() > 0 ? own : meta_ttl_).count();
  }
  Node& node(const std::string& channel);
  void schedule(Node& node);
  PublishResult append(PublishRequest& request, protocol::PublicationRef& published);
  std::string new_epoch();
  void on_timer() override;
  void arm();

  runtime::Shard& shard_;
  const std::chrono::seconds meta_ttl_;
  BrokerEvents* events_ = nullptr;
  Streams streams_;
  std::set<std::pair<int64_t, Node*>> looks_;  // one for each stream
  IdempotencyCache results_;
};

}  // namespace gyre::engine::memory
