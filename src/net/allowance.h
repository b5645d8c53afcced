#pragma once

#include <cstdint>

#include "os/kernel.h"

namespace gyre::net {

// How many of something that costs us work a peer may send: `most` at once, then one for each
// `pause_ms` (a virtual scheduling algorithm, ITU-T I.371).
struct Allowance {
  uint32_t most = 0;
  uint32_t pause_ms = 0;

  // Whether this one is too many. `forgiven` is the state, one word: the millisecond at which all
  // that came too fast is forgiven (it wraps), 0 at first. That is never further ahead than `most`
  // take, so what seems to be is past, however long ago.
  bool is_exceeded(uint32_t& forgiven, os::Nanos time) const {
    const auto now = static_cast<uint32_t>(time / os::kMillisecond);
    if (forgiven == 0 || forgiven - now > most * pause_ms) forgiven = now;
    if (forgiven - now + pause_ms > most * pause_ms) return true;
    forgiven += pause_ms;
    return false;
  }
};

}  // namespace gyre::net
