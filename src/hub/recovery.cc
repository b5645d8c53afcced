#include "hub/recovery.h"

#include <algorithm>
#include <functional>

#include "base/fault_points.h"

namespace gyre::hub {

Recovery recover(const protocol::StreamPosition& since, const protocol::StreamPosition& top,
                 const std::vector<protocol::PublicationRef>& read,
                 const std::vector<protocol::PublicationRef>& arrived) {
  if (!since.epoch.empty() && since.epoch != top.epoch && !GYRE_PLANTED(recover_any_epoch)) {
    return {};
  }
  Recovery recovery;
  uint64_t last = since.offset;
  for (const auto* source : {&read, &arrived}) {
    for (const protocol::PublicationRef& publication : *source) {
      if (publication->offset <= last) continue;  // in both
      if (publication->offset != last + 1 && !GYRE_PLANTED(recover_over_gap)) return {};
      last = publication->offset;
      recovery.publications.push_back(publication);
    }
  }
  if (last != top.offset && !GYRE_PLANTED(recover_short_of_top)) return {};
  recovery.recovered = true;
  return recovery;
}

Recovery recover_cache(const protocol::StreamPosition& since, const protocol::StreamPosition& top,
                       const std::vector<protocol::PublicationRef>& newest,
                       const std::vector<protocol::PublicationRef>& arrived,
                       const protocol::TagsFilter* filter) {
  std::vector<protocol::PublicationRef> kept = newest;
  kept.insert(kept.end(), arrived.begin(), arrived.end());
  std::ranges::sort(kept, std::ranges::greater(),
                    [](const protocol::PublicationRef& one) { return one->offset; });
  // What has gone beyond the position is delivered later.
  std::erase_if(kept, [&](const auto& one) { return one->offset > top.offset; });
  const bool is_there = since == top;
  if (kept.empty()) return {.recovered = is_there && top.offset > 0, .publications = {}};
  if (kept.front()->offset != top.offset) return {};
  Recovery recovery{.recovered = true, .publications = {}};
  if (is_there) return recovery;
  const auto wanted = std::ranges::find_if(kept, [&](const protocol::PublicationRef& one) {
    return !filter || filter->matches(one->tags());
  });
  if (wanted != kept.end()) recovery.publications.push_back(*wanted);
  if (GYRE_PLANTED(cache_begins_with_older) && !arrived.empty()) {
    recovery.publications = {arrived.front()};
  }
  return recovery;
}

void apply_filter(const protocol::TagsFilter& filter,
                  std::vector<protocol::PublicationRef>& publications) {
  std::erase_if(publications, [&](const protocol::PublicationRef& publication) {
    return !filter.matches(publication->tags());
  });
}

}  // namespace gyre::hub
