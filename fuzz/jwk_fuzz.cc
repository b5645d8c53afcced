#include "auth/jwk.h"

#include "harness.h"

// Any text as the answer of a key set's endpoint: its keys can be used, whatever they are.
void gyre::fuzz::take_input(std::string_view input) {
  const auto keys = auth::read_key_set(input);
  if (!keys) return;
  for (const auth::Jwk& key : *keys) {
    for (const std::string_view name : {"RS256", "PS384", "ES256", "ES512", "EdDSA"}) {
      static_cast<void>(key.verifies(name, "text", input));
    }
  }
}
