#pragma once

#include <string>
#include <string_view>

#include "config/decode.h"

namespace gyre::config {

// Settings given on the command line: key path → text.
using Flags = std::map<std::string, std::string, std::less<>>;

// The second pass over the values (spec config.md, 1 and 4): for each key a flag wins over a
// variable, a variable over the file, and a value that is still zero becomes the default. Then the
// same for each element of the named lists, whose variables contain the element's name. Variables
// of ours and the reference's that mean nothing become findings.
void apply_environment(Scope& root, const Environment& environment, const Flags& flags,
                       Findings& findings);

// The variables of a `.env` file: KEY=value lines, comments, `export`, quotes, $VAR. An error names
// the line.
std::expected<Environment, std::string> parse_dotenv(std::string_view text,
                                                     const Environment& environment);

}  // namespace gyre::config
