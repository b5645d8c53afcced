#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/frame.h"
#include "hub/frame_variant.h"
#include "protocol/publication.h"
#include "protocol/push_channel.h"

namespace gyre::hub {

// One publication on its way to the subscribers of one shard. Lives on the stack for one delivery
// and builds each variant at its first use.
class Broadcast {
 public:
  // `channel`: with its number, if there are receivers by that. `base`: the publication before this
  // one, if deltas against it are wanted; else null. `source`: the publication's own channel, where
  // the other is a wildcard; else empty.
  Broadcast(const protocol::PushChannel& channel, const protocol::Publication& publication,
            const protocol::Publication* base, std::string_view source = {})
      : channel_(channel), publication_(publication), base_(base), source_(source) {}
  Broadcast(const Broadcast&) = delete;

  // Null if the publication cannot be written in this variant: a payload that is not JSON, for a
  // JSON client; a delta that is not worth it.
  const FrameRef& frame(FrameVariant variant) {
    const auto index = static_cast<size_t>(variant);
    if ((built_ >> index & 1u) == 0) [[unlikely]]
      build(variant);
    return frames_[index];
  }

 private:
  void build(FrameVariant variant);
  bool encode(FrameVariant variant, std::string& message) const;

  const protocol::PushChannel channel_;
  const protocol::Publication& publication_;
  const protocol::Publication* base_;
  const std::string_view source_;
  std::array<FrameRef, kFrameVariants> frames_;
  uint16_t built_ = 0;  // a bit for each
};

}  // namespace gyre::hub
