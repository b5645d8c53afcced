#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "metrics/shard_metrics.h"
#include "runtime/shard_bound.h"
#include "runtime/task.h"

namespace gyre::client {

// How many connections of this node each user has. Users are spread over the shards by their hash;
// each shard has one census with its share, which also is the way to all others. Anonymous
// connections are one user, with an empty id. Two users with one 64-bit hash would share a count;
// the hash has a seed, so nobody can choose to.
class Census : runtime::ShardBound {
 public:
  // `all`: by shard; complete before the first use. `seed` is the same on all shards.
  Census(runtime::Shard& shard, const std::vector<Census*>& all, uint64_t seed,
         metrics::ShardMetrics& metrics)
      : shard_(shard), all_(all), seed_(seed), metrics_(metrics) {}

  // Counts one more connection, unless the user has `limit` already.
  runtime::Task<bool> admit(const std::string& user, uint32_t limit);
  void add(std::string_view user);
  void remove(std::string_view user);

  // Of this shard's share.
  size_t users() const { return counts_.size(); }

 private:
  Census& of(uint64_t user) const { return *all_[user % all_.size()]; }
  bool count_in(uint64_t user, uint32_t limit);
  void count_out(uint64_t user);
  static runtime::Task<bool> admit_here(Census& census, uint64_t user, uint32_t limit);

  runtime::Shard& shard_;
  const std::vector<Census*>& all_;
  const uint64_t seed_;
  metrics::ShardMetrics& metrics_;
  boost::unordered_flat_map<uint64_t, uint32_t> counts_;
};

}  // namespace gyre::client
