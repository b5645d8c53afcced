#pragma once

#include <string>
#include <string_view>

namespace gyre::proxy {

// ASCII letters compare equal in both cases.
bool equals_ignoring_case(std::string_view a, std::string_view b);
std::string in_lower_case(std::string_view name);

// As backends have always seen header names: a capital at the start and behind each dash.
std::string canonical_header(std::string_view name);

// Headers of a connection that say how its own bytes travel, or where: they never are a backend's,
// whatever the configuration lists.
bool is_connection_header(std::string_view name);

}  // namespace gyre::proxy
