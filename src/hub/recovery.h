#pragma once

#include <vector>

#include "engine/broker.h"
#include "protocol/publication.h"
#include "protocol/tags_filter.h"

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

// The same where only the newest publication matters (spec subscriptions.md 5.3): what a subscriber
// that stands at `since` is sent to be at `top`. `newest` is what was read, the newest first.
Recovery recover_cache(const protocol::StreamPosition& since, const protocol::StreamPosition& top,
                       const std::vector<protocol::PublicationRef>& newest,
                       const std::vector<protocol::PublicationRef>& arrived,
                       const protocol::TagsFilter* filter);

// Without those that the filter does not let pass.
void apply_filter(const protocol::TagsFilter& filter,
                  std::vector<protocol::PublicationRef>& publications);

}  // namespace gyre::hub
