#include "engine/memory/memory_broker.h"

namespace gyre::engine::memory {

runtime::Task<Result<void>> MemoryBroker::subscribe(std::string) {
  co_return Result<void>();
}
runtime::Task<Result<void>> MemoryBroker::unsubscribe(std::string) {
  co_return Result<void>();
}

runtime::Task<Result<PublishResult>> MemoryBroker::publish(PublishRequest request) {
  const std::string& key = request.idempotency_key;
  if (!key.empty()) {
    if (const auto* first = results_.find(request.channel, key, now())) {
      co_return PublishResult{*first, Suppressed::by_idempotency};
    }
  }
  PublishResult result;
  protocol::PublicationRef published = request.publication;
  if (request.history.is_on()) result = append(request, published);
  if (result.suppressed != Suppressed::no) co_return result;
  if (!key.empty()) results_.put(request.channel, key, result.position, now());
  if (events_) events_->on_publication(request.channel, published, result.position.epoch);
  co_return result;
}

PublishResult MemoryBroker::append(PublishRequest& request, protocol::PublicationRef& published) {
  Stream& target = stream(request.channel);
  const bool is_outdated = target.is_outdated(*request.publication);
  if (!is_outdated) published = target.append(std::move(request.publication), request.history.size);
  target.keep_items_until(now() + request.history.ttl.count());
  target.keep_until(meta_deadline(request.history.meta_ttl));
  arm();
  return {target.top(), is_outdated ? Suppressed::by_version : Suppressed::no};
}

runtime::Task<Result<HistoryPage>> MemoryBroker::history(std::string channel, HistoryQuery query) {
  Stream& source = stream(channel);
  source.keep_until(meta_deadline(query.meta_ttl));
  arm();
  co_return source.read(query);
}

runtime::Task<Result<void>> MemoryBroker::remove_history(std::string channel) {
  if (const auto found = streams_.find(channel); found != streams_.end()) found->second.clear();
  co_return Result<void>();
}

Stream& MemoryBroker::stream(const std::string& channel) {
  auto found = streams_.find(channel);
  if (found == streams_.end()) {
    found = streams_.emplace(channel, Stream(new_epoch())).first;
    unqueued_.push_back(found);
  } else if (!found->second.age(now())) {
    // Its time is over, though the timer has not come to it: the same as if it had. It keeps its
    // place in the queue.
    found->second = Stream(new_epoch());
  }
  return found->second;
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

void MemoryBroker::arm() {
  for (Streams::iterator made : unqueued_) deadlines_.push({made->second.next_deadline(), made});
  unqueued_.clear();
  // Deadlines have the resolution of a second.
  if (!is_armed() && !deadlines_.empty()) shard_.timers().arm(*this, shard_.now() + os::kSecond);
}

void MemoryBroker::on_timer() {
  results_.purge(now());
  while (!deadlines_.empty() && deadlines_.top().second <= now()) {
    const Streams::iterator due = deadlines_.top().stream;
    deadlines_.pop();
    if (due->second.age(now())) {
      deadlines_.push({due->second.next_deadline(), due});
    } else {
      streams_.erase(due);
    }
  }
  arm();
}

}  // namespace gyre::engine::memory
