#include "auth/signature.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/check.h"

namespace gyre::auth {

namespace {

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

// Null where the algorithm brings its own.
const EVP_MD* hash_of(const Algorithm& algorithm) {
  switch (algorithm.bits) {
    case 0:
      return nullptr;
    case 256:
      return EVP_sha256();
    case 384:
      return EVP_sha384();
    default:
      return EVP_sha512();
  }
}

// 256, 384 or 521 for the curves of RFC 7518, 3.4; others of that size are no match, 0.
int curve_bits(EVP_PKEY* key) {
  std::array<char, 64> name{};
  if (EVP_PKEY_get_group_name(key, name.data(), name.size(), nullptr) != 1) return 0;
  const std::string_view curve(name.data());
  if (curve == "prime256v1") return 256;
  if (curve == "secp384r1") return 384;
  return curve == "secp521r1" ? 521 : 0;
}

// Bytes of each half of a raw ECDSA signature; 0 if the hash does not fit the key's curve.
size_t ecdsa_half(EVP_PKEY* key, const Algorithm& algorithm) {
  const int bits = curve_bits(key);
  const bool fits = bits == algorithm.bits || (bits == 521 && algorithm.bits == 512);
  return fits ? static_cast<size_t>((bits + 7) / 8) : 0;
}

// Bounds what a key set may make us compute with.
constexpr int kRsaBitsMin = 1024;
constexpr size_t kRsaBytesMin = kRsaBitsMin / 8;
constexpr size_t kRsaBytesMax = 16'384 / 8;
constexpr size_t kRsaExponentBytesMax = 8;
constexpr size_t kEd25519Bytes = 32;

std::string_view without_leading_zeros(std::string_view number) {
  number.remove_prefix(std::min(number.find_first_not_of('\0'), number.size()));
  return number;
}

// Whether the numbers can be a key at all: a point is on its curve, an exponent is not 1.
bool is_sound(EVP_PKEY* key) {
  EVP_PKEY_CTX* context = EVP_PKEY_CTX_new_from_pkey(nullptr, key, nullptr);
  const bool is_good = EVP_PKEY_public_check(context) == 1;
  EVP_PKEY_CTX_free(context);
  ERR_clear_error();
  return is_good;
}

// Whether the point has one of the small orders of the curve, 1 to 8, where anybody can sign:
// compares with all encodings of their y (RFC 8032, 5.1), whatever the sign of x.
bool is_small_point(std::string_view bytes) {
  static constexpr std::string_view kOrderEight[] = {
      "\x26\xe8\x95\x8f\xc2\xb2\x27\xb0\x45\xc3\xf4\x89\xf2\xef\x98\xf0"
      "\xd5\xdf\xac\x05\xd3\xc6\x33\x39\xb1\x38\x02\x88\x6d\x53\xfc\x05",
      "\xc7\x17\x6a\x70\x3d\x4d\xd8\x4f\xba\x3c\x0b\x76\x0d\x10\x67\x0f"
      "\x2a\x20\x53\xfa\x2c\x39\xcc\xc6\x4e\xc7\xfd\x77\x92\xac\x03\x7a"};
  struct Number {
    char first, others, last;
  };
  static constexpr Number kPlain[] = {{'\x00', '\x00', '\x00'},   // 0
                                      {'\x01', '\x00', '\x00'},   // 1
                                      {'\xec', '\xff', '\x7f'},   // p - 1, for p = 2^255 - 19
                                      {'\xed', '\xff', '\x7f'},   // p
                                      {'\xee', '\xff', '\x7f'}};  // p + 1
  std::string y(bytes);
  y.back() = static_cast<char>(y.back() & 0x7f);
  return std::ranges::find(kOrderEight, y) != std::end(kOrderEight) ||
         std::ranges::any_of(kPlain, [&y](const Number& one) {
           return y == one.first + std::string(y.size() - 2, one.others) + one.last;
         });
}

// A public key of the named kind from its parameters; null if they are none.
EVP_PKEY* make_key(const char* kind, OSSL_PARAM* parameters) {
  EVP_PKEY* key = nullptr;
  EVP_PKEY_CTX* context = EVP_PKEY_CTX_new_from_name(nullptr, kind, nullptr);
  if (EVP_PKEY_fromdata_init(context) != 1 ||
      EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, parameters) != 1) {
    key = nullptr;
  }
  EVP_PKEY_CTX_free(context);
  if (key && !is_sound(key)) {
    EVP_PKEY_free(key);
    key = nullptr;
  }
  ERR_clear_error();
  return key;
}

// The salt is as long as the hash (RFC 7518, 3.5), no other is taken.
bool uses_pss(EVP_PKEY_CTX* context) {
  return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) == 1 &&
         EVP_PKEY_CTX_set_rsa_pss_saltlen(context, RSA_PSS_SALTLEN_DIGEST) == 1;
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
  // What did not fit is no concern of the next caller of OpenSSL on this thread.
  ERR_clear_error();
  return key;
}

}  // namespace

