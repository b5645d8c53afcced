#pragma once

#include <vector>

#include "config/tree.h"

namespace gyre::config {

// The settings in effect whose features this server does not have (yet), each named with the value
// it has. Secrets are never among them: what is compared are switches and choices.
std::vector<Finding> unavailable_settings(const Tree& tree);

}  // namespace gyre::config
