#include "base/name_pattern.h"

#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/token_pattern.h"
#include "channel/wildcard_rules.h"
#include "harness.h"
#include "hub/wildcard_index.h"

namespace gyre {
namespace {

using fuzz::AllocationBound;
using Lines = std::vector<std::string_view>;

// What patterns say, told as plainly as can be.

// Each pair of a rest of the pattern and a rest of the text is asked once.
class PlainStars {
 public:
  PlainStars(std::string_view pattern, std::string_view text)
      : pattern_(pattern), text_(text), known_((pattern.size() + 1) * (text.size() + 1)) {}

  bool match(size_t at, size_t in) {
    std::optional<bool>& known = known_[at * (text_.size() + 1) + in];
    if (!known) known = judge(at, in);
    return *known;
  }

 private:
  bool judge(size_t at, size_t in) {
    if (at == pattern_.size()) return in == text_.size();
    if (pattern_[at] == '*' && match(at + 1, in)) return true;
    if (in == text_.size()) return false;
    if (pattern_[at] == '*') return match(at, in + 1);
    return pattern_[at] == text_[in] && match(at + 1, in + 1);
  }

  std::string_view pattern_;
  std::string_view text_;
  std::vector<std::optional<bool>> known_;
};

bool plain_stars(std::string_view pattern, std::string_view text) {
  return PlainStars(pattern, text).match(0, 0);
}

bool plain_path(std::string_view pattern, std::string_view text) {
  if (pattern.empty()) return text.empty();
  if (pattern.front() != ':') {
    return text.starts_with(pattern.front()) && plain_path(pattern.substr(1), text.substr(1));
  }
  const std::string_view rest = pattern.substr(std::min(pattern.find('/'), pattern.size()));
  for (size_t taken = 1; taken <= text.size() && text[taken - 1] != '/'; ++taken) {
    if (plain_path(rest, text.substr(taken))) return true;
  }
  return false;
}

bool plain_tokens(std::string_view pattern, std::string_view text) {
  if (pattern == ">") return !text.empty();
  const size_t end = std::min(pattern.find('.'), pattern.size());
  const size_t text_end = std::min(text.find('.'), text.size());
  const std::string_view token = text.substr(0, text_end);
  if (pattern.substr(0, end) == "*" ? token.empty() : pattern.substr(0, end) != token) return false;
  if (end == pattern.size() || text_end == text.size()) {
    return end == pattern.size() && text_end == text.size();
  }
  return plain_tokens(pattern.substr(end + 1), text.substr(text_end + 1));
}

// The names that tell `pattern` from any that does not match all that it matches: with tokens that
// stand nowhere else in the place of its stars, and one or two in that of the end.
std::vector<std::string> telling_names(std::string_view pattern, const std::string& strange) {
  std::string name;
  std::string_view token;
  for (NameTokens tokens(pattern); !tokens.done();) {
    token = tokens.take();
    name += token == "*" || token == ">" ? strange : std::string(token);
    if (!tokens.done()) name += '.';
  }
  if (token == ">") return {name, name + "." + strange};
  return {name};
}

void check_name_pattern(std::string_view text, const Lines& names, AllocationBound& bound) {
  const auto pattern = bound.watch([&] { return NamePattern::compile(text); });
  GYRE_CHECK(!pattern || (pattern->is_path() == text.starts_with('/') && pattern->matches(text)));
  for (const std::string_view name : names) {
    const bool expected = plain_stars(text, name);
    GYRE_CHECK(bound.watch([&] { return matches_glob(text, name); }) == expected);
    if (!pattern) continue;
    GYRE_CHECK(pattern->matches(name) == (pattern->is_path() ? plain_path(text, name) : expected));
  }
}

std::string stretched(std::string_view text, size_t size) {
  std::string result;
  for (const char c : text) result.append(size / text.size(), c);
  return result;
}

// As long as a pattern and the name in a client's command may be, for the sake of the time.
void match_stretched(std::string_view pattern, std::string_view name) {
  constexpr size_t kPatternBytes = 1024;
  constexpr size_t kNameBytes = size_t{256} * 1024;
  static_cast<void>(matches_glob(stretched(pattern, kPatternBytes), stretched(name, kNameBytes)));
}

void check_token_pattern(std::string_view text, const Lines& names, const std::string& strange,
                         AllocationBound& bound) {
  const auto pattern = bound.watch([&] { return TokenPattern::compile(text); });
  GYRE_CHECK(pattern.has_value() == TokenPattern::check(text).has_value());
  if (!pattern) return;
  GYRE_CHECK(TokenPattern::is_meant(text));
  for (const std::string_view name : names) {
    GYRE_CHECK(bound.watch([&] { return pattern->matches(name); }) == plain_tokens(text, name));
    if (!TokenPattern::check(name)) continue;
    const bool expected = std::ranges::all_of(
        telling_names(name, strange), [&](const auto& one) { return plain_tokens(text, one); });
    GYRE_CHECK(bound.watch([&] { return pattern->covers(name); }) == expected);
  }
}

// Its parts make the name again, and its list names who stands in it.
void check_channel_name(std::string_view text, const std::string& strange) {
  const channel::NameRules rules;
  const auto name = channel::ChannelName::parse(text, rules);
  std::string again(name.rest);  // the whole name, if it has no boundary
  if (again.size() < text.size()) {
    again = std::string(name.namespace_name) + rules.namespace_boundary + again;
    if (name.is_private) again = rules.private_prefix + again;
  }
  GYRE_CHECK(again == text && name.full == text);
  const bool has_list = channel::has_user_list(text, rules);
  std::string_view list = text.substr(text.rfind(rules.user_boundary) + 1);
  while (true) {
    const size_t end = std::min(list.find(rules.user_separator), list.size());
    GYRE_CHECK(channel::lists_user(text, list.substr(0, end), rules) == has_list);
    if (end == list.size()) break;
    list.remove_prefix(end + 1);
  }
  GYRE_CHECK(!channel::lists_user(text, strange, rules));
}

// Every line as a wildcard, if it is one, and as a channel.
void check_wildcards(const Lines& names, AllocationBound& bound) {
  const channel::NameRules rules;
  const auto none = channel::WildcardRules::compile(rules, {});
  hub::WildcardIndex index(none->names());
  std::set<std::string_view> wildcards;
  for (const std::string_view name : names) {
    const bool is_wildcard = none->kind_of(name) == channel::WildcardRules::Kind::wildcard;
    const auto rule = bound.watch(
        [&] { return channel::WildcardRules::compile(rules, {{std::string(name), ""}}); });
    GYRE_CHECK(rule.has_value() == is_wildcard);
    if (!is_wildcard) continue;
    GYRE_CHECK(rule->rules().size() == 1 && rule->rules()[0].pattern == name);
    GYRE_CHECK(rule->allows(name, "") && !rule->allows(name, "other"));
    if (wildcards.insert(name).second) bound.watch([&] { index.insert(name, ""); });
  }
  const auto check_index = [&](std::string_view name) {
    std::vector<hub::SubscribedWildcardRef> found;
    bound.watch([&] { index.match(name, found); });
    std::set<std::string_view> given;
    for (const auto& one : found) GYRE_CHECK(given.insert(one->name->text()).second);
    std::set<std::string_view> expected;
    for (const std::string_view one : wildcards) {
      const size_t start = channel::split_at_boundary(one, rules).start.size();
      const bool fits = name.starts_with(one.substr(0, start)) &&
                        plain_tokens(one.substr(start), name.substr(start));
      if (fits) expected.insert(one);
    }
    GYRE_CHECK(given == expected);
  };
  for (const std::string_view name : names) {
    check_index(name);
    bound.watch([&] { index.erase(name); });
    wildcards.erase(name);
    check_index(name);
  }
  GYRE_CHECK(index.size() == 0);
}

}  // namespace
}  // namespace gyre

// The first line is a pattern of each kind, all lines are names. If the third line is "stretch",
// the first two are also matched at length.
void gyre::fuzz::take_input(std::string_view input) {
  constexpr size_t kLinesMax = 8;
  Lines lines;
  for (std::string_view rest = input; lines.size() < kLinesMax;) {
    const size_t end = rest.find('\n');
    lines.push_back(rest.substr(0, end));
    if (end == std::string_view::npos) break;
    rest.remove_prefix(end + 1);
  }
  AllocationBound bound(input.size(), AllocationBound::kOwn);
  const std::string strange(input.size() + 1, 'x');  // no part of the input
  check_name_pattern(lines[0], lines, bound);
  check_token_pattern(lines[0], lines, strange, bound);
  for (const std::string_view line : lines) check_channel_name(line, strange);
  check_wildcards(lines, bound);
  if (lines.size() > 2 && lines[2] == "stretch") match_stretched(lines[0], lines[1]);
}
