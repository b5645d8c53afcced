#include "app/version.h"

#include <fmt/ostream.h>

#include "app/command.h"

namespace gyre::app {

// Scripts written for the reference look for "Centrifugo v…", so that is what comes first under its
// name.
Command version_command() {
  return {.name = "version",
          .help = "Version information",
          .run = [](const Invocation& invocation, Io& io) {
            if (invocation.program == "centrifugo") {
              fmt::print(io.out, "Centrifugo v{} (Gyre {})\n", kReferenceVersion, kVersion);
            } else {
              fmt::print(io.out, "Gyre v{} (compatible with Centrifugo v{})\n", kVersion,
                         kReferenceVersion);
            }
            return 0;
          }};
}

}  // namespace gyre::app
