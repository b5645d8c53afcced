#include "client/census.h"

#include "base/hash.h"
#include "runtime/call.h"

namespace gyre::client {

runtime::Task<bool> Census::admit(const std::string& user, uint32_t limit) {
  check_shard();
  const uint64_t hash = hash_text(user, seed_);
  Census& census = of(hash);
  return runtime::call(census.shard_,
                       [&census, hash, limit] { return admit_here(census, hash, limit); });
}

runtime::Task<bool> Census::admit_here(Census& census, uint64_t user, uint32_t limit) {
  co_return census.count_in(user, limit);
}

void Census::add(std::string_view user) {
  check_shard();
  const uint64_t hash = hash_text(user, seed_);
  Census& census = of(hash);
  runtime::send_errand(census.shard_, [&census, hash] { census.count_in(hash, UINT32_MAX); });
}

void Census::remove(std::string_view user) {
  check_shard();
  const uint64_t hash = hash_text(user, seed_);
  Census& census = of(hash);
  runtime::send_errand(census.shard_, [&census, hash] { census.count_out(hash); });
}

bool Census::count_in(uint64_t user, uint32_t limit) {
  check_shard();
  uint32_t& count = counts_[user];
  if (count >= limit) return false;
  ++count;
  metrics_.num_users.set(static_cast<int64_t>(counts_.size()));
  return true;
}

void Census::count_out(uint64_t user) {
  check_shard();
  const auto found = counts_.find(user);
  if (found != counts_.end() && --found->second == 0) counts_.erase(found);
  metrics_.num_users.set(static_cast<int64_t>(counts_.size()));
}

}  // namespace gyre::client
