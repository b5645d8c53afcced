#include <utility>

#include "auth/jwt.h"
#include "auth/token_verifier.h"
#include "base/base64.h"
#include "base/check.h"
#include "harness.h"

// A token of any shape against a verifier that skips the signature, so that the claims are reached.
void gyre::fuzz::take_input(std::string_view input) {
  static const auth::TokenVerifier verifier = std::move(*auth::TokenVerifier::create(
      {.hmac_secret_key = "secret", .insecure_skip_signature_verify = true}));
  AllocationBound bound(input.size(), AllocationBound::kWithSimdjson);
  bound.watch([&] {
    static_cast<void>(verifier.verify_connect(input, 1'700'000'000));
    static_cast<void>(verifier.verify_subscribe(input, 1'700'000'000));
    // The same bytes as claims, so that the reader of claims needs no base64 to be found.
    if (const auto claims = auth::read_claims(input, "uid")) static_cast<void>(claims->end());
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
