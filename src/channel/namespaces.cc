#include "channel/namespaces.h"

#include <re2/re2.h>

#include <algorithm>

namespace gyre::channel {

Namespace::Namespace(std::string name, ChannelOptions options, std::unique_ptr<re2::RE2> regex)
    : name_(std::move(name)), options_(std::move(options)), regex_(std::move(regex)) {}
Namespace::~Namespace() = default;
Namespace::Namespace(Namespace&&) noexcept = default;

Result<Namespace> Namespace::compile(std::string name, ChannelOptions options) {
  std::unique_ptr<re2::RE2> regex;
  if (!options.channel_regex.empty()) {
    regex = std::make_unique<re2::RE2>(options.channel_regex, re2::RE2::Quiet);
    if (!regex->ok()) {
      const std::string where = name.empty() ? "channels without namespace" : "namespace " + name;
      return fail(Errc::invalid, where + ": channel_regex: " + regex->error());
    }
  }
  return Namespace(std::move(name), std::move(options), std::move(regex));
}

bool Namespace::allows_name(const ChannelName& name) const {
  if (regex_) {
    return re2::RE2::PartialMatch(re2::StringPiece(name.rest.data(), name.rest.size()), *regex_);
  }
  return std::ranges::all_of(name.full,
                             [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

Namespaces::Namespaces(NameRules rules, Namespace without)
    : rules_(std::move(rules)), without_namespace_(std::move(without)) {}

Result<Namespaces> Namespaces::compile(NameRules rules, ChannelOptions without_namespace,
                                       std::vector<std::pair<std::string, ChannelOptions>> named,
                                       const std::vector<PatternRule>& patterns) {
  GYRE_TRY(Namespace without, Namespace::compile("", std::move(without_namespace)));
  Namespaces all(std::move(rules), std::move(without));
  for (auto& [name, options] : named) {
    GYRE_TRY(Namespace compiled, Namespace::compile(name, std::move(options)));
    if (!all.named_.emplace(name, std::move(compiled)).second) {
      return fail(Errc::invalid, "namespace " + name + " is configured twice");
    }
  }
  for (const auto& [pattern, namespace_name] : patterns) {
    Result<NamePattern> compiled = NamePattern::compile(pattern);
    if (!compiled) {
      return fail(Errc::invalid, "channel pattern " + pattern + " " + compiled.error().context);
    }
    if (!all.named_.contains(namespace_name)) {
      return fail(Errc::invalid,
                  "channel pattern " + pattern + ": there is no namespace " + namespace_name);
    }
    all.has_paths_ |= compiled->is_path();
    all.patterns_.emplace_back(std::move(*compiled), namespace_name);
  }
  return all;
}

Result<void> Namespaces::add_wildcards(WildcardRules wildcards) {
  for (const WildcardRules::Rule& rule : wildcards.rules()) {
    const ChannelName name = parse(rule.pattern);
    if (!find(name)) {
      return fail(Errc::invalid, "the pattern " + rule.pattern + " is of an unknown namespace");
    }
    if (name.namespace_name != rule.namespace_name) {
      return fail(Errc::invalid, "the pattern " + rule.pattern + " is of the namespace \"" +
                                     std::string(name.namespace_name) + "\", not of \"" +
                                     rule.namespace_name + "\"");
    }
  }
  wildcards_ = std::make_shared<const WildcardRules>(std::move(wildcards));
  return {};
}

void Namespaces::apply_patterns(ChannelName& name) const {
  const std::string_view bare =
      name.is_private ? name.full.substr(rules_.private_prefix.size()) : name.full;
  const auto found =
      std::ranges::find_if(patterns_, [&](const auto& rule) { return rule.first.matches(bare); });
  if (found != patterns_.end()) {
    name.namespace_name = found->second;
    name.rest = bare;
  } else if (has_paths_ && bare.starts_with('/')) {
    name.namespace_name = "/";  // which is the name of none
    name.rest = bare;
  }
}

const Namespace* Namespaces::find(const ChannelName& name) const {
  if (name.namespace_name.empty()) return &without_namespace_;
  const auto found = named_.find(name.namespace_name);
  return found == named_.end() ? nullptr : &found->second;
}

}  // namespace gyre::channel
