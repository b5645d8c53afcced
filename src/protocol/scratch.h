#pragma once

#include <cstddef>
#include <memory>

namespace gyre::protocol {

// Where the text of JSON strings with escapes goes. Text never gets longer by decoding, so as much
// room as the source has bytes, reserved at the first need, is enough for all of its strings.
// Decoded views point into it.
class Scratch {
 public:
  explicit Scratch(size_t source_size) : size_(source_size) {}

  char* begin() {
    if (!bytes_) next_ = (bytes_ = std::make_unique_for_overwrite<char[]>(size_)).get();
    return next_;
  }
  void advance_to(char* next) { next_ = next; }

 private:
  size_t size_;
  std::unique_ptr<char[]> bytes_;
  char* next_ = nullptr;
};

}  // namespace gyre::protocol
