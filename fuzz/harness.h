#pragma once

#include <cstddef>
#include <cstring>
#include <string_view>

namespace gyre::fuzz {

// What a target does with an input; each *_fuzz.cc defines it. harness.cc calls it from libFuzzer
// or from the replay, and holds it to the time that an input may take.
void take_input(std::string_view input);

// The memory that a parser may hold at once for an input: `factor` times its size and 64 KiB. What
// the harness allocates for itself is not counted, so only calls within watch() are. One per input,
// on the stack; they do not nest.
class AllocationBound {
 public:
  static constexpr size_t kOwn = 4;
  static constexpr size_t kWithSimdjson = 16;  // whose tape and string buffer are sized up front

  AllocationBound(size_t input_bytes, size_t factor);
  ~AllocationBound();
  AllocationBound(const AllocationBound&) = delete;

  // Ends the process at the allocation that goes too far.
  template <class Call>
  decltype(auto) watch(Call call) {
    const Counting counting;
    return call();
  }

 private:
  struct Counting {
    Counting();
    ~Counting();
  };
};

// A running hash of what a parser said, so that two passes are compared without keeping
// what they said.
class Digest {
 public:
  void add(std::string_view bytes) {
    add(bytes.size());
    for (; bytes.size() >= sizeof(size_t); bytes.remove_prefix(sizeof(size_t))) {
      size_t word = 0;
      std::memcpy(&word, bytes.data(), sizeof(word));
      mix(word);
    }
    for (const char byte : bytes) mix(static_cast<unsigned char>(byte));
  }
  void add(size_t number) {
    mix(number);
    ++count_;
  }
  friend bool operator==(const Digest&, const Digest&) = default;

 private:
  void mix(size_t value) {
    hash_ = (hash_ ^ value) * 1099511628211u;
    hash_ ^= hash_ >> 29;
  }
  size_t hash_ = 14695981039346656037u;
  size_t count_ = 0;
};

}  // namespace gyre::fuzz
