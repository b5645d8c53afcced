#pragma once

#include <vector>

#include "engine/broker.h"
#include "protocol/publication.h"

namespace gyre::hub {

// What a positioned subscriber is told at the start.
struct Recovery {
  bool recovered = false;
  std::vector<protocol::PublicationRef> publications;  // those missed, if recovered
};

// Whether a subscriber that stands at `since` can be brought to `top` with what was read after it:
// every offset in between, once, in the same epoch (spec subscriptions.md, 5.2). `read` is what
// history had, up to a limit, and `arrived` what was delivered while it was being read; both
// ascending, and they may overlap. An empty epoch in `since` is not compared.
Recovery recover(const protocol::StreamPosition& since, const protocol::StreamPosition& top,
                 const std::vector<protocol::PublicationRef>& read,
                 const std::vector<protocol::PublicationRef>& arrived);

}  // namespace gyre::hub
