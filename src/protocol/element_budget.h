#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

namespace gyre::protocol {

// How much memory the lists and maps of one decoded command may take: three times its bytes and 60
// KiB, also while a list moves to a larger block. A hostile frame of many tiny elements would
// otherwise become 36 times as much; what clients send stays far below. With the text of strings,
// which takes no more than the source, a frame costs less than four times its bytes and 64 KiB.
// Lives within the decoder of one command.
class ElementBudget {
 public:
  explicit ElementBudget(size_t source_size) : left_(3 * source_size + size_t{60} * 1024) {}

  // Room for one element more. False if that would be too much.
  template <class T>
  bool make_room(std::vector<T>& list) {
    const size_t held = list.capacity();
    if (list.size() < held) return true;
    const size_t wanted = std::min(std::max(kFewest, 2 * held), left_ / sizeof(T));
    if (wanted <= held) return false;
    list.reserve(wanted);
    left_ -= (wanted - held) * sizeof(T);
    return true;
  }

 private:
  static constexpr size_t kFewest = 4;

  size_t left_;  // bytes
};

}  // namespace gyre::protocol
