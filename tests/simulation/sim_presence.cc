#include "tests/simulation/sim_presence.h"

#include <algorithm>

#include "runtime/call.h"

namespace gyre::sim {

namespace {
std::unexpected<Error> no_answer() {
  return fail(Errc::unavailable, "the simulated presence store does not answer");
}
}  // namespace

std::set<std::string> SimPresence::clients(const std::string& channel) const {
  std::set<std::string> result;
  const auto found = channels_.find(channel);
  if (found == channels_.end()) return result;
  for (const auto& [client, entry] : found->second) {
    if (entry.until > network_.now()) result.insert(client);
  }
  return result;
}

size_t SimPresence::entries() const {
  size_t sum = 0;
  for (const auto& [channel, members] : channels_) sum += clients(channel).size();
  return sum;
}

// Suspends for the time that a message takes on the line.
class SimPresenceStore::Trip {
 public:
  Trip(SimPresenceStore& store, bool is_back) : store_(store), is_back_(is_back) {}
  bool await_ready() const { return false; }
  void await_suspend(std::coroutine_handle<> coroutine) {
    SimNetwork& network = store_.presence_.network_;
    os::Nanos& free = store_.line_free_[is_back_ ? 1 : 0];
    const auto most = static_cast<uint64_t>(store_.presence_.weather_.delay_max);
    free = std::max(free, network.now() + static_cast<os::Nanos>(network.below(most)));
    store_.presence_.agenda_.after(free - network.now(), [&shard = store_.shard_, coroutine] {
      runtime::send_errand(shard, [coroutine] { coroutine.resume(); });
    });
  }
  void await_resume() const {}

 private:
  SimPresenceStore& store_;
  const bool is_back_;
};

runtime::Task<Result<void>> SimPresenceStore::add(std::string channel, protocol::ClientInfo info) {
  const bool is_failing = is_refused();
  co_await Trip(*this, false);
  if (is_dead_) co_return no_answer();
  if (!is_failing) {
    SimPresence::Entry& entry = presence_.channels_[channel][info.client];
    entry.info = std::move(info);
    entry.until = presence_.network_.now() + presence_.ttl_;
  }
  co_await Trip(*this, true);
  if (is_failing) co_return no_answer();
  co_return Result<void>();
}

runtime::Task<Result<void>> SimPresenceStore::remove(std::string channel, std::string client) {
  const bool is_failing = is_refused();
  co_await Trip(*this, false);
  if (is_dead_) co_return no_answer();
  if (!is_failing) {
    const auto found = presence_.channels_.find(channel);
    if (found != presence_.channels_.end()) found->second.erase(client);
  }
  co_await Trip(*this, true);
  if (is_failing) co_return no_answer();
  co_return Result<void>();
}

runtime::Task<Result<engine::MemberList>> SimPresenceStore::list(std::string channel) {
  co_await Trip(*this, false);
  engine::MemberList all;
  for (const auto& [client, entry] : presence_.channels_[channel]) {
    if (entry.until > presence_.network_.now()) {
      all.push_back(make_ref<const engine::Member>(entry.info));
    }
  }
  co_await Trip(*this, true);
  co_return all;
}

runtime::Task<Result<engine::MemberPage>> SimPresenceStore::page(std::string channel,
                                                                 std::string cursor, size_t limit) {
  co_await Trip(*this, false);
  engine::MemberPage page;
  for (const auto& [client, entry] : presence_.channels_[channel]) {
    if (client <= cursor || entry.until <= presence_.network_.now()) continue;
    if (page.members.size() == limit) {
      page.cursor = page.members.back()->info.client;
      break;
    }
    page.members.push_back(make_ref<const engine::Member>(entry.info));
  }
  co_await Trip(*this, true);
  co_return page;
}

runtime::Task<Result<engine::PresenceStats>> SimPresenceStore::stats(std::string channel) {
  const auto all = co_await list(std::move(channel));
  engine::PresenceStats stats;
  std::set<std::string> users;
  for (const engine::MemberRef& one : *all) users.insert(one->info.user);
  stats.clients = static_cast<uint32_t>(all->size());
  stats.users = static_cast<uint32_t>(users.size());
  co_return stats;
}

}  // namespace gyre::sim
