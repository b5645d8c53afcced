#include "hub/recovery.h"

namespace gyre::hub {

Recovery recover(const protocol::StreamPosition& since, const protocol::StreamPosition& top,
                 const std::vector<protocol::PublicationRef>& read,
                 const std::vector<protocol::PublicationRef>& arrived) {
  if (!since.epoch.empty() && since.epoch != top.epoch) return {};
  Recovery recovery;
  uint64_t last = since.offset;
  for (const auto* source : {&read, &arrived}) {
    for (const protocol::PublicationRef& publication : *source) {
      if (publication->offset <= last) continue;  // in both
      if (publication->offset != last + 1) return {};
      last = publication->offset;
      recovery.publications.push_back(publication);
    }
  }
  if (last != top.offset) return {};
  recovery.recovered = true;
  return recovery;
}

}  // namespace gyre::hub
