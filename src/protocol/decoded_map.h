#pragma once

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

#include "protocol/messages.h"

namespace gyre::protocol {

// Of entries with the same key only the last one counts, in both encodings. Works on sorted
// indexes, since comparing each with each would give a hostile frame quadratic time.
template <class Value>
void drop_overridden_entries(MapOf<Value>& map) {
  if (map.size() < 2) return;
  std::vector<uint32_t> order(map.size());
  std::iota(order.begin(), order.end(), 0u);
  std::ranges::sort(order, {}, [&](uint32_t i) { return std::pair(map[i].first, i); });
  std::vector<bool> overridden(map.size());
  bool any = false;
  for (size_t i = 1; i < order.size(); ++i) {
    if (map[order[i - 1]].first == map[order[i]].first) overridden[order[i - 1]] = any = true;
  }
  if (!any) return;
  size_t kept = 0;
  for (size_t i = 0; i < map.size(); ++i) {
    if (overridden[i]) continue;
    if (kept != i) map[kept] = std::move(map[i]);
    ++kept;
  }
  map.erase(map.begin() + static_cast<ptrdiff_t>(kept), map.end());
}

}  // namespace gyre::protocol
