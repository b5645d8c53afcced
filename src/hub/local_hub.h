#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/slab.h"
#include "base/slot_index.h"
#include "channel/delivery_rule.h"
#include "hub/announcements.h"
#include "hub/delivery.h"
#include "hub/frame_variant.h"
#include "hub/pace.h"
#include "hub/shared_name.h"
#include "metrics/shard_metrics.h"
#include "net/sockets.h"
#include "protocol/announcement.h"
#include "protocol/publication.h"
#include "protocol/push_channel.h"
#include "protocol/tags_filter.h"
#include "runtime/shard_bound.h"

namespace gyre::hub {

class Broadcast;

// A subscriber in a channel's array: all that a delivery needs to know of it.
struct Receiver {
  enum Flag : uint8_t {
    kPositioned = 1,     // wants each offset once: is not sent what is stale, is told of losses
    kDelta = 2,          // has negotiated deltas
    kDeltaReady = 4,     // has got the publication before the next one
    kAnnouncements = 8,  // wants to know who joins and leaves
    kNewcomer = 16,      // of these, one that came after the first that has yet to be told
    kKept = 32,          // the newest frame is kept for it until its output has left
    kCut = 64,           // gets no more publications: its subscription is about to end
  };
  uint32_t outlet = 0;                        // slot in net::Sockets
  FrameVariant variant = FrameVariant::json;  // one of the first four
  uint8_t flags = 0;
  uint16_t filter = 0;  // number of its tags filter in the channel's table, from 1; 0: none

  bool is(Flag flag) const { return flags & flag; }
  // Any publication left out may be a gap, a delta's base, or the one that its filter lets pass.
  bool wants_all() const { return flags & (kPositioned | kDelta) || filter > 0; }
};
static_assert(sizeof(Receiver) == 8, "a fan-out to a million walks this array");

// What the hub has to tell of its receivers. Implemented by the sessions' owner. Calls come after
// the walk that found them, so the callee may change any channel.
class ReceiverEvents {
 public:
  virtual ~ReceiverEvents() = default;
  // The publication cannot be written in the receiver's encoding.
  virtual void on_unencodable(uint32_t outlet) = 0;
  // The receiver has missed something; it has been taken out of the channel.
  virtual void on_lost(ChannelSlot channel, uint32_t outlet) = 0;
  // The receiver stands at another place of the channel's array now.
  virtual void on_moved(ChannelSlot channel, uint32_t outlet, uint32_t index) = 0;
  // Neither receivers nor joins are left; the slot is free after the call.
  virtual void on_unused(std::string_view channel) = 0;
};

// Who on this shard listens to which channel. Owned by the shard's assembly; sessions add and
// remove themselves, channel homes deliver. Never waits; allocates
// per delivery and receiver only for one that is behind where a rule keeps the newest for it.
class LocalHub : runtime::ShardBound {
 public:
  // `metrics` may be null.
  LocalHub(net::Sockets& sockets, ReceiverEvents& events, metrics::ShardMetrics* metrics = nullptr);
  LocalHub(const LocalHub&) = delete;

  // The channel, made if need be, with one more join in flight; ended by `release`.
  ChannelSlot reserve(std::string_view channel);
  void release(ChannelSlot channel);

  // To be called before `add`, in the same turn: from now on the channel's publications go by this
  // rule; null: each at once and to everybody. What is held goes to those who are there first.
  void set_rule(ChannelSlot channel, const std::shared_ptr<const channel::DeliveryRule>& rule);
  // Live from the next delivery on. Returns the receiver's index, which `on_moved` may change.
  // `filter` may be null; it has no effect on receivers with deltas, which need every publication.
  uint32_t add(ChannelSlot channel, Receiver receiver,
               const protocol::TagsFilter* filter = nullptr);
  // Its connection stays, and is told what has been announced so far.
  void remove(ChannelSlot channel, uint32_t index);
  // The same of a connection that ends: nothing goes to it any more.
  void drop(ChannelSlot channel, uint32_t index);

