#pragma once

#include <cstdint>
#include <string_view>

namespace gyre {

// XXH3 with a seed of the process, so that nobody outside can choose names that collide.
uint64_t hash_text(std::string_view text, uint64_t seed);

}  // namespace gyre
