#pragma once

#include <string>
#include <string_view>

namespace gyre::outbound {

// The address for people to read: a password in it is replaced (spec security.md 8).
std::string without_password(std::string_view url);

// Whether it is an address of HTTP or HTTPS with a host, as requests are made to.
bool is_http_url(const std::string& url);

}  // namespace gyre::outbound
