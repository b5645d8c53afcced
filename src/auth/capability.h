#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gyre::auth {

// One of the `caps` that a token or a backend gives: what the connection may do with the channels
// that match (docs/capabilities.md). Words that we do not know allow nothing.
struct Capability {
  enum class Match : uint8_t { exact, wildcard, regex };
  std::vector<std::string> channels;
  Match match = Match::exact;
  std::vector<std::string> allow;
  friend bool operator==(const Capability&, const Capability&) = default;
};

// Nothing: it is none of them. To pass over one that we do not understand could let a later one
// allow more.
inline std::optional<Capability::Match> match_of(std::string_view text) {
  if (text == "wildcard") return Capability::Match::wildcard;
  if (text == "regex") return Capability::Match::regex;
  if (text.empty() || text == "exact") return Capability::Match::exact;
  return std::nullopt;
}

// How much there may be in one list of capabilities, for whoever reads it, before room is made for
// it. More is nothing that anybody has made on purpose.
class CapabilityBounds {
 public:
  static constexpr size_t kEntriesMax = 256;
  static constexpr size_t kChannelsMax = 1024;  // of all entries together
  static constexpr size_t kWordsMax = 16;       // of each `allow`

  // Takes the place of one; false: there is none left.
  bool take_entry() { return entries_++ < kEntriesMax; }
  bool take_channel() { return channels_++ < kChannelsMax; }
  static bool has_room_for_word(const std::vector<std::string>& words) {
    return words.size() < kWordsMax;
  }

 private:
  size_t entries_ = 0;
  size_t channels_ = 0;
};

}  // namespace gyre::auth
