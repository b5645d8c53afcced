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
  // `base`: the publication before this one, if deltas against it are wanted; else null. `source`:
  // the publication's own channel, where the other is a wildcard; else empty.
  Broadcast(std::string_view channel, const protocol::Publication& publication,
            const protocol::Publication* base, std::string_view source = {})
      : channel_(channel), publication_(publication), base_(base), source_(source) {}
  Broadcast(const Broadcast&) = delete;

  // Null if the publication cannot be written in this variant: a payload that is not JSON, for a
  // JSON client; a delta that is not worth it.
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
  bool encode(FrameVariant variant, std::string& message) const;

  std::string_view channel_;
  const protocol::Publication& publication_;
  const protocol::Publication* base_;
  std::string_view source_;
  std::array<Entry, kFrameVariants> entries_;
};

}  // namespace gyre::hub
