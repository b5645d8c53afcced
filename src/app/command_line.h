#pragma once

#include <string>
#include <vector>

#include "app/command.h"

namespace gyre::app {

// Runs what the command line asks for and returns the process's exit code.
int run_command_line(const std::vector<std::string>& arguments, Io& io);

// The flags of the server itself, whose names are configuration keys.
std::vector<FlagSpec> server_flags();

}  // namespace gyre::app
