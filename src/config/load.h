#pragma once

#include <string>
#include <vector>

#include "config/decode.h"
#include "config/environment.h"

namespace gyre::config {

struct LoadOptions {
  std::string path = "config.json";  // empty: no file
  Environment environment;           // of the process, given so that a test can give another
  Flags flags;                       // those written on the command line
  bool reads_dotenv = false;         // `.env` in the working directory: the server only
  bool validates = true;
};

// What came of it. Errors are all that was found, the first one being the one that the reference
// would tell; then the tree holds what could be understood and is only good for printing.
struct Loaded {
  Tree tree;
  std::string path;
  bool file_found = false;
  bool is_file_empty = false;  // nothing in it but white space and comments, or {}
  bool dotenv_found = false;
  bool is_understood = false;  // only rules between settings can be broken
  Environment environment;     // with what .env added
  std::vector<Finding> errors;
  std::vector<Finding> warnings;
  std::vector<Finding> unknown_keys;
  std::vector<Finding> unknown_environment;

  bool is_good() const { return errors.empty(); }
};

// Brings file, variables, flags and defaults together (spec config.md, 1) and validates the
// outcome. A missing file is no error here; `file_found` tells.
Loaded load(const LoadOptions& options);

// The same from a text in hand; `format` is "json", "yaml", "yml" or "toml".
Loaded load_text(std::string_view text, std::string_view format, const LoadOptions& options);

}  // namespace gyre::config
