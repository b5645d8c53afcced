// Hostile tokens: keys that everybody could sign for, or that are for something else.
#include <gtest/gtest.h>

#include "auth/hostile/test_support.h"

namespace gyre::auth::hostile {
namespace {

std::string rsa_jwk(const std::string& modulus, const std::string& exponent) {
  return R"({"kty":"RSA","use":"sig","kid":"k","n":")" + encode_url(modulus) + R"(","e":")" +
         encode_url(exponent) + "\"}";
}
std::string ec_jwk(const std::string& curve, const std::string& x, const std::string& y) {
  return R"({"kty":"EC","use":"sig","kid":"k","crv":")" + curve + R"(","x":")" + encode_url(x) +
         R"(","y":")" + encode_url(y) + "\"}";
}
bool has_key(const std::string& jwk) {
  const auto keys = read_key_set(set_of({jwk}));
  return keys && !keys->empty();
}

TEST(HostileKeys, OfAKeySetAreNoKeys) {
  const std::string modulus =
      base64::decode_url(our_keys().rsa.number(OSSL_PKEY_PARAM_RSA_N)).value();
  const std::string three("\3");
  EXPECT_TRUE(has_key(rsa_jwk(modulus, std::string("\1\0\1", 3)))) << "as it should be";
  for (const auto& [n, e] : std::vector<std::pair<std::string, std::string>>{
           {modulus, "\1"},  // what is signed is the signature
           {modulus, std::string(1, '\0')},
           {modulus, ""},
           {modulus, "\2"},
           {modulus, std::string(9, '\1')},
           {"", three},
           {"\1", three},
           {std::string(1, '\0'), three},
           {std::string(256, '\0'), three},
           {std::string(64, '\xff'), three},    // 512 bits
           {std::string(127, '\xff'), three},   // 1016
           {std::string(4096, '\xff'), three},  // 32,768: to make us work
           {modulus.substr(0, 255) + '\xfe', three}}) {
    EXPECT_FALSE(has_key(rsa_jwk(n, e))) << n.size() << ' ' << encode_url(e);
  }

  const auto part = [](const KeyPair& key, const char* name, int size) {
    return base64::decode_url(key.number(name, size)).value();
  };
  const std::string x = part(our_keys().p256, OSSL_PKEY_PARAM_EC_PUB_X, 32);
  const std::string y = part(our_keys().p256, OSSL_PKEY_PARAM_EC_PUB_Y, 32);
  EXPECT_TRUE(has_key(ec_jwk("P-256", x, y))) << "as it should be";
  const std::string zero(32, '\0');
  for (const auto& [curve, px, py] : std::vector<std::array<std::string, 3>>{
           {"P-256", x, x},
           {"P-256", y, x},
           {"P-256", zero, zero},
           {"P-256", "", ""},
           {"P-256", x, ""},
           {"P-256", std::string(1, '\0') + x, y},
           {"P-256", x.substr(1), y},
           {"P-256", std::string(32, '\xff'), y},  // above the prime
           {"P-256", x + y, ""},
           {"P-384", x, y},
           {"P-521", x, y},
           {"secp256k1", x, y},
           {"P-256K", x, y},
           {"p-256", x, y},
           {"Ed25519", x, y},
           {"", x, y}}) {
    EXPECT_FALSE(has_key(ec_jwk(curve, px, py))) << curve;
  }
}

