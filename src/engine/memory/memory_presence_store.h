#pragma once

#include <string>
#include <unordered_map>

#include "engine/presence_store.h"

namespace gyre::engine::memory {

// Who is in the channels of a single node (spec memory.md, 6). One for each home shard, on that
// shard. Entries vanish only by `remove`; counting users costs no walk.
class MemoryPresenceStore final : public PresenceStore {
 public:
  bool forgets() const override { return false; }
  runtime::Task<Result<void>> add(std::string channel, protocol::ClientInfo info) override;
  runtime::Task<Result<void>> remove(std::string channel, std::string client) override;
  runtime::Task<Result<std::vector<protocol::ClientInfo>>> list(std::string channel) override;
  runtime::Task<Result<PresenceStats>> stats(std::string channel) override;

  size_t channels() const { return channels_.size(); }

 private:
  struct Members {
    std::unordered_map<std::string, protocol::ClientInfo> clients;
    std::unordered_map<std::string, uint32_t> users;  // how many of the clients each has
    void forget_user(const std::string& user);
  };
  std::unordered_map<std::string, Members> channels_;
};

}  // namespace gyre::engine::memory
