#include "base/slab.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <unordered_map>

#include "base/slot_index.h"

namespace gyre {
namespace {

struct Item {
  explicit Item(std::string item_name) : name(std::move(item_name)) {}
  std::string name;
  uint32_t link = UINT32_MAX;
};

struct ItemAccess {
  Slab<Item>* items;
  uint64_t hash(uint32_t slot) const { return std::hash<std::string>()((*items)[slot].name); }
  bool equals(uint32_t slot, const std::string& key) const { return (*items)[slot].name == key; }
  uint32_t& link(uint32_t slot) const { return (*items)[slot].link; }
};

TEST(Slab, TakesTheLowestFreeSlot) {
  Slab<Item> slab;
  for (int i = 0; i < 200; ++i) EXPECT_EQ(slab.emplace("x"), static_cast<uint32_t>(i));
  slab.erase(150);
  slab.erase(3);
  EXPECT_EQ(slab.emplace("y"), 3u);
  EXPECT_EQ(slab.emplace("y"), 150u);
  EXPECT_EQ(slab.size(), 200u);
}

TEST(SlotIndex, AgreesWithAMapWhileItGrowsAndShrinks) {
  Slab<Item> slab;
  SlotIndex<ItemAccess> index{ItemAccess{&slab}};
  std::unordered_map<std::string, uint32_t> model;
  std::mt19937_64 random(3);
  for (int step = 0; step < 60'000; ++step) {
    // Mostly insertions first, mostly removals later.
    const bool insert = random() % 100 < (step < 30'000 ? 70u : 30u);
    const std::string key = "channel:" + std::to_string(random() % 20'000);
    const uint64_t hash = std::hash<std::string>()(key);
    const uint32_t found = index.find(key, hash);
    const auto expected = model.find(key);
    ASSERT_EQ(found, expected == model.end() ? UINT32_MAX : expected->second);
    if (insert && expected == model.end()) {
      const uint32_t slot = slab.emplace(key);
      index.insert(slot, hash);
      model.emplace(key, slot);
    } else if (!insert && expected != model.end()) {
      index.erase(found, hash);
      slab.erase(found);
      model.erase(expected);
    }
  }
  EXPECT_EQ(index.size(), model.size());
}

}  // namespace
}  // namespace gyre
