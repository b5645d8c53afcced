#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "http/request.h"
#include "http/response.h"

namespace gyre::http {

// The redirect that a request needs before its path can be looked up: a path with empty, `.` or
// `..` segments goes to its clean form, as at the reference.
std::optional<Response> redirect_to_clean_path(const Request& request);

// `path` without empty, `.` and `..` segments; keeps a slash at the end.
std::string clean_path(std::string_view path);

// Paths and what serves them. A path that ends in '/' takes its whole sub-tree, the longest one
// that fits; every other one is exact (spec security.md 1). Built once, then only read; `Route` is
// a handler with its options, or whatever the user wants. Methods are the handlers' business: 405
// has different faces.
template <class Route>
class Router {
 public:
  void add(std::string path, Route route) {
    if (path.empty()) path = "/";
    if (path.ends_with('/')) {
      trees_.emplace_back(std::move(path), std::move(route));
    } else {
      exact_.insert_or_assign(std::move(path), std::move(route));
    }
  }

  const Route* find_exact(std::string_view path) const {
    auto found = exact_.find(path);
    return found == exact_.end() ? nullptr : &found->second;
  }

  // The longest sub-tree that holds the path.
  const Route* find_tree(std::string_view path) const {
    const std::pair<std::string, Route>* best = nullptr;
    for (const auto& tree : trees_) {
      if (path.starts_with(tree.first) && (!best || tree.first.size() > best->first.size())) {
        best = &tree;
      }
    }
    return best ? &best->second : nullptr;
  }

  // `/tree` asked for, only `/tree/` there: the client is sent to it.
  bool has_tree(std::string_view path_without_slash) const {
    for (const auto& tree : trees_) {
      if (tree.first.size() == path_without_slash.size() + 1 &&
          tree.first.starts_with(path_without_slash)) {
        return true;
      }
    }
    return false;
  }

 private:
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  std::unordered_map<std::string, Route, Hash, std::equal_to<>> exact_;
  std::vector<std::pair<std::string, Route>> trees_;
};

// What a request's path leads to: a route, or an answer (a redirect or 404).
template <class Route>
struct Found {
  const Route* route = nullptr;
  std::optional<Response> answer;
};

// Non-template parts of `look_up`.
std::string decoded_path(const Request& request);
Response redirect_to_tree(const Request& request);

template <class Route>
Found<Route> look_up(const Router<Route>& router, const Request& request) {
  if (auto redirect = redirect_to_clean_path(request)) return {nullptr, std::move(redirect)};
  const bool is_plain = request.path.find('%') == std::string_view::npos;
  const std::string decoded = is_plain ? std::string() : decoded_path(request);
  const std::string_view path = is_plain ? request.path : std::string_view(decoded);
  if (const Route* route = router.find_exact(path)) return {route, std::nullopt};
  if (router.has_tree(path)) return {nullptr, redirect_to_tree(request)};
  if (const Route* route = router.find_tree(path)) return {route, std::nullopt};
  return {nullptr, Response::not_found()};
}

}  // namespace gyre::http
