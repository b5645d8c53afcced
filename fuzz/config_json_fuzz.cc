#include "config/load.h"
#include "config/printed.h"

// Any text as a configuration file: it loads or is refused, and what loads can be printed.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  gyre::config::Loaded loaded = gyre::config::load_text(text, "json", {});
  if (loaded.is_good()) write_json(to_document(loaded.tree));
  return 0;
}
