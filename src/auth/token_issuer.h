#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace gyre::auth {

// What a token for a test or a script says (spec cli.md, gentoken and gensubtoken).
struct TokenContent {
  std::string user;                // empty: no `sub`
  std::string channel;             // not empty: a subscription token
  std::optional<int64_t> expires;  // Unix seconds
  int64_t issued_at = 0;
  std::string user_id_claim;  // gets the user as well, if configured
  std::string uid;            // `jti`; empty: none
};

// A JWT signed with HS256. The secret must not be empty.
std::string issue_token(const TokenContent& content, std::string_view secret);

}  // namespace gyre::auth
