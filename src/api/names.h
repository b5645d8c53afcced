#pragma once

#include <cstddef>
#include <string_view>

namespace gyre::api {

// A user or a uid is the name of one thing; the bound is that of the reference's channels.
inline constexpr size_t kNameBytesMax = 1024;

inline bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= kNameBytesMax;
}

}  // namespace gyre::api
