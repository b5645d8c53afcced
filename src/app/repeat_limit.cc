#include "app/repeat_limit.h"

#include <utility>

namespace gyre::app {

RepeatLimit::Verdict RepeatLimit::judge(std::string_view message, int64_t second) {
  auto found = counts_.find(message);
  if (found == counts_.end()) {
    // Messages are texts of the program, of which there are some hundred; a bound all the same.
    if (counts_.size() >= kMessagesMax) counts_.clear();
    found = counts_.emplace(message, Count()).first;
  }
  Count& count = found->second;
  if (count.second != second) {
    count.second = second;
    count.lines = 0;
  }
  if (count.lines >= kLinesPerSecond) {
    ++count.left_out;
    return {.passes = false, .left_out = 0};
  }
  ++count.lines;
  return {.passes = true, .left_out = std::exchange(count.left_out, 0)};
}

}  // namespace gyre::app
