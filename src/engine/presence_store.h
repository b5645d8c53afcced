#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/ref.h"
#include "base/result.h"
#include "protocol/publication.h"
#include "runtime/task.h"

namespace gyre::engine {

struct PresenceStats {
  uint32_t clients = 0;
  uint32_t users = 0;  // distinct ids; the empty one counts
};

// Somebody who is in a channel. Immutable and shared between shards: a list of very many is made,
// and dropped again, without a copy of each.
struct Member : SharedCounted {
  explicit Member(protocol::ClientInfo who) : info(std::move(who)) {}
  const protocol::ClientInfo info;
};

using MemberRef = Ref<const Member>;
using MemberList = std::vector<MemberRef>;

// Some of a channel's members, and from where the next are to be asked for. Whoever is in the
// channel from the first page to the last stands in exactly one of them.
struct MemberPage {
  MemberList members;
  std::string cursor;  // empty: nobody follows
};

// Who is in a channel, on all nodes. One instance for each home shard, used on that shard only.
class PresenceStore {
 public:
  virtual ~PresenceStore() = default;
  // Whether entries that nobody adds again vanish after a while.
  virtual bool forgets() const = 0;
  // Adds the client (info.client) or replaces what is known of it.
  virtual runtime::Task<Result<void>> add(std::string channel, protocol::ClientInfo info) = 0;
  virtual runtime::Task<Result<void>> remove(std::string channel, std::string client) = 0;
  // All of them. Where they are many, others get their turn meanwhile: one who comes or goes in the
  // meantime may be among them or not.
  virtual runtime::Task<Result<MemberList>> list(std::string channel) = 0;
  // At most `limit` of them, which is not 0, behind the cursor of the page before; empty: from the
  // beginning. A cursor is text from outside: one that means nothing here fails with Errc::invalid.
  virtual runtime::Task<Result<MemberPage>> page(std::string channel, std::string cursor,
                                                 size_t limit) = 0;
  virtual runtime::Task<Result<PresenceStats>> stats(std::string channel) = 0;
};

}  // namespace gyre::engine
