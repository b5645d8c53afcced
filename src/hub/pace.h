#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "base/frame.h"
#include "channel/delivery_rule.h"
#include "hub/delivery.h"
#include "runtime/shard.h"

namespace gyre::hub {

class LocalHub;

// What a channel with a delivery rule has beyond others: the publications that wait for the end of
// a batch, and the newest frame of each receiver that is behind. Owned by the channel in its
// shard's LocalHub, which does the sending and is called when a batch is due; lives as long as the
// channel.
class Pace final : runtime::Timer {
 public:
  Pace(LocalHub& hub, runtime::Shard& shard, ChannelSlot channel);
  ~Pace() override;

  const channel::DeliveryRule& rule() const { return *rule_; }
  // Null: from now on each publication goes at once and to everybody.
  void set_rule(std::shared_ptr<const channel::DeliveryRule> rule);

  bool is_holding() const { return !held_.empty(); }
  const std::vector<Delivery>& held() const { return held_; }
  // False if the batch is full.
  bool hold(Delivery delivery);
  std::vector<Delivery> take_held();

  // By the receivers' outlets.
  void keep(uint32_t outlet, FrameRef frame) { kept_.insert_or_assign(outlet, std::move(frame)); }
  FrameRef take_kept(uint32_t outlet);

  // How many receivers want every publication, and how many get no more. Kept by the hub.
  struct Counts {
    uint32_t whole = 0;
    uint32_t cut = 0;
  };
  Counts& counts() { return counts_; }

 private:
  void on_timer() override;

  LocalHub& hub_;
  runtime::Shard& shard_;
  const ChannelSlot channel_;
  Counts counts_;
  std::shared_ptr<const channel::DeliveryRule> rule_;  // never null
  std::vector<Delivery> held_;
  size_t held_bytes_ = 0;
  uint32_t held_count_ = 0;  // those left out as well
  std::unordered_map<uint32_t, FrameRef> kept_;
};

}  // namespace gyre::hub
