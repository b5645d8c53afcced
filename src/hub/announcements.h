#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/frame.h"
#include "hub/frame_variant.h"
#include "protocol/announcement.h"
#include "protocol/encoding.h"
#include "protocol/push_channel.h"

namespace gyre::hub {

// Joins and leaves of one channel that its subscribers on one shard have yet to be told, in the
// order in which they came. Each is a push of its own; many of them share a frame, so that what is
// done for each subscriber does not grow with their number. Owned by the channel's LocalHub.
class Announcements {
 public:
  bool empty() const { return entries_.empty(); }
  size_t size() const { return entries_.size(); }
  void add(protocol::AnnouncementRef announcement) {
    entries_.emplace_back(std::move(announcement));
  }

  // What is in some frames, for the metrics.
  struct Tally {
    uint64_t count = 0;
    uint64_t bytes = 0;
  };
  struct Batch {
    std::vector<FrameRef> frames;
    std::array<Tally, 2> tallies;  // of leaves and of joins
    bool is_whole = true;          // false: what follows is no JSON, and cannot go to JSON clients
  };
  // All of them, in frames of some kilobytes.
  Batch batch(protocol::Encoding encoding, const protocol::PushChannel& channel) const;

  // One by itself, made at its first use. Null if it is no JSON, for JSON clients.
  const FrameRef& single(size_t index, protocol::Encoding encoding,
                         const protocol::PushChannel& channel);
  bool is_join(size_t index) const { return entries_[index].announcement->is_join; }

 private:
  struct Entry {
    explicit Entry(protocol::AnnouncementRef made) : announcement(std::move(made)) {}
    protocol::AnnouncementRef announcement;
    std::array<FrameRef, kReceiverVariants> frames = {};
    std::array<bool, kReceiverVariants> is_built = {};
  };
  // A frame counts as a whole against what may wait for a connection, so it must stay small.
  static constexpr size_t kBytesPerFrame = 16 * 1024;

  std::vector<Entry> entries_;
};

}  // namespace gyre::hub
