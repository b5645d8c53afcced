#include <fmt/ostream.h>

#include <algorithm>
#include <chrono>

#include "app/command.h"
#include "app/node_options.h"
#include "app/token_options.h"
#include "auth/jwt.h"
#include "channel/namespaces.h"
#include "config/load.h"
#include "protocol/json.h"

namespace gyre::app {
namespace {

int refuse_token(Io& io, std::string_view why) {
  fmt::print(io.out, "error: {}\n", why);
  return 1;
}

// What is wrong with which token. A stranger's bytes that are no JSON stay off the terminal.
int print_problem(Io& io, std::string_view token, std::string_view reason) {
  const std::optional<auth::Jwt> parts = auth::Jwt::split(token);
  if (!parts) return refuse_token(io, reason);
  std::string algorithm;
  protocol::json::append_string(algorithm, parts->algorithm().value_or(""));
  const bool is_json = protocol::json::validate(parts->claims);
  return refuse_token(io,
                      fmt::format("token with algorithm {} and claims {} has error: {}", algorithm,
                                  is_json ? parts->claims : "that are not JSON", reason));
}

// The first channel whose namespace is not configured: the server answers 102 to such a token.
std::optional<std::string> unknown_channel(const config::Tree& tree, const auth::Claims& claims) {
  const auto namespaces = channel_namespaces(tree);
  if (!namespaces) return std::nullopt;  // no server would start with that
  const auto is_known = [&](std::string_view channel) {
    return (*namespaces)->find((*namespaces)->parse(channel)) != nullptr;
  };
  if (!is_known(claims.channel)) return claims.channel;
  for (const std::string& channel : claims.channels) {
    if (!is_known(channel)) return channel;
  }
  for (const auto& [channel, options] : claims.subs) {
    if (!is_known(channel)) return channel;
  }
  return std::nullopt;
}

template <class Token>
using Verify = std::expected<Token, auth::Problem> (auth::TokenVerifier::*)(std::string_view,
                                                                            int64_t) const;

// Verifies as the server does, and the signature always: to call a forged token valid would help
// nobody, even where the server skips that check.
template <class Token>
int check_token(const Invocation& invocation, Io& io, Verify<Token> verify,
                auth::VerifierOptions (*options_of)(const config::Tree&),
                std::string (*describe)(const Token&)) {
  if (invocation.arguments.size() != 1) return refuse_token(io, "give one token to check");
  const config::Loaded loaded = load_for_command(invocation, io);
  if (!loaded.is_good()) return print_config_errors(loaded, io);
  auth::VerifierOptions options = options_of(loaded.tree);
  options.insecure_skip_signature_verify = false;
  if (!options.jwks_public_endpoint.empty()) {
    return refuse_token(io, "jwks_public_endpoint: this command does not fetch key sets");
  }
  if (!options.jwks_providers.empty()) {
    return refuse_token(io, "gyre.jwks.providers: this command does not fetch key sets");
  }
  const auto verifier = auth::TokenVerifier::create(std::move(options));
  if (!verifier) return refuse_token(io, verifier.error().context);

  const std::string& text = invocation.arguments.front();
  const int64_t now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now())
                          .time_since_epoch()
                          .count();
  const auto token = ((*verifier).*verify)(text, now);
  if (!token) return print_problem(io, text, token.error().reason);
  if (const auto channel = unknown_channel(loaded.tree, token->claims)) {
    return print_problem(io, text, "unknown namespace of channel \"" + *channel + "\"");
  }
  fmt::print(io.out, "{}\npayload: {}\n", describe(*token), auth::Jwt::split(text)->claims);
  return 0;
}

}  // namespace

Command checktoken_command() {
  return {.name = "checktoken",
          .help = "Check connection JWT",
          .flags = {config_flag()},
          .argument = "token",
          .run = [](const Invocation& invocation, Io& io) {
            return check_token<auth::ConnectToken>(
                invocation, io, &auth::TokenVerifier::verify_connect, connect_token_options,
                [](const auth::ConnectToken& token) {
                  return "valid token for " +
                         (token.user.empty() ? "anonymous user" : "user " + token.user);
                });
          }};
}

Command checksubtoken_command() {
  return {.name = "checksubtoken",
          .help = "Check subscription JWT",
          .flags = {config_flag()},
          .argument = "token",
          .run = [](const Invocation& invocation, Io& io) {
            return check_token<auth::SubscribeToken>(
                invocation, io, &auth::TokenVerifier::verify_subscribe, subscribe_token_options,
                [](const auth::SubscribeToken& token) {
                  const std::string user =
                      token.user.empty() ? "anonymous user" : "user \"" + token.user + "\"";
                  return "valid subscription token for " + user + " and channel \"" +
                         token.claims.channel + "\"";
                });
          }};
}

}  // namespace gyre::app
