#pragma once

#include <memory>

#include "base/result.h"
#include "config/tree.h"
#include "proxy/proxies.h"

namespace gyre::app {

// The proxies that the configuration makes use of. An error names the key and what is wrong with
// it.
Result<std::shared_ptr<const proxy::Definitions>> proxy_definitions(const config::Tree& tree);

}  // namespace gyre::app
