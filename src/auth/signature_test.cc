#include "auth/signature.h"

#include <gtest/gtest.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <memory>

namespace gyre::auth {
namespace {

std::string take(BIO* bio) {
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio, &text);
  std::string result(text, static_cast<size_t>(size));
  BIO_free(bio);
  return result;
}

// A key pair of a curve, signing as JOSE does: r and s side by side.
class Signer {
 public:
  explicit Signer(const char* curve) : key_(EVP_EC_gen(curve), EVP_PKEY_free) {}

  std::string public_pem() const {
    BIO* bio = BIO_new(BIO_s_mem());
    PEM_write_bio_PUBKEY(bio, key_.get());
    return take(bio);
  }
  std::string sign(const EVP_MD* hash, std::string_view text) const {
    EVP_MD_CTX* context = EVP_MD_CTX_new();
    std::string der(256, '\0');
    size_t size = der.size();
    EVP_DigestSignInit(context, nullptr, hash, nullptr, key_.get());
    EVP_DigestSign(context, reinterpret_cast<unsigned char*>(der.data()), &size,
                   reinterpret_cast<const unsigned char*>(text.data()), text.size());
    EVP_MD_CTX_free(context);
    const auto* bytes = reinterpret_cast<const unsigned char*>(der.data());
    ECDSA_SIG* signature = d2i_ECDSA_SIG(nullptr, &bytes, static_cast<long>(size));
    const int half = (EVP_PKEY_get_bits(key_.get()) + 7) / 8;
    std::string raw(static_cast<size_t>(2 * half), '\0');
    auto* out = reinterpret_cast<unsigned char*>(raw.data());
    BN_bn2binpad(ECDSA_SIG_get0_r(signature), out, half);
    BN_bn2binpad(ECDSA_SIG_get0_s(signature), out + half, half);
    ECDSA_SIG_free(signature);
    return raw;
  }

 private:
  std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)> key_;
};

TEST(PublicKey, EachCurveHasItsHash) {
  struct Case {
    const char* curve;
    const char* algorithm;
    const EVP_MD* hash;
  };
  for (const Case& one :
       {Case{"P-256", "ES256", EVP_sha256()}, Case{"P-384", "ES384", EVP_sha384()},
        Case{"P-521", "ES512", EVP_sha512()}}) {
    const Signer signer(one.curve);
    const auto key = PublicKey::from_pem(signer.public_pem(), Algorithm::Family::ecdsa);
    ASSERT_TRUE(key) << key.error().context;
    std::string signature = signer.sign(one.hash, "text");
    for (const char* name : {"ES256", "ES384", "ES512"}) {
      EXPECT_EQ(key->verifies(*Algorithm::find(name), "text", signature),
                std::string_view(name) == one.algorithm)
          << one.curve << " " << name;
    }
    const Algorithm& algorithm = *Algorithm::find(one.algorithm);
    EXPECT_FALSE(key->verifies(algorithm, "another text", signature));
    EXPECT_FALSE(key->verifies(algorithm, "text", signature.substr(1)));
    EXPECT_FALSE(key->verifies(algorithm, "text", signature + '\0'));
    EXPECT_FALSE(key->verifies(algorithm, "text", std::string(signature.size(), '\0')));
    EXPECT_FALSE(key->verifies(algorithm, "text", ""));
  }
}

TEST(PublicKey, OtherCurvesOfTheSameSizeAreRefused) {
  const Signer signer("secp256k1");
  EXPECT_FALSE(PublicKey::from_pem(signer.public_pem(), Algorithm::Family::ecdsa));
}

TEST(PublicKey, AKeyOfAnotherKindIsRefused) {
  const Signer signer("P-256");
  EXPECT_FALSE(PublicKey::from_pem(signer.public_pem(), Algorithm::Family::rsa));
  EXPECT_FALSE(PublicKey::from_pem("", Algorithm::Family::rsa));
}

TEST(HmacKey, CanBeUsedAgainWithEachHash) {
  HmacKey key("secret");
  for (int round = 0; round < 3; ++round) {
    for (const char* name : {"HS256", "HS512", "HS384"}) {
      const Algorithm& algorithm = *Algorithm::find(name);
      const std::string text = name + std::to_string(round);
      std::string signature = hmac(algorithm, "secret", text);
      EXPECT_TRUE(key.verifies(algorithm, text, signature)) << text;
      EXPECT_FALSE(key.verifies(algorithm, text + " ", signature));
      EXPECT_FALSE(key.verifies(algorithm, text, signature.substr(1)));
      EXPECT_FALSE(key.verifies(algorithm, text, ""));
      signature[0] ^= 1;
      EXPECT_FALSE(key.verifies(algorithm, text, signature));
    }
  }
}

// RFC 4231, 4.3.
TEST(Hmac, AgreesWithTheStandard) {
  const std::string mac = hmac(*Algorithm::find("HS256"), "Jefe", "what do ya want for nothing?");
  EXPECT_EQ(mac.size(), 32u);
  EXPECT_EQ(mac.substr(0, 4), "\x5b\xdc\xc1\x46");
  EXPECT_EQ(mac.substr(28), "\x64\xec\x38\x43");
}

}  // namespace
}  // namespace gyre::auth
