#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstddef>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "auth/claims.h"
#include "base/result.h"
#include "channel/rights.h"

namespace re2 {
class RE2;
}

namespace gyre::client {

// Regular expressions of capabilities, compiled; those that were used last are kept, as many
// connections have the same ones, and one that is compiled takes kilobytes. One for each shard.
class RegexCache {
 public:
  explicit RegexCache(size_t most = 256);
  ~RegexCache();
  RegexCache(const RegexCache&) = delete;

  // Null: it is no regular expression, or too large a one. Good until the next call.
  const re2::RE2* find(const std::string& pattern);
  size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    std::string pattern;
    std::unique_ptr<const re2::RE2> regex;
  };
  const size_t most_;
  std::list<Entry> entries_;  // the last used one in front
  boost::unordered_flat_map<std::string_view, std::list<Entry>::iterator> by_pattern_;
};

// The `caps` that a token or a backend has given a connection (docs/capabilities.md). Immutable;
// owned by the session.
class Capabilities {
 public:
  // Fails if a pattern is too long, or a regular expression is none.
  static Result<Capabilities> create(std::vector<auth::Capability> claims, RegexCache& regexes);

  // Those of the first entry that matches; none if none does.
  channel::Rights rights(std::string_view channel, RegexCache& regexes) const;
  // To a wildcard (docs/wildcards.md), which only an entry that names it can give: a pattern is of
  // channels, and one in front of it may leave some of them out.
  channel::Rights rights_to_wildcard(std::string_view name, RegexCache& regexes) const;

 private:
  struct Entry {
    std::vector<std::string> channels;
    auth::Capability::Match match = auth::Capability::Match::exact;
    channel::Rights rights;
  };
  // Null: none matches.
  const Entry* first_match(std::string_view channel, RegexCache& regexes) const;
  std::vector<Entry> entries_;
};

}  // namespace gyre::client
