#include "channel/wildcard_rules.h"

#include <utility>

namespace gyre::channel {

Result<WildcardRules> WildcardRules::compile(NameRules names, const std::vector<Rule>& rules) {
  WildcardRules all(std::move(names));
  for (const Rule& rule : rules) {
    const auto pattern = TokenPattern::compile(split_at_boundary(rule.pattern, all.names_).rest);
    if (!pattern) {
      return fail(Errc::invalid, "the pattern " + rule.pattern + " " + pattern.error().context);
    }
    if (all.kind_of(rule.pattern) != Kind::wildcard) {
      return fail(Errc::invalid,
                  "the pattern " + rule.pattern + " is of private or user-limited channels");
    }
    all.rules_.push_back(rule);
    all.patterns_.push_back(*pattern);
  }
  return all;
}

WildcardRules::Kind WildcardRules::kind_of(std::string_view name) const {
  if (name.find_first_of("*>") == std::string_view::npos) return Kind::channel;
  const std::string& prefix = names_.private_prefix;
  if ((!prefix.empty() && name.starts_with(prefix)) || has_user_list(name, names_)) {
    return Kind::channel;
  }
  const std::string_view tokens = split_at_boundary(name, names_).rest;
  if (!TokenPattern::is_meant(tokens)) return Kind::channel;
  return TokenPattern::check(tokens) ? Kind::wildcard : Kind::broken;
}

bool WildcardRules::allows(std::string_view name, std::string_view namespace_name) const {
  const SplitName wanted = split_at_boundary(name, names_);
  for (size_t i = 0; i < rules_.size(); ++i) {
    if (rules_[i].namespace_name != namespace_name) continue;
    if (split_at_boundary(rules_[i].pattern, names_).start != wanted.start) continue;
    if (patterns_[i].covers(wanted.rest)) return true;
  }
  return false;
}

}  // namespace gyre::channel
