#pragma once

#include <map>
#include <string>

#include "metrics/exporter.h"

namespace gyre::metrics {

// The node's own families as a flat map, the way nodes announce them and `info` shows them
// (observability.md 1.4): "centrifugo.node.num_clients", and so on. Owned by one shard, which calls
// it once per interval.
class Items {
 public:
  explicit Items(Exporter& exporter) : exporter_(exporter) {}

  // Gauges and quantiles as they are; counters, sums and counts as what they grew by since the last
  // call, everything at the first one.
  std::map<std::string, double> take(const NodeFacts& facts, os::Nanos now);

 private:
  Exporter& exporter_;
  std::map<std::string, double> before_;  // what grows, as of the last call
};

}  // namespace gyre::metrics
