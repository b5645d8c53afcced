#pragma once

#include "config/load.h"

namespace gyre::app {

// The server command: loads and judges the configuration, sets up logging, and runs the server
// until it is told to stop. Refuses to start, with one line of level fatal, over errors, over
// settings whose features do not exist here (`gyre.unavailable`), and over unknown keys if
// `gyre.unknown_keys` says so. `source` is read again on SIGHUP. Returns the exit code.
int serve(const config::LoadOptions& source);

// Why a start is refused; empty if it is not. Split from `serve` for tests.
struct Verdict {
  std::vector<std::string> refusals;
  std::vector<std::string> warnings;
};
Verdict judge(const config::Loaded& loaded);

// Also for a process that has to end without returning from what it was doing.
void remove_pid_file(const config::Tree& tree);

}  // namespace gyre::app
