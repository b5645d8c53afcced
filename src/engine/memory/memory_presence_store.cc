#include "engine/memory/memory_presence_store.h"

namespace gyre::engine::memory {

void MemoryPresenceStore::Members::forget_user(const std::string& user) {
  const auto found = users.find(user);
  if (--found->second == 0) users.erase(found);
}

runtime::Task<Result<void>> MemoryPresenceStore::add(std::string channel,
                                                     protocol::ClientInfo info) {
  Members& members = channels_[std::move(channel)];
  ++members.users[info.user];
  const auto [entry, is_new] = members.clients.try_emplace(info.client);
  if (!is_new) members.forget_user(entry->second.user);
  entry->second = std::move(info);
  co_return Result<void>();
}

runtime::Task<Result<void>> MemoryPresenceStore::remove(std::string channel, std::string client) {
  const auto members = channels_.find(channel);
  if (members == channels_.end()) co_return Result<void>();
  const auto entry = members->second.clients.find(client);
  if (entry == members->second.clients.end()) co_return Result<void>();
  members->second.forget_user(entry->second.user);
  members->second.clients.erase(entry);
  if (members->second.clients.empty()) channels_.erase(members);
  co_return Result<void>();
}

runtime::Task<Result<std::vector<protocol::ClientInfo>>> MemoryPresenceStore::list(
    std::string channel) {
  std::vector<protocol::ClientInfo> all;
  if (const auto members = channels_.find(channel); members != channels_.end()) {
    all.reserve(members->second.clients.size());
    for (const auto& [client, info] : members->second.clients) all.push_back(info);
  }
  co_return all;
}

runtime::Task<Result<PresenceStats>> MemoryPresenceStore::stats(std::string channel) {
  PresenceStats stats;
  if (const auto members = channels_.find(channel); members != channels_.end()) {
    stats.clients = static_cast<uint32_t>(members->second.clients.size());
    stats.users = static_cast<uint32_t>(members->second.users.size());
  }
  co_return stats;
}

}  // namespace gyre::engine::memory
