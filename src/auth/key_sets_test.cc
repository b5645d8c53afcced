#include "auth/key_sets.h"

#include <gtest/gtest.h>

#include <optional>

#include "auth/key_address.h"
#include "auth/test_support.h"
#include "auth/token_verifier.h"
#include "base/base64.h"
#include "outbound/test_support.h"
#include "runtime/test_support.h"

namespace gyre::auth {
namespace {

using base64::encode_url;

// Examples of RFC 7515, A.3 and RFC 8037, A.4.
constexpr std::string_view kEcJwk =
    R"({"kty":"EC","crv":"P-256","use":"sig","kid":"ec","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",)"
    R"("y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"})";
constexpr std::string_view kEcText =
    "eyJhbGciOiJFUzI1NiJ9."
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0"
    "cnVlfQ";
constexpr std::string_view kEcSignature =
    "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
constexpr std::string_view kEdJwk =
    R"({"kty":"OKP","crv":"Ed25519","use":"sig","kid":"ed","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})";
constexpr std::string_view kEdText = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
constexpr std::string_view kEdSignature =
    "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";

TEST(KeySet, ReadsTheExamplesOfTheStandards) {
  const auto keys = read_key_set(set_of({kEcJwk, kEdJwk}));
  ASSERT_TRUE(keys) << keys.error().context;
  ASSERT_EQ(keys->size(), 2u);
  const std::string ec = *base64::decode_url(kEcSignature);
  EXPECT_EQ((*keys)[0].id, "ec");
  EXPECT_TRUE((*keys)[0].verifies("ES256", kEcText, ec));
  EXPECT_FALSE((*keys)[0].verifies("ES384", kEcText, ec));
  EXPECT_FALSE((*keys)[0].verifies("ES256", kEdText, ec));
  const std::string ed = *base64::decode_url(kEdSignature);
  EXPECT_TRUE((*keys)[1].verifies("EdDSA", kEdText, ed));
  EXPECT_FALSE((*keys)[1].verifies("EdDSA", kEcText, ed));
  EXPECT_FALSE((*keys)[1].verifies("ES256", kEdText, ed));
  EXPECT_FALSE((*keys)[1].verifies("HS256", kEdText, ed));
  EXPECT_FALSE((*keys)[1].verifies("none", kEdText, ""));
}

TEST(KeySet, LeavesOutWhatIsNoKeyForSignatures) {
  const std::string ec(kEcJwk);
  const auto without = [&](const std::string& from, const std::string& to) {
    std::string changed = ec;
    return changed.replace(changed.find(from), from.size(), to);
  };
  const auto keys = read_key_set(
      set_of({without(R"("use":"sig")", R"("use":"enc")"), without(R"("use":"sig",)", ""),
              without(R"("kid":"ec",)", ""), without("P-256", "P-384"),
              without("P-256", "secp256k1"), without("f83O", "f83P"),  // not on the curve
              without("EC", "RSA"), without("EC", "oct"),
              R"({"kty":"oct","use":"sig","kid":"s","k":"c2VjcmV0"})",
              R"({"kty":"RSA","use":"sig","kid":"r","n":"AQAB","e":"AQAB"})", "1", "null", "[]",
              "{}", kEdJwk}));
  ASSERT_TRUE(keys);
  ASSERT_EQ(keys->size(), 1u);
  EXPECT_EQ(keys->front().id, "ed");
  for (const std::string_view none : {"", "{}", "[]", R"({"keys":{}})", R"({"keys":[)", "\xff"}) {
    EXPECT_FALSE(read_key_set(none)) << none;
  }
}

