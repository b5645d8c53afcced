#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/broker.h"
#include "engine/presence_store.h"
#include "hub/home.h"
#include "metrics/shard_metrics.h"
#include "runtime/shard_bound.h"

namespace gyre::hub {

// What a shard has for the channels that are at home on it.
struct HomeParts {
  Homes* homes = nullptr;
  engine::PresenceStore* presence = nullptr;
};

// The way to a channel's home from one shard: each method runs on the home shard and answers on
// this one, at its place in the mailbox; messages of one shard about a channel arrive in the order
// in which they were sent. Together they are the conversation between shards about channels
// (docs/architecture.md). One for each shard, owned by its assembly.
class Directory : runtime::ShardBound {
 public:
  // `homes`: by shard; complete before the first use. `seed` is the same on all shards of the node.
  // `metrics` of this shard may be null.
  Directory(runtime::Shard& shard, const std::vector<HomeParts>& homes, uint64_t seed,
            metrics::ShardMetrics* metrics = nullptr)
      : shard_(shard), homes_(homes), seed_(seed), metrics_(metrics) {}

  // Makes this shard a listener. `present` is added to the channel's presence first.
  runtime::Task<Result<Joined>> join(std::string channel, JoinWish wish,
                                     std::optional<protocol::ClientInfo> present);
  // The shard's last receiver has gone.
  void leave(std::string_view channel);

  // Whether presence entries must be refreshed to stay.
  bool presence_forgets() const { return homes_.front().presence->forgets(); }
  // Renews what is known of a client that is in the channel's presence, so that it stays there.
  void refresh_presence(std::string channel, protocol::ClientInfo info);
  // The client is not in the channel any more.
  void withdraw(std::string channel, std::string client);
  // Tells the channel's subscribers that somebody has joined.
  void announce(std::string channel, protocol::AnnouncementRef announcement);
  // The end of a subscription, for all others: first the client is no longer in the presence,
  // unless the name is empty, then the leave is told, unless it is null.
  void part(std::string channel, std::string client, protocol::AnnouncementRef leave);

  runtime::Task<Result<engine::PublishResult>> publish(engine::PublishRequest request);
  // The same where it takes no wait: the channel's home is here, and its broker has all it needs.
  // Else nothing has happened, and the request is as it was.
  std::optional<Result<engine::PublishResult>> publish_at_once(engine::PublishRequest& request);
  runtime::Task<Result<engine::HistoryPage>> history(std::string channel,
                                                     engine::HistoryQuery query);
  runtime::Task<Result<void>> remove_history(std::string channel);
  runtime::Task<Result<engine::MemberList>> presence(std::string channel);
  runtime::Task<Result<engine::MemberPage>> presence_page(std::string channel, std::string cursor,
                                                          size_t limit);
  runtime::Task<Result<engine::PresenceStats>> presence_stats(std::string channel);

  // Channels with subscribers anywhere on the node whose home is this shard.
  size_t channels_at_home() const;

 private:
  runtime::ShardId home_of(std::string_view channel) const;
  void count_sent(const protocol::Announcement& announcement);
  void count_suppressed(const Result<engine::PublishResult>& published);
  void count(metrics::Action action) {
    if (metrics_) metrics_->actions[action].add();
  }

  runtime::Shard& shard_;
  const std::vector<HomeParts>& homes_;
  const uint64_t seed_;
  metrics::ShardMetrics* const metrics_;
};

}  // namespace gyre::hub
