#pragma once

#include <string>
#include <string_view>

namespace gyre::outbound {

// The address for people to read: a password in it is replaced (spec security.md 8).
std::string without_password(std::string_view url);

}  // namespace gyre::outbound
