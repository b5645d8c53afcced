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
Command gentoken_command();
Command gensubtoken_command();
Command checktoken_command();
Command checksubtoken_command();

const std::vector<Command>& commands() {
  static const std::vector<Command> list{
      checkconfig_command(), checksubtoken_command(), checktoken_command(), completion_command(),
      configdoc_command(),   defaultconfig_command(), defaultenv_command(), genconfig_command(),
      gensubtoken_command(), gentoken_command(),      serve_command(),      version_command(),
  };
  return list;
}

}  // namespace gyre::app