const Algorithm* Algorithm::find(std::string_view name) {
  using enum Family;
  static constexpr std::array<std::pair<std::string_view, Algorithm>, 13> kAll{{
      {"HS256", {hmac, 256}},
      {"HS384", {hmac, 384}},
      {"HS512", {hmac, 512}},
      {"RS256", {rsa, 256}},
      {"RS384", {rsa, 384}},
      {"RS512", {rsa, 512}},
      {"PS256", {rsa, 256, true}},
      {"PS384", {rsa, 384, true}},
      {"PS512", {rsa, 512, true}},
      {"ES256", {ecdsa, 256}},
      {"ES384", {ecdsa, 384}},
      {"ES512", {ecdsa, 512}},
      {"EdDSA", {eddsa, 0}},
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
  if (family == Algorithm::Family::ecdsa && curve_bits(key.key_.get()) == 0) {
    return fail(Errc::invalid, "the public key is on another curve than P-256, P-384 and P-521");
  }
  if (family == Algorithm::Family::rsa && EVP_PKEY_get_bits(key.key_.get()) < kRsaBitsMin) {
    return fail(Errc::invalid, "an RSA key of less than 1,024 bits is none");
  }
  if (!is_sound(key.key_.get())) return fail(Errc::invalid, "the numbers are no public key");
  return key;
}

Result<PublicKey> PublicKey::from_rsa(const std::string& modulus, const std::string& exponent) {
  const std::string_view n = without_leading_zeros(modulus);
  const std::string_view e = without_leading_zeros(exponent);
  if (n.size() < kRsaBytesMin || n.size() > kRsaBytesMax || e.empty() ||
      e.size() > kRsaExponentBytesMax) {
    return fail(Errc::invalid, "an RSA key of an unusual size");
  }
  BIGNUM* n_number = BN_bin2bn(bytes_of(n), static_cast<int>(n.size()), nullptr);
  BIGNUM* e_number = BN_bin2bn(bytes_of(e), static_cast<int>(e.size()), nullptr);
  OSSL_PARAM_BLD* builder = OSSL_PARAM_BLD_new();
  OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, n_number);
  OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, e_number);
  OSSL_PARAM* parameters = OSSL_PARAM_BLD_to_param(builder);
  PublicKey key;
  key.key_.reset(make_key("RSA", parameters));
  OSSL_PARAM_free(parameters);
  OSSL_PARAM_BLD_free(builder);
  BN_free(e_number);
  BN_free(n_number);
  if (!key.key_) return fail(Errc::invalid, "no RSA key");
  return key;
}

