#include "app/command.h"

namespace gyre::app {

// One per file of this folder.
Command version_command();
Command checkconfig_command();
Command genconfig_command();
Command defaultconfig_command();
Command defaultenv_command();
Command configdoc_command();
Command completion_command();
Command serve_command();

const std::vector<Command>& commands() {
  static const std::vector<Command> list{
      checkconfig_command(), completion_command(), configdoc_command(), defaultconfig_command(),
      defaultenv_command(),  genconfig_command(),  serve_command(),     version_command(),
  };
  return list;
}

}  // namespace gyre::app
