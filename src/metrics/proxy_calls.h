#pragma once

#include <string>

#include "metrics/counter.h"
#include "metrics/durations.h"

namespace gyre::metrics {

// What the calls to one proxy's backend are exposed under; known at the start.
struct ProxyLabels {
  std::string name;
  std::string protocol;
  std::string type;
};

// The calls themselves, as one shard counts them.
struct ProxyCalls {
  Durations durations;
  Counter errors;
  Gauge inflight;
};

}  // namespace gyre::metrics
