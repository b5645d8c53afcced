#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "engine/broker.h"
#include "engine/presence_store.h"
#include "engine/shared_calls.h"

// For engines whose answers take a way: equal reads of a channel that are asked for at the same
// time reach the engine once or twice (shared_calls.h), as when all subscribers come back at once
// and recover from the same position. Not for engines that answer at once, like that in memory.
// Made by whoever makes the engine of a home shard, around it.
namespace gyre::engine {

// Shares `history`; all else goes through.
class ReadSharingBroker final : public Broker {
 public:
  ReadSharingBroker(runtime::Shard& shard, std::unique_ptr<Broker> broker)
      : broker_(std::move(broker)), histories_(shard) {}

  Traits traits() const override { return broker_->traits(); }
  void attach(BrokerEvents& events) override { broker_->attach(events); }
  runtime::Task<Result<void>> subscribe(std::string channel) override {
    return broker_->subscribe(std::move(channel));
  }
  runtime::Task<Result<void>> unsubscribe(std::string channel) override {
    return broker_->unsubscribe(std::move(channel));
  }
  runtime::Task<Result<PublishResult>> publish(PublishRequest request) override {
    return broker_->publish(std::move(request));
  }
  std::optional<Result<PublishResult>> publish_at_once(PublishRequest& request) override {
    return broker_->publish_at_once(request);
  }
  runtime::Task<Result<void>> announce(std::string channel,
                                       protocol::AnnouncementRef announcement) override {
    return broker_->announce(std::move(channel), std::move(announcement));
  }
  runtime::Task<Result<HistoryPage>> history(std::string channel, HistoryQuery query) override;
  runtime::Task<Result<std::vector<protocol::StreamPosition>>> tops(
      std::vector<TopQuery> queries) override {
    return broker_->tops(std::move(queries));
  }
  runtime::Task<Result<void>> remove_history(std::string channel) override {
    return broker_->remove_history(std::move(channel));
  }

 private:
  // The channel, and all that a query says; the position to begin from may be none.
  using HistoryKey = std::tuple<std::string, int32_t, bool, uint64_t, std::string, bool, int64_t>;
  static HistoryKey key_of(const std::string& channel, const HistoryQuery& query);

  const std::unique_ptr<Broker> broker_;
  SharedCalls<HistoryKey, HistoryPage> histories_;
};

// Shares `list` and `stats`; all else goes through.
class ReadSharingPresence final : public PresenceStore {
 public:
  ReadSharingPresence(runtime::Shard& shard, std::unique_ptr<PresenceStore> store)
      : store_(std::move(store)), lists_(shard), stats_(shard) {}

  bool forgets() const override { return store_->forgets(); }
  runtime::Task<Result<void>> add(std::string channel, protocol::ClientInfo info) override {
    return store_->add(std::move(channel), std::move(info));
  }
  runtime::Task<Result<void>> remove(std::string channel, std::string client) override {
    return store_->remove(std::move(channel), std::move(client));
  }
  runtime::Task<Result<MemberList>> list(std::string channel) override;
  runtime::Task<Result<MemberPage>> page(std::string channel, std::string cursor,
                                         size_t limit) override {
    return store_->page(std::move(channel), std::move(cursor), limit);
  }
  runtime::Task<Result<PresenceStats>> stats(std::string channel) override;

 private:
  const std::unique_ptr<PresenceStore> store_;
  SharedCalls<std::string, MemberList> lists_;
  SharedCalls<std::string, PresenceStats> stats_;
};

}  // namespace gyre::engine
