#include "config/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

namespace gyre::config {
namespace {

constexpr uint64_t kMaxDuration = uint64_t{1} << 63;

struct Unit {
  std::string_view name;
  uint64_t nanoseconds;
};
constexpr std::array<Unit, 8> kUnits{{
    {"ns", 1},
    {"us", 1'000},
    {"\u00b5s", 1'000},
    {"\u03bcs", 1'000},
    {"ms", 1'000'000},
    {"s", 1'000'000'000},
    {"m", 60'000'000'000},
    {"h", 3'600'000'000'000},
}};

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

int digit_value(char c) {
  if (is_digit(c)) return c - '0';
  c = lower_ascii(c);
  return c >= 'a' && c <= 'z' ? c - 'a' + 10 : 99;
}

// `_` only between digits, or between the base's prefix and a digit.
bool underscores_fit(std::string_view digits, bool after_prefix) {
  char before = after_prefix ? '0' : '_';
  for (char c : digits) {
    if (c == '_' && before == '_') return false;
    before = c;
  }
  return before != '_';
}

// The digits at the front of `text` as a number, at most kMaxDuration.
std::optional<uint64_t> take_whole(std::string_view& text) {
  uint64_t value = 0;
  while (!text.empty() && is_digit(text.front())) {
    if (value > kMaxDuration / 10) return std::nullopt;
    value = value * 10 + static_cast<uint64_t>(text.front() - '0');
    if (value > kMaxDuration) return std::nullopt;
    text.remove_prefix(1);
  }
  return value;
}

// The digits behind a decimal point; those beyond the precision of 64 bits do not count.
double take_fraction(std::string_view& text) {
  double value = 0;
  double scale = 1;
  while (!text.empty() && is_digit(text.front())) {
    if (scale < 1e18) {
      value = value * 10 + (text.front() - '0');
      scale *= 10;
    }
    text.remove_prefix(1);
  }
  return value / scale;
}

const Unit* take_unit(std::string_view& text) {
  size_t length = 0;
  while (length < text.size() && text[length] != '.' && !is_digit(text[length])) ++length;
  const auto* unit = std::ranges::find(kUnits, text.substr(0, length), &Unit::name);
  text.remove_prefix(length);
  return unit == kUnits.end() ? nullptr : unit;
}

size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i);
    for (size_t j = 1; j <= b.size(); ++j) {
      size_t changed = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, changed});
    }
  }
  return row[b.size()];
}

}  // namespace

char lower_ascii(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}
char upper_ascii(char c) {
  return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
}

std::string lowered(std::string_view text) {
  std::string result(text);
  std::ranges::transform(result, result.begin(), lower_ascii);
  return result;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (size_t from = 0;;) {
    size_t to = text.find(separator, from);
    parts.push_back(text.substr(from, to - from));
    if (to == std::string_view::npos) return parts;
    from = to + 1;
  }
}

std::vector<std::string> split_words(std::string_view text) {
  std::vector<std::string> words;
  for (std::string_view word : split(text, ' ')) {
    if (!word.empty()) words.emplace_back(word);
  }
  return words;
}

std::pair<std::string_view, std::string_view> split_once(std::string_view text, char separator) {
  size_t at = text.find(separator);
  if (at == std::string_view::npos) return {text, {}};
  return {text.substr(0, at), text.substr(at + 1)};
}

std::optional<bool> parse_boolean(std::string_view text) {
  static constexpr std::array<std::string_view, 6> kTrue{"1", "t", "T", "TRUE", "true", "True"};
  static constexpr std::array<std::string_view, 6> kFalse{"0", "f", "F", "FALSE", "false", "False"};
  if (contains(kTrue, text)) return true;
  if (contains(kFalse, text)) return false;
  return std::nullopt;
}

std::optional<int64_t> parse_integer(std::string_view text) {
  bool is_negative = text.starts_with('-');
  if (is_negative || text.starts_with('+')) text.remove_prefix(1);
  int base = 10;
  if (text.size() > 1 && text[0] == '0') {
    char mark = lower_ascii(text[1]);
    base = mark == 'x' ? 16 : mark == 'b' ? 2 : 8;
    text.remove_prefix(mark == 'x' || mark == 'b' || mark == 'o' ? 2 : 1);
  }
  if (text.empty() || !underscores_fit(text, base != 10)) return std::nullopt;
  uint64_t limit = uint64_t{std::numeric_limits<int64_t>::max()} + (is_negative ? 1 : 0);
  uint64_t value = 0;
  for (char c : text) {
    if (c == '_') continue;
    int digit = digit_value(c);
    if (digit >= base) return std::nullopt;
    auto added = static_cast<uint64_t>(digit);
    if (value > (limit - added) / static_cast<uint64_t>(base)) return std::nullopt;
    value = value * static_cast<uint64_t>(base) + added;
  }
  return static_cast<int64_t>(is_negative ? ~value + 1 : value);
}

std::optional<uint64_t> parse_size(std::string_view text) {
  const size_t end = std::min(text.find_first_not_of("0123456789"), text.size());
  uint64_t value = 0;
  if (std::from_chars(text.data(), text.data() + end, value).ec != std::errc()) return std::nullopt;
  std::string unit = lowered(text.substr(end));
  unit.erase(0, unit.find_first_not_of(' '));
  if (unit.ends_with('b')) unit.pop_back();
  const uint64_t base = unit.ends_with('i') ? 1024 : 1000;
  if (unit.ends_with('i')) unit.pop_back();
  if (unit.empty()) return base == 1000 ? std::optional(value) : std::nullopt;
  const size_t power = std::string_view("kmgt").find(unit);
  if (unit.size() != 1 || power == std::string_view::npos) return std::nullopt;
  for (size_t i = 0; i <= power; ++i) {
    if (value > std::numeric_limits<uint64_t>::max() / base) return std::nullopt;
    value *= base;
  }
  return value;
}

std::optional<std::chrono::nanoseconds> parse_duration(std::string_view text) {
  bool is_negative = text.starts_with('-');
  if (is_negative || text.starts_with('+')) text.remove_prefix(1);
  if (text == "0") return std::chrono::nanoseconds(0);
  if (text.empty()) return std::nullopt;
  uint64_t total = 0;
  while (!text.empty()) {
    bool has_digits = is_digit(text.front());
    std::optional<uint64_t> whole = take_whole(text);
    if (!whole) return std::nullopt;
    double fraction = 0;
    if (text.starts_with('.')) {
      text.remove_prefix(1);
      has_digits |= !text.empty() && is_digit(text.front());
      fraction = take_fraction(text);
    }
    if (!has_digits) return std::nullopt;
    const Unit* unit = take_unit(text);
    if (!unit || *whole > kMaxDuration / unit->nanoseconds) return std::nullopt;
    total += *whole * unit->nanoseconds +
             static_cast<uint64_t>(fraction * static_cast<double>(unit->nanoseconds));
    if (total > kMaxDuration) return std::nullopt;
  }
  if (!is_negative && total == kMaxDuration) return std::nullopt;
  return std::chrono::nanoseconds(static_cast<int64_t>(is_negative ? ~total + 1 : total));
}

std::string format_duration(std::chrono::nanoseconds duration) {
  if (duration.count() == 0) return "0s";
  bool is_negative = duration.count() < 0;
  auto total = static_cast<uint64_t>(duration.count());
  if (is_negative) total = ~total + 1;
  auto decimal = [](uint64_t value, uint64_t unit) {
    std::string digits =
        fmt::format("{}.{:0{}}", value / unit, value % unit, fmt::formatted_size("{}", unit) - 1);
    while (digits.ends_with('0')) digits.pop_back();
    if (digits.ends_with('.')) digits.pop_back();
    return digits;
  };
  std::string text = is_negative ? "-" : "";
  if (total < 1'000) return text + fmt::format("{}ns", total);
  if (total < 1'000'000) return text + decimal(total, 1'000) + "\u00b5s";
  if (total < 1'000'000'000) return text + decimal(total, 1'000'000) + "ms";
  uint64_t minutes = total / 60'000'000'000;
  if (minutes >= 60) text += fmt::format("{}h", minutes / 60);
  if (minutes > 0) text += fmt::format("{}m", minutes % 60);
  return text + decimal(total % 60'000'000'000, 1'000'000'000) + "s";
}

std::string_view nearest(std::string_view word, const std::vector<std::string_view>& candidates) {
  static constexpr size_t kLongest =
      160;  // what a person may have mistyped; bounds the work as well
  if (word.size() > kLongest) return {};
  std::string_view best;
  size_t best_distance = std::max<size_t>(1, std::min<size_t>(4, (word.size() + 1) / 3)) + 1;
  for (std::string_view candidate : candidates) {
    size_t gap = candidate.size() > word.size() ? candidate.size() - word.size()
                                                : word.size() - candidate.size();
    if (gap >= best_distance) continue;
    if (size_t distance = edit_distance(word, candidate); distance < best_distance) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

}  // namespace gyre::config
