#include "app/demo.h"

#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace gyre::app {

namespace {

constexpr uintmax_t kBytesMax = 16 * 1024 * 1024;

std::string_view type_of(const std::filesystem::path& path) {
  const std::string extension = path.extension().string();
  if (extension == ".html") return "text/html; charset=utf-8";
  if (extension == ".js") return "text/javascript; charset=utf-8";
  if (extension == ".css") return "text/css; charset=utf-8";
  if (extension == ".svg") return "image/svg+xml";
  if (extension == ".json" || extension == ".map") return "application/json";
  if (extension == ".txt") return "text/plain; charset=utf-8";
  return "application/octet-stream";
}

}  // namespace

Result<std::shared_ptr<const DemoPage>> DemoPage::load(const std::string& directory) {
  auto page = std::make_shared<DemoPage>();
  std::error_code error;
  uintmax_t total = 0;
  std::filesystem::directory_iterator entry(directory, error);
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    if (!entry->is_regular_file(error)) continue;
    total += entry->file_size(error);
    if (error) break;
    if (total > kBytesMax) {
      return fail(Errc::too_large,
                  fmt::format("gyre.demo.directory: the files of {} have more than "
                              "{} bytes",
                              directory, kBytesMax));
    }
    std::ifstream file(entry->path(), std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    if (!file) {
      return fail(Errc::unavailable,
                  fmt::format("gyre.demo.directory: cannot read {}", entry->path().string()));
    }
    page->files_[entry->path().filename().string()] = {type_of(entry->path()), text.str()};
  }
  if (error) {
    return fail(Errc::unavailable,
                fmt::format("gyre.demo.directory: cannot list {}: {}", directory, error.message()));
  }
  return page;
}

http::Response DemoPage::answer(const http::Request& request) const {
  if (!request.is("GET") && !request.is("HEAD")) {
    http::Response refusal = http::Response::error(405);
    refusal.add("Allow", "GET, HEAD");
    return refusal;
  }
  // The page itself is at the path without a slash, its files are below.
  std::string_view name = request.path.substr(std::min(request.path.size(), kDemoPath.size()));
  if (name.empty()) name = "index.html";
  const auto found = files_.find(name);
  if (found == files_.end()) return http::Response::not_found();
  http::Response response(200, found->second.type, found->second.text);
  response.add("X-Content-Type-Options", "nosniff");
  response.add("Cache-Control", "no-cache");
  return response;
}

}  // namespace gyre::app
