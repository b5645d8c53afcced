#include "app/token_options.h"

namespace gyre::app {
namespace {

auth::VerifierOptions verifier_options(const config::Tree& tree, std::string_view section) {
  const config::Tree token = tree.section(section);
  return {
      .hmac_secret_key = token.text("hmac_secret_key"),
      .hmac_previous_secret_key = token.text("hmac_previous_secret_key"),
      .hmac_previous_secret_key_valid_until = token.integer("hmac_previous_secret_key_valid_until"),
      .rsa_public_key = token.text("rsa_public_key"),
      .ecdsa_public_key = token.text("ecdsa_public_key"),
      .jwks_public_endpoint = token.text("jwks_public_endpoint"),
      .insecure_skip_jwks_endpoint_safety_check =
          token.boolean("insecure_skip_jwks_endpoint_safety_check"),
      .audience = token.text("audience"),
      .audience_regex = token.text("audience_regex"),
      .issuer = token.text("issuer"),
      .issuer_regex = token.text("issuer_regex"),
      .user_id_claim = token.text("user_id_claim"),
      .insecure_skip_signature_verify = tree.boolean("client.insecure_skip_token_signature_verify"),
      .has_capabilities = tree.boolean("gyre.capabilities.enabled")};
}

}  // namespace

auth::VerifierOptions connect_token_options(const config::Tree& tree) {
  return verifier_options(tree, "client.token");
}

auth::VerifierOptions subscribe_token_options(const config::Tree& tree) {
  return subscribe_token_options(tree, has_own_subscribe_tokens(tree));
}

bool has_own_subscribe_tokens(const config::Tree& tree) {
  return tree.boolean("client.subscription_token.enabled");
}

auth::VerifierOptions subscribe_token_options(const config::Tree& tree, bool has_own) {
  return verifier_options(tree, has_own ? "client.subscription_token" : "client.token");
}

}  // namespace gyre::app
