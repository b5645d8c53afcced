#include <fmt/ostream.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "app/blocking_http.h"
#include "app/command.h"

namespace gyre::app {
namespace {

namespace fs = std::filesystem;

constexpr uintmax_t kMaxServedBytes = 256 << 20;  // an answer is built in memory

std::string_view content_type(const fs::path& path) {
  static constexpr std::pair<std::string_view, std::string_view> kTypes[] = {
      {".html", "text/html; charset=utf-8"},
      {".css", "text/css; charset=utf-8"},
      {".js", "text/javascript; charset=utf-8"},
      {".json", "application/json"},
      {".svg", "image/svg+xml"},
      {".png", "image/png"},
      {".jpg", "image/jpeg"},
      {".txt", "text/plain; charset=utf-8"},
      {".wasm", "application/wasm"},
  };
  std::string extension = path.extension().string();
  for (const auto& [known, type] : kTypes) {
    if (extension == known) return type;
  }
  return "application/octet-stream";
}

std::string decode_percent(std::string_view text) {
  std::string decoded;
  for (size_t i = 0; i < text.size(); ++i) {
    unsigned value = 0;
    if (text[i] == '%' && i + 2 < text.size() &&
        std::isxdigit(static_cast<unsigned char>(text[i + 1])) != 0 &&
        std::isxdigit(static_cast<unsigned char>(text[i + 2])) != 0) {
      value = static_cast<unsigned>(std::stoul(std::string(text.substr(i + 1, 2)), nullptr, 16));
      decoded += static_cast<char>(value);
      i += 2;
    } else {
      decoded += text[i];
    }
  }
  return decoded;
}

HttpAnswer list_folder(const fs::path& folder) {
  std::string html = "<!DOCTYPE html>\n<pre>\n";
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, error)) {
    std::string name = entry.path().filename().string();
    if (name.find_first_of("<>&\"") != std::string::npos) continue;
    if (entry.is_directory(error)) name += '/';
    html += fmt::format("<a href=\"{0}\">{0}</a>\n", name);
  }
  return {200, "text/html; charset=utf-8", html + "</pre>\n"};
}

// The file that a request names. Links are resolved before it is judged whether it lies below
// `root`.
HttpAnswer answer_file(const fs::path& root, std::string_view target) {
  HttpAnswer not_found{404, "text/plain; charset=utf-8", "404 page not found\n"};
  std::string name = decode_percent(target.substr(0, target.find('?')));
  if (!name.starts_with('/') || name.contains('\0')) return not_found;
  std::error_code error;
  fs::path path = fs::canonical(root / name.substr(name.find_first_not_of('/') == std::string::npos
                                                       ? name.size()
                                                       : name.find_first_not_of('/')),
                                error);
  if (error) return not_found;
  if (std::mismatch(root.begin(), root.end(), path.begin(), path.end()).first != root.end()) {
    return not_found;
  }
  if (fs::is_directory(path, error)) {
    if (!name.ends_with('/')) return {301, name + "/", ""};
    if (!fs::is_regular_file(path / "index.html", error)) return list_folder(path);
    path /= "index.html";
  }
  if (!fs::is_regular_file(path, error) || fs::file_size(path, error) > kMaxServedBytes)
    return not_found;
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return {200, std::string(content_type(path)), std::move(text).str()};
}

int serve_files(const Invocation& invocation, Io& io) {
  const std::string& folder = invocation.text("dir");
  std::error_code error;
  fs::path root = fs::canonical(folder, error);
  if (error) {
    fmt::print(io.out, "{}: {}\n", folder, error.message());
    return 1;
  }
  const std::string& address = invocation.text("address");
  const std::string& port = invocation.text("port");
  auto ready = [&] { fmt::print(io.out, "start serving {} on {}:{}\n", folder, address, port); };
  auto answer = [&](std::string_view target) { return answer_file(root, target); };
  Result<void> ended = serve_blocking(address, port, answer, ready);
  if (ended) return 0;
  fmt::print(io.out, "{}\n", ended.error().context);
  return 1;
}

}  // namespace

Command serve_command() {
  return {.name = "serve",
          .help = "Run static file server (for development only)",
          .flags = {{"dir", 'd', FlagSpec::Kind::text, "./", "path to the folder"},
                    {"port", 'p', FlagSpec::Kind::integer, "3000", "port to serve on"},
                    {"address", 'a', FlagSpec::Kind::text, "", "address to serve on"}},
          .run = serve_files};
}

}  // namespace gyre::app
