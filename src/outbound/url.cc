#include "outbound/url.h"

namespace gyre::outbound {

std::string without_password(std::string_view url) {
  const size_t scheme = url.find("://");
  if (scheme == std::string_view::npos) return "<invalid_url>";
  const size_t start = scheme + 3;
  const std::string_view authority = url.substr(start, url.find_first_of("/?#", start) - start);
  const size_t at = authority.rfind('@');
  const size_t colon = authority.find(':');
  if (at == std::string_view::npos || colon >= at) return std::string(url);
  return std::string(url.substr(0, start + colon + 1)) + "xxxxx" +
         std::string(url.substr(start + at));
}

}  // namespace gyre::outbound
