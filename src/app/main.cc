#include <iostream>

#include "app/command_line.h"

// jemalloc's settings: memory that a burst has left behind goes back to the system after a second.
// Without jemalloc (sanitizer builds) nobody reads them.
extern "C" {
extern const char* const malloc_conf;
const char* const malloc_conf = "background_thread:true,dirty_decay_ms:1000,muzzy_decay_ms:0";
}

int main(int argc, char** argv, char** variables) {
  gyre::app::Io io{std::cout, std::cerr, gyre::app::process_environment(variables)};
  return gyre::app::run_command_line({argv, argv + argc}, io);
}
