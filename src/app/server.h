#pragma once

#include "config/load.h"

namespace gyre::app {

// Builds the server from a configuration that `serve` has accepted, runs it until SIGINT or
// SIGTERM, and returns the exit code. A second one of these ends the process at once. Logging is
// set up and signals are held. `source` is where the configuration came from, read again on SIGHUP.
int run_server(const config::Loaded& loaded, const config::LoadOptions& source);

}  // namespace gyre::app
