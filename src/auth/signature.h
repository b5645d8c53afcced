#pragma once

#include <array>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

struct evp_pkey_st;
struct evp_mac_ctx_st;

namespace gyre::auth {

// The algorithms of RFC 7518, 3.1 and RFC 8037 that tokens may be signed with.
struct Algorithm {
  enum class Family : uint8_t { hmac, rsa, ecdsa, eddsa };
  Family family;
  int bits;              // of the hash: 256, 384, 512; 0 if the algorithm has one of its own
  bool has_pss = false;  // PS*, the other padding of RSA (RFC 7518, 3.5)

  // Nothing for "none" and for anything unknown.
  static const Algorithm* find(std::string_view name);
};

// A public key from PEM: a PKIX key or an X.509 certificate; for ECDSA one of the curves P-256,
// P-384 and P-521.
class PublicKey {
 public:
  static Result<PublicKey> from_pem(const std::string& pem, Algorithm::Family family);
  // From the parts of a key set's key, as big-endian bytes (RFC 7518, 6; RFC 8037, 2).
  static Result<PublicKey> from_rsa(const std::string& modulus, const std::string& exponent);
  // `curve`: P-256, P-384 or P-521.
  static Result<PublicKey> from_point(std::string_view curve, const std::string& x,
                                      const std::string& y);
  static Result<PublicKey> from_ed25519(const std::string& bytes);

  Algorithm::Family family() const;
  // For ECDSA only the hash that fits the curve passes (RFC 7518, 3.4).
  bool verifies(const Algorithm& algorithm, std::string_view text,
                std::string_view signature) const;

 private:
  struct Free {
    void operator()(evp_pkey_st* key) const;
  };
  std::unique_ptr<evp_pkey_st, Free> key_;
};

// A secret with its contexts ready for the next signature, which costs a quarter of starting from
// the secret. Not for two threads at once.
class HmacKey {
 public:
  explicit HmacKey(std::string_view secret);
  // Compares in constant time.
  bool verifies(const Algorithm& algorithm, std::string_view text, std::string_view signature);

 private:
  struct Free {
    void operator()(evp_mac_ctx_st* context) const;
  };
  std::array<std::unique_ptr<evp_mac_ctx_st, Free>, 3> contexts_;  // by hash
};

std::string hmac(const Algorithm& algorithm, std::string_view secret, std::string_view text);

}  // namespace gyre::auth
