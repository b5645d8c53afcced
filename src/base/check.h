#pragma once

#include <source_location>

namespace gyre {

// Prints the place and ends the process. For our own mistakes only: nothing that the environment
// does (network, peers, configuration) may reach it.
[[noreturn]] void check_failed(const char* condition, std::source_location where);

}  // namespace gyre

// In all builds: where going on would corrupt state or show one user's data to another.
#define GYRE_CHECK(condition)                                            \
  do {                                                                   \
    if (!(condition)) [[unlikely]]                                       \
      ::gyre::check_failed(#condition, std::source_location::current()); \
  } while (false)

// In debug builds only.
#ifdef NDEBUG
#define GYRE_DCHECK(condition) static_cast<void>(sizeof(!(condition)))
#else
#define GYRE_DCHECK(condition) GYRE_CHECK(condition)
#endif
