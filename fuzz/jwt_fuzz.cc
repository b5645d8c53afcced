#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "auth/jwt.h"
#include "auth/token_verifier.h"
#include "base/base64.h"
#include "base/check.h"
#include "harness.h"
#include "protocol/json.h"

// A token of any shape against a verifier that skips the signature, so that the claims are reached.
void gyre::fuzz::take_input(std::string_view input) {
  static const std::vector<auth::MetaRule> meta = {*auth::MetaRule::create("m", "a"),
                                                   *auth::MetaRule::create("n", "a.b"),
                                                   *auth::MetaRule::create("sub", "sub")};
  static const auth::TokenVerifier verifier = std::move(*auth::TokenVerifier::create(
      {.hmac_secret_key = "secret", .insecure_skip_signature_verify = true}));
  AllocationBound bound(input.size(), AllocationBound::kWithSimdjson);
  bound.watch([&] {
    static_cast<void>(verifier.verify_connect(input, 1'700'000'000));
    static_cast<void>(verifier.verify_subscribe(input, 1'700'000'000));
    // The same bytes as claims, so that the reader of claims needs no base64 to be found.
    const auth::ClaimRules rules{.user_id_claim = "uid", .has_capabilities = true, .meta = meta};
    if (const auto claims = auth::read_claims(input, rules)) {
      GYRE_CHECK(claims->meta.empty() || protocol::json::validate(claims->meta));
      const std::optional<int64_t> end = claims->end();
      GYRE_CHECK(!claims->expire_at || !end || *end > 0);
    }
    if (const auto parts = auth::Jwt::split(input)) {
      static_cast<void>(parts->algorithm());
      static_cast<void>(parts->key_id());
    }
    // Strict, so there is one text for each sequence of bytes.
    if (const auto bytes = base64::decode_url(input))
      GYRE_CHECK(base64::encode_url(*bytes) == input);
    static_cast<void>(base64::decode(input));
  });
}