  // The number that stands for the channel's name in what goes to receivers by id; from 1. The same
  // until the channel is unused, and never another channel's on this shard: connections stay on
  // theirs, so none sees two channels under one number.
  int64_t push_id(ChannelSlot channel);

  ChannelSlot find(std::string_view channel) const;
  std::string_view name(ChannelSlot channel) const { return channels_[channel.value].name->text(); }
  size_t receivers(ChannelSlot channel) const { return channels_[channel.value].receivers.size(); }
  size_t channels() const { return channels_.size(); }
  // visit(name, receivers) for each channel, in no order.
  template <class Visit>
  void for_each(Visit visit) {
    channels_.for_each(
        [&](uint32_t, Channel& channel) { visit(channel.name->text(), channel.receivers.size()); });
  }
  size_t subscriptions() const { return subscriptions_; }

  // Sends the publication to the channel's receivers, unless it is held for a batch; returns to how
  // many. `base` is the one before it, if it may be sent as a delta. `source`: its own channel,
  // where the other is a wildcard.
  size_t deliver(std::string_view channel, const protocol::PublicationRef& publication,
                 Verdict verdict, const protocol::PublicationRef& base = nullptr,
                 std::string_view source = {});
  // Tells those who want to know, together with what else is announced in this turn: of a mass of
  // members that leave, those who have left are told nothing, and the rest all at once.
  void announce(std::string_view channel, const protocol::AnnouncementRef& announcement);
  // Takes the positioned receivers out and reports each as lost.
  void lose(std::string_view channel);

  // Whether something is kept for receivers that are behind.
  bool has_kept() const { return kept_ > 0; }
  // All that waited for the receiver's connection has left: what is kept for it follows.
  void catch_up(ChannelSlot channel, uint32_t index);
  // Sends what is held; nothing is any more, as the node is about to end.
  void stop_batches();

 private:
  friend class Pace;
  // What few channels have: filters, each with its number of users, receivers that want to know who
  // comes and goes, a number that stands for the name, and a delivery rule.
  struct Extras {
    struct SharedFilter {
      protocol::TagsFilter filter;
      uint32_t users = 0;
    };
    std::vector<std::optional<SharedFilter>> filters;  // by Receiver::filter - 1
    // Receivers with kAnnouncements. They stand in front of the others, which may be very many.
    uint32_t announced = 0;
    Announcements untold;
    // Those with kNewcomer, and how many of the untold were announced before they came.
    std::vector<std::pair<Receiver, size_t>> newcomers;
    int64_t push_id = 0;         // 0: nobody has asked for it
    std::unique_ptr<Pace> pace;  // null: there has been no rule
  };
  struct Channel {
    Channel(std::string_view channel_name, uint64_t name_hash)
        : name(SharedName::make(channel_name)), hash(name_hash) {}
    SharedNameRef name;
    uint64_t hash;
    std::vector<Receiver> receivers;
    uint32_t joins = 0;
    uint32_t link = UINT32_MAX;
    std::unique_ptr<Extras> extras;
  };
  static_assert(sizeof(Channel) <= 56, "a million own channels keep one each");
  struct Access {
    Slab<Channel>* channels;
    uint64_t hash(uint32_t slot) const { return (*channels)[slot].hash; }
    bool equals(uint32_t slot, std::string_view name) const {
      return (*channels)[slot].name->text() == name;
    }
    uint32_t& link(uint32_t slot) const { return (*channels)[slot].link; }
  };
  // Keeps a channel while its receivers are told something, by which they may leave it.
  class Stay {
   public:
    Stay(LocalHub& hub, ChannelSlot channel) : hub_(hub), channel_(channel) {
      ++hub_.channels_[channel_.value].joins;
    }
    Stay(const Stay&) = delete;
    ~Stay() { hub_.release(channel_); }

   private:
    LocalHub& hub_;
    const ChannelSlot channel_;
  };
  // To whom a publication goes, where some get it at once and the others with a batch.
  enum class Pick : uint8_t { all, whole, rest };
  // Beyond this many receivers a delivery must not delay other connections' replies.
  static constexpr size_t kBulkReceivers = 1000;
  static constexpr size_t kPrefetchAhead = 8;
  static constexpr size_t kFiltersMax = UINT16_MAX;
  // Announcements that wait for the end of the turn; then they are told at once.
  static constexpr size_t kUntoldMax = 512;

