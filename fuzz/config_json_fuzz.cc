#include "config/load.h"
#include "config/printed.h"
#include "harness.h"

// Any text as a configuration file: it loads or is refused, and what loads can be printed.
void gyre::fuzz::take_input(std::string_view input) {
  const config::Loaded loaded = config::load_text(input, "json", {});
  if (loaded.is_good()) write_json(to_document(loaded.tree));
}
