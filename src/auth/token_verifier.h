#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "auth/claims.h"
#include "auth/key_sets.h"
#include "base/result.h"

namespace gyre::auth {

// One of several that issue tokens, with the set of its keys (gyre.jwks.providers); names are those
// of the keys.
struct KeyProvider {
  std::string name;
  std::string endpoint;
  std::string issuer;
  std::string audience;              // empty: any
  std::vector<std::string> key_ids;  // empty: any
};

// client.token or client.subscription_token; names are those of the keys.
struct VerifierOptions {
  std::string hmac_secret_key;
  std::string hmac_previous_secret_key;
  int64_t hmac_previous_secret_key_valid_until = 0;  // Unix seconds; 0: always
  std::string rsa_public_key;                        // PEM
  std::string ecdsa_public_key;                      // PEM
  std::string jwks_public_endpoint;                  // if set, the keys above are not used
  bool insecure_skip_jwks_endpoint_safety_check = false;
  std::string audience;
  std::string audience_regex;
  std::string issuer;
  std::string issuer_regex;
  std::string user_id_claim;
  bool insecure_skip_signature_verify = false;
  bool accepts_pss = false;       // gyre.token.rsa_pss: PS256, PS384, PS512
  bool has_capabilities = false;  // gyre.capabilities.enabled
  // gyre.token.meta_from_claim: fields and the paths of claims (see MetaRule).
  std::vector<std::pair<std::string, std::string>> meta_from_claim;
  // A token whose issuer is one of theirs is verified by the first that it fits, or by none.
  std::vector<KeyProvider> jwks_providers;
};

struct ConnectToken {
  std::string user;
  Claims claims;
};

struct SubscribeToken {
  std::string user;
  Claims claims;  // channel is not empty
};

// Verifies tokens (spec subscriptions.md 3.1). One for each shard: it keeps cryptographic contexts
// ready to be used again, which two threads must not do at once. A reload makes a new one.
class TokenVerifier {
 public:
  // `key_sets`: for tokens whose keys come from an endpoint; without it they are refused.
  static Result<TokenVerifier> create(VerifierOptions options, const KeySets* key_sets = nullptr);
  ~TokenVerifier();
  TokenVerifier(TokenVerifier&&) noexcept;
  TokenVerifier& operator=(TokenVerifier&&) noexcept;

  // The key set to load before the token can be verified; nothing if there is nothing to load.
  // Looks into the token without having verified it.
  std::optional<std::string> missing_key_set(std::string_view token) const;

  // `now`: Unix seconds. Tokens of a kind are no tokens of the other.
  std::expected<ConnectToken, Problem> verify_connect(std::string_view token, int64_t now) const;
  std::expected<SubscribeToken, Problem> verify_subscribe(std::string_view token,
                                                          int64_t now) const;

  // A token may be this long; a longer one is refused before anything is decoded.
  static constexpr size_t kTokenBytesMax = 64 * 1024;

 private:
  struct State;
  explicit TokenVerifier(std::unique_ptr<State> state);
  std::expected<Claims, Problem> verify(std::string_view token, int64_t now) const;
  std::unique_ptr<State> state_;
};

}  // namespace gyre::auth
