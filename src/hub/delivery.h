#pragma once

#include <cstdint>
#include <string>

#include "protocol/publication.h"

namespace gyre::hub {

// Names a channel of this shard's LocalHub while it has receivers or joins in flight.
struct ChannelSlot {
  uint32_t value = UINT32_MAX;
  friend bool operator==(ChannelSlot, ChannelSlot) = default;
};

// How a publication lies relative to the channel's position (docs/architecture.md).
enum class Verdict : uint8_t { next, stale };

// A publication on its way to the receivers of one shard, as the channel's home has judged it.
struct Delivery {
  protocol::PublicationRef publication;
  Verdict verdict = Verdict::next;
  protocol::PublicationRef base;  // the one before it, if it may be sent as a delta; else null
  std::string source = {};        // its own channel, where the other is a wildcard; else empty
};

}  // namespace gyre::hub
