#include <optional>

#include "base/name_pattern.h"
#include "base/token_pattern.h"
#include "config/rules.h"

// The rules of gyre.wildcards.
namespace gyre::config::rules {

namespace {

constexpr std::string_view kWildcardRules = "gyre.wildcards.rules";

std::string shown_namespace(std::string_view name) {
  return name.empty() ? "channels without a namespace" : fmt::format("namespace \"{}\"", name);
}

// As the server finds it; nothing if the name belongs to no namespace, whatever there is.
std::optional<std::string> namespace_of(const Tree& root, std::string_view name) {
  bool has_paths = false;
  for (const Tree& rule : root.list("gyre.channel_patterns")) {
    const auto pattern = NamePattern::compile(rule.text("pattern"));
    if (!pattern) continue;  // which is told elsewhere
    if (pattern->matches(name)) return rule.text("namespace");
    has_paths |= pattern->is_path();
  }
  if (has_paths && name.starts_with('/')) return std::nullopt;
  const std::string& boundary = root.text("channel.namespace_boundary");
  const size_t end = boundary.empty() ? std::string_view::npos : name.find(boundary);
  return end == std::string_view::npos ? "" : std::string(name.substr(0, end));
}

std::optional<Tree> options_of(const Tree& root, const std::string& name) {
  if (name.empty()) return root.section("channel.without_namespace");
  for (const Tree& options : root.list("channel.namespaces")) {
    if (options.text("name") == name) return options;
  }
  return std::nullopt;
}

// What is wrong with the pattern by itself; empty: nothing.
std::string fault_of(const Tree& root, const std::string& pattern) {
  const std::string& boundary = root.text("channel.namespace_boundary");
  const size_t at = boundary.empty() ? std::string::npos : pattern.find(boundary);
  const auto checked = TokenPattern::check(
      std::string_view(pattern).substr(at == std::string::npos ? 0 : at + boundary.size()));
  if (!checked) return fmt::format("the pattern {}", checked.error().context);
  const std::string& prefix = root.text("channel.private_prefix");
  const std::string& users = root.text("channel.user_boundary");
  if (!prefix.empty() && pattern.starts_with(prefix)) {
    return "the pattern is of private channels, which no wildcard stands for";
  }
  if (!users.empty() && pattern.contains(users)) {
    return "the pattern is of user-limited channels, which no wildcard stands for";
  }
  return "";
}

void check_namespace(Report& report, const Tree& root, const Tree& rule) {
  const std::string& name = rule.text("namespace");
  const std::optional<Tree> options = options_of(root, name);
  if (!options) {
    return report.add(rule, "namespace", fmt::format("there is no namespace \"{}\"", name));
  }
  const std::optional<std::string> actual = namespace_of(root, rule.text("pattern"));
  if (actual != name) {
    return report.add(
        rule, "namespace",
        fmt::format("the pattern is of {}, not of {}",
                    actual ? shown_namespace(*actual) : "no namespace", shown_namespace(name)));
  }
  const std::string& type = options->text("subscription_type");
  if (!type.empty() && type != "stream") {
    report.add(rule, "namespace",
               fmt::format("{}: wildcards are for subscription_type \"stream\", not \"{}\"",
                           shown_namespace(name), type));
  }
  if (options->boolean("subscribe_stream_proxy_enabled")) {
    report.add(rule, "namespace",
               fmt::format("{}: subscribe_stream_proxy_enabled must be false, as what a backend "
                           "streams does not pass through channels",
                           shown_namespace(name)));
  }
}

}  // namespace

void check_wildcards(Report& report, const Tree& root) {
  constexpr size_t kMostRules = 256;
  constexpr int64_t kMostPatterns = 100'000;
  const int64_t most = root.integer("gyre.wildcards.max_patterns");
  if (most < 1 || most > kMostPatterns) {
    report.add(root, "gyre.wildcards.max_patterns",
               fmt::format("gyre.wildcards.max_patterns must be from 1 to {}", kMostPatterns));
  }
  const std::vector<Tree> rules = root.list(kWildcardRules);
  if (rules.empty()) return;
  if (rules.size() > kMostRules) {
    report.add(root, kWildcardRules,
               fmt::format("{} has more than {} rules", kWildcardRules, kMostRules));
  }
  const bool has_other_broker =
      root.boolean("broker.enabled") && root.text("broker.type") != "memory";
  if (root.text("engine.type") != "memory" || has_other_broker) {
    report.add(
        root, kWildcardRules,
        fmt::format("{} needs the memory engine, to which all publications of the node come: "
                    "set engine.type to \"memory\" and broker.enabled to false, or leave the "
                    "rules out",
                    kWildcardRules));
  }
  Names patterns;
  for (const Tree& rule : rules) {
    const std::string& pattern = rule.text("pattern");
    auto context = report.in(fmt::format("in {} (\"{}\")", kWildcardRules, pattern));
    if (const std::string fault = fault_of(root, pattern); !fault.empty()) {
      report.add(rule, "pattern", fault);
    } else if (!patterns.insert(pattern).second) {
      report.add(rule, "pattern", "the pattern stands twice");
    } else {
      check_namespace(report, root, rule);
    }
  }
}

}  // namespace gyre::config::rules
