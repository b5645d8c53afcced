#include "hub/shard_list.h"

#include <gtest/gtest.h>

#include <array>
#include <set>

namespace gyre::hub {
namespace {

std::set<uint16_t> shards(const ShardList& list) {
  std::set<uint16_t> result;
  list.for_each([&](runtime::ShardId shard) { EXPECT_TRUE(result.insert(shard.value).second); });
  return result;
}

TEST(ShardList, HoldsEachShardOnce) {
  ShardList list;
  EXPECT_TRUE(list.empty());
  for (const uint16_t shard : std::to_array<uint16_t>({0, 63, 64, 1000, 63, 1000}))
    list.insert({shard});
  EXPECT_EQ(shards(list), (std::set<uint16_t>{0, 63, 64, 1000}));
  EXPECT_TRUE(list.contains({63}));
  EXPECT_TRUE(list.contains({64}));
  EXPECT_FALSE(list.contains({1}));
  EXPECT_FALSE(list.contains({65}));
}

TEST(ShardList, ForgetsWhatIsErased) {
  ShardList list;
  for (const uint16_t shard : std::to_array<uint16_t>({5, 70})) list.insert({shard});
  list.erase({5});
  list.erase({6});
  list.erase({71});
  EXPECT_EQ(shards(list), std::set<uint16_t>{70});
  EXPECT_FALSE(list.empty());
  list.erase({70});
  EXPECT_TRUE(list.empty());
}

TEST(ShardList, AShardMayLeaveDuringTheWalk) {
  for (const uint16_t leaves : std::to_array<uint16_t>({1, 2, 100, 101, 102})) {
    ShardList list;
    for (const uint16_t shard : std::to_array<uint16_t>({1, 2, 100, 101, 102})) {
      list.insert({shard});
    }
    std::set<uint16_t> visited;
    list.for_each([&](runtime::ShardId shard) {
      EXPECT_TRUE(visited.insert(shard.value).second) << shard.value;
      if (shard.value == leaves) list.erase(shard);
    });
    EXPECT_EQ(visited.size(), 5u) << leaves << " left";
  }
}

}  // namespace
}  // namespace gyre::hub
