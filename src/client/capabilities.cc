#include "client/capabilities.h"

#include <re2/re2.h>

#include <algorithm>
#include <utility>

#include "base/name_pattern.h"

namespace gyre::client {

namespace {

using Match = auth::Capability::Match;

constexpr size_t kPatternBytesMax = 1024;
constexpr size_t kRegexesMax = 32;                    // of a list
constexpr int64_t kRegexBytesMax = int64_t{1} << 17;  // of memory for one

}  // namespace

RegexCache::RegexCache(size_t most) : most_(most) {}
RegexCache::~RegexCache() = default;

const re2::RE2* RegexCache::find(const std::string& pattern) {
  if (const auto found = by_pattern_.find(pattern); found != by_pattern_.end()) {
    entries_.splice(entries_.begin(), entries_, found->second);
    return entries_.front().regex.get();
  }
  re2::RE2::Options options(re2::RE2::Quiet);
  options.set_max_mem(kRegexBytesMax);
  auto regex = std::make_unique<const re2::RE2>(pattern, options);
  if (!regex->ok()) return nullptr;
  entries_.push_front({.pattern = pattern, .regex = std::move(regex)});
  by_pattern_.emplace(entries_.front().pattern, entries_.begin());
  if (entries_.size() > most_) {
    by_pattern_.erase(entries_.back().pattern);
    entries_.pop_back();
  }
  return entries_.front().regex.get();
}

Result<Capabilities> Capabilities::create(std::vector<auth::Capability> claims,
                                          RegexCache& regexes) {
  Capabilities result;
  size_t regex_count = 0;
  for (auth::Capability& claim : claims) {
    for (const std::string& channel : claim.channels) {
      if (channel.size() > kPatternBytesMax) return fail(Errc::invalid, "a channel is too long");
      if (claim.match != Match::regex) continue;
      if (++regex_count > kRegexesMax) return fail(Errc::invalid, "too many regular expressions");
      if (!regexes.find(channel)) return fail(Errc::invalid, "a regular expression is none");
    }
    result.entries_.push_back({.channels = std::move(claim.channels),
                               .match = claim.match,
                               .rights = channel::Rights(claim.allow)});
  }
  return result;
}

const Capabilities::Entry* Capabilities::first_match(std::string_view channel,
                                                     RegexCache& regexes) const {
  const auto matches = [&](const std::string& pattern, Match match) {
    switch (match) {
      case Match::exact:
        return pattern == channel;
      case Match::wildcard:
        return matches_glob(pattern, channel);
      case Match::regex: {
        const re2::RE2* regex = regexes.find(pattern);
        return regex &&
               re2::RE2::PartialMatch(re2::StringPiece(channel.data(), channel.size()), *regex);
      }
    }
    return false;
  };
  for (const Entry& entry : entries_) {
    const auto fits = [&](const std::string& pattern) { return matches(pattern, entry.match); };
    if (std::ranges::any_of(entry.channels, fits)) return &entry;
  }
  return nullptr;
}

channel::Rights Capabilities::rights(std::string_view channel, RegexCache& regexes) const {
  const Entry* entry = first_match(channel, regexes);
  return entry ? entry->rights : channel::Rights();
}

channel::Rights Capabilities::rights_to_wildcard(std::string_view name, RegexCache& regexes) const {
  const Entry* entry = first_match(name, regexes);
  return entry && entry->match == Match::exact ? entry->rights : channel::Rights();
}

}  // namespace gyre::client
