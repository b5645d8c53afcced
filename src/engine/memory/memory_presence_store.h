#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>

#include "engine/presence_store.h"

namespace gyre::engine::memory {

// Who is in the channels of a single node (spec memory.md, 6). One for each home shard, on that
// shard. Entries vanish only by `remove`; counting users costs no walk.
//
// A channel's members are in the order of their client ids, which is what makes pages stable: a
// cursor is the last id of its page, and means the same whoever comes or goes. Trees, since a hash
// table of very many members stops the shard when it grows.
class MemoryPresenceStore final : public PresenceStore {
 public:
  bool forgets() const override { return false; }
  runtime::Task<Result<void>> add(std::string channel, protocol::ClientInfo info) override;
  runtime::Task<Result<void>> remove(std::string channel, std::string client) override;
  runtime::Task<Result<MemberList>> list(std::string channel) override;
  runtime::Task<Result<MemberPage>> page(std::string channel, std::string cursor,
                                         size_t limit) override;
  runtime::Task<Result<PresenceStats>> stats(std::string channel) override;

  size_t channels() const { return channels_.size(); }
  // Members that were looked at for lists and pages, so far.
  uint64_t visited() const { return visited_; }

  // How many members of a list are taken in one go: a fraction of a millisecond of work.
  static constexpr size_t kMembersPerSlice = 1024;

 private:
  struct ByClient {
    using is_transparent = void;
    static std::string_view key(const MemberRef& member) { return member->info.client; }
    static std::string_view key(std::string_view client) { return client; }
    bool operator()(const auto& one, const auto& other) const { return key(one) < key(other); }
  };
  struct Members {
    std::set<MemberRef, ByClient> clients;
    std::map<std::string, uint32_t> users;  // how many of the clients each has
    void forget_user(const std::string& user);
  };
  // Appends at most `limit` of those behind the client; empty: from the first. False: more follow.
  bool take(const std::string& channel, std::string_view behind, size_t limit, MemberList& out);

  std::unordered_map<std::string, Members> channels_;
  uint64_t visited_ = 0;
};

}  // namespace gyre::engine::memory
