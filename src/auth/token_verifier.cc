#include "auth/token_verifier.h"

#include <re2/re2.h>
#include <simdjson.h>

#include <algorithm>
#include <optional>

#include "auth/jwt.h"
#include "auth/key_address.h"
#include "auth/signature.h"
#include "protocol/json.h"

namespace gyre::auth {

namespace {

std::unexpected<Problem> invalid(std::string reason) {
  return std::unexpected(Problem{Problem::Kind::invalid, std::move(reason)});
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

// Whether the text matches; adds what the named groups have matched.
bool matches(const re2::RE2& regex, const std::string& text, GroupValues* values = nullptr) {
  if (!values || regex.NumberOfCapturingGroups() == 0) return re2::RE2::PartialMatch(text, regex);
  std::vector<re2::StringPiece> groups(static_cast<size_t>(regex.NumberOfCapturingGroups()) + 1);
  if (!regex.Match(text, 0, text.size(), re2::RE2::UNANCHORED, groups.data(),
                   static_cast<int>(groups.size()))) {
    return false;
  }
  for (const auto& [name, number] : regex.NamedCapturingGroups()) {
    values->emplace_back(name, std::string(groups[static_cast<size_t>(number)]));
  }
  return true;
}

bool lists(const std::vector<std::string>& texts, std::string_view text) {
  return std::ranges::find(texts, text) != texts.end();
}

bool is_web_address(std::string_view text) {
  return text.starts_with("https://") || text.starts_with("http://");
}

// Whether the header is a JSON object that says nothing twice, and nothing that must be understood
// by whoever accepts the token (RFC 7515, 4 and 4.1.11): we understand no extension.
bool is_understood(const std::string& header) {
  if (!protocol::json::validate(header)) return false;
  simdjson::dom::parser parser;
  simdjson::dom::object object;
  if (parser.parse(header).get(object) != simdjson::SUCCESS) return false;
  std::vector<std::string_view> names;
  for (const auto& [name, value] : object) names.push_back(name);
  std::ranges::sort(names);
  return std::ranges::adjacent_find(names) == names.end() &&
         !std::ranges::binary_search(names, "crit");
}

}  // namespace

struct TokenVerifier::State {
  VerifierOptions options;
  std::optional<HmacKey> secret;
  std::optional<HmacKey> previous_secret;
  std::optional<PublicKey> rsa;
  std::optional<PublicKey> ecdsa;
  std::unique_ptr<re2::RE2> audience;
  std::unique_ptr<re2::RE2> issuer;
  std::optional<KeyAddress> key_address;
  std::vector<MetaRule> meta_rules;
  const KeySets* key_sets = nullptr;

