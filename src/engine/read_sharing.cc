#include "engine/read_sharing.h"

#include <utility>

namespace gyre::engine {

ReadSharingBroker::HistoryKey ReadSharingBroker::key_of(const std::string& channel,
                                                        const HistoryQuery& query) {
  const protocol::StreamPosition since = query.since.value_or(protocol::StreamPosition());
  return {channel,     query.limit,   query.since.has_value(), since.offset,
          since.epoch, query.reverse, query.meta_ttl.count()};
}

runtime::Task<Result<HistoryPage>> ReadSharingBroker::history(std::string channel,
                                                              HistoryQuery query) {
  HistoryKey key = key_of(channel, query);
  return histories_.ask(std::move(key),
                        [this, channel = std::move(channel), query = std::move(query)]() mutable {
                          return broker_->history(std::move(channel), std::move(query));
                        });
}

runtime::Task<Result<MemberList>> ReadSharingPresence::list(std::string channel) {
  std::string key = channel;
  return lists_.ask(std::move(key), [this, channel = std::move(channel)]() mutable {
    return store_->list(std::move(channel));
  });
}

runtime::Task<Result<PresenceStats>> ReadSharingPresence::stats(std::string channel) {
  std::string key = channel;
  return stats_.ask(std::move(key), [this, channel = std::move(channel)]() mutable {
    return store_->stats(std::move(channel));
  });
}

}  // namespace gyre::engine
