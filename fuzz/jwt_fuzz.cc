#include <utility>

#include "auth/token_verifier.h"
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
    static_cast<void>(auth::read_claims(input, "uid"));
  });
}
