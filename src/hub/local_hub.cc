#include "hub/local_hub.h"

#include "base/hash.h"
#include "hub/broadcast.h"

namespace gyre::hub {

LocalHub::LocalHub(net::Sockets& sockets, ReceiverEvents& events, metrics::ShardMetrics* metrics)
    : sockets_(sockets), events_(events), metrics_(metrics), index_(Access{&channels_}) {
  sockets.shard().kernel().random(&seed_, sizeof(seed_));
}

ChannelSlot LocalHub::find(std::string_view channel) const {
  return {index_.find(channel, hash_text(channel, seed_))};
}

ChannelSlot LocalHub::reserve(std::string_view channel) {
  check_shard();
  const uint64_t hash = hash_text(channel, seed_);
  uint32_t slot = index_.find(channel, hash);
  if (slot == Slab<Channel>::kNone) {
    slot = channels_.emplace(channel, hash);
    index_.insert(slot, hash);
  }
  ++channels_[slot].joins;
  return {slot};
}

void LocalHub::release(ChannelSlot channel) {
  GYRE_DCHECK(channels_[channel.value].joins > 0);
  --channels_[channel.value].joins;
  drop_if_unused(channel);
}

uint32_t LocalHub::add(ChannelSlot channel, Receiver receiver) {
  std::vector<Receiver>& receivers = channels_[channel.value].receivers;
  // Half again at a time: doubling would leave a million-strong channel with 8 MB of air.
  if (receivers.size() == receivers.capacity()) {
    receivers.reserve(receivers.size() + receivers.size() / 2 + 1);
  }
  receivers.push_back(receiver);
  ++subscriptions_;
  note_subscriptions();
  return static_cast<uint32_t>(receivers.size() - 1);
}

void LocalHub::remove(ChannelSlot channel, uint32_t index) {
  check_shard();
  take_out(channel, index);
  drop_if_unused(channel);
}

void LocalHub::note_subscriptions() {
  if (metrics_) metrics_->num_subscriptions.set(static_cast<int64_t>(subscriptions_));
}

void LocalHub::take_out(ChannelSlot channel, uint32_t index) {
  std::vector<Receiver>& receivers = channels_[channel.value].receivers;
  GYRE_DCHECK(index < receivers.size());
  --subscriptions_;
  note_subscriptions();
  if (index + 1 < receivers.size()) {
    receivers[index] = receivers.back();
    receivers.pop_back();
    events_.on_moved(channel, receivers[index].outlet, index);
  } else {
    receivers.pop_back();
  }
  if (receivers.capacity() > 16 && receivers.size() < receivers.capacity() / 4) {
    receivers.shrink_to_fit();
  }
}

void LocalHub::drop_if_unused(ChannelSlot channel) {
  Channel& state = channels_[channel.value];
  if (state.joins > 0 || !state.receivers.empty()) return;
  events_.on_unused(state.name->text());
  index_.erase(channel.value, state.hash);
  channels_.erase(channel.value);
}

size_t LocalHub::deliver(std::string_view channel, const protocol::PublicationRef& publication,
                         Verdict verdict) {
  check_shard();
  const ChannelSlot slot = find(channel);
  if (slot == ChannelSlot()) return 0;
  const std::vector<Receiver>& receivers = channels_[slot.value].receivers;
  const os::Nanos began = metrics_ ? sockets_.shard().kernel().monotonic() : 0;
  Broadcast broadcast(channel, *publication);
  size_t delivered_by[kFrameVariants] = {};
  const bool is_bulk = receivers.size() > kBulkReceivers;
  for (size_t i = 0; i < receivers.size(); ++i) {
    if (i + kPrefetchAhead < receivers.size()) {
      sockets_.prefetch(receivers[i + kPrefetchAhead].outlet);
    }
    const Receiver& receiver = receivers[i];
    if (verdict == Verdict::stale && receiver.is_positioned()) continue;
    const FrameRef& frame = broadcast.frame(receiver.variant);
    if (!frame) [[unlikely]] {
      noted_.push_back(receiver.outlet);
      continue;
    }
    ++delivered_by[static_cast<size_t>(receiver.variant)];
    if (is_bulk) {
      sockets_.send_bulk(receiver.outlet, frame);
    } else {
      sockets_.send(receiver.outlet, frame);
    }
  }
  size_t delivered = 0;
  for (size_t i = 0; i < kFrameVariants; ++i) {
    if (delivered_by[i] == 0) continue;
    delivered += delivered_by[i];
    if (metrics_) {
      const size_t bytes = broadcast.frame(static_cast<FrameVariant>(i))->size();
      metrics_->sent[metrics::Transport::websocket][metrics::FrameType::push_publication].add(
          bytes * delivered_by[i], delivered_by[i]);
    }
  }
  if (metrics_) metrics_->broadcasts.observe(sockets_.shard().kernel().monotonic() - began);
  for (uint32_t outlet : std::exchange(noted_, {})) events_.on_unencodable(outlet);
  return delivered;
}

void LocalHub::lose(std::string_view channel) {
  check_shard();
  const ChannelSlot slot = find(channel);
  if (slot == ChannelSlot()) return;
  // From the back: what moves into a gap has been looked at already.
  for (size_t i = receivers(slot); i-- > 0;) {
    const Receiver& receiver = channels_[slot.value].receivers[i];
    if (!receiver.is_positioned()) continue;
    noted_.push_back(receiver.outlet);
    take_out(slot, static_cast<uint32_t>(i));
  }
  // The channel outlives the reports, whose callee may ask for its name.
  ++channels_[slot.value].joins;
  for (uint32_t outlet : std::exchange(noted_, {})) events_.on_lost(slot, outlet);
  release(slot);
}

}  // namespace gyre::hub
