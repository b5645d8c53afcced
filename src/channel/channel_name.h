#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace gyre::channel {

// The special symbols of channel names (spec config.md 10.1). Part of the configuration snapshot.
struct NameRules {
  std::string private_prefix = "$";
  std::string namespace_boundary = ":";
  std::string user_boundary = "#";
  std::string user_separator = ",";
  size_t max_length = 255;  // bytes; for subscribe requests of clients only
};

// A channel's name taken apart. Views into the name.
struct ChannelName {
  std::string_view full;
  std::string_view namespace_name;  // empty: the options for channels without a namespace
  std::string_view rest;            // behind the boundary; without one the whole name
  bool is_private = false;

  static ChannelName parse(std::string_view name, const NameRules& rules);
};

// A name up to and with its first namespace boundary, and what stands behind it; without a boundary
// the whole name stands behind. Views into the name.
struct SplitName {
  std::string_view start;
  std::string_view rest;
};
SplitName split_at_boundary(std::string_view name, const NameRules& rules);

// Whether the name has a list of users in it; whether that counts is the namespace's decision.
bool has_user_list(std::string_view name, const NameRules& rules);
// Whether the list behind the last user boundary names the user, exactly. "x#" names the empty
// user.
bool lists_user(std::string_view name, std::string_view user, const NameRules& rules);

}  // namespace gyre::channel
