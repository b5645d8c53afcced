// The part of LocalHub that channels with a delivery rule need: batches, and receivers that are
// behind (docs/delivery.md). While a delivery goes on, nobody but those who cannot read it is
// ended: who is cut is told at the end of the turn, when no session is in the middle of anything.
#include <algorithm>
#include <utility>

#include "hub/broadcast.h"
#include "hub/local_hub.h"

namespace gyre::hub {

void LocalHub::set_rule(ChannelSlot channel,
                        const std::shared_ptr<const channel::DeliveryRule>& rule) {
  check_shard();
  Channel& state = channels_[channel.value];
  if (!state.extras || !state.extras->pace) {
    if (!rule) return;
    if (!state.extras) state.extras = std::make_unique<Extras>();
    state.extras->pace = std::make_unique<Pace>(*this, sockets_.shard(), channel);
    state.extras->pace->counts().whole = static_cast<uint32_t>(std::ranges::count_if(
        state.receivers, [](const Receiver& one) { return one.wants_all(); }));
  }
  if (has_held(channel)) flush_batch(channel);
  state.extras->pace->set_rule(rule);
}

size_t LocalHub::deliver_paced(ChannelSlot channel, const Delivery& delivery) {
  Channel& state = channels_[channel.value];
  Pace& pace = *state.extras->pace;
  if (is_ending_ || !pace.rule().is_batching()) return send_paced(channel, delivery, Pick::all);
  const Stay stay(*this, channel);
  const size_t whole = pace.counts().whole;
  const bool is_latest = pace.rule().batch_flush_latest;
  if (metrics_) metrics_->batched_publications.add();
  if (is_latest && pace.is_holding()) {
    count_skipped(metrics::Skip::batch, state.receivers.size() - whole);
  }
  size_t delivered = 0;
  const bool has_room = pace.hold(delivery);
  if (is_latest && whole > 0) delivered += send_paced(channel, delivery, Pick::whole);
  if (!has_room && pace.is_holding()) delivered += flush_batch(channel);
  return delivered;
}

size_t LocalHub::flush_batch(ChannelSlot channel) {
  const Stay stay(*this, channel);
  Pace& pace = *channels_[channel.value].extras->pace;
  const Pick pick = pace.rule().batch_flush_latest ? Pick::rest : Pick::all;
  size_t delivered = 0;
  for (const Delivery& one : pace.take_held()) delivered += send_paced(channel, one, pick);
  return delivered;
}

// One that leaves gets what is held for all; what it is told next stands behind it.
void LocalHub::send_held_to(ChannelSlot channel, uint32_t index) {
  Channel& state = channels_[channel.value];
  const Pace& pace = *state.extras->pace;
  Receiver& receiver = state.receivers[index];
  if (receiver.is(Receiver::kKept) || receiver.is(Receiver::kCut)) return;
  if (pace.rule().batch_flush_latest && receiver.wants_all()) return;  // has got it
  for (const Delivery& one : pace.held()) {
    if (one.verdict == Verdict::stale && receiver.is(Receiver::kPositioned)) continue;
    const bool is_wanted = passes(state.extras.get(), receiver, *one.publication);
    judged_.clear();
    if (!is_wanted) continue;
    Broadcast broadcast({state.name->text(), state.extras->push_id}, *one.publication,
                        one.base.get(), one.source);
    const FrameRef& frame = next_frame(broadcast, receiver);
    if (!frame) return;  // which does not matter to one that goes
    count_publication(*frame);
    sockets_.send(receiver.outlet, frame);
  }
}

void LocalHub::stop_batches() {
  check_shard();
  is_ending_ = true;
  std::vector<ChannelSlot> holding;
  channels_.for_each([&](uint32_t slot, Channel&) {
    if (has_held({slot})) holding.push_back({slot});
  });
  for (const ChannelSlot channel : holding) {
    if (channels_.contains(channel.value) && has_held(channel)) flush_batch(channel);
  }
}

// --- Receivers that are behind

bool LocalHub::is_behind(const Pace& pace, const Receiver& receiver) {
  const uint32_t own = pace.rule().slow_consumer_bytes;
  return sockets_.is_behind(receiver.outlet, own > 0 ? own : sockets_.queue_bytes_max() / 4);
}

// Whether the receiver gets no more publications, by now or already.
bool LocalHub::cuts(ChannelSlot channel, Receiver& receiver) {
  if (!receiver.is(Receiver::kCut)) {
    Pace& pace = *channels_[channel.value].extras->pace;
    const bool may_cut = pace.rule().slow_consumer == channel::SlowConsumer::resubscribe;
    if (!may_cut || !is_behind(pace, receiver)) return false;
    receiver.flags |= Receiver::kCut;
    if (++pace.counts().cut == 1) end_cut_soon(channel);
  }
  count_skipped(metrics::Skip::slow, 1);
  return true;
}

void LocalHub::end_cut_soon(ChannelSlot channel) {
  cut_.push_back(channel);
  if (!std::exchange(is_cutting_, true)) sockets_.shard().tasks().spawn(end_cut_later());
}

runtime::Task<void> LocalHub::end_cut_later() {
  co_await runtime::Yield();
  is_cutting_ = false;
  for (const ChannelSlot channel : std::exchange(cut_, {})) {
    if (channels_.contains(channel.value)) end_cut(channel);
  }
}

// One by one, as whoever is told may leave this channel and others, and make others leave. From the
// back: what moves into a gap has been looked at.
void LocalHub::end_cut(ChannelSlot channel) {
  const Stay stay(*this, channel);
  const Channel& state = channels_[channel.value];
  for (size_t i = state.receivers.size(); i-- > 0;) {
    if (!state.extras || !state.extras->pace || state.extras->pace->counts().cut == 0) return;
    if (i >= state.receivers.size() || !state.receivers[i].is(Receiver::kCut)) continue;
    const uint32_t outlet = state.receivers[i].outlet;
    take_out(channel, static_cast<uint32_t>(i));
    if (metrics_) metrics_->cut_subscriptions.add();
    events_.on_lost(channel, outlet);
  }
  // Who was cut meanwhile may stand where the walk has been.
  if (state.extras && state.extras->pace && state.extras->pace->counts().cut > 0) {
    end_cut_soon(channel);
  }
}

// Whether the frame is kept for a receiver that is behind, in place of the one before it.
bool LocalHub::keeps(Pace& pace, Receiver& receiver, const FrameRef& frame, Verdict verdict) {
  if (receiver.is(Receiver::kKept)) {
    count_skipped(metrics::Skip::slow, 1);
    // What comes once more, late, is not the newest.
    if (verdict == Verdict::stale) return true;
  } else {
    const bool may_keep = pace.rule().slow_consumer == channel::SlowConsumer::keep_latest &&
                          !receiver.is(Receiver::kPositioned) && !receiver.is(Receiver::kDelta);
    if (!may_keep || !is_behind(pace, receiver)) return false;
    receiver.flags |= Receiver::kKept;
    ++kept_;
    sockets_.notify_when_flushed(receiver.outlet);
  }
  pace.keep(receiver.outlet, frame);
  return true;
}

void LocalHub::catch_up(ChannelSlot channel, uint32_t index) {
  check_shard();
  Channel& state = channels_[channel.value];
  Receiver& receiver = state.receivers[index];
  if (!receiver.is(Receiver::kKept)) return;
  Pace& pace = *state.extras->pace;
  // What was kept of other channels may have filled its queue again.
  if (is_behind(pace, receiver)) return sockets_.notify_when_flushed(receiver.outlet);
  receiver.flags &= static_cast<uint8_t>(~Receiver::kKept);
  --kept_;
  const FrameRef frame = pace.take_kept(receiver.outlet);
  count_publication(*frame);
  sockets_.send(receiver.outlet, frame);
}

void LocalHub::forget_pace(Pace& pace, const Receiver& receiver) {
  if (receiver.wants_all()) --pace.counts().whole;
  if (receiver.is(Receiver::kCut)) --pace.counts().cut;
  if (!receiver.is(Receiver::kKept)) return;
  pace.take_kept(receiver.outlet);
  --kept_;
}

void LocalHub::count_publication(const Frame& frame) {
  if (!metrics_) return;
  metrics_->sent[metrics::Transport::websocket][metrics::FrameType::push_publication].add(
      frame.size());
}

void LocalHub::count_skipped(metrics::Skip reason, uint64_t count) {
  if (metrics_) metrics_->skipped_publications[reason].add(count);
}

}  // namespace gyre::hub
