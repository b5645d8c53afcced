#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace gyre::channel {

// What a token or a backend lets a connection do with a channel, whatever the options of the
// namespace say (docs/capabilities.md).
class Rights {
 public:
  enum Right : uint8_t { kSubscribe = 1, kPublish = 2, kPresence = 4, kHistory = 8 };

  constexpr Rights() = default;
  // Words that we do not know give nothing.
  explicit Rights(std::span<const std::string> words) {
    for (const std::string& word : words) bits_ |= bit_of(word);
  }

  bool has(Right right) const { return bits_ & right; }
  friend Rights operator|(Rights a, Rights b) {
    a.bits_ |= b.bits_;
    return a;
  }
  friend bool operator==(Rights, Rights) = default;

 private:
  static uint8_t bit_of(std::string_view word) {
    if (word == "sub") return kSubscribe;
    if (word == "pub") return kPublish;
    if (word == "prs") return kPresence;
    if (word == "hst") return kHistory;
    return 0;
  }
  uint8_t bits_ = 0;
};

}  // namespace gyre::channel
