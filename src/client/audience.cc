#include "client/audience.h"

#include <algorithm>
#include <iterator>
#include <unordered_map>

#include "base/fault_points.h"
#include "client/roster.h"
#include "runtime/call.h"
#include "runtime/latch.h"

namespace gyre::client {

namespace {

// Each runs on a shard of its own roster; named, since a coroutine must not capture.
runtime::Task<std::vector<std::pair<std::string, uint32_t>>> channels_there(
    Roster* roster, std::shared_ptr<const Glob> filter) {
  co_return roster->channels(filter.get());
}
runtime::Task<Totals> totals_there(Roster* roster) {
  co_return roster->totals();
}

template <class Make>
runtime::Task<void> run_and_arrive(runtime::Shard& shard, Make make, runtime::Latch* latch) {
  co_await runtime::call(shard, std::move(make));
  latch->arrive();
}

}  // namespace

runtime::Task<Result<void>> Audience::subscribe(Target target, SubscribeOrder order) {
  Result<void> result;
  for (size_t i = 0; i < rosters_.size(); ++i) {
    Roster* roster = rosters_[i];
    Result<void> one = co_await runtime::call(*shard_.set().shards[i], [roster, &target, &order] {
      return roster->subscribe(target, order);
    });
    if (!one && result) result = std::move(one);
  }
  co_return result;
}

runtime::Task<void> Audience::unsubscribe(Target target, std::string channel,
                                          protocol::Unsubscribe reason) {
  runtime::Latch latch(rosters_.size());
  for (size_t i = 0; i < rosters_.size(); ++i) {
    shard_.tasks().spawn(run_and_arrive(
        *shard_.set().shards[i],
        [roster = rosters_[i], target, channel, reason] {
          return roster->unsubscribe(target, channel, reason);
        },
        &latch));
  }
  co_await latch;
}

runtime::Task<void> Audience::disconnect(Target target, protocol::Disconnect reason) {
  runtime::Latch latch(rosters_.size());
  for (size_t i = 0; i < rosters_.size(); ++i) {
    shard_.tasks().spawn(run_and_arrive(
        *shard_.set().shards[i],
        [roster = rosters_[GYRE_PLANTED(disconnect_on_first_shard) ? 0 : i], target, reason] {
          return roster->disconnect(target, reason);
        },
        &latch));
  }
  co_await latch;
}

runtime::Task<void> Audience::refresh(Target target, RefreshOrder order) {
  runtime::Latch latch(rosters_.size());
  for (size_t i = 0; i < rosters_.size(); ++i) {
    shard_.tasks().spawn(run_and_arrive(
        *shard_.set().shards[i],
        [roster = rosters_[i], target, order] { return roster->refresh(target, order); }, &latch));
  }
  co_await latch;
}

runtime::Task<void> Audience::end_what_is_revoked(std::optional<std::string> user) {
  runtime::Latch latch(rosters_.size());
  for (size_t i = 0; i < rosters_.size(); ++i) {
    shard_.tasks().spawn(run_and_arrive(
        *shard_.set().shards[i],
        [roster = rosters_[GYRE_PLANTED(revocation_on_first_shard) ? 0 : i], user] {
          return roster->end_what_is_revoked(user);
        },
        &latch));
  }
  co_await latch;
}

// One shard after the other: what one has found takes up room of the next.
runtime::Task<Result<std::vector<ConnectionFacts>>> Audience::connections(
    std::optional<std::string> user, AnswerRoom room) {
  std::vector<ConnectionFacts> all;
  for (size_t i = 0; i < rosters_.size(); ++i) {
    Roster* roster = rosters_[i];
    GYRE_CO_TRY(std::vector<ConnectionFacts> some,
                co_await runtime::call(*shard_.set().shards[i], [roster, user, room] {
                  return roster->connections(user, room);
                }));
    for (const ConnectionFacts& one : some) room.take(one);
    std::ranges::move(some, std::back_inserter(all));
  }
  co_return all;
}

runtime::Task<std::vector<bool>> Audience::are_online(
    std::shared_ptr<const std::vector<std::string>> users) {
  std::vector<bool> any(users->size());
  for (size_t i = 0; i < rosters_.size(); ++i) {
    Roster* roster = rosters_[i];
    const std::vector<bool> there = co_await runtime::call(
        *shard_.set().shards[i], [roster, users] { return roster->are_online(users); });
    for (size_t user = 0; user < any.size(); ++user) any[user] = any[user] || there[user];
  }
  co_return any;
}

runtime::Task<std::vector<std::pair<std::string, uint32_t>>> Audience::channels(
    std::shared_ptr<const Glob> filter) {
  std::unordered_map<std::string, uint32_t> sums;
  for (size_t i = 0; i < rosters_.size(); ++i) {
    Roster* roster = rosters_[i];
    auto found = co_await runtime::call(
        *shard_.set().shards[i], [roster, filter] { return channels_there(roster, filter); });
    for (auto& [name, clients] : found) sums[std::move(name)] += clients;
  }
  std::vector<std::pair<std::string, uint32_t>> result;
  result.reserve(sums.size());
  for (auto& [name, clients] : sums) result.emplace_back(name, clients);
  co_return result;
}

runtime::Task<Totals> Audience::totals() {
  Totals sum;
  for (size_t i = 0; i < rosters_.size(); ++i) {
    Roster* roster = rosters_[i];
    const Totals one =
        co_await runtime::call(*shard_.set().shards[i], [roster] { return totals_there(roster); });
    sum.clients += one.clients;
    sum.users += one.users;
    sum.channels += one.channels;
    sum.subscriptions += one.subscriptions;
  }
  co_return sum;
}

}  // namespace gyre::client