// Keys for other things: a secret, one to encrypt, one of another kind.
TEST(HostileKeys, ForOtherThingsAreNoKeys) {
  const Keys& keys = our_keys();
  const std::string secret = encode_url("a secret");
  for (const std::string& jwk : std::vector<std::string>{
           R"({"kty":"oct","use":"sig","kid":"rsa","alg":"HS256","k":")" + secret + "\"}",
           R"({"kty":"OKP","crv":"X25519","use":"sig","kid":"rsa","x":")" +
               encode_url(std::string(32, '\x09')) + "\"}",
           R"({"kty":"OKP","crv":"Ed448","use":"sig","kid":"rsa","x":")" +
               encode_url(std::string(57, '\x09')) + "\"}",
           R"({"kty":"OKP","crv":"Ed25519","use":"sig","kid":"rsa","x":")" +
               encode_url(std::string(31, '\x09')) + "\"}",
           R"({"kty":"OKP","crv":"Ed25519","use":"sig","kid":"rsa"})",
           R"({"use":"sig","kid":"rsa"})", R"({"kty":["RSA"],"use":"sig","kid":"rsa"})", "1",
           "[]"}) {
    EXPECT_FALSE(has_key(jwk)) << jwk;
  }
  // Signed by the key itself: its id, its algorithm and its use must be as they are told.
  const auto takes = [](const std::string& jwk, const Scheme& scheme) {
    const KeySetDoor door(set_of({jwk}));
    return accepts({"", &door.verifier()}, genuine(scheme, header_of(scheme), good_claims()));
  };
  for (const Scheme& scheme : schemes()) {
    if (scheme.is_hmac()) continue;
    const std::string good = scheme.key->jwk(scheme.key_id);
    EXPECT_TRUE(takes(good, scheme)) << scheme.algorithm;
    EXPECT_TRUE(
        takes(scheme.key->jwk(scheme.key_id, R"(,"alg":")" + scheme.algorithm + '"'), scheme));
    for (const char* algorithm : {"none", "HS256", "PS256", "RSA-OAEP", "rs256", " ", "ES256K"}) {
      EXPECT_FALSE(takes(
          scheme.key->jwk(scheme.key_id, R"(,"alg":")" + std::string(algorithm) + '"'), scheme))
          << scheme.algorithm << ' ' << algorithm;
    }
    for (const Scheme& other : schemes()) {
      if (other.algorithm == scheme.algorithm) continue;
      EXPECT_FALSE(
          takes(scheme.key->jwk(scheme.key_id, R"(,"alg":")" + other.algorithm + '"'), scheme))
          << scheme.algorithm << ' ' << other.algorithm;
    }
    for (const char* use : {"enc", "", "SIG", "sig "}) {
      std::string jwk = good;
      jwk.replace(jwk.find("sig"), 3, use);
      EXPECT_FALSE(takes(jwk, scheme)) << scheme.algorithm << ' ' << use;
    }
    EXPECT_FALSE(takes(scheme.stranger->jwk(scheme.key_id), scheme)) << scheme.algorithm;
    EXPECT_FALSE(takes(scheme.key->jwk("another"), scheme)) << scheme.algorithm;
  }
  // HMAC with any of it is not for key sets.
  for (const char* name : {"HS256", "HS384", "HS512"}) {
    const KeySetDoor door(set_of(
        {R"({"kty":"oct","use":"sig","kid":"rsa","k":")" + secret + "\"}", keys.rsa.jwk("rsa")}));
    for (const std::string& key : {std::string("a secret"), secret, kSecret, std::string()}) {
      const std::string text =
          unsigned_text(R"({"alg":")" + std::string(name) + R"(","kid":"rsa"})", good_claims());
      EXPECT_TRUE(is_refused({"", &door.verifier()},
                             with_signature(text, hmac(*Algorithm::find(name), key, text))))
          << name;
    }
  }
}

// Without a key for it an algorithm has no good token, least of all by an empty secret.
TEST(HostileKeys, ThatAreNotConfiguredVerifyNothing) {
  const auto none = TokenVerifier::create({}).value();
  const auto only_secret = TokenVerifier::create({.hmac_secret_key = kSecret}).value();
  const auto only_previous = TokenVerifier::create({.hmac_previous_secret_key = kSecret,
                                                    .hmac_previous_secret_key_valid_until = 1})
                                 .value();
  const auto only_rsa =
      TokenVerifier::create({.rsa_public_key = our_keys().rsa.public_pem()}).value();
  const auto only_ec =
      TokenVerifier::create({.ecdsa_public_key = our_keys().p256.public_pem()}).value();
  for (const Scheme& scheme : schemes()) {
    for (const Use use : kUses) {
      const std::string token = genuine(scheme, header_of(scheme), good_claims(use));
      EXPECT_TRUE(is_refused({"", &none}, token, use)) << scheme.algorithm;
      EXPECT_TRUE(is_refused({"", &only_previous}, token, use)) << scheme.algorithm;
      EXPECT_EQ(accepts({"", &only_secret}, token, use), scheme.is_hmac()) << scheme.algorithm;
      EXPECT_EQ(accepts({"", &only_rsa}, token, use), scheme.is("RS")) << scheme.algorithm;
      EXPECT_EQ(accepts({"", &only_ec}, token, use), scheme.is("ES256")) << scheme.algorithm;
      const std::string text = unsigned_text(R"({"alg":"HS256"})", good_claims(use));
      const std::string empty = with_signature(text, hmac(*Algorithm::find("HS256"), "", text));
      for (const auto* verifier : {&none, &only_secret, &only_previous, &only_rsa, &only_ec}) {
        EXPECT_TRUE(is_refused({"", verifier}, empty, use));
      }
    }
  }
}

// Keys that a configuration must not have, as everybody can sign for them.
TEST(HostileKeys, InPemAreRefusedByTheirWeakness) {
  const auto weak = [](size_t bits) {
    EVP_PKEY* key = EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", bits);
    BIO* bio = BIO_new(BIO_s_mem());
    PEM_write_bio_PUBKEY(bio, key);
    char* text = nullptr;
    const long size = BIO_get_mem_data(bio, &text);
    std::string pem(text, static_cast<size_t>(size));
    BIO_free(bio);
    EVP_PKEY_free(key);
    return pem;
  };
  EXPECT_FALSE(PublicKey::from_pem(weak(512), Algorithm::Family::rsa));
  EXPECT_FALSE(PublicKey::from_pem(weak(1016), Algorithm::Family::rsa));
  EXPECT_TRUE(PublicKey::from_pem(weak(1024), Algorithm::Family::rsa)) << "as the reference has it";
}

}  // namespace
}  // namespace gyre::auth::hostile
