#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/slab.h"
#include "base/slot_index.h"
#include "engine/broker.h"
#include "hub/local_hub.h"
#include "hub/recovery.h"
#include "hub/shard_list.h"
#include "hub/shared_name.h"
#include "runtime/shard_bound.h"

namespace gyre::hub {

// What a shard wants when its first subscriber, or a further positioned one, joins.
struct JoinWish {
  bool positioned = false;
  std::optional<protocol::StreamPosition> since;  // to recover from
  int32_t recovery_limit = 0;  // publications at most; more missed is not recovered
  std::chrono::seconds meta_ttl{0};
  bool is_cache = false;     // only the newest publication is recovered
  bool wants_delta = false;  // deliveries come with the publication before them
  std::shared_ptr<const protocol::TagsFilter> filter = nullptr;  // what is recovered must pass it
};

struct Joined {
  protocol::StreamPosition position;  // where live deliveries go on; zero if not positioned
  Recovery recovery;
};

class Homes;
class Wildcards;

// The state of one channel inside this node: which shards listen, whether the broker delivers to
// us, the position. Created by Homes on the channel's home shard at the first join, destroyed a
// while after the last leave. Everything that must happen in order for a channel happens here,
// which is why there are no locks.
class Home final : runtime::Timer {
 public:
  Home(Homes& homes, std::string_view channel);
  ~Home() override;

  // Ends at a position: the shard gets everything up to it by the answer and everything behind it
  // by deliveries, which its mailbox holds behind the answer.
  runtime::Task<Result<Joined>> join(runtime::ShardId shard, JoinWish wish);
  void leave(runtime::ShardId shard);
  void arrived(const protocol::PublicationRef& publication, std::string_view epoch);
  void announced(const protocol::AnnouncementRef& announcement);

  const SharedNameRef& name() const { return name_; }
  uint32_t& link() { return link_; }
  // Null unless positioned subscribers listen.
  const protocol::StreamPosition* position() const {
    return position_ && !listeners_.empty() ? &*position_ : nullptr;
  }
  std::chrono::seconds meta_ttl() const { return meta_ttl_; }
  // Goes on at `top`; the positioned subscribers have missed something.
  void lose_to(const protocol::StreamPosition& top);

 private:
  class CatchUp;
  // Counts an operation under way, and a reading one; the home lives until the last has ended.
  struct Operation;

  runtime::Task<Result<Joined>> join_positioned(JoinWish wish);
  runtime::Task<Result<void>> ensure_subscribed();
  // What has arrived while history was read, of the epoch that the channel is in.
  std::vector<protocol::PublicationRef> arrivals_of(const std::string& epoch) const;
  void adopt(const protocol::StreamPosition& top);
  Recovery recover_from(const JoinWish& wish, const engine::HistoryPage& page,
                        const std::vector<protocol::PublicationRef>& arrivals) const;
  // What the publication may be a delta against; it takes its place.
  protocol::PublicationRef take_base(const protocol::PublicationRef& publication, Verdict verdict);
  Verdict judge(const protocol::Publication& publication, std::string_view epoch);
  void lose();
  void listen(runtime::ShardId shard);
  void linger_if_unused();
  void on_timer() override;
  runtime::Task<void> retire();

  // How long after the last leave the broker keeps delivering, as reconnects usually follow.
  static constexpr os::Nanos kLinger = os::kSecond;
  // What may be on record while a join reads history; beyond it the record has a gap and the join
  // does not recover.
  static constexpr size_t kArrivalsMax = 10'000;

