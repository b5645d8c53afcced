#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace gyre::http {

// Decodes %XX; with `plus_is_space` also '+', as forms do. Nothing when an escape is broken.
std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space = false);

// Encodes all but RFC 3986's unreserved characters.
std::string percent_encode(std::string_view text);

// The first value of that name in `a=1&b=2`, decoded. Pairs with a broken escape or a ';' are
// passed over.
std::optional<std::string> query_value(std::string_view query, std::string_view name);

}  // namespace gyre::http
