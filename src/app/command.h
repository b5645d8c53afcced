#pragma once

#include <iosfwd>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "config/decode.h"
#include "config/load.h"

namespace gyre::app {

// Where a command reads and writes: the process's in production, a test's own otherwise.
struct Io {
  std::ostream& out;
  std::ostream& err;
  config::Environment environment;
};

// One run of a command.
struct Invocation {
  std::string program;  // as it was called, without folders
  std::map<std::string, std::string, std::less<>>
      flags;  // all of the command's, with their defaults
  std::map<std::string, std::string, std::less<>> given_flags;  // those on the command line
  std::vector<std::string> arguments;

  const std::string& text(std::string_view flag) const;
  bool boolean(std::string_view flag) const;
  int64_t integer(std::string_view flag) const;
};

struct FlagSpec {
  enum class Kind : uint8_t { text, integer, boolean };
  std::string name;
  char letter = '\0';  // of the short form
  Kind kind = Kind::text;
  std::string default_text;
  std::string help;
};

struct Command {
  std::string name;
  std::string help;
  std::vector<FlagSpec> flags;
  std::string argument;  // name of its arguments, for help; empty: it takes none
  int (*run)(const Invocation&, Io&);
};

// All commands, in the order of the help text. A new one is declared and added in commands/list.cc.
const std::vector<Command>& commands();

// The flag that every command with a configuration has.
FlagSpec config_flag();

// The variables of the process.
config::Environment process_environment(char** variables);

// The configuration of a helper command: file and variables, not `.env`.
config::Loaded load_for_command(const Invocation& invocation, const Io& io);
// Tells its errors on stdout, where helper commands tell everything, and returns the exit code.
int print_config_errors(const config::Loaded& loaded, Io& io);

}  // namespace gyre::app