  Homes& homes_;
  SharedNameRef name_;
  ShardList listeners_;
  std::optional<protocol::StreamPosition> position_;  // once a positioned join has asked for it
  std::chrono::seconds meta_ttl_{0};                  // as the last positioned join had it
  // The publication delivered last, while somebody has asked for deltas.
  protocol::PublicationRef last_;
  bool keeps_last_ = false;
  bool is_subscribed_ = false;
  bool may_be_subscribed_ = false;  // the broker has been asked to deliver, perhaps in vain
  bool is_retiring_ = false;
  uint32_t operations_ = 0;
  uint32_t link_ = UINT32_MAX;  // in the index of Homes
  // What joins that read history keep, while there are any.
  struct Arrival {
    protocol::PublicationRef publication;
    std::string epoch;
  };
  struct Reading {
    uint32_t readers = 0;
    std::vector<Arrival> arrivals;
    std::vector<CatchUp*> catching_up;
  };
  std::unique_ptr<Reading> reading_;
};
static_assert(sizeof(Home) <= 160, "there is one for each channel of the node");

// All homes of one shard. Owned by the shard's assembly; lives as long as the shard.
class Homes final : public engine::BrokerEvents, runtime::ShardBound {
 public:
  // `hubs`: the LocalHub of each shard, by id; touched on their own shards only.
  // `metrics` may be null. `max_lag`: client.channel_position_max_time_lag; 0: any.
  Homes(runtime::Shard& shard, engine::Broker& broker, const std::vector<LocalHub*>& hubs,
        metrics::ShardMetrics* metrics = nullptr, os::Nanos max_lag = 0);
  ~Homes() override;

  runtime::Task<Result<Joined>> join(std::string channel, runtime::ShardId shard, JoinWish wish);
  void leave(std::string_view channel, runtime::ShardId shard);
  engine::Broker& broker() { return broker_; }
  size_t size() const { return homes_.size(); }
  // Of these, the ones with subscribers; on the first shard the node's wildcards too.
  size_t listened() const { return listened_; }
  metrics::ShardMetrics* metrics() { return metrics_; }
  // Those of the same shard get every publication from now on.
  void feed(Wildcards& wildcards) { wildcards_ = &wildcards; }

  // How long deliveries may lag behind what the broker's history has before it counts as a loss.
  static constexpr os::Nanos kCatchUpGrace = os::kSecond;

  // --- For PositionCheck: where the positioned channels stand, held against the broker's word.
  struct Stand {
    SharedNameRef channel;
    std::chrono::seconds meta_ttl;
    protocol::StreamPosition position;
  };
  std::vector<Stand> positioned();
  // Whether deliveries have yet to reach `top`, which the broker told when it was asked at `stand`.
  // A loss that is certain is told to the channel's subscribers at once.
  bool is_behind(const Stand& stand, const protocol::StreamPosition& top);
  // `top` must have been reached by now.
  void insist(const SharedName& channel, const protocol::StreamPosition& top);

  void on_publication(std::string_view channel, const protocol::PublicationRef& publication,
                      std::string_view epoch) override;
  void on_announcement(std::string_view channel,
                       const protocol::AnnouncementRef& announcement) override;

 private:
  friend class Home;
  friend class Wildcards;
  void count_listened(int change);
  // Whether the publication has been on its way for so long that it counts as a loss.
  bool is_late(const protocol::Publication& publication) const;
  void count(metrics::Action action) {
    if (metrics_) metrics_->actions[action].add();
  }
  struct Access {
    Slab<Home>* homes;
    const uint64_t* seed;
    uint64_t hash(uint32_t slot) const;
    bool equals(uint32_t slot, std::string_view name) const {
      return (*homes)[slot].name()->text() == name;
    }
    uint32_t& link(uint32_t slot) const { return (*homes)[slot].link(); }
  };
  Home* find(std::string_view channel);
  // It has no further use.
  void erase(Home& home);

  runtime::Shard& shard_;
  engine::Broker& broker_;
  const std::vector<LocalHub*>& hubs_;
  Wildcards* wildcards_ = nullptr;  // there are none on this node
  size_t listened_ = 0;
  metrics::ShardMetrics* const metrics_;
  const os::Nanos max_lag_;
  uint64_t seed_ = 0;
  Slab<Home> homes_;
  SlotIndex<Access> index_;
};

}  // namespace gyre::hub
