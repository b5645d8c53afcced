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
                                       std::vector<std::pair<std::string, ChannelOptions>> named) {
  GYRE_TRY(Namespace without, Namespace::compile("", std::move(without_namespace)));
  Namespaces all(std::move(rules), std::move(without));
  for (auto& [name, options] : named) {
    GYRE_TRY(Namespace compiled, Namespace::compile(name, std::move(options)));
    if (!all.named_.emplace(name, std::move(compiled)).second) {
      return fail(Errc::invalid, "namespace " + name + " is configured twice");
    }
  }
  return all;
}

const Namespace* Namespaces::find(const ChannelName& name) const {
  if (name.namespace_name.empty()) return &without_namespace_;
  const auto found = named_.find(name.namespace_name);
  return found == named_.end() ? nullptr : &found->second;
}

}  // namespace gyre::channel
