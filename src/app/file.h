#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace gyre::app {

// Both write with mode 0600; the second refuses a file that exists.
Result<void> write_file(const std::string& path, std::string_view text);
Result<void> write_new_file(const std::string& path, std::string_view text);

}  // namespace gyre::app
