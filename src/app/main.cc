#include <iostream>

#include "app/command_line.h"

int main(int argc, char** argv, char** variables) {
  gyre::app::Io io{std::cout, std::cerr, gyre::app::process_environment(variables)};
  return gyre::app::run_command_line({argv, argv + argc}, io);
}
