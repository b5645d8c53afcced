#include "os/process_memory.h"

#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <fstream>
#include <limits>
#include <string>

// jemalloc's, where the program is linked with it; null elsewhere.
extern "C" __attribute__((weak)) int mallctl(const char* name, void* old_value, size_t* old_size,
                                             void* new_value, size_t new_size);

namespace gyre::os {

namespace {

uint64_t statistic(const char* name) {
  size_t value = 0;
  size_t size = sizeof(value);
  return mallctl(name, &value, &size, nullptr, 0) == 0 ? value : 0;
}

uint64_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  uint64_t virtual_pages = 0;
  uint64_t pages = 0;
  file >> virtual_pages >> pages;
  return pages * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
}

constexpr uint64_t kNone = std::numeric_limits<uint64_t>::max();

uint64_t limit_in(const std::string& path) {
  std::ifstream file(path);
  uint64_t limit = 0;
  // "max" is no number.
  return file >> limit ? limit : kNone;
}

// The group's limit and those of the groups that it is in.
uint64_t least_limit(const std::string& root, std::string group, const char* file) {
  uint64_t least = limit_in(root + "/" + file);
  while (group.size() > 1) {
    least = std::min(least, limit_in(root + group + "/" + file));
    group.erase(group.rfind('/'));
  }
  return least;
}

uint64_t group_limit(const std::string& proc, const std::string& cgroups) {
  uint64_t least = kNone;
  std::ifstream groups(proc + "/self/cgroup");
  // "0::/path" for version 2; "4:memory:/path" for version 1.
  for (std::string line; std::getline(groups, line);) {
    const size_t first = line.find(':');
    const size_t second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const std::string group = line.substr(second + 1);
    if (controllers.empty()) {
      least = std::min(least, least_limit(cgroups, group, "memory.max"));
    } else if (("," + controllers + ",").find(",memory,") != std::string::npos) {
      least = std::min(least, least_limit(cgroups + "/memory", group, "memory.limit_in_bytes"));
    }
  }
  return least;
}

}  // namespace

uint64_t memory_in_use() {
  if (!mallctl) return resident_bytes();
  uint64_t epoch = 1;  // takes stock
  size_t size = sizeof(epoch);
  if (mallctl("epoch", &epoch, &size, &epoch, size) != 0) return resident_bytes();
  const uint64_t active = statistic("stats.active");
  return active > 0 ? active + statistic("stats.metadata") : resident_bytes();
}

uint64_t memory_at_most(const char* proc, const char* cgroups) {
  uint64_t most = kNone;
  std::ifstream file(std::string(proc) + "/meminfo");
  std::string name;
  uint64_t kilobytes = 0;
  if (file >> name >> kilobytes && name == "MemTotal:") most = kilobytes * 1024;
  most = std::min(most, group_limit(proc, cgroups));
  return most == kNone ? 0 : most;
}

uint64_t memory_at_most() {
  return memory_at_most("/proc", "/sys/fs/cgroup");
}

}  // namespace gyre::os
