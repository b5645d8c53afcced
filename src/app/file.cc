#include "app/file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace gyre::app {
namespace {

Result<void> write_with(int flags, const std::string& path, std::string_view text) {
  auto failed = [&] {
    return fail(Errc::unavailable, fmt::format("{}: {}", path, std::strerror(errno)));
  };
  int descriptor = ::open(path.c_str(), flags | O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (descriptor < 0) return failed();
  while (!text.empty()) {
    ssize_t written = ::write(descriptor, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {
      auto error = failed();
      ::close(descriptor);
      return error;
    }
    text.remove_prefix(static_cast<size_t>(written));
  }
  if (::close(descriptor) != 0) return failed();
  return {};
}

}  // namespace

Result<void> write_file(const std::string& path, std::string_view text) {
  return write_with(O_TRUNC, path, text);
}

Result<void> write_new_file(const std::string& path, std::string_view text) {
  return write_with(O_EXCL, path, text);
}

}  // namespace gyre::app
