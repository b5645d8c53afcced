#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace gyre::base64 {

// RFC 4648. Decoding is strict: no foreign characters, no stray bits behind the last byte.
std::optional<std::string> decode(std::string_view text);      // section 4, padded
std::optional<std::string> decode_url(std::string_view text);  // section 5, without padding
std::string encode_url(std::string_view bytes);                // section 5, without padding

}  // namespace gyre::base64