  void note_subscriptions();
  static uint16_t use_filter(Extras& extras, const protocol::TagsFilter& filter);
  void forget_extras(Channel& channel, const Receiver& receiver);
  bool passes(const Extras* extras, const Receiver& receiver,
              const protocol::Publication& publication);
  static const FrameRef& next_frame(Broadcast& broadcast, Receiver& receiver);
  template <bool kIsPaced>
  size_t fan_out(ChannelSlot channel, const protocol::Publication& publication, Verdict verdict,
                 const protocol::Publication* base, std::string_view source, Pick pick);

  // --- Channels with a rule (paced_delivery.cc)
  size_t deliver_paced(ChannelSlot channel, const Delivery& delivery);
  size_t send_paced(ChannelSlot channel, const Delivery& delivery, Pick pick);
  static bool is_picked(Pick pick, const Receiver& receiver) {
    return pick == Pick::all || (pick == Pick::whole) == receiver.wants_all();
  }
  bool is_behind(const Pace& pace, const Receiver& receiver);
  bool cuts(ChannelSlot channel, Receiver& receiver);
  bool keeps(Pace& pace, Receiver& receiver, const FrameRef& frame, Verdict verdict);
  size_t flush_batch(ChannelSlot channel);
  void send_held_to(ChannelSlot channel, uint32_t index);
  void forget_pace(Pace& pace, const Receiver& receiver);
  void end_cut_soon(ChannelSlot channel);
  runtime::Task<void> end_cut_later();
  void end_cut(ChannelSlot channel);
  void count_publication(const Frame& frame);
  void count_skipped(metrics::Skip reason, uint64_t count);
  bool has_held(ChannelSlot channel) const {
    const auto& extras = channels_[channel.value].extras;
    return extras && extras->pace && extras->pace->is_holding();
  }

  void take_out(ChannelSlot channel, uint32_t index);
  void put(ChannelSlot channel, uint32_t index, const Receiver& receiver);
  void put_in_front(ChannelSlot channel, uint32_t* index);
  // At the end of the turn.
  runtime::Task<void> tell_later();
  void tell(ChannelSlot channel);
  // False if one of them cannot be written for the receiver.
  bool tell_alone(const Channel& channel, Announcements& untold, const Receiver& receiver,
                  size_t skips);
  // As the receiver is told it.
  static protocol::PushChannel told(const Channel& channel, FrameVariant variant) {
    return {channel.name->text(), is_by_id(variant) ? channel.extras->push_id : 0};
  }
  void count_told(const Announcements::Batch& batch, uint64_t receivers);
  bool has_untold(ChannelSlot channel) const {
    const auto& extras = channels_[channel.value].extras;
    return extras && !extras->untold.empty();
  }
  void drop_if_unused(ChannelSlot channel);

  net::Sockets& sockets_;
  ReceiverEvents& events_;
  metrics::ShardMetrics* const metrics_;
  uint64_t seed_ = 0;
  Slab<Channel> channels_;
  SlotIndex<Access> index_;
  size_t subscriptions_ = 0;
  int64_t last_push_id_ = 0;
  std::vector<uint32_t> noted_;  // outlets found by the current walk, told after it
  // Channels with announcements that wait; some may have been told since, or be gone.
  std::vector<ChannelSlot> untold_;
  bool is_telling_ = false;  // at the end of the turn
  size_t kept_ = 0;          // frames, of all channels
  // Channels with receivers that are cut; some may be gone.
  std::vector<ChannelSlot> cut_;
  bool is_cutting_ = false;  // at the end of the turn
  bool is_ending_ = false;   // nothing is held any more
  // What the filters of the channel say of the publication in delivery; by Receiver::filter - 1.
  enum class Judged : uint8_t { not_yet, passes, fails };
  std::vector<Judged> judged_;
};

}  // namespace gyre::hub
