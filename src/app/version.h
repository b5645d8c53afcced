#pragma once

#include <string_view>

namespace gyre::app {

inline constexpr std::string_view kVersion = GYRE_VERSION;
inline constexpr std::string_view kReferenceVersion =
    "6.9.1";  // whose protocol and settings are ours

}  // namespace gyre::app
