#pragma once

#include <cstdint>

namespace gyre::bench {

/// What the kernel says about a process.
struct ProcessTimes {
  int64_t run_ns = 0;  // all threads, /proc/PID/task/*/schedstat
  int64_t user_ticks = 0;
  int64_t system_ticks = 0;
};

/// Zeros for pid 0.
ProcessTimes process_times(int pid);

/// Proportional set size in bytes (/proc/PID/smaps_rollup); 0 for pid 0.
int64_t process_pss(int pid);

/// Resident set size in bytes: counted wrongly where pages are shared, but cheap to ask for.
int64_t process_rss(int pid);

/// What the kernel keeps in its object caches (sockets, files, epoll items), in bytes; of the whole
/// machine.
int64_t kernel_objects();

/// Nanoseconds that all cores together spent busy since boot, in ticks of 10 ms.
int64_t machine_busy_ns();

/// Two looks at the clocks, and what lies between them.
class Stopwatch {
 public:
  explicit Stopwatch(int pid);
  void start();
  void stop();

  double seconds() const;
  double server_ns() const;
  /// Share of the server's time in user space; from ticks, so only good over half a second or so.
  double server_user_share() const;
  double generator_ns() const;
  /// Cores that something else kept busy meanwhile: a reason to doubt the run.
  double other_busy_cores() const;

 private:
  struct Look {
    int64_t wall = 0;
    int64_t own = 0;
    int64_t machine = 0;
    ProcessTimes server;
  };
  Look look() const;

  int pid_;
  Look from_;
  Look to_;
};

}  // namespace gyre::bench
