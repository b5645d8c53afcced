#pragma once

#include <array>
#include <string_view>

#include "base/frame.h"
#include "hub/frame_variant.h"
#include "protocol/publication.h"

namespace gyre::hub {

// One publication on its way to the subscribers of one shard. Lives on the stack for one delivery
// and builds each variant at its first use.
class Broadcast {
 public:
  Broadcast(std::string_view channel, const protocol::Publication& publication)
      : channel_(channel), publication_(publication) {}
  Broadcast(const Broadcast&) = delete;

  // Null if the publication cannot be written in this variant: a payload that is not JSON, for a
  // JSON client.
  const FrameRef& frame(FrameVariant variant) {
    Entry& entry = entries_[static_cast<size_t>(variant)];
    if (!entry.is_built) [[unlikely]]
      build(variant, entry);
    return entry.frame;
  }

 private:
  struct Entry {
    FrameRef frame;
    bool is_built = false;
  };
  void build(FrameVariant variant, Entry& entry);

  std::string_view channel_;
  const protocol::Publication& publication_;
  std::array<Entry, kFrameVariants> entries_;
};

}  // namespace gyre::hub
