#pragma once

#include "config/tree.h"

namespace gyre::app {

// Builds the server from a configuration that `serve` has accepted, runs it until SIGINT or
// SIGTERM, and returns the exit code. Logging is set up.
int run_server(const config::Tree& tree);

}  // namespace gyre::app
