#include "outbound/url.h"

#include <curl/curl.h>

#include <memory>

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

bool is_http_url(const std::string& url) {
  if (!url.starts_with("http://") && !url.starts_with("https://")) return false;
  const std::unique_ptr<CURLU, decltype(&curl_url_cleanup)> parsed(curl_url(), &curl_url_cleanup);
  return curl_url_set(parsed.get(), CURLUPART_URL, url.c_str(), 0) == CURLUE_OK;
}

}  // namespace gyre::outbound
