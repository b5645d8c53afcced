#include "http/origin.h"

namespace gyre::http {

namespace {

// A scheme, a host name of at most 253 bytes and a port leave room to spare. Patterns take time for
// each byte, and nobody has said yet who they are.
constexpr size_t kOriginBytesMax = 1024;

}  // namespace

Result<AllowedOrigins> AllowedOrigins::compile(const std::vector<std::string>& patterns) {
  AllowedOrigins origins;
  origins.allows_everything_ = patterns.size() == 1 && patterns[0] == "*";
  for (const std::string& pattern : patterns) {
    auto glob = Glob::compile(pattern);
    if (!glob) {
      return fail(Errc::invalid, "allowed_origins: \"" + pattern + "\": " + glob.error().context);
    }
    origins.patterns_.push_back(std::move(*glob));
  }
  return origins;
}

bool AllowedOrigins::allows(const Request& request) const {
  const auto origin = request.headers.find("Origin");
  return !origin || origin->empty() || allows(*origin);
}

bool AllowedOrigins::allows(std::string_view origin) const {
  if (allows_everything_) return true;
  if (origin.size() > kOriginBytesMax) return false;
  std::string lower(origin);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
  }
  for (const Glob& pattern : patterns_) {
    if (pattern.matches(lower)) return true;
  }
  return false;
}

void add_cors(Response& response, const Request& request) {
  response.add("Access-Control-Allow-Origin", request.headers.value("Origin"));
  response.add("Access-Control-Allow-Credentials", "true");
  const std::string_view wanted = request.headers.value("Access-Control-Request-Headers");
  if (!wanted.empty() && wanted != "null") response.add("Access-Control-Allow-Headers", wanted);
}

Response preflight() {
  Response response(204);
  response.add("Access-Control-Max-Age", "300");
  response.add("Access-Control-Allow-Methods", "POST, OPTIONS");
  return response;
}

}  // namespace gyre::http
