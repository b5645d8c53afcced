#pragma once

#include "metrics/families.h"

// What families are written with; for the families' own files.
namespace gyre::metrics {

// One value of all shards: `pick` gives the counter or gauge of one.
template <class Pick>
double sum(Shards shards, Pick&& pick) {
  double total = 0;
  for (const ShardMetrics* shard : shards) total += static_cast<double>(pick(*shard).value());
  return total;
}

// Nothing if it has never happened.
inline void write_used(Output& out, Labels labels, double value) {
  if (value > 0) out.number(labels, value);
}

// A family with one series.
inline void write_counter(Output& out, const Family& family, Labels labels, double value) {
  out.begin(family);
  out.number(labels, value);
}

}  // namespace gyre::metrics
