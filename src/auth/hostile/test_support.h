#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "auth/key_sets.h"
#include "auth/signature.h"
#include "auth/test_support.h"
#include "auth/token_verifier.h"
#include "base/base64.h"
#include "os/manual_kernel.h"
#include "outbound/test_support.h"
#include "runtime/test_support.h"

// What hostile tokens are made of: keys of every kind, verifiers that trust them, and signatures
// over any text. Keys are made once for the whole program.
namespace gyre::auth::hostile {

inline constexpr int64_t kNow = 1'700'000'000;
inline const std::string kSecret = "a secret that nobody else has";
inline const std::string kAddress = "https://keys.example/";

using base64::encode_url;

struct Keys {
  KeyPair rsa{"RSA"}, p256{"EC", "P-256"}, p384{"EC", "P-384"}, p521{"EC", "P-521"}, ed{"ED25519"};
};
inline const Keys& our_keys() {
  static const Keys keys;
  return keys;
}
inline const Keys& strange_keys() {
  static const Keys keys;
  return keys;
}

// A key set behind an address, and who verifies with it.
class KeySetDoor {
 public:
  explicit KeySetDoor(const std::string& key_set, VerifierOptions options = {}) {
    shard_.attach(events_, output_);
    const runtime::TurnScope scope(shard_);
    shard_.tasks().spawn(load(sets_));
    client_.answer(key_set);
    options.jwks_public_endpoint = kAddress;
    options.hmac_secret_key = kSecret;  // which is nothing then
    verifier_.emplace(TokenVerifier::create(std::move(options), &sets_).value());
  }
  const TokenVerifier& verifier() const { return *verifier_; }

 private:
  static runtime::Task<void> load(KeySets& sets) {
    static_cast<void>(co_await sets.load(kAddress));
  }

  os::ManualKernel kernel_;
  runtime::NoEvents events_;
  runtime::NoOutput output_;
  runtime::ShardSet set_;
  runtime::Shard shard_{{}, kernel_, set_};
  outbound::ManualClient client_;
  KeySets sets_{shard_, client_};
  std::optional<TokenVerifier> verifier_;
};

// A verifier that a token may be brought to.
struct Door {
  std::string name;
  const TokenVerifier* verifier;
};

// An algorithm with the key that signs with it, and all who would take its tokens.
struct Scheme {
  std::string algorithm;
  std::string key_id;
  const KeyPair* key;       // null: the secret
  const KeyPair* stranger;  // of the same kind
  std::vector<Door> doors;

  bool is_hmac() const { return !key; }
  // Whose signatures take a millisecond each.
  bool is_slow() const { return algorithm == "ES384" || algorithm == "ES512"; }
  bool is(std::string_view prefix) const { return algorithm.starts_with(prefix); }
  std::string sign(std::string_view text) const { return sign_by(key, kSecret, text); }
  std::string forge(std::string_view text) const { return sign_by(stranger, "a guess", text); }

