#pragma once

#include <vector>

#include "config/tree.h"

namespace gyre::config {

// The rules that hold between settings (spec config.md, 8), in the reference's order: the first
// finding is the one that the reference would tell. Our own keys come last.
std::vector<Finding> validate(const Tree& tree);

// What only a start finds out, not checkconfig (spec config.md, 7).
std::vector<Finding> validate_for_start(const Tree& tree);

}  // namespace gyre::config
