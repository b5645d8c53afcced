#pragma once

#include "base/check.h"
#include "runtime/shard.h"

namespace gyre::runtime {

// Base of types that must stay on the shard that made them. In debug builds it remembers that shard
// and `check_shard()` verifies that a turn of it is running: the class of bug that shared-nothing
// invites.
class ShardBound {
 public:
#ifdef NDEBUG
  void check_shard() const {}
#else
  void check_shard() const { GYRE_DCHECK(Shard::current() == owner_); }

 private:
  const Shard* owner_ = Shard::current();
#endif
};

}  // namespace gyre::runtime
