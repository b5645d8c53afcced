#include "engine/memory/memory_presence_store.h"

#include <algorithm>

#include "base/fault_points.h"
#include "runtime/shard.h"

namespace gyre::engine::memory {

void MemoryPresenceStore::Members::forget_user(const std::string& user) {
  const auto found = users.find(user);
  if (--found->second == 0) users.erase(found);
}

runtime::Task<Result<void>> MemoryPresenceStore::add(std::string channel,
                                                     protocol::ClientInfo info) {
  Members& members = channels_[std::move(channel)];
  ++members.users[info.user];
  const auto found = members.clients.find(std::string_view(info.client));
  auto member = make_ref<const Member>(std::move(info));
  if (found == members.clients.end()) {
    members.clients.insert(std::move(member));
    co_return Result<void>();
  }
  members.forget_user((*found)->info.user);
  auto node = members.clients.extract(found);
  node.value() = std::move(member);
  members.clients.insert(std::move(node));
  co_return Result<void>();
}

runtime::Task<Result<void>> MemoryPresenceStore::remove(std::string channel, std::string client) {
  const auto members = channels_.find(channel);
  if (members == channels_.end()) co_return Result<void>();
  const auto entry = members->second.clients.find(std::string_view(client));
  if (entry == members->second.clients.end()) co_return Result<void>();
  members->second.forget_user((*entry)->info.user);
  members->second.clients.erase(entry);
  if (members->second.clients.empty()) channels_.erase(members);
  co_return Result<void>();
}

bool MemoryPresenceStore::take(const std::string& channel, std::string_view behind, size_t limit,
                               MemberList& out) {
  const auto found = channels_.find(channel);
  if (found == channels_.end()) return true;
  const auto& clients = found->second.clients;
  auto at = behind.empty() ? clients.begin() : clients.upper_bound(behind);
  for (; at != clients.end() && limit > 0; ++at, --limit) {
    ++visited_;
    out.push_back(*at);
  }
  return at == clients.end();
}

runtime::Task<Result<MemberList>> MemoryPresenceStore::list(std::string channel) {
  MemberList all;
  if (const auto members = channels_.find(channel); members != channels_.end()) {
    all.reserve(members->second.clients.size());
  }
  // The members may be others after each slice, so the place is found again by the last one's id.
  std::string behind;
  while (!take(channel, behind, kMembersPerSlice, all)) {
    behind = all.back()->info.client;
    co_await runtime::Yield();
  }
  co_return all;
}

runtime::Task<Result<MemberPage>> MemoryPresenceStore::page(std::string channel, std::string cursor,
                                                            size_t limit) {
  MemberPage page;
  page.members.reserve(std::min(limit, kMembersPerSlice));
  while (limit > 0) {
    const size_t before = page.members.size();
    const bool is_all = take(channel, cursor, std::min(limit, kMembersPerSlice), page.members);
    if (is_all) {
      cursor.clear();
      break;
    }
    limit -= page.members.size() - before;
    cursor = page.members.back()->info.client;
    if (limit > 0) co_await runtime::Yield();
  }
  page.cursor = std::move(cursor);
  co_return page;
}

runtime::Task<Result<PresenceStats>> MemoryPresenceStore::stats(std::string channel) {
  PresenceStats stats;
  if (const auto members = channels_.find(channel); members != channels_.end()) {
    stats.clients = static_cast<uint32_t>(members->second.clients.size());
    stats.users = static_cast<uint32_t>(members->second.users.size());
    if (GYRE_PLANTED(users_are_counted_by_connection)) stats.users = stats.clients;
  }
  co_return stats;
}

}  // namespace gyre::engine::memory
