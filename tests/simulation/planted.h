#pragma once

#include <cstdint>

namespace gyre::sim {

// Whether the simulation finds what is wrong: runs seeds with each of the planted bugs (src/base/
// fault_points.h) until one of them shows it, at most `seeds_max` per bug, and prints a table. The
// number of bugs that were not found.
int find_planted_bugs(uint64_t seeds_max);

}  // namespace gyre::sim
