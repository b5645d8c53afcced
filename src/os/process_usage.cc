#include "os/process_usage.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <ctime>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace gyre::os {
namespace {

struct CloseDirectory {
  void operator()(DIR* directory) const { ::closedir(directory); }
};
using Directory = std::unique_ptr<DIR, CloseDirectory>;

std::string read_file(const char* path) {
  std::string text;
  const int file = ::open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return text;
  char part[4096];
  for (ssize_t size = 0; (size = ::read(file, part, sizeof(part))) > 0;) {
    text.append(part, static_cast<size_t>(size));
  }
  ::close(file);
  return text;
}

std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> words;
  for (size_t at = 0; (at = line.find_first_not_of(" \n", at)) != std::string_view::npos;) {
    const size_t end = std::min(line.find_first_of(" \n", at), line.size());
    words.push_back(line.substr(at, end - at));
    at = end;
  }
  return words;
}

uint64_t number(std::string_view word) {
  uint64_t value = 0;
  std::from_chars(word.data(), word.data() + word.size(), value);
  return value;
}

double seconds(clockid_t clock) {
  timespec time = {};
  ::clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

double read_start_time() {
  const std::string stat = read_file("/proc/self/stat");
  // The second field is the program's name in parentheses and may contain anything; the start time
  // is field 22, in clock ticks since the machine booted (proc_pid_stat(5)).
  const size_t name_end = stat.rfind(')');
  if (name_end == std::string::npos) return 0;
  const auto fields = words_of(std::string_view(stat).substr(name_end + 1));
  if (fields.size() < 20) return 0;
  const double since_boot =
      static_cast<double>(number(fields[19])) / static_cast<double>(::sysconf(_SC_CLK_TCK));
  return seconds(CLOCK_REALTIME) - seconds(CLOCK_BOOTTIME) + since_boot;
}

// The lines of /proc/self/net/netstat come in pairs: names, then values in the same order.
void read_network(ProcessUsage& usage) {
  const std::string text = read_file("/proc/self/net/netstat");
  const size_t names_at = text.find("IpExt:");
  if (names_at == std::string::npos) return;
  const size_t values_at = text.find("IpExt:", names_at + 1);
  if (values_at == std::string::npos) return;
  const std::string_view view = text;
  const auto names = words_of(view.substr(names_at, values_at - names_at));
  const auto values = words_of(view.substr(values_at, view.find('\n', values_at) - values_at));
  for (size_t i = 0; i < std::min(names.size(), values.size()); ++i) {
    if (names[i] == "InOctets") usage.network_received = number(values[i]);
    if (names[i] == "OutOctets") usage.network_sent = number(values[i]);
  }
}

uint64_t count_entries(const char* path) {
  const Directory directory(::opendir(path));
  if (!directory) return 0;
  uint64_t count = 0;
  while (const dirent* entry = ::readdir(directory.get())) count += entry->d_name[0] != '.';
  return count;
}

uint64_t count_descriptors(const char* path) {
  struct stat status = {};
  if (::stat(path, &status) != 0) return 0;
  if (status.st_size > 0) return static_cast<uint64_t>(status.st_size);  // since Linux 6.2
  return count_entries(path);
}

void read_descriptors(ProcessUsage& usage, bool own_tables) {
  rlimit limit = {};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  if (!own_tables) {
    usage.descriptors = count_descriptors("/proc/self/fd");
    usage.descriptors_max = limit.rlim_cur;
    return;
  }
  const Directory threads(::opendir("/proc/self/task"));
  if (!threads) return;
  while (const dirent* entry = ::readdir(threads.get())) {
    if (entry->d_name[0] == '.') continue;
    const std::string table = std::string("/proc/self/task/") + entry->d_name + "/fd";
    usage.descriptors += count_descriptors(table.c_str());
    usage.descriptors_max += limit.rlim_cur;
  }
}

}  // namespace

ProcessUsage process_usage(bool own_tables) {
  static const double start_time = read_start_time();  // must not wander with the wall clock
  ProcessUsage usage;
  usage.cpu_seconds = seconds(CLOCK_PROCESS_CPUTIME_ID);
  usage.start_time = start_time;
  const std::string memory = read_file("/proc/self/statm");
  if (const auto pages = words_of(memory); pages.size() >= 2) {
    const auto page = static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
    usage.virtual_bytes = number(pages[0]) * page;
    usage.resident_bytes = number(pages[1]) * page;
  }
  rlimit limit = {};
  ::getrlimit(RLIMIT_AS, &limit);
  usage.virtual_bytes_max = limit.rlim_cur;
  read_descriptors(usage, own_tables);
  read_network(usage);
  return usage;
}

}  // namespace gyre::os
