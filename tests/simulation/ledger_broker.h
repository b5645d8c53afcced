#pragma once

#include <memory>
#include <optional>
#include <utility>

#include "engine/broker.h"
#include "tests/simulation/ledger.h"

namespace gyre::sim {

// The tag that filters look at, of a publication's tags.
inline std::string tag_of(const protocol::Publication& publication) {
  for (const auto& [key, value] : publication.tags()) {
    if (key == "k") return value;
  }
  return {};
}

// Writes into the ledger what a broker that delivers reliably delivers.
class LedgerBroker final : public engine::Broker, engine::BrokerEvents {
 public:
  LedgerBroker(std::unique_ptr<engine::Broker> broker, Ledger& ledger)
      : broker_(std::move(broker)), ledger_(ledger) {}

  // Its node has been killed: what it still does, nobody sees.
  void die() { is_dead_ = true; }
  const engine::Broker& inner() const { return *broker_; }

  engine::Traits traits() const override { return broker_->traits(); }
  void attach(engine::BrokerEvents& events) override {
    events_ = &events;
    broker_->attach(*this);
  }
  runtime::Task<Result<void>> subscribe(std::string channel) override {
    return broker_->subscribe(std::move(channel));
  }
  runtime::Task<Result<void>> unsubscribe(std::string channel) override {
    return broker_->unsubscribe(std::move(channel));
  }
  runtime::Task<Result<engine::PublishResult>> publish(engine::PublishRequest request) override {
    return broker_->publish(std::move(request));
  }
  std::optional<Result<engine::PublishResult>> publish_at_once(
      engine::PublishRequest& request) override {
    return broker_->publish_at_once(request);
  }
  runtime::Task<Result<void>> announce(std::string channel,
                                       protocol::AnnouncementRef announcement) override {
    return broker_->announce(std::move(channel), std::move(announcement));
  }
  runtime::Task<Result<engine::HistoryPage>> history(std::string channel,
                                                     engine::HistoryQuery query) override {
    return broker_->history(std::move(channel), std::move(query));
  }
  runtime::Task<Result<void>> remove_history(std::string channel) override {
    return broker_->remove_history(std::move(channel));
  }

 private:
  void on_publication(std::string_view channel, const protocol::PublicationRef& publication,
                      std::string_view epoch) override {
    if (!is_dead_) {
      ledger_.published(channel, {.payload = publication->data,
                                  .epoch = std::string(epoch),
                                  .offset = publication->offset,
                                  .tag = tag_of(*publication)});
    }
    events_->on_publication(channel, publication, epoch);
  }
  void on_announcement(std::string_view channel,
                       const protocol::AnnouncementRef& announcement) override {
    events_->on_announcement(channel, announcement);
  }

  const std::unique_ptr<engine::Broker> broker_;
  Ledger& ledger_;
  engine::BrokerEvents* events_ = nullptr;
  bool is_dead_ = false;
};

}  // namespace gyre::sim
