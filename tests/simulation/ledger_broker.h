#pragma once

#include <memory>
#include <utility>

#include "engine/broker.h"
#include "tests/simulation/ledger.h"

namespace gyre::sim {

// Writes into the ledger what a broker that delivers reliably delivers.
class LedgerBroker final : public engine::Broker, engine::BrokerEvents {
 public:
  LedgerBroker(std::unique_ptr<engine::Broker> broker, Ledger& ledger)
      : broker_(std::move(broker)), ledger_(ledger) {}

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
    ledger_.published(
        channel,
        {.payload = publication->data, .epoch = std::string(epoch), .offset = publication->offset});
    events_->on_publication(channel, publication, epoch);
  }
  void on_announcement(std::string_view channel,
                       const protocol::AnnouncementRef& announcement) override {
    events_->on_announcement(channel, announcement);
  }

  const std::unique_ptr<engine::Broker> broker_;
  Ledger& ledger_;
  engine::BrokerEvents* events_ = nullptr;
};

}  // namespace gyre::sim
