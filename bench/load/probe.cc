#include "load/probe.h"

#include <dirent.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <string>

#include "load/clock.h"
#include "load/fail.h"

namespace gyre::bench {
namespace {

std::string read_file(const std::string& path) {
  std::string text;
  FILE* file = std::fopen(path.c_str(), "re");
  if (file == nullptr) return text;
  char chunk[4096];
  while (size_t n = std::fread(chunk, 1, sizeof chunk, file)) text.append(chunk, n);
  std::fclose(file);
  return text;
}

int64_t run_time(int pid) {
  const std::string folder = fmt::format("/proc/{}/task", pid);
  DIR* tasks = opendir(folder.c_str());
  if (tasks == nullptr) fail("no process {}", pid);
  int64_t sum = 0;
  while (const dirent* entry = readdir(tasks)) {
    if (entry->d_name[0] == '.') continue;
    const std::string text = read_file(fmt::format("{}/{}/schedstat", folder, entry->d_name));
    sum += std::strtoll(text.c_str(), nullptr, 10);
  }
  closedir(tasks);
  return sum;
}

}  // namespace

ProcessTimes process_times(int pid) {
  ProcessTimes times;
  if (pid == 0) return times;
  times.run_ns = run_time(pid);
  const std::string stat = read_file(fmt::format("/proc/{}/stat", pid));
  // The name in parentheses may contain anything; fields 14 and 15 are counted from behind it.
  const size_t name_end = stat.rfind(')');
  if (name_end == std::string::npos) fail("no process {}", pid);
  long long user = 0;
  long long system = 0;
  std::sscanf(stat.c_str() + name_end + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lld %lld",
              &user, &system);
  times.user_ticks = user;
  times.system_ticks = system;
  return times;
}

int64_t process_pss(int pid) {
  if (pid == 0) return 0;
  const std::string text = read_file(fmt::format("/proc/{}/smaps_rollup", pid));
  const size_t at = text.find("\nPss:");
  if (at == std::string::npos) fail("no memory figures of process {}", pid);
  return std::strtoll(text.c_str() + at + 5, nullptr, 10) * 1024;
}

int64_t process_rss(int pid) {
  if (pid == 0) return 0;
  const std::string text = read_file(fmt::format("/proc/{}/statm", pid));
  const size_t at = text.find(' ');
  if (at == std::string::npos) fail("no memory figures of process {}", pid);
  return std::strtoll(text.c_str() + at, nullptr, 10) * sysconf(_SC_PAGESIZE);
}

int64_t kernel_objects() {
  const std::string text = read_file("/proc/meminfo");
  const size_t at = text.find("\nSlab:");
  return at == std::string::npos ? 0 : std::strtoll(text.c_str() + at + 6, nullptr, 10) * 1024;
}

int64_t machine_busy_ns() {
  const std::string text = read_file("/proc/stat");
  long long user = 0;
  long long nice = 0;
  long long system = 0;
  long long idle = 0;
  long long wait = 0;
  long long irq = 0;
  long long soft = 0;
  std::sscanf(text.c_str(), "cpu %lld %lld %lld %lld %lld %lld %lld", &user, &nice, &system, &idle,
              &wait, &irq, &soft);
  return (user + nice + system + irq + soft) * (kSecond / sysconf(_SC_CLK_TCK));
}

Stopwatch::Stopwatch(int pid) : pid_(pid) {}

Stopwatch::Look Stopwatch::look() const {
  return {now_ns(), own_cpu_ns(), machine_busy_ns(), process_times(pid_)};
}

void Stopwatch::start() {
  from_ = look();
}
void Stopwatch::stop() {
  to_ = look();
}

double Stopwatch::seconds() const {
  return static_cast<double>(to_.wall - from_.wall) / 1e9;
}

double Stopwatch::server_ns() const {
  return static_cast<double>(to_.server.run_ns - from_.server.run_ns);
}

double Stopwatch::server_user_share() const {
  const auto user = static_cast<double>(to_.server.user_ticks - from_.server.user_ticks);
  const auto system = static_cast<double>(to_.server.system_ticks - from_.server.system_ticks);
  return user + system > 0 ? user / (user + system) : 0;
}

double Stopwatch::generator_ns() const {
  return static_cast<double>(to_.own - from_.own);
}

double Stopwatch::other_busy_cores() const {
  const double busy = static_cast<double>(to_.machine - from_.machine);
  return std::max(0.0, (busy - server_ns() - generator_ns()) / (seconds() * 1e9));
}

}  // namespace gyre::bench
