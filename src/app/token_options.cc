#include "app/token_options.h"

namespace gyre::app {
namespace {

std::vector<auth::KeyProvider> key_providers(const config::Tree& tree) {
  std::vector<auth::KeyProvider> providers;
  for (const config::Tree& one : tree.list("gyre.jwks.providers")) {
    providers.push_back({.name = one.text("name"),
                         .endpoint = one.text("endpoint"),
                         .issuer = one.text("issuer"),
                         .audience = one.text("audience"),
                         .key_ids = one.texts("key_ids")});
  }
  return providers;
}

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
      .accepts_pss = tree.boolean("gyre.token.rsa_pss"),
      .has_capabilities = tree.boolean("gyre.capabilities.enabled")};
}

}  // namespace

auth::VerifierOptions connect_token_options(const config::Tree& tree) {
  auth::VerifierOptions options = verifier_options(tree, "client.token");
  const config::StringMap& meta = tree.string_map("gyre.token.meta_from_claim");
  options.meta_from_claim.assign(meta.begin(), meta.end());
  options.jwks_providers = key_providers(tree);
  return options;
}

auth::VerifierOptions subscribe_token_options(const config::Tree& tree) {
  return subscribe_token_options(tree, has_own_subscribe_tokens(tree));
}

bool has_own_subscribe_tokens(const config::Tree& tree) {
  return tree.boolean("client.subscription_token.enabled");
}

auth::VerifierOptions subscribe_token_options(const config::Tree& tree, bool has_own) {
  if (has_own) return verifier_options(tree, "client.subscription_token");
  auth::VerifierOptions options = verifier_options(tree, "client.token");
  options.jwks_providers = key_providers(tree);
  return options;
}

}  // namespace gyre::app
