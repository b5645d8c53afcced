#pragma once

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <cstdlib>
#include <initializer_list>
#include <string>
#include <string_view>

#include "base/base64.h"

namespace gyre::auth {

inline std::string set_of(std::initializer_list<std::string_view> keys) {
  std::string json = R"({"keys":[)";
  for (const std::string_view key : keys) {
    if (json.back() != '[') json += ',';
    json += key;
  }
  return json + "]}";
}

// A pair of keys of the test: signs tokens, and is told as an entry of a key set.
class KeyPair {
 public:
  explicit KeyPair(const char* kind, std::string curve = "") : curve_(std::move(curve)) {
    key_ = curve_.empty() ? (std::string_view(kind) == "RSA"
                                 ? EVP_PKEY_Q_keygen(nullptr, nullptr, kind, size_t{2048})
                                 : EVP_PKEY_Q_keygen(nullptr, nullptr, kind))
                          : EVP_PKEY_Q_keygen(nullptr, nullptr, kind, curve_.c_str());
    if (!key_) std::abort();
  }
  ~KeyPair() { EVP_PKEY_free(key_); }
  KeyPair(const KeyPair&) = delete;

  std::string number(const char* name, int size = 0) const {
    BIGNUM* value = nullptr;
    if (EVP_PKEY_get_bn_param(key_, name, &value) != 1) std::abort();
    std::string bytes(static_cast<size_t>(size ? size : BN_num_bytes(value)), '\0');
    BN_bn2binpad(value, reinterpret_cast<unsigned char*>(bytes.data()),
                 static_cast<int>(bytes.size()));
    BN_free(value);
    return base64::encode_url(bytes);
  }
  std::string jwk(const std::string& id, const std::string& more = "") const {
    const std::string head = R"({"use":"sig","kid":")" + id + "\"" + more;
    switch (EVP_PKEY_get_base_id(key_)) {
      case EVP_PKEY_RSA:
        return head + R"(,"kty":"RSA","n":")" + number(OSSL_PKEY_PARAM_RSA_N) + R"(","e":")" +
               number(OSSL_PKEY_PARAM_RSA_E) + "\"}";
      case EVP_PKEY_EC:
        return head + R"(,"kty":"EC","crv":")" + curve_ + R"(","x":")" +
               number(OSSL_PKEY_PARAM_EC_PUB_X, half()) + R"(","y":")" +
               number(OSSL_PKEY_PARAM_EC_PUB_Y, half()) + "\"}";
      default: {
        std::string bytes(32, '\0');
        size_t size = bytes.size();
        EVP_PKEY_get_raw_public_key(key_, reinterpret_cast<unsigned char*>(bytes.data()), &size);
        return head + R"(,"kty":"OKP","crv":"Ed25519","x":")" + base64::encode_url(bytes) + "\"}";
      }
    }
  }
  std::string sign(const std::string& algorithm, const std::string& id,
                   const std::string& claims) const {
    const std::string text =
        base64::encode_url(R"({"alg":")" + algorithm + R"(","kid":")" + id + R"("})") + "." +
        base64::encode_url(claims);
    return text + "." + base64::encode_url(sign_text(algorithm, text));
  }
  // The signature as JOSE has it.
  std::string sign_text(const std::string& algorithm, std::string_view text) const {
    const EVP_MD* hash = algorithm == "EdDSA"
                             ? nullptr
                             : EVP_get_digestbyname(("SHA" + algorithm.substr(2)).c_str());
    const std::string signature = sign_hashed(hash, text);
    return curve_.empty() ? signature : side_by_side(signature);
  }
  // As OpenSSL has it; the hash is null for Ed25519.
  std::string sign_hashed(const EVP_MD* hash, std::string_view text) const {
    EVP_MD_CTX* context = EVP_MD_CTX_new();
    std::string signature(1024, '\0');
    size_t size = signature.size();
    if (EVP_DigestSignInit(context, nullptr, hash, nullptr, key_) != 1 ||
        EVP_DigestSign(context, reinterpret_cast<unsigned char*>(signature.data()), &size,
                       reinterpret_cast<const unsigned char*>(text.data()), text.size()) != 1) {
      std::abort();
    }
    EVP_MD_CTX_free(context);
    signature.resize(size);
    return signature;
  }
  std::string public_pem() const {
    BIO* bio = BIO_new(BIO_s_mem());
    PEM_write_bio_PUBKEY(bio, key_);
    char* text = nullptr;
    const long size = BIO_get_mem_data(bio, &text);
    std::string pem(text, static_cast<size_t>(size));
    BIO_free(bio);
    return pem;
  }
  std::string public_der() const {
    unsigned char* bytes = nullptr;
    const int size = i2d_PUBKEY(key_, &bytes);
    std::string der(reinterpret_cast<char*>(bytes), static_cast<size_t>(size));
    OPENSSL_free(bytes);
    return der;
  }
  EVP_PKEY* get() const { return key_; }

 private:
  int half() const { return curve_ == "P-256" ? 32 : curve_ == "P-384" ? 48 : 66; }
  std::string side_by_side(const std::string& der) const {
    const auto* bytes = reinterpret_cast<const unsigned char*>(der.data());
    ECDSA_SIG* parts = d2i_ECDSA_SIG(nullptr, &bytes, static_cast<long>(der.size()));
    std::string raw(static_cast<size_t>(2 * half()), '\0');
    auto* out = reinterpret_cast<unsigned char*>(raw.data());
    BN_bn2binpad(ECDSA_SIG_get0_r(parts), out, half());
    BN_bn2binpad(ECDSA_SIG_get0_s(parts), out + half(), half());
    ECDSA_SIG_free(parts);
    return raw;
  }

  std::string curve_;
  EVP_PKEY* key_ = nullptr;
};

}  // namespace gyre::auth
