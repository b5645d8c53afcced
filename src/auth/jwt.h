#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace gyre::auth {

// The parts of a compact JWT, decoded (RFC 7515, 7.1). Nothing in them is verified.
struct Jwt {
  std::string header, claims, signature;
  std::string_view signed_text;  // into the token

  // Nothing, unless the token is three strict base64url parts.
  static std::optional<Jwt> split(std::string_view token);
  // What the header names; nothing if it is no JSON object with an `alg`.
  std::optional<std::string> algorithm() const;
  // The id of the key that the header names (kid); empty if it names none.
  std::string key_id() const;
};

}  // namespace gyre::auth