  ClaimRules claim_rules() const {
    return {.user_id_claim = options.user_id_claim,
            .has_capabilities = options.has_capabilities,
            .meta = meta_rules};
  }
  // Whose token it says that it is.
  struct Origin {
    const KeyProvider* provider = nullptr;
    bool is_of_none = false;  // the issuer is a provider's, but the token fits none of them
  };
  Origin origin(const Jwt& token) const;
  // Where the key of the token is; nothing if it cannot be any of ours.
  std::optional<KeyReference> reference(const Jwt& token) const;
  std::expected<void, Problem> check_signature(const Jwt& token, int64_t now);
  bool is_signed_well_by_set(const Jwt& token) const;
  // Null for what tokens may not be signed with.
  const Algorithm* accepted(std::string_view name) const;
  bool is_signed_well(const Algorithm& algorithm, const Jwt& token, int64_t now);
  std::expected<void, Problem> check_parties(const Claims& claims) const;
};

TokenVerifier::TokenVerifier(std::unique_ptr<State> state) : state_(std::move(state)) {}
TokenVerifier::~TokenVerifier() = default;
TokenVerifier::TokenVerifier(TokenVerifier&&) noexcept = default;
TokenVerifier& TokenVerifier::operator=(TokenVerifier&&) noexcept = default;

Result<TokenVerifier> TokenVerifier::create(VerifierOptions options, const KeySets* key_sets) {
  if (!options.audience.empty() && !options.audience_regex.empty()) {
    return fail(Errc::invalid, "audience and audience_regex cannot both be set");
  }
  if (!options.issuer.empty() && !options.issuer_regex.empty()) {
    return fail(Errc::invalid, "issuer and issuer_regex cannot both be set");
  }
  auto state = std::make_unique<State>();
  if (!options.hmac_secret_key.empty()) state->secret.emplace(options.hmac_secret_key);
  if (!options.hmac_previous_secret_key.empty()) {
    state->previous_secret.emplace(options.hmac_previous_secret_key);
  }
  GYRE_TRY(state->audience, compile(options.audience_regex, "audience_regex"));
  GYRE_TRY(state->issuer, compile(options.issuer_regex, "issuer_regex"));
  GYRE_TRY(state->rsa, read_key(options.rsa_public_key, Algorithm::Family::rsa, "rsa_public_key"));
  GYRE_TRY(state->ecdsa,
           read_key(options.ecdsa_public_key, Algorithm::Family::ecdsa, "ecdsa_public_key"));
  if (!options.jwks_public_endpoint.empty()) {
    GYRE_TRY(state->key_address,
             KeyAddress::create(options.jwks_public_endpoint,
                                {options.issuer_regex, options.audience_regex},
                                options.insecure_skip_jwks_endpoint_safety_check));
  }
  if (!options.jwks_providers.empty() && state->key_address) {
    return fail(Errc::invalid, "jwks_public_endpoint and jwks.providers cannot both be set");
  }
  for (const KeyProvider& provider : options.jwks_providers) {
    if (!is_web_address(provider.endpoint) || provider.issuer.empty()) {
      return fail(Errc::invalid, "jwks.providers: " + provider.name +
                                     " needs an issuer, and an endpoint with http:// or https://");
    }
  }
  for (const auto& [field, path] : options.meta_from_claim) {
    Result<MetaRule> rule = MetaRule::create(field, path);
    if (!rule) return fail(Errc::invalid, "meta_from_claim." + field + ": " + rule.error().context);
    state->meta_rules.push_back(std::move(*rule));
  }
  state->key_sets = key_sets;
  state->options = std::move(options);
  return TokenVerifier(std::move(state));
}

bool TokenVerifier::State::is_signed_well(const Algorithm& algorithm, const Jwt& token,
                                          int64_t now) {
  switch (algorithm.family) {
    case Algorithm::Family::rsa:
      return rsa && rsa->verifies(algorithm, token.signed_text, token.signature);
    case Algorithm::Family::ecdsa:
      return ecdsa && ecdsa->verifies(algorithm, token.signed_text, token.signature);
    case Algorithm::Family::eddsa:
      return false;  // with key sets only
    case Algorithm::Family::hmac:
      break;
  }
  if (secret && secret->verifies(algorithm, token.signed_text, token.signature)) return true;
  const int64_t until = options.hmac_previous_secret_key_valid_until;
  return previous_secret && (until <= 0 || now <= until) &&
         previous_secret->verifies(algorithm, token.signed_text, token.signature);
}

TokenVerifier::State::Origin TokenVerifier::State::origin(const Jwt& token) const {
  if (options.jwks_providers.empty()) return {};
  const auto claims = read_claims(token.claims, {.user_id_claim = options.user_id_claim});
  if (!claims) return {.is_of_none = true};
  const std::string id = token.key_id();
  Origin origin;
  for (const KeyProvider& provider : options.jwks_providers) {
    if (provider.issuer != claims->issuer) continue;
    const bool fits = (provider.audience.empty() || lists(claims->audience, provider.audience)) &&
                      (provider.key_ids.empty() || lists(provider.key_ids, id));
    if (fits) return {.provider = &provider};
    origin.is_of_none = true;
  }
  return origin;
}

std::optional<KeyReference> TokenVerifier::State::reference(const Jwt& token) const {
  std::string id = token.key_id();
  if (id.empty()) return std::nullopt;
  if (!key_address) {
    const Origin from = origin(token);
    if (!from.provider) return std::nullopt;
    return KeyReference{from.provider->endpoint, std::move(id)};
  }
  GroupValues values;
  if (!key_address->is_fixed()) {
    const auto claims = read_claims(token.claims, {.user_id_claim = options.user_id_claim});
    if (!claims) return std::nullopt;
    if (issuer && !matches(*issuer, claims->issuer, &values)) return std::nullopt;
    if (audience && std::ranges::none_of(claims->audience, [&](const std::string& text) {
          return matches(*audience, text, &values);
        })) {
      return std::nullopt;
    }
  }
  std::optional<std::string> url = key_address->fill(values);
  if (!url) return std::nullopt;
  return KeyReference{std::move(*url), std::move(id)};
}

const Algorithm* TokenVerifier::State::accepted(std::string_view name) const {
  const Algorithm* algorithm = Algorithm::find(name);
  return algorithm && (!algorithm->has_pss || options.accepts_pss) ? algorithm : nullptr;
}

bool TokenVerifier::State::is_signed_well_by_set(const Jwt& token) const {
  const std::optional<std::string> name = token.algorithm();
  const std::optional<KeyReference> where = reference(token);
  if (!name || !accepted(*name) || !where || !key_sets) return false;
  const Jwk* key = key_sets->find(*where);
  return key && key->verifies(*name, token.signed_text, token.signature);
}

std::expected<void, Problem> TokenVerifier::State::check_signature(const Jwt& token, int64_t now) {
  if (options.insecure_skip_signature_verify) return {};
  if (!is_understood(token.header)) return invalid("header with names twice, or critical ones");
  const Origin from = origin(token);
  if (from.is_of_none) return invalid("no provider of that issuer takes the token");
  if (key_address || from.provider) {
    if (is_signed_well_by_set(token)) return {};
    return invalid("signature does not match, or the key set has no such key");
  }
  const std::optional<std::string> name = token.algorithm();
  const Algorithm* algorithm = name ? accepted(*name) : nullptr;
  if (!algorithm) return invalid("unsupported algorithm");
  if (is_signed_well(*algorithm, token, now)) return {};
  return invalid("signature does not match, or there is no key for the algorithm");
}

std::optional<std::string> TokenVerifier::missing_key_set(std::string_view token) const {
  const bool has_sets = state_->key_address || !state_->options.jwks_providers.empty();
  if (!has_sets || !state_->key_sets || state_->options.insecure_skip_signature_verify) {
    return std::nullopt;
  }
  if (token.size() > kTokenBytesMax) return std::nullopt;
  const std::optional<Jwt> parts = Jwt::split(token);
  if (!parts) return std::nullopt;
  std::optional<KeyReference> where = state_->reference(*parts);
  if (!where || state_->key_sets->is_settled(*where)) return std::nullopt;
  return std::move(where->url);
}

std::expected<void, Problem> TokenVerifier::State::check_parties(const Claims& claims) const {
  const auto any_audience = [&](auto accepts) {
    return std::ranges::any_of(claims.audience, accepts);
  };
  if (audience &&
      !any_audience([&](const std::string& text) { return matches(*audience, text); })) {
    return invalid("audience does not match");
  }
  if (issuer && !matches(*issuer, claims.issuer)) return invalid("issuer does not match");
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
  const std::optional<Jwt> parts = Jwt::split(token);
  if (!parts) return invalid("token has not three base64url parts");
  // The signature first: nothing that a stranger wrote is acted upon without it.
  if (auto signature = state_->check_signature(*parts, now); !signature) {
    return std::unexpected(std::move(signature).error());
  }
  auto claims = read_claims(parts->claims, state_->claim_rules());
  if (!claims) return claims;
  if (auto parties = state_->check_parties(*claims); !parties) {
    return std::unexpected(std::move(parties).error());
  }
  return claims;
}

namespace {

// What is looked at last: a token that is over is that before anything else.
std::expected<void, Problem> check_time_and_data(const Claims& claims, int64_t now) {
  const bool is_over = claims.expires && *claims.expires <= now;
  const bool is_early = claims.not_before && *claims.not_before > now;
  if (is_over || is_early) {
    return std::unexpected(
        Problem{Problem::Kind::expired, is_over ? "token has expired" : "token is not valid yet"});
  }
  if (!claims.undecodable.empty()) {
    return std::unexpected(
        Problem{Problem::Kind::undecodable, claims.undecodable + " is not base64"});
  }
  return {};
}

}  // namespace

std::expected<ConnectToken, Problem> TokenVerifier::verify_connect(std::string_view token,
                                                                   int64_t now) const {
  auto claims = verify(token, now);
  if (!claims) return std::unexpected(std::move(claims).error());
  if (!claims->channel.empty()) return invalid("a subscription token, where one to connect is due");
  if (auto rest = check_time_and_data(*claims, now); !rest) {
    return std::unexpected(std::move(rest).error());
  }
  std::string user = state_->options.user_id_claim.empty() ? claims->subject : claims->user_id;
  return ConnectToken{std::move(user), std::move(*claims)};
}

std::expected<SubscribeToken, Problem> TokenVerifier::verify_subscribe(std::string_view token,
                                                                       int64_t now) const {
  auto claims = verify(token, now);
  if (!claims) return std::unexpected(std::move(claims).error());
  if (claims->channel.empty()) return invalid("no channel, so no subscription token");
  if (auto rest = check_time_and_data(*claims, now); !rest) {
    return std::unexpected(std::move(rest).error());
  }
  std::string user = state_->options.user_id_claim.empty() ? claims->subject : claims->user_id;
  return SubscribeToken{std::move(user), std::move(*claims)};
}

}  // namespace gyre::auth
