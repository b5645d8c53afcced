#include "http/router.h"

#include "http/query.h"

namespace gyre::http {
namespace {

std::string with_query(std::string path, const Request& request) {
  if (!request.query.empty()) path.append("?").append(request.query);
  return path;
}

}  // namespace

std::string clean_path(std::string_view path) {
  std::vector<std::string_view> segments;
  const bool ends_open = path.ends_with('/') || path.ends_with("/.") || path.ends_with("/..");
  while (!path.empty()) {
    const size_t slash = path.find('/');
    const std::string_view segment = path.substr(0, slash);
    path.remove_prefix(slash == std::string_view::npos ? path.size() : slash + 1);
    if (segment.empty() || segment == ".") continue;
    if (segment == "..") {
      if (!segments.empty()) segments.pop_back();
    } else {
      segments.push_back(segment);
    }
  }
  std::string clean;
  for (std::string_view segment : segments) clean.append("/").append(segment);
  if (clean.empty() || ends_open) clean += '/';
  return clean;
}

std::optional<Response> redirect_to_clean_path(const Request& request) {
  if (!request.path.starts_with('/')) return std::nullopt;
  if (request.path.find("//") == std::string_view::npos &&
      request.path.find("/.") == std::string_view::npos) {
    return std::nullopt;
  }
  std::string clean = clean_path(request.path);
  if (clean == request.path) return std::nullopt;  // "/.well-known"
  return Response::redirect(307, with_query(std::move(clean), request), request);
}

std::string decoded_path(const Request& request) {
  // The parser has checked the escapes.
  return percent_decode(request.path).value_or(std::string(request.path));
}

Response redirect_to_tree(const Request& request) {
  return Response::redirect(307, with_query(std::string(request.path) + "/", request), request);
}

}  // namespace gyre::http
