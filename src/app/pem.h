#pragma once

#include <string>

#include "base/result.h"

namespace gyre::app {

// What a PEM key stands for: the text itself, the same in base64, or a file that has it, tried in
// this order (spec config.md). Empty stays empty.
Result<std::string> resolve_pem(const std::string& value);

// Whether the text has a certificate at all.
Result<void> check_certificates(const std::string& pem);
// Whether the first certificate is that of the key.
Result<void> check_key_pair(const std::string& certificate, const std::string& key);

}  // namespace gyre::app
