#include "auth/token_verifier.h"

#include <gtest/gtest.h>
#include <simdjson.h>

#include <fstream>

#include "auth/signature.h"
#include "base/base64.h"

namespace gyre::auth {
namespace {

constexpr int64_t kNow = 1'700'000'000;

std::string sign(std::string_view claims, std::string_view secret = "secret",
                 std::string_view algorithm = "HS256") {
  const std::string header = R"({"alg":")" + std::string(algorithm) + R"(","typ":"JWT"})";
  std::string text = base64::encode_url(header) + "." + base64::encode_url(claims);
  return text + "." + base64::encode_url(hmac(*Algorithm::find("HS256"), secret, text));
}

TokenVerifier make(VerifierOptions options = {.hmac_secret_key = "secret"}) {
  return std::move(*TokenVerifier::create(std::move(options)));
}

Problem::Kind problem(const std::expected<ConnectToken, Problem>& result) {
  EXPECT_FALSE(result);
  return result ? Problem::Kind::undecodable : result.error().kind;
}

// The recording of the reference server: tokens of every algorithm, and what became of each.
TEST(TokenVerifier, AgreesWithTheRecordedAlgorithms) {
  std::ifstream file(GYRE_SOURCE_DIR "/tests/golden/client/token_algorithms.jsonl");
  ASSERT_TRUE(file) << "recording is missing";
  simdjson::dom::parser parser;
  std::string line;
  std::getline(file, line);
  simdjson::dom::element token_config;
  ASSERT_FALSE(parser.parse(line)["config"]["client"]["token"].get(token_config));
  const TokenVerifier verifier =
      make({.hmac_secret_key = std::string(std::string_view(token_config["hmac_secret_key"])),
            .rsa_public_key = std::string(std::string_view(token_config["rsa_public_key"])),
            .ecdsa_public_key = std::string(std::string_view(token_config["ecdsa_public_key"]))});
  int accepted = 0;
  int refused = 0;
  std::string token;
  while (std::getline(file, line)) {
    const simdjson::dom::element row = parser.parse(line);
    const std::string_view direction = row["dir"];
    if (direction == "note") continue;
    const std::string protocol{std::string_view(row["proto"])};
    if (direction == "c2s") {
      const std::string data{std::string_view(row["data"])};
      simdjson::dom::parser inner;
      std::string_view sent;
      // Other commands may follow the connect; they have no token.
      if (!inner.parse(data)["connect"]["token"].get(sent)) token = std::string(sent);
    } else if (direction == "s2c" && !token.empty()) {
      const bool should_pass = protocol == "json";
      EXPECT_EQ(verifier.verify_connect(token, kNow).has_value(), should_pass) << token;
      (should_pass ? accepted : refused)++;
      token.clear();
    }
  }
  EXPECT_EQ(accepted, 6);
  EXPECT_EQ(refused, 2);
}

TEST(TokenVerifier, ReadsAllClaims) {
  const auto token = make().verify_connect(
      sign(
          R"({"sub":"42","exp":4102444800,"expire_at":4102444801,"info":{"a": 1},"meta":{"m":2},)"
          R"("channels":["x","y"],"subs":{"c":{"info":1,"b64data":"Zm8=","override":{"presence":{"value":true}}}}})"),
      kNow);
  ASSERT_TRUE(token) << token.error().reason;
  EXPECT_EQ(token->user, "42");
  EXPECT_EQ(token->claims.end(), 4102444801);
  EXPECT_EQ(token->claims.options.info, R"({"a": 1})") << "as it was written";
  EXPECT_EQ(token->claims.meta, R"({"m":2})");
  EXPECT_EQ(token->claims.channels, (std::vector<std::string>{"x", "y"}));
  ASSERT_EQ(token->claims.subs.size(), 1u);
  EXPECT_EQ(token->claims.subs[0].second.info, "1");
  EXPECT_EQ(token->claims.subs[0].second.data, "fo");
  EXPECT_EQ(token->claims.subs[0].second.override_options.presence, true);
}

TEST(TokenVerifier, ExpiryIsExactAndTellsOldFromBroken) {
  const TokenVerifier verifier = make();
  EXPECT_EQ(problem(verifier.verify_connect(sign(R"({"exp":1700000000})"), kNow)),
            Problem::Kind::expired);
  EXPECT_TRUE(verifier.verify_connect(sign(R"({"exp":1700000001})"), kNow));
  EXPECT_EQ(problem(verifier.verify_connect(sign(R"({"nbf":1700000001})"), kNow)),
            Problem::Kind::expired);
  EXPECT_EQ(problem(verifier.verify_connect(sign(R"({"exp":1700000000})", "other"), kNow)),
            Problem::Kind::invalid);
}

TEST(TokenVerifier, AnExpireAtOfZeroMeansNever) {
  const auto token = make().verify_connect(sign(R"({"exp":4102444800,"expire_at":0})"), kNow);
  ASSERT_TRUE(token);
  EXPECT_EQ(token->claims.end(), std::nullopt);
}

TEST(TokenVerifier, RefusesWhatIsNoToken) {
  const TokenVerifier verifier = make();
  const std::string good = sign("{}");
  EXPECT_TRUE(verifier.verify_connect(good, kNow));
  for (size_t cut = 0; cut < good.size(); ++cut) {
    EXPECT_FALSE(verifier.verify_connect(good.substr(0, cut), kNow)) << cut;
  }
  for (const std::string& bad :
       {good + ".x", good + "=", sign("[]"), sign("{"), sign(R"({"sub":42})"),
        sign(R"({"exp":"1"})"), sign("{}", "secret", "none"), sign("{}", "secret", "PS256"),
        std::string(100'000, 'a')}) {
    EXPECT_EQ(problem(verifier.verify_connect(bad, kNow)), Problem::Kind::invalid)
        << bad.substr(0, 80);
  }
}

TEST(TokenVerifier, WithoutASecretNothingPasses) {
  EXPECT_FALSE(make({}).verify_connect(sign("{}", ""), kNow));
}

TEST(TokenVerifier, ThePreviousSecretHoldsUntilItsTime) {
  const VerifierOptions options{.hmac_secret_key = "new",
                                .hmac_previous_secret_key = "old",
                                .hmac_previous_secret_key_valid_until = kNow};
  EXPECT_TRUE(make(options).verify_connect(sign("{}", "old"), kNow));
  EXPECT_FALSE(make(options).verify_connect(sign("{}", "old"), kNow + 1));
  EXPECT_TRUE(make(options).verify_connect(sign("{}", "new"), kNow + 1));
}

TEST(TokenVerifier, AudienceAndIssuerMustFit) {
  const TokenVerifier exact = make({.hmac_secret_key = "secret", .audience = "a", .issuer = "i"});
  EXPECT_TRUE(exact.verify_connect(sign(R"({"aud":["b","a"],"iss":"i"})"), kNow));
  EXPECT_FALSE(exact.verify_connect(sign(R"({"aud":"b","iss":"i"})"), kNow));
  EXPECT_FALSE(exact.verify_connect(sign(R"({"aud":"a"})"), kNow));
  const TokenVerifier regex =
      make({.hmac_secret_key = "secret", .audience_regex = "^a+$", .issuer_regex = "i"});
  EXPECT_TRUE(regex.verify_connect(sign(R"({"aud":"aaa","iss":"xix"})"), kNow));
  EXPECT_FALSE(regex.verify_connect(sign(R"({"aud":"ab","iss":"i"})"), kNow));
}

TEST(TokenVerifier, TheUserMayStandInAnotherClaim) {
  const TokenVerifier verifier = make({.hmac_secret_key = "secret", .user_id_claim = "uid"});
  EXPECT_EQ(verifier.verify_connect(sign(R"({"sub":"x","uid":42})"), kNow)->user, "42");
  EXPECT_EQ(verifier.verify_connect(sign(R"({"sub":"x"})"), kNow)->user, "");
}

TEST(TokenVerifier, AUserThatIsANumberIsWrittenInDecimal) {
  const TokenVerifier verifier = make({.hmac_secret_key = "secret", .user_id_claim = "uid"});
  const auto user_of = [&](std::string_view value) {
    return verifier.verify_connect(sign(R"({"uid":)" + std::string(value) + "}"), kNow)->user;
  };
  EXPECT_EQ(user_of("-7"), "-7");
  EXPECT_EQ(user_of("123456789012345678901234567890"), "123456789012345678901234567890");
  EXPECT_EQ(user_of("1.0"), "1");
  EXPECT_EQ(user_of("1.50"), "1.5");
  EXPECT_EQ(user_of("1e3"), "1000");
  EXPECT_EQ(user_of("1e308").size(), 309u);
  EXPECT_EQ(user_of("null"), "");
  EXPECT_EQ(user_of("true"), "true");
  EXPECT_EQ(problem(verifier.verify_connect(sign(R"({"uid":1e999})"), kNow)),
            Problem::Kind::invalid);
}

TEST(TokenVerifier, CapabilitiesAreReadWhereTheyMeanSomething) {
  const std::string token =
      sign(R"({"caps":[{"channels":["a","b"],"allow":["sub"]},)"
           R"({"channels":["news:*"],"match":"wildcard","allow":["pub","hst"],"later":1},)"
           R"({"channels":["^x$"],"match":"regex"}],"allow":["prs"]})");
  const auto plain = make().verify_connect(token, kNow);
  ASSERT_TRUE(plain);
  EXPECT_TRUE(plain->claims.capabilities.empty());
  EXPECT_TRUE(plain->claims.allow.empty());
  const auto read =
      make({.hmac_secret_key = "secret", .has_capabilities = true}).verify_connect(token, kNow);
  ASSERT_TRUE(read) << read.error().reason;
  using Match = Capability::Match;
  const std::vector<Capability> expected{
      {.channels = {"a", "b"}, .match = Match::exact, .allow = {"sub"}},
      {.channels = {"news:*"}, .match = Match::wildcard, .allow = {"pub", "hst"}},
      {.channels = {"^x$"}, .match = Match::regex, .allow = {}}};
  EXPECT_EQ(read->claims.capabilities, expected);
  EXPECT_EQ(read->claims.allow, std::vector<std::string>{"prs"});
}

TEST(TokenVerifier, CapabilitiesOfAnotherShapeSpoilTheToken) {
  const TokenVerifier verifier = make({.hmac_secret_key = "secret", .has_capabilities = true});
  for (const char* claims :
       {R"({"caps":{}})", R"({"caps":"x"})", R"({"caps":["x"]})", R"({"caps":[null]})",
        R"({"caps":[{"channels":"x"}]})", R"({"caps":[{"channels":[1]}]})",
        R"({"caps":[{"match":"glob"}]})", R"({"caps":[{"match":1}]})",
        R"({"caps":[{"allow":"sub"}]})", R"({"caps":[{"allow":[1]}]})", R"({"allow":"pub"})",
        R"({"allow":[{}]})"}) {
    EXPECT_EQ(problem(verifier.verify_connect(sign(claims), kNow)), Problem::Kind::invalid)
        << claims;
    EXPECT_TRUE(make().verify_connect(sign(claims), kNow)) << claims;
  }
  EXPECT_TRUE(verifier.verify_connect(sign(R"({"caps":null,"allow":null})"), kNow));
  const auto with_channels = [&](int count) {
    std::string caps = R"({"caps":[{"channels":["c")";
    for (int i = 1; i < count; ++i) caps += R"(,"c")";
    return verifier.verify_connect(sign(caps + "]}]}"), kNow).has_value();
  };
  EXPECT_TRUE(with_channels(1024));
  EXPECT_FALSE(with_channels(1025));
}

TEST(TokenVerifier, OtherClaimsBecomeMeta) {
  const TokenVerifier verifier = make({.hmac_secret_key = "secret",
                                       .meta_from_claim = {{"role", "user.role"},
                                                           {"url", R"(https://a\.b/c)"},
                                                           {"who", "sub"},
                                                           {"gone", "user.role.x"}}});
  const auto meta_of = [&](std::string_view claims) {
    const auto token = verifier.verify_connect(sign(claims), kNow);
    return token ? token->claims.meta : "refused: " + token.error().reason;
  };
  EXPECT_EQ(meta_of(R"({"x":1,"user":{"name":"n","role":{"a": [1, 2]}},"sub":"ann"})"),
            R"({"role":{"a": [1, 2]},"who":"ann"})");
  EXPECT_EQ(meta_of(R"({"https://a.b/c":1.50})"), R"({"url":1.50})") << "as it was written";
  EXPECT_EQ(meta_of(R"({"meta":{"role":1,"own":"o"},"user":{"role":2}})"),
            R"({"own":"o","role":2})");
  EXPECT_EQ(meta_of(R"({"meta":"text","sub":"ann"})"), R"({"who":"ann"})");
  EXPECT_EQ(meta_of(R"({"meta":"text","user":{"role":null}})"), R"("text")");
  EXPECT_EQ(meta_of(R"({"user":"role","meta":{"a":1}})"), R"({"a":1})");
  EXPECT_EQ(meta_of("{}"), "");
}

TEST(TokenVerifier, APathOfClaimsMustNameSomething) {
  for (const char* path :
       {"", ".", "a.", ".a", "a..b", "a\\", "a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q"}) {
    EXPECT_FALSE(MetaRule::create("f", path)) << path;
  }
  const auto rule = MetaRule::create("f", R"(a\.b.c\\d)");
  ASSERT_TRUE(rule);
  EXPECT_EQ(rule->path, (std::vector<std::string>{"a.b", "c\\d"}));
}

TEST(TokenVerifier, TokensOfTheTwoKindsAreNotExchangeable) {
  const TokenVerifier verifier = make();
  const std::string subscription = sign(R"({"sub":"1","channel":"c"})");
  EXPECT_EQ(problem(verifier.verify_connect(subscription, kNow)), Problem::Kind::invalid);
  EXPECT_EQ(verifier.verify_subscribe(subscription, kNow)->claims.channel, "c");
  EXPECT_FALSE(verifier.verify_subscribe(sign(R"({"sub":"1"})"), kNow));
}

TEST(TokenVerifier, BinaryInfoThatIsNoBase64IsAnErrorOfItsOwn) {
  EXPECT_EQ(problem(make().verify_connect(sign(R"({"b64info":"%"})"), kNow)),
            Problem::Kind::undecodable);
  EXPECT_EQ(problem(make().verify_connect(sign(R"({"subs":{"c":{"b64data":"%"}}})"), kNow)),
            Problem::Kind::undecodable);
}

TEST(TokenVerifier, AnyOtherProblemComesBeforeUndecodableInfo) {
  const TokenVerifier verifier = make();
  EXPECT_EQ(problem(verifier.verify_connect(sign(R"({"b64info":"%","exp":1})"), kNow)),
            Problem::Kind::expired);
  EXPECT_EQ(problem(verifier.verify_connect(sign(R"({"b64info":"%","sub":1})"), kNow)),
            Problem::Kind::invalid);
}

TEST(TokenVerifier, SkippingSignaturesStillChecksTheRest) {
  const TokenVerifier verifier = make({.insecure_skip_signature_verify = true});
  EXPECT_TRUE(verifier.verify_connect(sign("{}", "whatever"), kNow));
  EXPECT_EQ(problem(verifier.verify_connect(sign(R"({"exp":1})"), kNow)), Problem::Kind::expired);
}

TEST(TokenVerifier, BrokenOptionsAreRefusedByTheirKey) {
  const auto error_of = [](VerifierOptions options) {
    auto verifier = TokenVerifier::create(std::move(options));
    return verifier ? std::string() : verifier.error().context;
  };
  EXPECT_NE(error_of({.rsa_public_key = "x"}).find("rsa_public_key"), std::string::npos);
  EXPECT_NE(error_of({.jwks_public_endpoint = "x"}).find("jwks_public_endpoint"),
            std::string::npos);
  EXPECT_NE(error_of({.issuer_regex = "("}).find("issuer_regex"), std::string::npos);
  EXPECT_NE(error_of({.audience = "a", .audience_regex = "a"}).find("audience"), std::string::npos);
  EXPECT_NE(error_of({.meta_from_claim = {{"role", "a..b"}}}).find("meta_from_claim.role"),
            std::string::npos);
  const KeyProvider provider{.name = "one", .endpoint = "https://k/", .issuer = "i"};
  EXPECT_EQ(error_of({.jwks_providers = {provider}}), "");
  EXPECT_NE(error_of({.jwks_public_endpoint = "https://k/", .jwks_providers = {provider}})
                .find("jwks.providers"),
            std::string::npos);
  EXPECT_NE(error_of({.jwks_providers = {{.name = "one", .endpoint = "https://k/"}}}).find("one"),
            std::string::npos);
  EXPECT_NE(error_of({.jwks_providers = {{.name = "one", .endpoint = "ftp://k/", .issuer = "i"}}})
                .find("one"),
            std::string::npos);
}

}  // namespace
}  // namespace gyre::auth
