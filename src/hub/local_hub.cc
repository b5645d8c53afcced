#include "hub/local_hub.h"

#include <algorithm>
#include <array>

#include "base/fault_points.h"
#include "base/hash.h"
#include "hub/broadcast.h"
#include "protocol/encoder.h"

namespace gyre::hub {

namespace {

metrics::FrameType type_of_announcement(bool is_join) {
  return is_join ? metrics::FrameType::push_join : metrics::FrameType::push_leave;
}

}  // namespace

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

int64_t LocalHub::push_id(ChannelSlot channel) {
  check_shard();
  std::unique_ptr<Extras>& extras = channels_[channel.value].extras;
  if (!extras) extras = std::make_unique<Extras>();
  if (extras->push_id == 0) extras->push_id = ++last_push_id_;
  if (GYRE_PLANTED(channels_share_a_push_id)) extras->push_id = 1;
  return extras->push_id;
}

uint32_t LocalHub::add(ChannelSlot channel, Receiver receiver, const protocol::TagsFilter* filter) {
  GYRE_DCHECK(!has_held(channel));
  Channel& state = channels_[channel.value];
  std::vector<Receiver>& receivers = state.receivers;
  const bool is_filtered = filter && !receiver.is(Receiver::kDelta);
  if (is_filtered || receiver.is(Receiver::kAnnouncements)) {
    if (!state.extras) state.extras = std::make_unique<Extras>();
    if (is_filtered) receiver.filter = use_filter(*state.extras, *filter);
    if (receiver.is(Receiver::kAnnouncements) && !state.extras->untold.empty()) {
      receiver.flags |= Receiver::kNewcomer;
      state.extras->newcomers.emplace_back(receiver, state.extras->untold.size());
    }
  }
  // Half again at a time: doubling would leave a million-strong channel with 8 MB of air.
  if (receivers.size() == receivers.capacity()) {
    receivers.reserve(receivers.size() + receivers.size() / 2 + 1);
  }
  auto index = static_cast<uint32_t>(receivers.size());
  receivers.push_back(receiver);
  if (state.extras && state.extras->pace && receiver.wants_all()) {
    ++state.extras->pace->counts().whole;
  }
  ++subscriptions_;
  note_subscriptions();
  if (receiver.is(Receiver::kAnnouncements)) put_in_front(channel, &index);
  return index;
}

// Among those with announcements; the first of the others takes its place.
void LocalHub::put_in_front(ChannelSlot channel, uint32_t* index) {
  Channel& state = channels_[channel.value];
  const uint32_t first = state.extras->announced++;
  if (first == *index) return;
  const Receiver receiver = state.receivers[*index];
  put(channel, *index, state.receivers[first]);
  state.receivers[first] = receiver;
  *index = first;
}

void LocalHub::put(ChannelSlot channel, uint32_t index, const Receiver& receiver) {
  channels_[channel.value].receivers[index] = receiver;
  if (GYRE_PLANTED(moved_receiver_is_not_told)) return;
  events_.on_moved(channel, receiver.outlet, index);
}

// Equal filters are one. Where a channel has more of them than a receiver can name, the last number
// stands for none: its subscribers get more than they asked for, never less.
uint16_t LocalHub::use_filter(Extras& extras, const protocol::TagsFilter& filter) {
  std::optional<size_t> gap;
  for (size_t i = 0; i < extras.filters.size(); ++i) {
    if (!extras.filters[i]) {
      if (!gap) gap = i;
    } else if (extras.filters[i]->filter == filter) {
      ++extras.filters[i]->users;
      return static_cast<uint16_t>(i + 1);
    }
  }
  if (!gap && extras.filters.size() >= kFiltersMax) return 0;
  if (!gap) {
    gap = extras.filters.size();
    extras.filters.emplace_back();
  }
  extras.filters[*gap] = Extras::SharedFilter{.filter = filter, .users = 1};
  return static_cast<uint16_t>(*gap + 1);
}

void LocalHub::forget_extras(Channel& channel, const Receiver& receiver) {
  if (!channel.extras) return;
  Extras& extras = *channel.extras;
  if (extras.pace) forget_pace(*extras.pace, receiver);
  if (receiver.is(Receiver::kNewcomer)) {
    std::erase_if(extras.newcomers,
                  [&](const auto& one) { return one.first.outlet == receiver.outlet; });
  }
  if (receiver.is(Receiver::kAnnouncements) && --extras.announced == 0) extras.untold = {};
  if (receiver.filter > 0) {
    auto& shared = extras.filters[receiver.filter - 1u];
    if (--shared->users == 0) shared.reset();
    while (!extras.filters.empty() && !extras.filters.back()) extras.filters.pop_back();
  }
  if (extras.announced == 0 && extras.filters.empty() && extras.push_id == 0 && !extras.pace) {
    channel.extras.reset();
  }
}

void LocalHub::remove(ChannelSlot channel, uint32_t index) {
  check_shard();
  if (has_held(channel)) send_held_to(channel, index);
  const Receiver& receiver = channels_[channel.value].receivers[index];
  if (receiver.is(Receiver::kAnnouncements) && has_untold(channel)) {
    Extras& extras = *channels_[channel.value].extras;
    const auto newcomer = std::ranges::find(extras.newcomers, receiver.outlet,
                                            [](const auto& one) { return one.first.outlet; });
    const size_t skips = newcomer == extras.newcomers.end() ? 0 : newcomer->second;
    // What cannot be written for it does not matter to one that goes.
    static_cast<void>(tell_alone(channels_[channel.value], extras.untold, receiver, skips));
  }
  drop(channel, index);
}

void LocalHub::drop(ChannelSlot channel, uint32_t index) {
  check_shard();
  take_out(channel, index);
  drop_if_unused(channel);
}

void LocalHub::note_subscriptions() {
  if (metrics_) metrics_->num_subscriptions.set(static_cast<int64_t>(subscriptions_));
}

void LocalHub::take_out(ChannelSlot channel, uint32_t index) {
  Channel& state = channels_[channel.value];
  std::vector<Receiver>& receivers = state.receivers;
  GYRE_DCHECK(index < receivers.size());
  // Behind one of those in front comes the last of them, so that there is no gap among them.
  if (receivers[index].is(Receiver::kAnnouncements)) {
    const uint32_t last_in_front = state.extras->announced - 1;
    const Receiver leaver = receivers[index];
    if (index != last_in_front) put(channel, index, receivers[last_in_front]);
    index = last_in_front;
    receivers[index] = leaver;
  }
  forget_extras(state, receivers[index]);
  --subscriptions_;
  note_subscriptions();
  const Receiver last = receivers.back();
  receivers.pop_back();
  if (index < receivers.size()) put(channel, index, last);
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

bool LocalHub::passes(const Extras* extras, const Receiver& receiver,
                      const protocol::Publication& publication) {
  if (receiver.filter == 0) [[likely]]
    return true;
  if (judged_.size() < extras->filters.size()) judged_.resize(extras->filters.size());
  Judged& judged = judged_[receiver.filter - 1u];
  if (judged == Judged::not_yet) {
    const protocol::TagsFilter& filter = extras->filters[receiver.filter - 1u]->filter;
    judged = filter.matches(publication.tags()) ? Judged::passes : Judged::fails;
  }
  return judged == Judged::passes;
}

// A receiver's first publication is whole and makes it ready for deltas, if it is sure to get all
// that follow.
const FrameRef& LocalHub::next_frame(Broadcast& broadcast, Receiver& receiver) {
  if (!receiver.is(Receiver::kDelta)) [[likely]]
    return broadcast.frame(receiver.variant);
  if (receiver.is(Receiver::kDeltaReady)) {
    const FrameRef& delta = broadcast.frame(delta_variant(receiver.variant));
    if (delta) return delta;
  }
  if (receiver.is(Receiver::kPositioned)) receiver.flags |= Receiver::kDeltaReady;
  return broadcast.frame(text_variant(receiver.variant));
}

size_t LocalHub::deliver(std::string_view channel, const protocol::PublicationRef& publication,
                         Verdict verdict, const protocol::PublicationRef& base,
                         std::string_view source) {
  check_shard();
  ChannelSlot slot = find(channel);
  if (slot == ChannelSlot()) return 0;
  // What came before it is told before it. That may be the channel's end.
  if (has_untold(slot)) [[unlikely]] {
    tell(slot);
    slot = find(channel);
    if (slot == ChannelSlot()) return 0;
  }
  const Extras* extras = channels_[slot.value].extras.get();
  if (extras && extras->pace) [[unlikely]]
    return deliver_paced(slot, {publication, verdict, base, std::string(source)});
  return fan_out<false>(slot, *publication, verdict, base.get(), source, Pick::all);
}

size_t LocalHub::send_paced(ChannelSlot channel, const Delivery& delivery, Pick pick) {
  return fan_out<true>(channel, *delivery.publication, delivery.verdict, delivery.base.get(),
                       delivery.source, pick);
}

template <bool kIsPaced>
size_t LocalHub::fan_out(ChannelSlot channel, const protocol::Publication& publication,
                         Verdict verdict, const protocol::Publication* base,
                         std::string_view source, Pick pick) {
  Channel& state = channels_[channel.value];
  std::vector<Receiver>& receivers = state.receivers;
  const Extras* extras = state.extras.get();
  const os::Nanos began = metrics_ ? sockets_.shard().kernel().monotonic() : 0;
  Broadcast broadcast({state.name->text(), extras ? extras->push_id : 0}, publication, base,
                      source);
  const bool is_bulk = receivers.size() > kBulkReceivers || GYRE_FAULT(bulk_delivery);
  size_t delivered = 0;
  size_t bytes = 0;
  size_t filtered = 0;
  for (size_t i = 0; i < receivers.size(); ++i) {
    if (i + kPrefetchAhead < receivers.size()) {
      sockets_.prefetch(receivers[i + kPrefetchAhead].outlet);
    }
    Receiver& receiver = receivers[i];
    if (verdict == Verdict::stale && receiver.is(Receiver::kPositioned)) continue;
    if constexpr (kIsPaced) {
      if (!is_picked(pick, receiver)) continue;
    }
    if (!passes(extras, receiver, publication)) {
      ++filtered;
      continue;
    }
    if constexpr (kIsPaced) {
      if (cuts(channel, receiver)) continue;
    }
    const FrameRef& frame = next_frame(broadcast, receiver);
    if (!frame) [[unlikely]] {
      noted_.push_back(receiver.outlet);
      continue;
    }
    if constexpr (kIsPaced) {
      if (keeps(*extras->pace, receiver, frame, verdict)) continue;
    }
    ++delivered;
    bytes += frame->size();
    if (is_bulk) {
      sockets_.send_bulk(receiver.outlet, frame);
    } else {
      sockets_.send(receiver.outlet, frame);
    }
  }
  if (!GYRE_PLANTED(judgement_outlives_delivery)) judged_.clear();
  if (metrics_) {
    metrics_->sent[metrics::Transport::websocket][metrics::FrameType::push_publication].add(
        bytes, delivered);
    if (filtered > 0) metrics_->filtered_publications.add(filtered);
    metrics_->broadcasts.observe(sockets_.shard().kernel().monotonic() - began);
  }
  for (uint32_t outlet : std::exchange(noted_, {})) events_.on_unencodable(outlet);
  return delivered;
}

void LocalHub::announce(std::string_view channel, const protocol::AnnouncementRef& announcement) {
  check_shard();
  const ChannelSlot slot = find(channel);
  if (slot == ChannelSlot()) return;
  Extras* extras = channels_[slot.value].extras.get();
  if (!extras || extras->announced == 0) return;
  if (extras->untold.empty()) untold_.push_back(slot);
  extras->untold.add(announcement);
  if (extras->untold.size() >= kUntoldMax) return tell(slot);
  if (is_telling_) return;
  is_telling_ = true;
  sockets_.shard().tasks().spawn(tell_later());
}

runtime::Task<void> LocalHub::tell_later() {
  co_await runtime::Yield();
  is_telling_ = false;
  for (const ChannelSlot channel : std::exchange(untold_, {})) {
    if (channels_.contains(channel.value) && has_untold(channel)) tell(channel);
  }
}

// What is held has come before.
void LocalHub::tell(ChannelSlot channel) {
  const Stay stay(*this, channel);
  if (has_held(channel)) flush_batch(channel);
  if (!has_untold(channel)) return;
  Channel& state = channels_[channel.value];
  Extras& extras = *state.extras;
  Announcements untold = std::exchange(extras.untold, {});
  std::array<std::optional<Announcements::Batch>, kReceiverVariants> batches;
  std::array<uint64_t, kReceiverVariants> numbers_told{};
  const bool is_bulk = extras.announced > kBulkReceivers || GYRE_FAULT(bulk_delivery);
  for (uint32_t i = 0; i < extras.announced; ++i) {
    if (i + kPrefetchAhead < extras.announced) {
      sockets_.prefetch(state.receivers[i + kPrefetchAhead].outlet);
    }
    Receiver& receiver = state.receivers[i];
    if (receiver.is(Receiver::kNewcomer)) {
      receiver.flags &= static_cast<uint8_t>(~Receiver::kNewcomer);
      continue;
    }
    const auto form = static_cast<size_t>(receiver.variant);
    auto& batch = batches[form];
    if (!batch) {
      batch = untold.batch(encoding_of(receiver.variant), told(state, receiver.variant));
    }
    ++numbers_told[form];
    for (const FrameRef& frame : batch->frames) {
      if (is_bulk) {
        sockets_.send_bulk(receiver.outlet, frame);
      } else {
        sockets_.send(receiver.outlet, frame);
      }
    }
    if (!batch->is_whole) noted_.push_back(receiver.outlet);
  }
  for (const auto& [receiver, skips] : std::exchange(extras.newcomers, {})) {
    if (!tell_alone(state, untold, receiver, skips)) noted_.push_back(receiver.outlet);
  }
  for (size_t i = 0; i < batches.size(); ++i) {
    if (batches[i]) count_told(*batches[i], numbers_told[i]);
  }
  for (uint32_t outlet : std::exchange(noted_, {})) events_.on_unencodable(outlet);
}

bool LocalHub::tell_alone(const Channel& channel, Announcements& untold, const Receiver& receiver,
                          size_t skips) {
  const protocol::PushChannel whose = told(channel, receiver.variant);
  for (size_t i = skips; i < untold.size(); ++i) {
    const FrameRef& frame = untold.single(i, encoding_of(receiver.variant), whose);
    if (!frame) return false;
    sockets_.send(receiver.outlet, frame);
    if (!metrics_) continue;
    const metrics::FrameType type = type_of_announcement(untold.is_join(i));
    metrics_->sent[metrics::Transport::websocket][type].add(frame->size());
  }
  return true;
}

void LocalHub::count_told(const Announcements::Batch& batch, uint64_t receivers) {
  if (!metrics_) return;
  for (const bool is_join : {false, true}) {
    const Announcements::Tally& tally = batch.tallies[is_join];
    if (tally.count == 0) continue;
    metrics_->sent[metrics::Transport::websocket][type_of_announcement(is_join)].add(
        tally.bytes * receivers, tally.count * receivers);
  }
}

void LocalHub::lose(std::string_view channel) {
  check_shard();
  ChannelSlot slot = find(channel);
  if (slot == ChannelSlot()) return;
  if (has_untold(slot) || has_held(slot)) {
    tell(slot);
    slot = find(channel);
    if (slot == ChannelSlot()) return;
  }
  // The channel outlives the reports, whose callee may ask for its name. One by one and from the
  // back, as in end_cut().
  const Stay stay(*this, slot);
  for (size_t i = receivers(slot); i-- > 0;) {
    if (i >= receivers(slot)) continue;
    const Receiver& receiver = channels_[slot.value].receivers[i];
    if (!receiver.is(Receiver::kPositioned)) continue;
    if (GYRE_PLANTED(loss_forgets_first) && i == 0) continue;
    const uint32_t outlet = receiver.outlet;
    take_out(slot, static_cast<uint32_t>(i));
    events_.on_lost(slot, outlet);
  }
}

}  // namespace gyre::hub
