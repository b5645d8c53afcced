#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "engine/broker.h"
#include "engine/memory/stream.h"
#include "runtime/shard.h"
#include "tests/simulation/ledger.h"

namespace gyre::sim {

// How unreliable the broker is. Chances are out of 1000.
struct BrokerWeather {
  os::Nanos delay_max = 30 * os::kMillisecond;  // of a question, an answer, a delivery
  uint32_t stall = 20;                          // one of them is late by up to stall_max
  os::Nanos stall_max = 600 * os::kMillisecond;
  uint32_t lost = 0;         // a delivery does not arrive
  uint32_t repeated = 0;     // it arrives once more, later
  uint32_t refused = 0;      // an operation fails and does nothing
  uint32_t unconfirmed = 0;  // it fails, and has done its work
};

class SimBroker;

// A broker outside of the node, as Redis is one: streams, and whom to deliver to. Shared by the
// brokers of all homes. `calm` ends its faults.
class SimStore {
 public:
  SimStore(SimNetwork& network, Agenda& agenda, Ledger& ledger, BrokerWeather weather)
      : network_(network), agenda_(agenda), ledger_(ledger), weather_(weather) {}

  void calm() { weather_.lost = weather_.repeated = weather_.refused = weather_.unconfirmed = 0; }
  // It has been restarted: the channel's history and position are gone.
  void forget(const std::string& channel) { streams_.erase(channel); }
  size_t subscriptions() const { return subscribers_.size(); }
  std::optional<protocol::StreamPosition> top(const std::string& channel) const;

  // Publishes at once; also for publishers that are no clients of the node.
  engine::PublishResult publish(engine::PublishRequest request);

 private:
  friend class SimBroker;
  engine::memory::Stream& stream(const std::string& channel, std::chrono::seconds meta_ttl);
  Result<engine::HistoryPage> read(const std::string& channel, const engine::HistoryQuery& query);
  os::Nanos delay();
  void deliver(const std::string& channel, const protocol::PublicationRef& publication,
               const std::string& epoch);
  int64_t now() const { return network_.now() / os::kSecond; }
  std::string new_epoch();

  SimNetwork& network_;
  Agenda& agenda_;
  Ledger& ledger_;
  BrokerWeather weather_;
  std::map<std::string, engine::memory::Stream> streams_;
  std::map<std::string, SimBroker*> subscribers_;
};

// The way of one home to the store: two connections, one for commands, one for deliveries, each in
// order of its own. Owned by the home's NodeShard.
class SimBroker final : public engine::Broker {
 public:
  SimBroker(runtime::Shard& shard, SimStore& store) : shard_(shard), store_(store) {}
  ~SimBroker() override;
  // Its node has been killed: nothing that it does reaches the store any more, nor it the node.
  void die();

  void attach(engine::BrokerEvents& events) override { events_ = &events; }
  runtime::Task<Result<void>> subscribe(std::string channel) override;
  runtime::Task<Result<void>> unsubscribe(std::string channel) override;
  runtime::Task<Result<engine::PublishResult>> publish(engine::PublishRequest request) override;
  // Comes back at once: what announcements are not promised is not tried here.
  runtime::Task<Result<void>> announce(std::string channel,
                                       protocol::AnnouncementRef announcement) override {
    events_->on_announcement(channel, announcement);
    co_return Result<void>();
  }
  runtime::Task<Result<engine::HistoryPage>> history(std::string channel,
                                                     engine::HistoryQuery query) override;
  runtime::Task<Result<void>> remove_history(std::string channel) override;

 private:
  friend class SimStore;
  // Suspends for the time that a message takes on the line; lines keep their order.
  class Trip;
  enum Line : uint8_t { kQuestions, kAnswers, kInterest, kDeliveries, kLines };
  os::Nanos arrival(Line line);
  // A failure that the operation is to have before, or after, its work.
  bool is_refused() { return store_.network_.chance(store_.weather_.refused); }
  bool is_unconfirmed() { return store_.network_.chance(store_.weather_.unconfirmed); }
  void deliver_later(std::string channel, protocol::PublicationRef publication, std::string epoch);

  runtime::Shard& shard_;
  SimStore& store_;
  engine::BrokerEvents* events_ = nullptr;
  os::Nanos line_free_[kLines] = {};
  // Shared with deliveries on their way, which may outlive the broker.
  const std::shared_ptr<bool> is_dead_ = std::make_shared<bool>(false);
};

}  // namespace gyre::sim
