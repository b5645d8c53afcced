#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "protocol/publication.h"
#include "runtime/task.h"

namespace gyre::engine {

struct PresenceStats {
  uint32_t clients = 0;
  uint32_t users = 0;  // distinct ids; the empty one counts
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
  virtual runtime::Task<Result<std::vector<protocol::ClientInfo>>> list(std::string channel) = 0;
  virtual runtime::Task<Result<PresenceStats>> stats(std::string channel) = 0;
};

}  // namespace gyre::engine
