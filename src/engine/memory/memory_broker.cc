#include "engine/memory/memory_broker.h"

#include "base/fault_points.h"

namespace gyre::engine::memory {

runtime::Task<Result<void>> MemoryBroker::subscribe(std::string) {
  co_return Result<void>();
}
runtime::Task<Result<void>> MemoryBroker::unsubscribe(std::string) {
  co_return Result<void>();
}

runtime::Task<Result<PublishResult>> MemoryBroker::publish(PublishRequest request) {
  co_return *publish_at_once(request);
}

std::optional<Result<PublishResult>> MemoryBroker::publish_at_once(PublishRequest& request) {
  const std::string& key = request.idempotency_key;
  if (!key.empty() && !GYRE_PLANTED(idempotency_is_forgotten)) {
    if (const auto* first = results_.find(request.channel, key, now())) {
      return PublishResult{*first, Suppressed::by_idempotency};
    }
  }
  if (request.publication->time_ms == 0) request.publication->time_ms = shard_.unix_milliseconds();
  PublishResult result;
  protocol::PublicationRef published = request.publication;
  if (request.history.is_on()) result = append(request, published);
  if (result.suppressed != Suppressed::no) return result;
  if (!key.empty()) {
    results_.put(request.channel, key, result.position, now());
    arm();
  }
  if (events_) events_->on_publication(request.channel, published, result.position.epoch);
  return result;
}

PublishResult MemoryBroker::append(PublishRequest& request, protocol::PublicationRef& published) {
  Node& kept = node(request.channel);
  Stream& target = kept.second.stream;
  const bool is_outdated = target.is_outdated(*request.publication);
  if (!is_outdated) published = target.append(std::move(request.publication), request.history.size);
  target.keep_items_until(now() + request.history.ttl.count());
  target.keep_until(meta_deadline(request.history.meta_ttl));
  schedule(kept);
  return {target.top(), is_outdated ? Suppressed::by_version : Suppressed::no};
}

runtime::Task<Result<void>> MemoryBroker::announce(std::string channel,
                                                   protocol::AnnouncementRef announcement) {
  if (events_) events_->on_announcement(channel, announcement);
  co_return Result<void>();
}

runtime::Task<Result<HistoryPage>> MemoryBroker::history(std::string channel, HistoryQuery query) {
  Node& kept = node(channel);
  kept.second.stream.keep_until(meta_deadline(query.meta_ttl));
  schedule(kept);
  co_return kept.second.stream.read(query);
}

runtime::Task<Result<void>> MemoryBroker::remove_history(std::string channel) {
  if (const auto found = streams_.find(channel); found != streams_.end())
    found->second.stream.clear();
  co_return Result<void>();
}

MemoryBroker::Node& MemoryBroker::node(const std::string& channel) {
  auto found = streams_.find(channel);
  if (found == streams_.end()) {
    found = streams_.emplace(channel, Kept{.stream = Stream(new_epoch())}).first;
  } else if (!found->second.stream.age(now()) || GYRE_FAULT(new_epoch)) {
    // Its time is over, though the timer has not come to it: the same as if it had. It keeps its
    // place in the queue.
    found->second.stream =
        Stream(GYRE_PLANTED(epoch_survives_expiry) ? found->second.stream.epoch() : new_epoch());
  }
  return *found;
}

// An earlier deadline than the queued one is queued at once: a stream that a reader has made is to
// live for weeks, its first publications perhaps for seconds.
void MemoryBroker::schedule(Node& node) {
  Kept& kept = node.second;
  const int64_t next = kept.stream.next_deadline();
  if (next < kept.look) {
    looks_.erase({kept.look, &node});
    kept.look = next;
    looks_.emplace(next, &node);
  }
  arm();
}

// Eight letters (spec subscriptions.md, 5).
std::string MemoryBroker::new_epoch() {
  static constexpr std::string_view kLetters =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
  std::string epoch;
  while (epoch.size() < 8) {
    uint8_t byte;
    shard_.kernel().random(&byte, 1);
    if (byte < 256 / kLetters.size() * kLetters.size()) epoch += kLetters[byte % kLetters.size()];
  }
  return epoch;
}

// Deadlines have the resolution of a second.
void MemoryBroker::arm() {
  if (is_armed() || (looks_.empty() && results_.size() == 0)) return;
  shard_.timers().arm(*this, shard_.now() + os::kSecond);
}

void MemoryBroker::on_timer() {
  results_.purge(now());
  while (!looks_.empty() && looks_.begin()->first <= now()) {
    Node& due = *looks_.begin()->second;
    looks_.erase(looks_.begin());
    due.second.look = kNever;
    if (due.second.stream.age(now())) {
      schedule(due);
    } else {
      streams_.erase(streams_.find(due.first));
    }
  }
  arm();
}

}  // namespace gyre::engine::memory
