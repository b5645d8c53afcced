#include "auth/token_verifier.h"

#include <re2/re2.h>
#include <simdjson.h>

#include <algorithm>
#include <optional>

#include "auth/signature.h"
#include "base/base64.h"
#include "protocol/json.h"

namespace gyre::auth {

namespace {

std::unexpected<Problem> invalid(std::string reason) {
  return std::unexpected(Problem{Problem::Kind::invalid, std::move(reason)});
}

// The three parts of a compact JWT, decoded (RFC 7515, 7.1).
struct Parts {
  std::string header, claims, signature;
  std::string_view signed_text;
};

std::optional<Parts> split(std::string_view token) {
  const size_t first = token.find('.');
  if (first == std::string_view::npos) return std::nullopt;
  const size_t second = token.find('.', first + 1);
  if (second == std::string_view::npos || token.find('.', second + 1) != std::string_view::npos) {
    return std::nullopt;
  }
  auto header = base64::decode_url(token.substr(0, first));
  auto claims = base64::decode_url(token.substr(first + 1, second - first - 1));
  auto signature = base64::decode_url(token.substr(second + 1));
  if (!header || !claims || !signature) return std::nullopt;
  return Parts{std::move(*header), std::move(*claims), std::move(*signature),
               token.substr(0, second)};
}

std::optional<std::string> algorithm_name(const std::string& header) {
  if (!protocol::json::validate(header)) return std::nullopt;
  simdjson::dom::parser parser;
  std::string_view name;
  if (parser.parse(header)["alg"].get(name) != simdjson::SUCCESS) return std::nullopt;
  return std::string(name);
}

Result<std::unique_ptr<re2::RE2>> compile(const std::string& pattern, std::string_view key) {
  if (pattern.empty()) return std::unique_ptr<re2::RE2>();
  auto regex = std::make_unique<re2::RE2>(pattern, re2::RE2::Quiet);
  if (!regex->ok()) return fail(Errc::invalid, std::string(key) + ": " + regex->error());
  return regex;
}

Result<std::optional<PublicKey>> read_key(const std::string& pem, Algorithm::Family family,
                                          std::string_view key) {
  if (pem.empty()) return std::optional<PublicKey>();
  Result<PublicKey> read = PublicKey::from_pem(pem, family);
  if (!read) return fail(Errc::invalid, std::string(key) + ": " + read.error().context);
  return std::optional<PublicKey>(std::move(*read));
}

bool matches(const std::unique_ptr<re2::RE2>& regex, const std::string& text) {
  return re2::RE2::PartialMatch(text, *regex);
}

}  // namespace

struct TokenVerifier::State {
  VerifierOptions options;
  std::optional<PublicKey> rsa;
  std::optional<PublicKey> ecdsa;
  std::unique_ptr<re2::RE2> audience;
  std::unique_ptr<re2::RE2> issuer;