 private:
  std::string sign_by(const KeyPair* pair, std::string_view secret, std::string_view text) const {
    return pair ? pair->sign_text(algorithm, text)
                : hmac(*Algorithm::find(algorithm), secret, text);
  }
};

inline std::string our_key_set() {
  const Keys& keys = our_keys();
  return set_of({keys.rsa.jwk("rsa"), keys.p256.jwk("p256"), keys.p384.jwk("p384"),
                 keys.p521.jwk("p521"), keys.ed.jwk("ed")});
}

// All ten. Each static door trusts the secret, the RSA key and one curve at once, which is where
// algorithms could be taken for one another.
inline const std::vector<Scheme>& schemes() {
  static const auto static_door = [](const KeyPair& curve) {
    return new TokenVerifier(TokenVerifier::create({.hmac_secret_key = kSecret,
                                                    .rsa_public_key = our_keys().rsa.public_pem(),
                                                    .ecdsa_public_key = curve.public_pem()})
                                 .value());
  };
  static const std::vector<Scheme> all = [] {
    const Keys& ours = our_keys();
    const Keys& strange = strange_keys();
    static const std::unique_ptr<const TokenVerifier> p256(static_door(ours.p256));
    static const std::unique_ptr<const TokenVerifier> p384(static_door(ours.p384));
    static const std::unique_ptr<const TokenVerifier> p521(static_door(ours.p521));
    static const KeySetDoor set(our_key_set());
    const Door keyed{"configured keys", p256.get()};
    const Door served{"key set", &set.verifier()};
    std::vector<Scheme> schemes;
    for (const char* name : {"HS256", "HS384", "HS512"}) {
      schemes.push_back({name, "rsa", nullptr, nullptr, {keyed}});
    }
    for (const char* name : {"RS256", "RS384", "RS512"}) {
      schemes.push_back({name, "rsa", &ours.rsa, &strange.rsa, {keyed, served}});
    }
    schemes.push_back({"ES256", "p256", &ours.p256, &strange.p256, {keyed, served}});
    schemes.push_back(
        {"ES384", "p384", &ours.p384, &strange.p384, {{"configured keys", p384.get()}, served}});
    schemes.push_back(
        {"ES512", "p521", &ours.p521, &strange.p521, {{"configured keys", p521.get()}, served}});
    schemes.push_back({"EdDSA", "ed", &ours.ed, &strange.ed, {served}});
    return schemes;
  }();
  return all;
}

// --- Tokens in parts

inline std::string header_of(const Scheme& scheme, const std::string& more = "") {
  return R"({"alg":")" + scheme.algorithm + R"(","kid":")" + scheme.key_id + '"' + more + "}";
}
inline std::string unsigned_text(std::string_view header, std::string_view claims) {
  return encode_url(header) + "." + encode_url(claims);
}
inline std::string with_signature(const std::string& text, std::string_view signature) {
  return text + "." + encode_url(signature);
}
// Signed with our key, so that only what is in it is wrong.
inline std::string genuine(const Scheme& scheme, std::string_view header, std::string_view claims) {
  const std::string text = unsigned_text(header, claims);
  return with_signature(text, scheme.sign(text));
}
inline std::string forged(const Scheme& scheme, std::string_view header, std::string_view claims) {
  const std::string text = unsigned_text(header, claims);
  return with_signature(text, scheme.forge(text));
}

// What a token is good for.
enum class Use : uint8_t { connect, subscribe };
inline constexpr Use kUses[] = {Use::connect, Use::subscribe};

inline const std::string& good_claims(Use use = Use::connect) {
  static const std::string connect = R"({"sub":"ann","exp":1700000600})";
  static const std::string subscribe = R"({"sub":"ann","exp":1700000600,"channel":"c"})";
  return use == Use::connect ? connect : subscribe;
}

// Why the token is not taken; nothing if it is.
inline std::optional<Problem::Kind> problem_of(const Door& door, std::string_view token,
                                               Use use = Use::connect) {
  const auto kind_of = [](const auto& result) {
    return result ? std::optional<Problem::Kind>() : result.error().kind;
  };
  return use == Use::connect ? kind_of(door.verifier->verify_connect(token, kNow))
                             : kind_of(door.verifier->verify_subscribe(token, kNow));
}
inline bool accepts(const Door& door, std::string_view token, Use use = Use::connect) {
  return !problem_of(door, token, use);
}
// Whether nobody takes the token, and it is called invalid: of one that is over we would say so to
// whoever has made it.
inline bool is_refused(const Door& door, std::string_view token, Use use = Use::connect) {
  return problem_of(door, token, use) == Problem::Kind::invalid;
}

// A token in parts that a variant spoils.
struct Material {
  Material(const Scheme& of, Use use)
      : scheme(of),
        claims(good_claims(use)),
        header(header_of(of)),
        text(unsigned_text(header, claims)),
        signature(of.sign(text)),
        token(with_signature(text, signature)) {}

  const Scheme& scheme;
  const std::string claims, header, text, signature, token;
};

struct Variant {
  std::string name;
  std::function<std::string(const Material&)> make;
};

// Brings every variant, of tokens of both kinds, to every door of the algorithm. That the token
// they are made of is taken there proves that a refusal means something.
inline void expect_refused(const std::vector<Variant>& variants, const Scheme& scheme,
                           std::span<const Use> uses = kUses) {
  testing::Test::RecordProperty(scheme.algorithm, static_cast<int>(variants.size()));
  for (const Use use : uses) {
    const Material material(scheme, use);
    for (const Door& door : scheme.doors) {
      ASSERT_TRUE(accepts(door, material.token, use)) << scheme.algorithm << " at " << door.name;
    }
    for (const Variant& variant : variants) {
      const std::string token = variant.make(material);
      EXPECT_NE(token, material.token) << variant.name;
      for (const Door& door : scheme.doors) {
        EXPECT_TRUE(is_refused(door, token, use))
            << variant.name << " | " << scheme.algorithm << " | " << door.name << " | "
            << token.substr(0, 300);
      }
    }
  }
}

}  // namespace gyre::auth::hostile
