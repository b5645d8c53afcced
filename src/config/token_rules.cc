#include "base/name_pattern.h"
#include "config/rules.h"

// The rules of gyre.jwks and gyre.token.
namespace gyre::config::rules {

namespace {

constexpr size_t kMetaFieldsMax = 64;  // each is looked for in every token
constexpr int kPathMax = 16;

// What is wrong with it; empty if nothing is. Backslashes stand before what belongs to a name.
std::string_view wrong_in_path(std::string_view path) {
  int names = 1;
  size_t size = 0;  // of the last one
  for (size_t i = 0; i < path.size(); ++i) {
    if (path[i] == '.') {
      if (size == 0) return "has an empty name";
      if (++names > kPathMax) return "has more than 16 names";
      size = 0;
      continue;
    }
    if (path[i] == '\\') {
      ++i;
      if (i == path.size()) return "ends with a backslash";
    }
    ++size;
  }
  return size == 0 ? "has an empty name" : "";
}

void check_provider(Report& report, const Tree& provider, Names& names) {
  const std::string& name = provider.text("name");
  if (!is_name(name)) {
    report.add(provider, "name",
               fmt::format("\"{}\" is not a name (^[-a-zA-Z0-9_.]{{2,}}$)", name));
  }
  if (!names.insert(name).second) {
    report.add(provider, "name", fmt::format("\"{}\" stands twice", name));
  }
  const std::string& endpoint = provider.text("endpoint");
  if (!endpoint.starts_with("https://") && !endpoint.starts_with("http://")) {
    report.add(provider, "endpoint", "endpoint must begin with http:// or https://");
  }
  if (provider.text("issuer").empty()) report.add(provider, "issuer", "issuer must be set");
}

}  // namespace

void check_tokens(Report& report, const Tree& tree) {
  const std::vector<Tree> providers = tree.list("gyre.jwks.providers");
  Names names;
  for (const Tree& provider : providers) {
    auto context = report.in(fmt::format("in gyre.jwks.providers ({})", provider.text("name")));
    check_provider(report, provider, names);
  }
  if (!providers.empty() && !tree.text("client.token.jwks_public_endpoint").empty()) {
    report.add(tree, "gyre.jwks.providers",
               "gyre.jwks.providers does not go with client.token.jwks_public_endpoint: make that "
               "one of the providers");
  }
  constexpr std::string_view kMeta = "gyre.token.meta_from_claim";
  const StringMap& meta = tree.string_map(kMeta);
  if (meta.size() > kMetaFieldsMax) {
    report.add(tree, kMeta, fmt::format("{} has more than {} fields", kMeta, kMetaFieldsMax));
  }
  for (const auto& [field, path] : meta) {
    if (!is_identifier(field)) {
      report.add(tree, kMeta,
                 fmt::format("{}: \"{}\" must match ^[A-Za-z_][A-Za-z0-9_]*$", kMeta, field));
    }
    if (const std::string_view wrong = wrong_in_path(path); !wrong.empty()) {
      report.add(tree, kMeta, fmt::format("{}.{}: the path \"{}\" {}", kMeta, field, path, wrong));
    }
  }
}

}  // namespace gyre::config::rules
