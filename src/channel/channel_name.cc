#include "channel/channel_name.h"

namespace gyre::channel {

ChannelName ChannelName::parse(std::string_view name, const NameRules& rules) {
  ChannelName parsed{.full = name, .namespace_name = {}, .rest = name, .is_private = false};
  parsed.is_private = !rules.private_prefix.empty() && name.starts_with(rules.private_prefix);
  const std::string_view bare = parsed.is_private ? name.substr(rules.private_prefix.size()) : name;
  const size_t boundary = rules.namespace_boundary.empty() ? std::string_view::npos
                                                           : bare.find(rules.namespace_boundary);
  if (boundary != std::string_view::npos) {
    parsed.namespace_name = bare.substr(0, boundary);
    parsed.rest = bare.substr(boundary + rules.namespace_boundary.size());
  }
  return parsed;
}

SplitName split_at_boundary(std::string_view name, const NameRules& rules) {
  const std::string_view boundary = rules.namespace_boundary;
  const size_t at = boundary.empty() ? std::string_view::npos : name.find(boundary);
  const size_t end = at == std::string_view::npos ? 0 : at + boundary.size();
  return {.start = name.substr(0, end), .rest = name.substr(end)};
}

bool has_user_list(std::string_view name, const NameRules& rules) {
  return !rules.user_boundary.empty() && name.find(rules.user_boundary) != std::string_view::npos;
}

bool lists_user(std::string_view name, std::string_view user, const NameRules& rules) {
  if (!has_user_list(name, rules)) return false;
  std::string_view list = name.substr(name.rfind(rules.user_boundary) + rules.user_boundary.size());
  if (rules.user_separator.empty()) return list == user;
  while (true) {
    const size_t separator = list.find(rules.user_separator);
    if (list.substr(0, separator) == user) return true;
    if (separator == std::string_view::npos) return false;
    list.remove_prefix(separator + rules.user_separator.size());
  }
}

}  // namespace gyre::channel
