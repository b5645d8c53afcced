#include "hub/pace.h"

#include <utility>

#include "hub/local_hub.h"

namespace gyre::hub {

namespace {

// A batch leaves in one turn, so it must fit into what may wait for those who read, with room to
// spare (client.queue_max_size, 1 MiB).
constexpr size_t kHeldBytesMax = 256 * 1024;

}  // namespace

Pace::Pace(LocalHub& hub, runtime::Shard& shard, ChannelSlot channel)
    : hub_(hub), shard_(shard), channel_(channel) {
  set_rule(nullptr);
}

Pace::~Pace() = default;

void Pace::set_rule(std::shared_ptr<const channel::DeliveryRule> rule) {
  rule_ = rule ? std::move(rule) : std::make_shared<const channel::DeliveryRule>();
}

bool Pace::hold(Delivery delivery) {
  if (held_.empty()) {
    // Timers fire up to a tick late, and nothing may wait for longer than it is said to.
    const os::Nanos delay = std::chrono::nanoseconds(rule_->batch_max_delay).count();
    shard_.timers().arm(*this, shard_.now() + delay - runtime::TimerWheel::kTick);
  }
  ++held_count_;
  if (rule_->batch_flush_latest && !held_.empty()) {
    // What comes once more, late, is not the newest.
    if (delivery.verdict != Verdict::stale) held_.front() = std::move(delivery);
  } else {
    held_bytes_ += delivery.publication->data.size();
    held_.push_back(std::move(delivery));
  }
  const bool is_long = held_bytes_ > kHeldBytesMax && !rule_->batch_flush_latest;
  return held_count_ < rule_->batch_max_size && !is_long;
}

std::vector<Delivery> Pace::take_held() {
  cancel();
  held_bytes_ = 0;
  held_count_ = 0;
  return std::exchange(held_, {});
}

FrameRef Pace::take_kept(uint32_t outlet) {
  const auto found = kept_.find(outlet);
  if (found == kept_.end()) return nullptr;
  FrameRef frame = std::move(found->second);
  kept_.erase(found);
  return frame;
}

// The channel, and this with it, may be gone after the call.
void Pace::on_timer() {
  hub_.flush_batch(channel_);
}

}  // namespace gyre::hub
