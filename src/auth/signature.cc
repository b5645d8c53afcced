#include "auth/signature.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <array>
#include <utility>

namespace gyre::auth {

namespace {

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

const EVP_MD* hash_of(const Algorithm& algorithm) {
  switch (algorithm.bits) {
    case 256:
      return EVP_sha256();
    case 384:
      return EVP_sha384();
    default:
      return EVP_sha512();
  }
}

// Bytes of each half of a raw ECDSA signature; 0 if the hash does not fit the key's curve.
size_t ecdsa_half(EVP_PKEY* key, const Algorithm& algorithm) {
  const int bits = EVP_PKEY_get_bits(key);
  const bool fits = (algorithm.bits == 256 && bits == 256) ||
                    (algorithm.bits == 384 && bits == 384) ||
                    (algorithm.bits == 512 && bits == 521);
  return fits ? static_cast<size_t>((bits + 7) / 8) : 0;
}

// JOSE writes r and s side by side, OpenSSL wants DER (RFC 7518, 3.4).
std::string to_der(std::string_view raw, size_t half) {
  ECDSA_SIG* signature = ECDSA_SIG_new();
  const int size = static_cast<int>(half);
  ECDSA_SIG_set0(signature, BN_bin2bn(bytes_of(raw), size, nullptr),
                 BN_bin2bn(bytes_of(raw) + half, size, nullptr));
  unsigned char* der = nullptr;
  const int der_size = i2d_ECDSA_SIG(signature, &der);
  std::string result;
  if (der_size > 0) result.assign(reinterpret_cast<char*>(der), static_cast<size_t>(der_size));
  OPENSSL_free(der);
  ECDSA_SIG_free(signature);
  return result;
}

EVP_PKEY* read_pem(const std::string& pem) {
  BIO* bio = BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
  EVP_PKEY* key = PEM_read_bio_PUBKEY(bio, nullptr, nullptr, nullptr);
  BIO_free(bio);
  if (key) return key;
  bio = BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
  if (X509* certificate = PEM_read_bio_X509(bio, nullptr, nullptr, nullptr)) {
    key = X509_get_pubkey(certificate);
    X509_free(certificate);
  }
  BIO_free(bio);
  return key;
}

}  // namespace

const Algorithm* Algorithm::find(std::string_view name) {
  using enum Family;
  static constexpr std::array<std::pair<std::string_view, Algorithm>, 9> kAll{{
      {"HS256", {hmac, 256}},
      {"HS384", {hmac, 384}},
      {"HS512", {hmac, 512}},
      {"RS256", {rsa, 256}},
      {"RS384", {rsa, 384}},
      {"RS512", {rsa, 512}},
      {"ES256", {ecdsa, 256}},
      {"ES384", {ecdsa, 384}},
      {"ES512", {ecdsa, 512}},
  }};
  for (const auto& [known, algorithm] : kAll) {
    if (known == name) return &algorithm;
  }
  return nullptr;
}

void PublicKey::Free::operator()(evp_pkey_st* key) const {
  EVP_PKEY_free(key);
}

Result<PublicKey> PublicKey::from_pem(const std::string& pem, Algorithm::Family family) {
  PublicKey key;
  key.key_.reset(read_pem(pem));
  if (!key.key_) return fail(Errc::invalid, "no public key in PEM form");
  const int wanted = family == Algorithm::Family::rsa ? EVP_PKEY_RSA : EVP_PKEY_EC;
  if (EVP_PKEY_get_base_id(key.key_.get()) != wanted) {
    return fail(Errc::invalid, "the public key is of another kind");
  }
  return key;
}

bool PublicKey::verifies(const Algorithm& algorithm, std::string_view text,
                         std::string_view signature) const {
  std::string der;
  if (algorithm.family == Algorithm::Family::ecdsa) {
    const size_t half = ecdsa_half(key_.get(), algorithm);
    if (half == 0 || signature.size() != 2 * half) return false;
    der = to_der(signature, half);
    signature = der;
  }
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  const bool good =
      EVP_DigestVerifyInit(context, nullptr, hash_of(algorithm), nullptr, key_.get()) == 1 &&
      EVP_DigestVerify(context, bytes_of(signature), signature.size(), bytes_of(text),
                       text.size()) == 1;
  EVP_MD_CTX_free(context);
  return good;
}

std::string hmac(const Algorithm& algorithm, std::string_view secret, std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> result;
  unsigned size = 0;
  HMAC(hash_of(algorithm), secret.data(), static_cast<int>(secret.size()), bytes_of(text),
       text.size(), result.data(), &size);
  return {reinterpret_cast<char*>(result.data()), size};
}

bool verifies_hmac(const Algorithm& algorithm, std::string_view secret, std::string_view text,
                   std::string_view signature) {
  const std::string expected = hmac(algorithm, secret, text);
  return signature.size() == expected.size() &&
         CRYPTO_memcmp(signature.data(), expected.data(), expected.size()) == 0;
}

}  // namespace gyre::auth
