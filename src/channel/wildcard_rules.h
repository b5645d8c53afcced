#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/token_pattern.h"
#include "channel/channel_name.h"

namespace gyre::channel {

// Which names are wildcards, each for the channels of one namespace whose names fit, and which of
// them may be subscribed to (gyre.wildcards, docs/wildcards.md). What stands up to the namespace
// boundary is as it is written, what stands behind it is a TokenPattern. Part of a Namespaces
// snapshot.
class WildcardRules {
 public:
  struct Rule {
    std::string pattern;         // the widest wildcard that it allows
    std::string namespace_name;  // to which that belongs; empty: channels without a namespace
  };
  enum class Kind : uint8_t {
    channel,  // a name like any other
    wildcard,
    broken,  // meant as a wildcard
  };

  // `names`: as at the start of the process. What a name is must not change while it runs, since
  // somebody may be subscribed to it.
  static Result<WildcardRules> compile(NameRules names, const std::vector<Rule>& rules);

  // Private channels and those with lists of users are never wildcards.
  Kind kind_of(std::string_view name) const;
  // Whether a rule allows the wildcard, which belongs to that namespace, or a wider one.
  bool allows(std::string_view name, std::string_view namespace_name) const;

  const NameRules& names() const { return names_; }
  const std::vector<Rule>& rules() const { return rules_; }

 private:
  explicit WildcardRules(NameRules names) : names_(std::move(names)) {}

  NameRules names_;
  std::vector<Rule> rules_;
  std::vector<TokenPattern> patterns_;  // of the rules, in their order
};

}  // namespace gyre::channel
