#pragma once

#include <string>
#include <string_view>

namespace gyre::protocol {

// Bytes from their hexadecimal digits, as tests quote them from the specification.
inline std::string from_hex(std::string_view hex) {
  std::string bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
  }
  return bytes;
}

}  // namespace gyre::protocol
