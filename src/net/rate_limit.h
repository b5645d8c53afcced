#pragma once

#include <algorithm>

#include "os/kernel.h"

namespace gyre::net {

// How often something may be done: `burst` times at once, then once for each `price`. A token
// bucket, kept as the time at which it will be full again (a virtual scheduling algorithm, ITU-T
// I.371), so that its state is one number.
struct RateLimit {
  os::Nanos price = 0;  // of one; 0: there is no limit
  os::Nanos most = 0;   // the price of all at once: in this time an empty bucket is full again

  static constexpr RateLimit of(int64_t rate, os::Nanos interval, int64_t burst) {
    const os::Nanos price = std::max<os::Nanos>(interval / rate, 1);
    return {.price = price, .most = price * burst};
  }
  constexpr explicit operator bool() const { return price > 0; }

  // Takes one, if there is one. `full_at`: the state; 0 at first, and good for any other limit.
  bool take(os::Nanos& full_at, os::Nanos now) const {
    full_at = std::clamp(full_at, now, now + most);
    if (full_at + price > now + most) return false;
    full_at += price;
    return true;
  }
};

}  // namespace gyre::net
