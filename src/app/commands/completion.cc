#include <fmt/ostream.h>

#include "app/command.h"
#include "app/command_line.h"

namespace gyre::app {
namespace {

std::string flag_words(const std::vector<FlagSpec>& flags) {
  std::string words;
  for (const FlagSpec& flag : flags) words += "--" + flag.name + " ";
  return words + "--help";
}

// A bash function that offers commands, and the flags of the command already typed.
void print_bash(const std::string& program, Io& io) {
  fmt::print(io.out,
             "_{0}() {{\n  local word=\"${{COMP_WORDS[COMP_CWORD]}}\" words\n  case "
             "\"${{COMP_WORDS[1]}}\" in\n",
             program);
  std::string names;
  for (const Command& command : commands()) {
    names += command.name + " ";
    fmt::print(io.out, "    {}) words=\"{}\" ;;\n", command.name, flag_words(command.flags));
  }
  fmt::print(io.out,
             "    *) words=\"{}help {}\" ;;\n  esac\n"
             "  COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n}}\n"
             "complete -o default -F _{} {}\n",
             names, flag_words(server_flags()), program, program);
}

}  // namespace

Command completion_command() {
  return {.name = "completion",
          .help = "Generate the completion script for bash",
          .argument = "shell",
          .run = [](const Invocation& invocation, Io& io) {
            if (invocation.arguments.size() == 1 && invocation.arguments.front() == "bash") {
              print_bash(invocation.program, io);
              return 0;
            }
            fmt::print(io.err, "Error: only \"completion bash\" is available\n");
            return 1;
          }};
}

}  // namespace gyre::app
