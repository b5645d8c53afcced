#pragma once

#include <cstdint>
#include <ctime>

namespace gyre::bench {

inline constexpr int64_t kSecond = 1'000'000'000;
inline constexpr int64_t kMicrosecond = 1'000;
inline constexpr int64_t kMillisecond = 1'000'000;

/// Monotonic nanoseconds.
inline int64_t now_ns() {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * kSecond + time.tv_nsec;
}

/// CPU time of this process: what the generator itself costs.
inline int64_t own_cpu_ns() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return time.tv_sec * kSecond + time.tv_nsec;
}

}  // namespace gyre::bench
