#pragma once

#include <cstdint>

namespace gyre::os {

// What this process uses of the machine. A figure that the system does not tell is 0.
struct ProcessUsage {
  double cpu_seconds = 0;
  double start_time = 0;  // seconds since 1970-01-01 UTC
  uint64_t resident_bytes = 0;
  uint64_t virtual_bytes = 0;
  uint64_t virtual_bytes_max = 0;
  uint64_t descriptors = 0;
  uint64_t descriptors_max = 0;
  uint64_t network_received = 0;  // bytes, of the network namespace
  uint64_t network_sent = 0;
};

// Reads it, mostly from /proc: blocking, some 100 µs. Kernels before 6.2 have no count of open
// descriptors, so they are listed there, which takes about half a millisecond per thousand: with
// very many connections a thread other than a shard's should ask. `own_tables` says that shards
// have left the shared descriptor table: the tables of all threads are added up then.
ProcessUsage process_usage(bool own_tables = false);

}  // namespace gyre::os
