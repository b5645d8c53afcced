#pragma once

#include "auth/token_verifier.h"
#include "config/tree.h"

namespace gyre::app {

// The settings by which tokens to connect are verified: client.token.
auth::VerifierOptions connect_token_options(const config::Tree& tree);
// Those for tokens to subscribe: client.subscription_token if it is enabled, else the same.
auth::VerifierOptions subscribe_token_options(const config::Tree& tree);
// The same for a reload, which does not change whether they have settings of their own (spec
// config.md 9).
auth::VerifierOptions subscribe_token_options(const config::Tree& tree, bool has_own);
bool has_own_subscribe_tokens(const config::Tree& tree);

}  // namespace gyre::app