TEST(KeySet, EachKindVerifiesItsAlgorithmsOnly) {
  const KeyPair rsa("RSA"), p256("EC", "P-256"), p384("EC", "P-384"), p521("EC", "P-521"),
      ed("ED25519");
  const std::pair<const KeyPair*, std::vector<std::string>> pairs[] = {
      {&rsa, {"RS256", "RS384", "RS512"}},
      {&p256, {"ES256"}},
      {&p384, {"ES384"}},
      {&p521, {"ES512"}},
      {&ed, {"EdDSA"}}};
  for (const auto& [pair, algorithms] : pairs) {
    const auto keys = read_key_set(set_of({pair->jwk("k")}));
    ASSERT_EQ(keys->size(), 1u);
    for (const std::string& algorithm : algorithms) {
      const std::string token = pair->sign(algorithm, "k", "{}");
      const size_t dot = token.rfind('.');
      const std::string signature = *base64::decode_url(token.substr(dot + 1));
      for (const char* named :
           {"RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "EdDSA", "HS256", "none"}) {
        EXPECT_EQ(keys->front().verifies(named, token.substr(0, dot), signature),
                  named == algorithm)
            << algorithm << " named as " << named;
      }
    }
  }
  const auto bound = read_key_set(set_of({rsa.jwk("k", R"(,"alg":"RS512")")}));
  const std::string token = rsa.sign("RS256", "k", "{}");
  const size_t dot = token.rfind('.');
  EXPECT_FALSE(bound->front().verifies("RS256", token.substr(0, dot),
                                       *base64::decode_url(token.substr(dot + 1))));
}

TEST(KeyAddress, TakesGroupsOfFixedTextsOnly) {
  const auto create = [](const std::string& address, const std::string& pattern,
                         bool is_trusting = false) {
    return KeyAddress::create(address, {pattern, ""}, is_trusting).has_value();
  };
  EXPECT_TRUE(create("https://keys.example/set", ""));
  EXPECT_FALSE(create("keys.example/set", ""));
  EXPECT_FALSE(create("file:///set", ""));
  EXPECT_TRUE(create("https://k/{{realm}}", "^https://id/(?P<realm>one|two)$"));
  EXPECT_TRUE(create("https://k/{{realm}}", R"((?P<realm>one\.a|two\-b))"));
  EXPECT_FALSE(create("https://k/{{other}}", "(?P<realm>one|two)"));
  EXPECT_FALSE(create("https://k/{{realm}}", ""));
  EXPECT_FALSE(create("https://k/{{realm", "(?P<realm>one|two)"));
  for (const char* group : {"[a-z]", ".", "a.", "a*", "a+", "a?", "a{2}", R"(\w)", R"(\d1)",
                            "a(b|c)", "", R"(\pL)", "^a", "a$"}) {
    const std::string pattern = "(?P<realm>" + std::string(group) + ")";
    EXPECT_FALSE(create("https://k/{{realm}}", pattern)) << pattern;
    EXPECT_TRUE(create("https://k/{{realm}}", pattern, true)) << pattern;
  }
}

TEST(KeyAddress, FillsInPlainValues) {
  const auto address = KeyAddress::create("https://{{host}}.example/a/{{realm}}/keys",
                                          {"(?P<host>x)(?P<realm>y)"}, true);
  ASSERT_TRUE(address);
  EXPECT_EQ(address->fill({{"host", "one"}, {"realm", "two-3"}}),
            "https://one.example/a/two-3/keys");
  EXPECT_EQ(address->fill({{"host", "one"}}), std::nullopt);
  for (const char* value :
       {"", "..", ".", "a/b", "a?b", "a#b", "a%2fb", "a@b", "a b", "a:1", "\xc3\xa4"}) {
    EXPECT_EQ(address->fill({{"host", "one"}, {"realm", value}}), std::nullopt) << value;
  }
}

class KeySetsTest : public runtime::UnconnectedShardTest {
 protected:
  static runtime::Task<void> keep(runtime::Task<Result<void>> task,
                                  std::optional<Result<void>>* result) {
    result->emplace(co_await std::move(task));
  }
  std::shared_ptr<std::optional<Result<void>>> load(const std::string& url = "https://k/") {
    auto result = std::make_shared<std::optional<Result<void>>>();
    shard_.tasks().spawn(keep(sets_.load(url), result.get()));
    results_.push_back(result);
    return result;
  }

  outbound::ManualClient client_;
  KeySets sets_{shard_, client_};
  std::vector<std::shared_ptr<std::optional<Result<void>>>> results_;
};

TEST_F(KeySetsTest, AsksOnceForAllWhoCome) {
  const KeyReference ec{"https://k/", "ec"};
  EXPECT_FALSE(sets_.find(ec));
  EXPECT_FALSE(sets_.is_settled(ec));
  const auto first = load();
  const auto second = load();
  EXPECT_EQ(client_.waiting(), 1u);
  EXPECT_EQ(client_.request().url, "https://k/");
  EXPECT_EQ(client_.request().timeout, os::kSecond);
  client_.answer(set_of({kEcJwk}));
  EXPECT_EQ(client_.waiting(), 0u);
  ASSERT_TRUE(*first && *second);
  EXPECT_TRUE(**first && **second);
  ASSERT_TRUE(sets_.find(ec));
  EXPECT_EQ(sets_.find(ec)->id, "ec");
}

TEST_F(KeySetsTest, KeepsKeysForAnHour) {
  const KeyReference ec{"https://k/", "ec"};
  load();
  client_.answer(set_of({kEcJwk}));
  advance(3599 * os::kSecond);
  EXPECT_TRUE(sets_.find(ec));
  EXPECT_TRUE(sets_.is_settled(ec));
  advance(os::kSecond);
  EXPECT_FALSE(sets_.find(ec));
  EXPECT_FALSE(sets_.is_settled(ec));
}

TEST_F(KeySetsTest, LooksAgainForNewKeysNotMoreThanOnceASecond) {
  const KeyReference ed{"https://k/", "ed"};
  load();
  client_.answer(set_of({kEcJwk}));
  EXPECT_TRUE(sets_.is_settled(ed)) << "it was not there a moment ago";
  const auto at_once = load();
  EXPECT_EQ(client_.waiting(), 0u);
  EXPECT_TRUE(*at_once && **at_once);
  advance(os::kSecond);
  EXPECT_FALSE(sets_.is_settled(ed));
  load();
  client_.answer(set_of({kEcJwk, kEdJwk}));
  EXPECT_TRUE(sets_.find(ed));
}

TEST_F(KeySetsTest, TriesTwiceAndTellsTheFailure) {
  const auto result = load();
  client_.answer("late", 503);
  EXPECT_FALSE(*result);
  client_.answer(fail(Errc::timed_out, "slow"));
  ASSERT_TRUE(*result);
  EXPECT_EQ((*result)->error().code, Errc::timed_out);
  // Whoever comes right after it is told the same.
  const auto again = load();
  EXPECT_EQ(client_.waiting(), 0u);
  EXPECT_FALSE(**again);
  advance(os::kSecond);
  const auto later = load();
  client_.answer("no JSON");
  client_.answer(set_of({kEcJwk}));
  EXPECT_TRUE(**later);
}

TEST_F(KeySetsTest, AFailureSaysNothingOfKeysThatAreNotKnown) {
  const KeyReference ed{"https://k/", "ed"};
  load();
  client_.answer(set_of({kEcJwk}));
  advance(os::kSecond);
  load();
  client_.answer("", 503);
  client_.answer("", 503);
  // A token of a new key is not called invalid, for the next answer may have its key.
  EXPECT_FALSE(sets_.is_settled(ed));
  const auto told = load();
  EXPECT_EQ(client_.waiting(), 0u);
  ASSERT_TRUE(*told);
  EXPECT_FALSE(**told);
}

TEST_F(KeySetsTest, ShardsTogetherAskOnceASecond) {
  const KeyReference ed{"https://k/", "ed"};
  set_.shards = {&shard_, &shard_, &shard_};
  load();
  client_.answer(set_of({kEcJwk}));
  advance(3 * os::kSecond - 1);
  EXPECT_TRUE(sets_.is_settled(ed));
  advance(1);
  EXPECT_FALSE(sets_.is_settled(ed));
}

TEST_F(KeySetsTest, ASetMayGoWhileItsAnswerIsTold) {
  load("https://first/");
  // Told first, and makes room for another at once: for its set, since all others are waited for.
  const auto one_after_the_other = [](KeySets& sets) -> runtime::Task<Result<void>> {
    const Result<void> first = co_await sets.load("https://first/");
    if (first) co_await sets.load("https://another/");
    co_return first;
  };
  auto eager = std::make_shared<std::optional<Result<void>>>();
  results_.push_back(eager);
  shard_.tasks().spawn(keep(one_after_the_other(sets_), eager.get()));
  const auto patient = load("https://first/");
  for (int i = 1; i < 1024; ++i) load("https://k/" + std::to_string(i));
  client_.answer(set_of({kEcJwk}));
  EXPECT_FALSE(sets_.find({"https://first/", "ec"}));
  ASSERT_TRUE(*patient);
  EXPECT_TRUE(**patient);
  while (client_.waiting() > 0) client_.answer(set_of({}));
  ASSERT_TRUE(*eager);
  EXPECT_TRUE(**eager);
}

TEST_F(KeySetsTest, AFailureLeavesWhatIsKnown) {
  load();
  client_.answer(set_of({kEcJwk}));
  advance(os::kSecond);
  load();
  client_.answer("", 500);
  client_.answer("", 500);
  EXPECT_TRUE(sets_.find({"https://k/", "ec"}));
}

TEST_F(KeySetsTest, HoldsABoundedNumberOfSets) {
  for (int i = 0; i < 3000; ++i) {
    load("https://k/" + std::to_string(i));
    client_.answer(set_of({}));
  }
  load("https://k/last");
  client_.answer(set_of({kEcJwk}));
  EXPECT_TRUE(sets_.find({"https://k/last", "ec"}));
  int kept = 0;
  for (int i = 0; i < 3000; ++i) kept += sets_.is_settled({"https://k/" + std::to_string(i), "x"});
  EXPECT_LE(kept, 1024);
}

TEST_F(KeySetsTest, TokensAreVerifiedByTheKeyThatTheyName) {
  const KeyPair mine("EC", "P-256");
  const KeyPair other("EC", "P-256");
  const auto verifier = TokenVerifier::create({.hmac_secret_key = "secret",
                                               .jwks_public_endpoint = "https://k/{{realm}}",
                                               .issuer_regex = "^https://id/(?P<realm>one|two)$"},
                                              &sets_);
  ASSERT_TRUE(verifier) << verifier.error().context;
  const std::string claims = R"({"sub":"ann","iss":"https://id/two"})";
  const std::string token = mine.sign("ES256", "m", claims);
  EXPECT_EQ(verifier->missing_key_set(token), "https://k/two");
  EXPECT_FALSE(verifier->verify_connect(token, 0)) << "without the key there is no telling";
  load("https://k/two");
  client_.answer(set_of({mine.jwk("m")}));
  EXPECT_EQ(verifier->missing_key_set(token), std::nullopt);
  ASSERT_TRUE(verifier->verify_connect(token, 0));
  EXPECT_EQ(verifier->verify_connect(token, 0)->user, "ann");

  EXPECT_FALSE(verifier->verify_connect(other.sign("ES256", "m", claims), 0));
  EXPECT_FALSE(verifier->verify_connect(mine.sign("ES256", "n", claims), 0));
  EXPECT_FALSE(verifier->verify_connect(mine.sign("ES256", "m", R"({"iss":"https://id/one"})"), 0));
  const std::string stranger = mine.sign("ES256", "m", R"({"iss":"https://id/evil"})");
  EXPECT_EQ(verifier->missing_key_set(stranger), std::nullopt);
  EXPECT_FALSE(verifier->verify_connect(stranger, 0));
  // Secrets are not for tokens of a key set.
  const std::string head = encode_url(R"({"alg":"HS256","kid":"m"})") + "." + encode_url(claims);
  const std::string forged =
      head + "." + encode_url(hmac(*Algorithm::find("HS256"), "secret", head));
  EXPECT_FALSE(verifier->verify_connect(forged, 0));
  const std::string bare =
      encode_url(R"({"alg":"none","kid":"m"})") + "." + encode_url(claims) + ".";
  EXPECT_FALSE(verifier->verify_connect(bare, 0));
}

// Tokens of several providers, and of the server's own secret.
struct KeyProvidersTest : KeySetsTest {
  KeyProvidersTest() {
    load("https://k/one");
    client_.answer(set_of({one.jwk("a")}));
    load("https://k/two");
    client_.answer(set_of({two.jwk("a"), two.jwk("b")}));
  }
  static std::string with_secret(const std::string& claims) {
    const std::string head = encode_url(R"({"alg":"HS256","kid":"a"})") + "." + encode_url(claims);
    return head + "." + encode_url(hmac(*Algorithm::find("HS256"), "secret", head));
  }
  bool passes(const std::string& token) const {
    return verifier.verify_connect(token, 0).has_value();
  }

  const KeyPair one{"EC", "P-256"};
  const KeyPair two{"EC", "P-256"};
  const TokenVerifier verifier = std::move(*TokenVerifier::create(
      {.hmac_secret_key = "secret",
       .jwks_providers = {{.name = "one", .endpoint = "https://k/one", .issuer = "https://one"},
                          {.name = "two",
                           .endpoint = "https://k/two",
                           .issuer = "https://two",
                           .audience = "app",
                           .key_ids = {"a"}},
                          {.name = "later",
                           .endpoint = "https://k/later",
                           .issuer = "https://two",
                           .audience = "late"}}},
      &sets_));
};

TEST_F(KeyProvidersTest, EachVerifiesTheTokensOfItsIssuer) {
  EXPECT_TRUE(passes(one.sign("ES256", "a", R"({"iss":"https://one"})")));
  EXPECT_TRUE(passes(two.sign("ES256", "a", R"({"iss":"https://two","aud":["x","app"]})")));
  EXPECT_FALSE(passes(two.sign("ES256", "a", R"({"iss":"https://one"})"))) << "another's key";
  EXPECT_FALSE(passes(one.sign("ES256", "a", R"({"iss":"https://two","aud":"app"})")));
  EXPECT_FALSE(passes(one.sign("ES256", "a", R"({"iss":"https://three"})")));
  EXPECT_FALSE(passes(one.sign("ES256", "a", R"({"iss":"https://one/"})"))) << "not quite equal";
  EXPECT_FALSE(passes(one.sign("ES256", "a", "{}")));
}

TEST_F(KeyProvidersTest, AudienceAndKeyMustFit) {
  EXPECT_FALSE(passes(two.sign("ES256", "a", R"({"iss":"https://two"})")));
  EXPECT_FALSE(passes(two.sign("ES256", "a", R"({"iss":"https://two","aud":"other"})")));
  EXPECT_FALSE(passes(two.sign("ES256", "b", R"({"iss":"https://two","aud":"app"})")))
      << "the set has that key, but it is not one of those that are taken";
}

TEST_F(KeyProvidersTest, AskForTheSetOfTheFirstThatFits) {
  const auto missing = [&](std::string_view claims, const char* id = "n") {
    advance(os::kSecond);  // or it would not be asked for again
    return verifier.missing_key_set(one.sign("ES256", id, std::string(claims)));
  };
  EXPECT_EQ(missing(R"({"iss":"https://one"})"), "https://k/one");
  EXPECT_EQ(missing(R"({"iss":"https://one"})", "a"), std::nullopt) << "it is at hand";
  EXPECT_EQ(missing(R"({"iss":"https://two","aud":["app","late"]})"), "https://k/later");
  EXPECT_EQ(missing(R"({"iss":"https://two","aud":"none"})"), std::nullopt);
  EXPECT_EQ(missing(R"({"iss":"https://three"})"), std::nullopt);
  EXPECT_EQ(missing("{}"), std::nullopt);
}

TEST_F(KeyProvidersTest, TheServersOwnKeysAreForOtherIssuersOnly) {
  EXPECT_TRUE(passes(with_secret(R"({"sub":"ann"})")));
  EXPECT_TRUE(passes(with_secret(R"({"iss":"mine"})")));
  EXPECT_FALSE(passes(with_secret(R"({"iss":"https://one"})")));
  EXPECT_FALSE(passes(with_secret(R"({"iss":"https://two"})"))) << "fits none of its issuer";
  const std::string bare = encode_url(R"({"alg":"none","kid":"a"})") + "." +
                           encode_url(R"({"iss":"https://one"})") + ".";
  EXPECT_FALSE(passes(bare));
}

}  // namespace
}  // namespace gyre::auth