  bool is_signed_well(const Algorithm& algorithm, const Parts& parts, int64_t now) const;
  std::expected<void, Problem> check_parties(const Claims& claims) const;
};

TokenVerifier::TokenVerifier(std::unique_ptr<State> state) : state_(std::move(state)) {}
TokenVerifier::~TokenVerifier() = default;
TokenVerifier::TokenVerifier(TokenVerifier&&) noexcept = default;
TokenVerifier& TokenVerifier::operator=(TokenVerifier&&) noexcept = default;

Result<TokenVerifier> TokenVerifier::create(VerifierOptions options) {
  if (!options.audience.empty() && !options.audience_regex.empty()) {
    return fail(Errc::invalid, "audience and audience_regex cannot both be set");
  }
  if (!options.issuer.empty() && !options.issuer_regex.empty()) {
    return fail(Errc::invalid, "issuer and issuer_regex cannot both be set");
  }
  auto state = std::make_unique<State>();
  GYRE_TRY(state->audience, compile(options.audience_regex, "audience_regex"));
  GYRE_TRY(state->issuer, compile(options.issuer_regex, "issuer_regex"));
  GYRE_TRY(state->rsa, read_key(options.rsa_public_key, Algorithm::Family::rsa, "rsa_public_key"));
  GYRE_TRY(state->ecdsa,
           read_key(options.ecdsa_public_key, Algorithm::Family::ecdsa, "ecdsa_public_key"));
  state->options = std::move(options);
  return TokenVerifier(std::move(state));
}

bool TokenVerifier::State::is_signed_well(const Algorithm& algorithm, const Parts& parts,
                                          int64_t now) const {
  switch (algorithm.family) {
    case Algorithm::Family::rsa:
      return rsa && rsa->verifies(algorithm, parts.signed_text, parts.signature);
    case Algorithm::Family::ecdsa:
      return ecdsa && ecdsa->verifies(algorithm, parts.signed_text, parts.signature);
    case Algorithm::Family::hmac:
      break;
  }
  const auto passes = [&](const std::string& secret) {
    return !secret.empty() && verifies_hmac(algorithm, secret, parts.signed_text, parts.signature);
  };
  if (passes(options.hmac_secret_key)) return true;
  const int64_t until = options.hmac_previous_secret_key_valid_until;
  return (until <= 0 || now <= until) && passes(options.hmac_previous_secret_key);
}

std::expected<void, Problem> TokenVerifier::State::check_parties(const Claims& claims) const {
  const auto any_audience = [&](auto accepts) {
    return std::ranges::any_of(claims.audience, accepts);
  };
  if (audience && !any_audience([&](const std::string& text) { return matches(audience, text); })) {
    return invalid("audience does not match");
  }
  if (issuer && !matches(issuer, claims.issuer)) return invalid("issuer does not match");
  if (!options.audience.empty() &&
      !any_audience([&](const std::string& text) { return text == options.audience; })) {
    return invalid("audience is another");
  }
  if (!options.issuer.empty() && claims.issuer != options.issuer) {
    return invalid("issuer is another");
  }
  return {};
}

std::expected<Claims, Problem> TokenVerifier::verify(std::string_view token, int64_t now) const {
  if (token.size() > kTokenBytesMax) return invalid("token is too long");
  const std::optional<Parts> parts = split(token);
  if (!parts) return invalid("token has not three base64url parts");
  // The signature first: nothing that a stranger wrote is looked into without it.
  if (!state_->options.insecure_skip_signature_verify) {
    const std::optional<std::string> name = algorithm_name(parts->header);
    const Algorithm* algorithm = name ? Algorithm::find(*name) : nullptr;
    if (!algorithm) return invalid("unsupported algorithm");
    if (!state_->is_signed_well(*algorithm, *parts, now)) {
      return invalid("signature does not match, or there is no key for the algorithm");
    }
  }
  auto claims = read_claims(parts->claims, state_->options.user_id_claim);
  if (!claims) return claims;
  if (auto parties = state_->check_parties(*claims); !parties) {
    return std::unexpected(std::move(parties).error());
  }
  return claims;
}

namespace {

std::expected<void, Problem> check_time(const Claims& claims, int64_t now) {
  const bool is_over = claims.expires && *claims.expires <= now;
  const bool is_early = claims.not_before && *claims.not_before > now;
  if (!is_over && !is_early) return {};
  return std::unexpected(
      Problem{Problem::Kind::expired, is_over ? "token has expired" : "token is not valid yet"});
}

}  // namespace

std::expected<ConnectToken, Problem> TokenVerifier::verify_connect(std::string_view token,
                                                                   int64_t now) const {
  auto claims = verify(token, now);
  if (!claims) return std::unexpected(std::move(claims).error());
  if (!claims->channel.empty()) return invalid("a subscription token, where one to connect is due");
  if (auto time = check_time(*claims, now); !time) return std::unexpected(std::move(time).error());
  std::string user = state_->options.user_id_claim.empty() ? claims->subject : claims->user_id;
  return ConnectToken{std::move(user), std::move(*claims)};
}

std::expected<SubscribeToken, Problem> TokenVerifier::verify_subscribe(std::string_view token,
                                                                       int64_t now) const {
  auto claims = verify(token, now);
  if (!claims) return std::unexpected(std::move(claims).error());
  if (claims->channel.empty()) return invalid("no channel, so no subscription token");
  if (auto time = check_time(*claims, now); !time) return std::unexpected(std::move(time).error());
  std::string user = state_->options.user_id_claim.empty() ? claims->subject : claims->user_id;
  return SubscribeToken{std::move(user), std::move(*claims)};
}

}  // namespace gyre::auth
