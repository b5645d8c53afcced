#pragma once

#include <fmt/core.h>

#include <cstdio>
#include <cstdlib>
#include <utility>

namespace gyre::bench {

/// Ends the program. A measurement that cannot be trusted must not print a figure, so every
/// surprise (a refused connection, an API error, a closed subscriber) stops the run here.
template <class... Args>
[[noreturn]] void fail(fmt::format_string<Args...> text, Args&&... args) {
  fmt::print(stderr, "gyre_bench_load: {}\n", fmt::format(text, std::forward<Args>(args)...));
  std::exit(2);
}

}  // namespace gyre::bench