Result<PublicKey> PublicKey::from_point(std::string_view curve, const std::string& x,
                                        const std::string& y) {
  struct Curve {
    std::string_view name;
    const char* group;
    size_t bytes;
  };
  static constexpr std::array<Curve, 3> kCurves{
      {{"P-256", "prime256v1", 32}, {"P-384", "secp384r1", 48}, {"P-521", "secp521r1", 66}}};
  for (const Curve& known : kCurves) {
    if (known.name != curve) continue;
    if (x.size() != known.bytes || y.size() != known.bytes) break;
    std::string point = "\x04" + x + y;  // uncompressed
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, const_cast<char*>(known.group),
                                         0),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size()),
        OSSL_PARAM_construct_end()};
    PublicKey key;
    key.key_.reset(make_key("EC", parameters));
    if (!key.key_) break;
    return key;
  }
  return fail(Errc::invalid, "no point on one of the curves P-256, P-384 and P-521");
}

Result<PublicKey> PublicKey::from_ed25519(const std::string& bytes) {
  if (bytes.size() != kEd25519Bytes || is_small_point(bytes)) {
    return fail(Errc::invalid, "no Ed25519 key");
  }
  PublicKey key;
  key.key_.reset(
      EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, bytes_of(bytes), bytes.size()));
  ERR_clear_error();
  if (!key.key_) return fail(Errc::invalid, "no Ed25519 key");
  return key;
}

Algorithm::Family PublicKey::family() const {
  switch (EVP_PKEY_get_base_id(key_.get())) {
    case EVP_PKEY_RSA:
      return Algorithm::Family::rsa;
    case EVP_PKEY_EC:
      return Algorithm::Family::ecdsa;
    default:
      return Algorithm::Family::eddsa;
  }
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
  EVP_PKEY_CTX* padding = nullptr;  // the context's
  const bool good =
      EVP_DigestVerifyInit(context, &padding, hash_of(algorithm), nullptr, key_.get()) == 1 &&
      (!algorithm.has_pss || uses_pss(padding)) &&
      EVP_DigestVerify(context, bytes_of(signature), signature.size(), bytes_of(text),
                       text.size()) == 1;
  EVP_MD_CTX_free(context);
  if (!good) ERR_clear_error();  // TLS on this thread would take them for its own
  return good;
}

std::string hmac(const Algorithm& algorithm, std::string_view secret, std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> result;
  unsigned size = 0;
  HMAC(hash_of(algorithm), secret.data(), static_cast<int>(secret.size()), bytes_of(text),
       text.size(), result.data(), &size);
  return {reinterpret_cast<char*>(result.data()), size};
}

void HmacKey::Free::operator()(evp_mac_ctx_st* context) const {
  EVP_MAC_CTX_free(context);
}

HmacKey::HmacKey(std::string_view secret) {
  GYRE_CHECK(!secret.empty());
  EVP_MAC* mac = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
  GYRE_CHECK(mac);
  static constexpr std::array<const char*, 3> kHashes{"SHA256", "SHA384", "SHA512"};
  for (size_t i = 0; i < kHashes.size(); ++i) {
    contexts_[i].reset(EVP_MAC_CTX_new(mac));
    const OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, const_cast<char*>(kHashes[i]), 0),
        OSSL_PARAM_construct_end()};
    GYRE_CHECK(EVP_MAC_init(contexts_[i].get(), bytes_of(secret), secret.size(), parameters) == 1);
  }
  EVP_MAC_free(mac);
}

bool HmacKey::verifies(const Algorithm& algorithm, std::string_view text,
                       std::string_view signature) {
  EVP_MAC_CTX* context = contexts_[static_cast<size_t>(algorithm.bits / 128 - 2)].get();
  std::array<unsigned char, EVP_MAX_MD_SIZE> expected;
  size_t size = 0;
  // Without a key the context starts again with the one that it has.
  GYRE_CHECK(EVP_MAC_init(context, nullptr, 0, nullptr) == 1 &&
             EVP_MAC_update(context, bytes_of(text), text.size()) == 1 &&
             EVP_MAC_final(context, expected.data(), &size, expected.size()) == 1);
  return signature.size() == size && CRYPTO_memcmp(signature.data(), expected.data(), size) == 0;
}

}  // namespace gyre::auth
