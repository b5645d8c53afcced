#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

namespace gyre::app {

// Keeps one kind of log line from flooding the log: of lines with the same message so many pass in
// each second, and how many were left out is told when the next one passes. Owned by the log sink;
// not thread-safe.
class RepeatLimit {
 public:
  static constexpr uint32_t kLinesPerSecond = 20;
  static constexpr size_t kMessagesMax = 1024;

  struct Verdict {
    bool passes = true;
    uint64_t left_out = 0;  // since the last line that passed
  };
  // `second` must not run backwards by much; where it does the line passes.
  Verdict judge(std::string_view message, int64_t second);

 private:
  struct Count {
    int64_t second = 0;
    uint32_t lines = 0;
    uint64_t left_out = 0;
  };
  std::map<std::string, Count, std::less<>> counts_;
};

}  // namespace gyre::app
