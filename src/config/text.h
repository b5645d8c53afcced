#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// Texts of configuration values: numbers, truth values and durations in the reference's spelling,
// and what error messages need.
namespace gyre::config {

// std::ranges::contains, which libstdc++ 12 does not have yet.
template <class Range, class T>
bool contains(const Range& range, const T& wanted) {
  return std::ranges::find(range, wanted) != std::ranges::end(range);
}

char lower_ascii(char c);
char upper_ascii(char c);
std::string lowered(std::string_view text);

std::vector<std::string_view> split(std::string_view text, char separator);
std::vector<std::string> split_words(std::string_view text);  // at runs of blanks
// The text before and after the first separator; {text, ""} if there is none.
std::pair<std::string_view, std::string_view> split_once(std::string_view text, char separator);

// 1 t T TRUE true True and 0 f F FALSE false False.
std::optional<bool> parse_boolean(std::string_view text);

// Decimal, or 0x, 0o, 0, 0b with `_` between digits, as Go's strconv.ParseInt reads with base 0.
std::optional<int64_t> parse_integer(std::string_view text);

// Bytes: a number, with a unit if need be (B, KB, MB, GB, TB of 1000, KiB, MiB, GiB, TiB of 1024,
// in any case).
std::optional<uint64_t> parse_size(std::string_view text);

// Go's durations: "1h30m", "-1.5s", "0". Nothing else without a unit.
std::optional<std::chrono::nanoseconds> parse_duration(std::string_view text);
std::string format_duration(std::chrono::nanoseconds duration);

// The candidate that `word` was probably meant to be; empty if none is near.
std::string_view nearest(std::string_view word, const std::vector<std::string_view>& candidates);

}  // namespace gyre::config
