#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/name_pattern.h"
#include "base/result.h"
#include "channel/channel_name.h"
#include "channel/channel_options.h"
#include "channel/wildcard_rules.h"

namespace re2 {
class RE2;
}

namespace gyre::channel {

// One namespace, ready for use.
class Namespace {
 public:
  static Result<Namespace> compile(std::string name, ChannelOptions options);
  ~Namespace();
  Namespace(Namespace&&) noexcept;

  const std::string& name() const { return name_; }
  const ChannelOptions& options() const { return options_; }
  // Whether clients may use the name: it matches channel_regex, or is ASCII if there is none (spec
  // config.md 10.1).
  bool allows_name(const ChannelName& name) const;

 private:
  Namespace(std::string name, ChannelOptions options, std::unique_ptr<re2::RE2> regex);
  std::string name_;
  ChannelOptions options_;
  std::unique_ptr<re2::RE2> regex_;
};

// All namespaces of a configuration: an immutable snapshot, read from every shard. Long-lived
// objects keep channel names and ask again, never pointers into a snapshot.
class Namespaces {
 public:
  // A rule that says to which namespace the channels of some shape belong.
  struct PatternRule {
    std::string pattern;  // see NamePattern
    std::string namespace_name;
  };
  // `without_namespace` serves channels whose namespace name is empty. Names must be unique.
  // `patterns`: the first that matches a name (without the private prefix) decides; with a path
  // among them, a name with a slash in front that matches none is in no namespace.
  static Result<Namespaces> compile(NameRules rules, ChannelOptions without_namespace,
                                    std::vector<std::pair<std::string, ChannelOptions>> named,
                                    const std::vector<PatternRule>& patterns = {});

  // From now on there are wildcards. Fails if a rule's pattern belongs to another namespace than
  // the rule says, or to none.
  Result<void> add_wildcards(WildcardRules wildcards);
  // Null: there are none, and no name means more than another.
  const WildcardRules* wildcards() const { return wildcards_.get(); }
  bool is_wildcard(std::string_view name) const {
    return wildcards_ && wildcards_->kind_of(name) == WildcardRules::Kind::wildcard;
  }

  const NameRules& rules() const { return rules_; }
  // Views into the name and this.
  ChannelName parse(std::string_view channel) const {
    ChannelName name = ChannelName::parse(channel, rules_);
    if (!patterns_.empty()) apply_patterns(name);
    return name;
  }
  // Null if the name's namespace is not configured.
  const Namespace* find(const ChannelName& name) const;

 private:
  Namespaces(NameRules rules, Namespace without);
  void apply_patterns(ChannelName& name) const;
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  NameRules rules_;
  Namespace without_namespace_;
  std::vector<std::pair<NamePattern, std::string>> patterns_;  // and their namespaces
  bool has_paths_ = false;
  std::shared_ptr<const WildcardRules> wildcards_;
  std::unordered_map<std::string, Namespace, Hash, std::equal_to<>> named_;
};

}  // namespace gyre::channel
