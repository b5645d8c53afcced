#include <fmt/ostream.h>

#include "app/command.h"
#include "config/availability.h"
#include "config/load.h"

namespace gyre::app {
namespace {

int print_unknown_keys(const config::Loaded& loaded, Io& io) {
  std::string names;
  for (const config::Finding& finding : loaded.unknown_keys) {
    names += names.empty() ? "" : ", ";
    names += finding.path;
  }
  fmt::print(io.out, "unknown keys in config: {}\n", names);
  for (const config::Finding& finding : loaded.unknown_keys)
    fmt::print(io.err, "{}\n", finding.text());
  return 1;
}

// Judges as the reference does. What this server would not start with is told on stderr and changes
// nothing.
int check_config(const Invocation& invocation, Io& io) {
  config::Loaded loaded = load_for_command(invocation, io);
  if (!loaded.errors.empty()) return print_config_errors(loaded, io);
  if (!loaded.file_found) {
    fmt::print(io.out, "config file not found\n");
    return 1;
  }
  if (invocation.boolean("strict") && !loaded.unknown_keys.empty())
    return print_unknown_keys(loaded, io);
  for (const config::Finding& finding : loaded.warnings)
    fmt::print(io.err, "warning: {}\n", finding.text());
  for (const config::Finding& finding : config::unavailable_settings(loaded.tree)) {
    fmt::print(io.err, "warning: {} = {} is not available in this server\n", finding.path,
               finding.message);
  }
  return 0;
}

}  // namespace

Command checkconfig_command() {
  return {.name = "checkconfig",
          .help = "Check configuration file",
          .flags = {config_flag(),
                    {"strict", 's', FlagSpec::Kind::boolean, "false",
                     "fail on unknown keys of the file"}},
          .run = check_config};
}

}  // namespace gyre::app
