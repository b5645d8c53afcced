#pragma once

#include <fmt/format.h>

#include <initializer_list>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "config/tree.h"

// The parts of validate.cc; not for others.
namespace gyre::config::rules {

// Collects findings. What `in` says stands in front of each message.
class Report {
 public:
  class Context {
   public:
    Context(Report& report, std::string text) : report_(report), outer_(report.context_) {
      report_.context_ += std::move(text) + ": ";
    }
    ~Context() { report_.context_ = std::move(outer_); }
    Context(const Context&) = delete;
    Context& operator=(const Context&) = delete;

   private:
    Report& report_;
    std::string outer_;
  };

  [[nodiscard]] Context in(std::string text) { return Context(*this, std::move(text)); }
  void add(const Tree& tree, std::string_view key, std::string message) {
    findings_.push_back({"", context_ + std::move(message), tree.origin(key), {}});
  }
  void one_of(const Tree& tree, std::string_view key,
              std::initializer_list<std::string_view> allowed);
  std::vector<Finding> take() { return std::move(findings_); }

 private:
  std::string context_;
  std::vector<Finding> findings_;
};

using Names = std::set<std::string, std::less<>>;

bool is_name(std::string_view text);  // ^[-a-zA-Z0-9_.]{2,}$
bool is_ascii(std::string_view text);
bool is_whole_seconds(std::chrono::nanoseconds duration);

// A proxy's own rules; `name` is empty for those that stand in a section of their own.
void check_proxy(Report& report, const Tree& proxy);
// A key that names a proxy: empty, "default" or one of `proxies`.
void check_proxy_name(Report& report, const Tree& tree, std::string_view key, const Names& proxies);

// The options of channel.without_namespace or of a namespace.
void check_channel_options(Report& report, const Tree& root, const Tree& options,
                           const Names& proxies);
// Its prefixes of presence channels, which need all namespaces.
void check_presence_prefixes(Report& report, const Tree& root, const Tree& options);

void check_consumer(Report& report, const Tree& consumer);

// gyre.jwks and gyre.token.
void check_tokens(Report& report, const Tree& tree);

void check_rate_limits(Report& report, const Tree& limits);

// gyre.delivery, against the namespaces.
void check_delivery(Report& report, const Tree& root);

// gyre.wildcards, and what it does not go with.
void check_wildcards(Report& report, const Tree& root);

}  // namespace gyre::config::rules
