#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "auth/signature.h"

namespace gyre::auth {

// A public key of a key set (RFC 7517, 4).
struct Jwk {
  std::string id;         // kid
  std::string algorithm;  // alg; empty: any of the key's family
  PublicKey key;

  // Whether the key is for tokens that name this algorithm, and has signed this text.
  bool verifies(std::string_view name, std::string_view text, std::string_view signature) const;
};

// The keys for signatures of a key set (RFC 7517, 5): RSA, EC on the curves P-256, P-384 and P-521,
// OKP on Ed25519 (RFC 8037). Keys without an id or with another use, of other kinds, or broken are
// left out, so that one of them does not take the others away. Fails if it is no key set at all.
Result<std::vector<Jwk>> read_key_set(std::string_view json);

}  // namespace gyre::auth
