#include "base/name_pattern.h"

#include <algorithm>
#include <cstring>

namespace gyre {

namespace {

constexpr size_t kNamePatternBytesMax = 1024;

// Unlike string_view's own, in time that does not grow with the product of both sizes.
size_t find_in(std::string_view text, std::string_view part) {
  const void* found = memmem(text.data(), text.size(), part.data(), part.size());
  return found ? static_cast<size_t>(static_cast<const char*>(found) - text.data())
               : std::string_view::npos;
}

}  // namespace

bool is_identifier(std::string_view text) {
  const auto is_letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  };
  return !text.empty() && is_letter(text[0]) &&
         std::ranges::all_of(text, [&](char c) { return is_letter(c) || (c >= '0' && c <= '9'); });
}

bool matches_glob(std::string_view pattern, std::string_view text) {
  size_t star = pattern.find('*');
  if (star == std::string_view::npos) return pattern == text;
  if (!text.starts_with(pattern.substr(0, star))) return false;
  text.remove_prefix(star);
  pattern.remove_prefix(star + 1);
  // What stands between two stars may as well be found as early as possible.
  while ((star = pattern.find('*')) != std::string_view::npos) {
    const size_t at = find_in(text, pattern.substr(0, star));
    if (at == std::string_view::npos) return false;
    text.remove_prefix(at + star);
    pattern.remove_prefix(star + 1);
  }
  return text.ends_with(pattern);
}

Result<NamePattern> NamePattern::compile(std::string_view text) {
  NamePattern result;
  if (text.empty()) return fail(Errc::invalid, "is empty");
  if (text.size() > kNamePatternBytesMax) return fail(Errc::invalid, "is longer than 1024 bytes");
  if (!std::ranges::all_of(text, [](char c) { return c > ' ' && c < '\x7f'; })) {
    return fail(Errc::invalid, "has characters other than printable ASCII");
  }
  if (text[0] != '/') {
    result.glob_ = text;
    return result;
  }
  std::vector<std::string_view> variables;
  for (size_t slash = 0; slash != std::string_view::npos;) {
    const size_t next = text.find('/', slash + 1);
    const std::string_view segment = text.substr(slash + 1, next - slash - 1);
    slash = next;
    if (segment.empty()) return fail(Errc::invalid, "has an empty segment");
    if (segment.contains('*')) return fail(Errc::invalid, "has a * in a path; name a :variable");
    const size_t colon = segment.find(':');
    result.segments_.push_back({.text = std::string(segment.substr(0, colon)),
                                .has_variable = colon != std::string_view::npos});
    if (colon == std::string_view::npos) continue;
    variables.push_back(segment.substr(colon + 1));
    if (!is_identifier(variables.back())) {
      return fail(Errc::invalid,
                  "has a variable without a name of letters, digits and underscores");
    }
  }
  std::ranges::sort(variables);
  if (std::ranges::adjacent_find(variables) != variables.end()) {
    return fail(Errc::invalid, "has a variable twice");
  }
  return result;
}

bool NamePattern::matches(std::string_view name) const {
  if (!is_path()) return matches_glob(glob_, name);
  for (const Segment& segment : segments_) {
    if (!name.starts_with('/')) return false;
    const std::string_view part = name.substr(1, name.find('/', 1) - 1);
    const bool fits = segment.has_variable
                          ? part.size() > segment.text.size() && part.starts_with(segment.text)
                          : part == segment.text;
    if (!fits) return false;
    name.remove_prefix(1 + part.size());
  }
  return name.empty();
}

}  // namespace gyre
