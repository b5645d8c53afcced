#include "config/environment.h"
#include "config/load.h"
#include "harness.h"

// Any text as `.env`: it is refused, or its variables are read as the process's own would be.
void gyre::fuzz::take_input(std::string_view input) {
  config::LoadOptions options;
  options.environment = {{"HOME", "/home/gyre"}};
  auto variables = config::parse_dotenv(input, options.environment);
  if (!variables) return;
  options.environment.merge(*variables);
  static_cast<void>(config::load_text("{}", "json", options));
}
