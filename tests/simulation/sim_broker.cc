#include "tests/simulation/sim_broker.h"

#include <algorithm>

#include "runtime/call.h"
#include "tests/simulation/ledger_broker.h"

namespace gyre::sim {

namespace {
constexpr std::chrono::seconds kStoreMetaTtl{600};
std::unexpected<Error> unavailable() {
  return fail(Errc::unavailable, "the simulated broker does not answer");
}
}  // namespace

// --- The store

std::string SimStore::new_epoch() {
  std::string epoch;
  for (int i = 0; i < 8; ++i) epoch += static_cast<char>('a' + network_.below(26));
  return epoch;
}

engine::memory::Stream& SimStore::stream(const std::string& channel,
                                         std::chrono::seconds meta_ttl) {
  auto found = streams_.find(channel);
  if (found != streams_.end() && !found->second.age(now())) {
    streams_.erase(found);
    found = streams_.end();
  }
  if (found == streams_.end()) {
    found = streams_.emplace(channel, engine::memory::Stream(new_epoch())).first;
  }
  found->second.keep_until(now() + (meta_ttl.count() > 0 ? meta_ttl : kStoreMetaTtl).count());
  return found->second;
}

std::optional<protocol::StreamPosition> SimStore::top(const std::string& channel) const {
  const auto found = streams_.find(channel);
  if (found == streams_.end()) return std::nullopt;
  return found->second.top();
}

engine::PublishResult SimStore::publish(engine::PublishRequest request) {
  engine::PublishResult result;
  protocol::PublicationRef published = request.publication;
  if (request.history.is_on()) {
    engine::memory::Stream& target = stream(request.channel, request.history.meta_ttl);
    published = target.append(std::move(request.publication), request.history.size);
    target.keep_items_until(now() + request.history.ttl.count());
    result.position = target.top();
  }
  ledger_.published(request.channel, {.payload = published->data,
                                      .epoch = result.position.epoch,
                                      .offset = result.position.offset,
                                      .tag = tag_of(*published)});
  deliver(request.channel, published, result.position.epoch);
  return result;
}

void SimStore::deliver(const std::string& channel, const protocol::PublicationRef& publication,
                       const std::string& epoch) {
  const auto found = subscribers_.find(channel);
  if (found == subscribers_.end()) return;
  if (network_.chance(weather_.lost)) {
    ledger_.lost(channel, publication->data);
    return;
  }
  found->second->deliver_later(channel, publication, epoch);
  if (!network_.chance(weather_.repeated)) return;
  ledger_.repeated(channel, publication->data);
  agenda_.after(delay() * 4, [this, channel, publication, epoch] {
    const auto again = subscribers_.find(channel);
    if (again != subscribers_.end()) again->second->deliver_later(channel, publication, epoch);
  });
}

Result<engine::HistoryPage> SimStore::read(const std::string& channel,
                                           const engine::HistoryQuery& query) {
  return stream(channel, query.meta_ttl).read(query);
}

os::Nanos SimStore::delay() {
  auto delay = static_cast<os::Nanos>(network_.below(static_cast<uint64_t>(weather_.delay_max)));
  if (network_.chance(weather_.stall)) {
    delay += static_cast<os::Nanos>(network_.below(static_cast<uint64_t>(weather_.stall_max)));
  }
  return delay;
}

// --- The way to it

class SimBroker::Trip {
 public:
  Trip(SimBroker& broker, Line line) : broker_(broker), line_(line) {}
  bool await_ready() const { return false; }
  void await_suspend(std::coroutine_handle<> coroutine) {
    const os::Nanos wait = broker_.arrival(line_) - broker_.store_.network_.now();
    broker_.store_.agenda_.after(wait, [&shard = broker_.shard_, coroutine] {
      runtime::send_errand(shard, [coroutine] { coroutine.resume(); });
    });
  }
  void await_resume() const {}

 private:
  SimBroker& broker_;
  const Line line_;
};

SimBroker::~SimBroker() {
  die();
}

void SimBroker::die() {
  *is_dead_ = true;
  std::erase_if(store_.subscribers_, [this](const auto& one) { return one.second == this; });
}

os::Nanos SimBroker::arrival(Line line) {
  line_free_[line] = std::max(line_free_[line], store_.network_.now() + store_.delay());
  return line_free_[line];
}

void SimBroker::deliver_later(std::string channel, protocol::PublicationRef publication,
                              std::string epoch) {
  const os::Nanos wait = arrival(kDeliveries) - store_.network_.now();
  store_.agenda_.after(
      wait, [this, channel = std::move(channel), publication = std::move(publication),
             epoch = std::move(epoch), is_dead = is_dead_] {
        if (*is_dead) return;
        runtime::send_errand(shard_, [events = events_, channel, publication, epoch] {
          events->on_publication(channel, publication, epoch);
        });
      });
}

runtime::Task<Result<void>> SimBroker::subscribe(std::string channel) {
  const bool is_before = is_refused();
  co_await Trip(*this, kInterest);
  if (*is_dead_) co_return unavailable();
  if (!is_before) store_.subscribers_[channel] = this;
  const bool is_after = is_unconfirmed();
  // The confirmation comes on the line of the deliveries.
  co_await Trip(*this, kDeliveries);
  if (is_before || is_after) co_return unavailable();
  co_return Result<void>();
}

runtime::Task<Result<void>> SimBroker::unsubscribe(std::string channel) {
  co_await Trip(*this, kInterest);
  if (*is_dead_) co_return unavailable();
  store_.subscribers_.erase(channel);
  const bool is_after = is_unconfirmed();
  co_await Trip(*this, kDeliveries);
  if (is_after) co_return unavailable();
  co_return Result<void>();
}

runtime::Task<Result<engine::PublishResult>> SimBroker::publish(engine::PublishRequest request) {
  const bool is_before = is_refused();
  co_await Trip(*this, kQuestions);
  if (is_before || *is_dead_) co_return unavailable();
  engine::PublishResult result = store_.publish(std::move(request));
  const bool is_after = is_unconfirmed();
  co_await Trip(*this, kAnswers);
  if (is_after) co_return unavailable();
  co_return result;
}

runtime::Task<Result<engine::HistoryPage>> SimBroker::history(std::string channel,
                                                              engine::HistoryQuery query) {
  const bool is_failing = is_refused();
  co_await Trip(*this, kQuestions);
  if (*is_dead_) co_return unavailable();
  Result<engine::HistoryPage> page = store_.read(channel, query);
  co_await Trip(*this, kAnswers);
  if (is_failing) co_return unavailable();
  co_return page;
}

runtime::Task<Result<void>> SimBroker::remove_history(std::string channel) {
  co_await Trip(*this, kQuestions);
  if (*is_dead_) co_return unavailable();
  store_.stream(channel, kStoreMetaTtl).clear();
  co_await Trip(*this, kAnswers);
  co_return Result<void>();
}

}  // namespace gyre::sim
