#include "hub/directory.h"

#include "base/hash.h"
#include "base/log.h"
#include "runtime/call.h"

namespace gyre::hub {

namespace {

// On the home shard. Presence comes first, so that whoever sees the subscription live sees it there
// too; a failed join takes it back.
runtime::Task<Result<Joined>> join_at_home(HomeParts home, std::string channel,
                                           runtime::ShardId shard, JoinWish wish,
                                           std::optional<protocol::ClientInfo> present) {
  const std::string client = present ? present->client : std::string();
  const bool is_present = present.has_value();
  if (is_present) GYRE_CO_TRY_VOID(co_await home.presence->add(channel, *std::move(present)));
  Result<Joined> joined = co_await home.homes->join(channel, shard, std::move(wish));
  if (!joined && is_present) {
    static_cast<void>(co_await home.presence->remove(std::move(channel), client));
  }
  co_return joined;
}

void tell_presence_failure(const Result<void>& result) {
  if (!result) log::warn("presence could not be updated", {{"error", result.error().context}});
}

runtime::Task<void> add_at_home(HomeParts home, std::string channel, protocol::ClientInfo info) {
  tell_presence_failure(co_await home.presence->add(std::move(channel), std::move(info)));
}

runtime::Task<void> remove_at_home(HomeParts home, std::string channel, std::string client) {
  tell_presence_failure(co_await home.presence->remove(std::move(channel), std::move(client)));
}

runtime::Task<void> announce_at_home(HomeParts home, std::string channel,
                                     protocol::AnnouncementRef announcement) {
  const Result<void> result =
      co_await home.homes->broker().announce(std::move(channel), std::move(announcement));
  if (!result) log::warn("a join or leave was not told", {{"error", result.error().context}});
}

}  // namespace

runtime::ShardId Directory::home_of(std::string_view channel) const {
  if (homes_.size() == 1) return {};
  return {static_cast<uint16_t>(hash_text(channel, seed_) % homes_.size())};
}

runtime::Task<Result<Joined>> Directory::join(std::string channel, JoinWish wish,
                                              std::optional<protocol::ClientInfo> present) {
  check_shard();
  if (present) count(metrics::Action::add_presence);
  const runtime::ShardId home = home_of(channel);
  return runtime::call(
      shard_.set()[home],
      [parts = homes_[home.value], channel = std::move(channel), shard = shard_.id(),
       wish = std::move(wish), present = std::move(present)]() mutable {
        return join_at_home(parts, std::move(channel), shard, std::move(wish), std::move(present));
      });
}

void Directory::leave(std::string_view channel) {
  check_shard();
  const runtime::ShardId home = home_of(channel);
  Homes* homes = homes_[home.value].homes;
  runtime::send_errand(shard_.set()[home], [homes, name = std::string(channel),
                                            shard = shard_.id()] { homes->leave(name, shard); });
}

void Directory::refresh_presence(std::string channel, protocol::ClientInfo info) {
  check_shard();
  const runtime::ShardId home = home_of(channel);
  runtime::Shard& shard = shard_.set()[home];
  runtime::send_errand(shard, [&shard, parts = homes_[home.value], channel = std::move(channel),
                               info = std::move(info)]() mutable {
    shard.tasks().spawn(add_at_home(parts, std::move(channel), std::move(info)));
  });
}

void Directory::withdraw(std::string channel, std::string client) {
  check_shard();
  count(metrics::Action::remove_presence);
  const runtime::ShardId home = home_of(channel);
  runtime::Shard& shard = shard_.set()[home];
  runtime::send_errand(shard, [&shard, parts = homes_[home.value], channel = std::move(channel),
                               client = std::move(client)]() mutable {
    shard.tasks().spawn(remove_at_home(parts, std::move(channel), std::move(client)));
  });
}

void Directory::announce(std::string channel, protocol::AnnouncementRef announcement) {
  check_shard();
  count_sent(*announcement);
  const runtime::ShardId home = home_of(channel);
  runtime::Shard& shard = shard_.set()[home];
  runtime::send_errand(shard, [&shard, parts = homes_[home.value], channel = std::move(channel),
                               announcement = std::move(announcement)]() mutable {
    shard.tasks().spawn(announce_at_home(parts, std::move(channel), std::move(announcement)));
  });
}

void Directory::part(std::string channel, std::string client, protocol::AnnouncementRef leave) {
  check_shard();
  if (!client.empty()) count(metrics::Action::remove_presence);
  if (leave) count_sent(*leave);
  const runtime::ShardId home = home_of(channel);
  runtime::Shard& shard = shard_.set()[home];
  runtime::send_errand(shard, [&shard, parts = homes_[home.value], channel = std::move(channel),
                               client = std::move(client), leave = std::move(leave)]() mutable {
    // Asked for in this order (spec redis.md 6), but the one does not wait for the other: a
    // slow store must not put the leave behind the join of a client that is back already.
    if (!client.empty()) shard.tasks().spawn(remove_at_home(parts, channel, std::move(client)));
    if (!leave) return;
    shard.tasks().spawn(announce_at_home(parts, std::move(channel), std::move(leave)));
  });
}

void Directory::count_sent(const protocol::Announcement& announcement) {
  if (!metrics_) return;
  metrics_
      ->messages_sent[announcement.is_join ? metrics::BrokerMessage::join
                                           : metrics::BrokerMessage::leave]
      .add();
}

runtime::Task<Result<engine::PublishResult>> Directory::publish(engine::PublishRequest request) {
  check_shard();
  const runtime::ShardId home = home_of(request.channel);
  engine::Broker& broker = homes_[home.value].homes->broker();
  if (metrics_) metrics_->messages_sent[metrics::BrokerMessage::publication].add();
  auto published = home == shard_.id()
                       ? co_await broker.publish(std::move(request))
                       : co_await runtime::call(shard_.set()[home],
                                                [&broker, request = std::move(request)]() mutable {
                                                  return broker.publish(std::move(request));
                                                });
  count_suppressed(published);
  co_return published;
}

std::optional<Result<engine::PublishResult>> Directory::publish_at_once(
    engine::PublishRequest& request) {
  check_shard();
  const runtime::ShardId home = home_of(request.channel);
  if (home != shard_.id()) return std::nullopt;
  auto published = homes_[home.value].homes->broker().publish_at_once(request);
  if (published) {
    if (metrics_) metrics_->messages_sent[metrics::BrokerMessage::publication].add();
    count_suppressed(*published);
  }
  return published;
}

void Directory::count_suppressed(const Result<engine::PublishResult>& published) {
  if (!metrics_ || !published || published->suppressed == engine::Suppressed::no) return;
  const bool is_repeated = published->suppressed == engine::Suppressed::by_idempotency;
  metrics_
      ->suppressed_publishes[is_repeated ? metrics::Suppression::idempotency
                                         : metrics::Suppression::version]
      .add();
}

runtime::Task<Result<engine::HistoryPage>> Directory::history(std::string channel,
                                                              engine::HistoryQuery query) {
  check_shard();
  count(metrics::Action::history);
  const runtime::ShardId home = home_of(channel);
  engine::Broker& broker = homes_[home.value].homes->broker();
  return runtime::call(shard_.set()[home],
                       [&broker, channel = std::move(channel), query = std::move(query)]() mutable {
                         return broker.history(std::move(channel), std::move(query));
                       });
}

runtime::Task<Result<void>> Directory::remove_history(std::string channel) {
  check_shard();
  count(metrics::Action::history_remove);
  const runtime::ShardId home = home_of(channel);
  engine::Broker& broker = homes_[home.value].homes->broker();
  return runtime::call(shard_.set()[home], [&broker, channel = std::move(channel)]() mutable {
    return broker.remove_history(std::move(channel));
  });
}

runtime::Task<Result<engine::MemberList>> Directory::presence(std::string channel) {
  check_shard();
  count(metrics::Action::presence);
  const runtime::ShardId home = home_of(channel);
  engine::PresenceStore* store = homes_[home.value].presence;
  return runtime::call(shard_.set()[home], [store, channel = std::move(channel)]() mutable {
    return store->list(std::move(channel));
  });
}

runtime::Task<Result<engine::MemberPage>> Directory::presence_page(std::string channel,
                                                                   std::string cursor,
                                                                   size_t limit) {
  check_shard();
  count(metrics::Action::presence);
  const runtime::ShardId home = home_of(channel);
  engine::PresenceStore* store = homes_[home.value].presence;
  return runtime::call(shard_.set()[home], [store, channel = std::move(channel),
                                            cursor = std::move(cursor), limit]() mutable {
    return store->page(std::move(channel), std::move(cursor), limit);
  });
}

runtime::Task<Result<engine::PresenceStats>> Directory::presence_stats(std::string channel) {
  check_shard();
  count(metrics::Action::presence_stats);
  const runtime::ShardId home = home_of(channel);
  engine::PresenceStore* store = homes_[home.value].presence;
  return runtime::call(shard_.set()[home], [store, channel = std::move(channel)]() mutable {
    return store->stats(std::move(channel));
  });
}

size_t Directory::channels_at_home() const {
  check_shard();
  return shard_.id().value < homes_.size() ? homes_[shard_.id().value].homes->listened() : 0;
}

}  // namespace gyre::hub
