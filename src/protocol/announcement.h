#pragma once

#include "base/ref.h"
#include "protocol/publication.h"

namespace gyre::protocol {

// That somebody has joined a channel or left it (framing.md 3.7). Immutable, shared between shards;
// no part of the channel's stream.
struct Announcement : SharedCounted {
  Announcement(bool joins, ClientInfo who) : is_join(joins), info(std::move(who)) {}
  const bool is_join;
  const ClientInfo info;
};

using AnnouncementRef = Ref<const Announcement>;

}  // namespace gyre::protocol
