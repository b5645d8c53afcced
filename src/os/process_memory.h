#pragma once

#include <cstdint>

namespace gyre::os {

// How much memory the process holds: the pages with something alive in them, as jemalloc counts
// them, so that what is freed counts no more, though the system has it back only a second later.
// Without jemalloc (debug and sanitizer builds) the resident size. Some 20 µs.
uint64_t memory_in_use();

// How much the process may use before the system kills something: the machine's memory or the least
// of the limits of its control groups. 0: the system does not tell.
uint64_t memory_at_most();

// The same, from the given roots in place of /proc and /sys; for tests.
uint64_t memory_at_most(const char* proc, const char* cgroups);

}  // namespace gyre::os
