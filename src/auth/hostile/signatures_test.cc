// Hostile tokens: signatures that are none, another's, or of another algorithm.
#include <gtest/gtest.h>
#include <openssl/rsa.h>

#include <algorithm>

#include "auth/hostile/test_support.h"

namespace gyre::auth::hostile {
namespace {

std::string flipped(std::string bytes, size_t at, char bit = 1) {
  bytes[at] = static_cast<char>(bytes[at] ^ bit);
  return bytes;
}

// A variant that keeps header and claims, and makes the signature of the good one.
Variant spoiled(std::string name,
                std::function<std::string(const Material&, const std::string&)> make) {
  return {std::move(name), [make = std::move(make)](const Material& m) {
            return with_signature(m.text, make(m, m.signature));
          }};
}
// One whose signature is of another text.
Variant of_text(std::string name, std::function<std::string(const Material&)> text) {
  return {std::move(name), [text = std::move(text)](const Material& m) {
            return with_signature(m.text, m.scheme.sign(text(m)));
          }};
}

std::vector<Variant> spoiled_signatures() {
  using S = std::string;
  const auto zeros = [](size_t count) { return S(count, '\0'); };
  std::vector<Variant> all{
      spoiled("none", [](auto&, const S&) { return S(); }),
      spoiled("zeros", [=](auto&, const S& s) { return zeros(s.size()); }),
      spoiled("ones", [](auto&, const S& s) { return S(s.size(), '\xff'); }),
      spoiled("a one", [=](auto&, const S& s) { return zeros(s.size() - 1) + '\1'; }),
      spoiled("a byte", [](auto&, const S& s) { return s.substr(0, 1); }),
      spoiled("without its last byte", [](auto&, const S& s) { return s.substr(0, s.size() - 1); }),
      spoiled("without its first byte", [](auto&, const S& s) { return s.substr(1); }),
      spoiled("its first half", [](auto&, const S& s) { return s.substr(0, s.size() / 2); }),
      spoiled("its second half", [](auto&, const S& s) { return s.substr(s.size() / 2); }),
      spoiled("halves exchanged",
              [](auto&, const S& s) { return s.substr(s.size() / 2) + s.substr(0, s.size() / 2); }),
      spoiled(
          "first half twice",
          [](auto&, const S& s) { return s.substr(0, s.size() / 2) + s.substr(0, s.size() / 2); }),
      spoiled("a zero behind", [=](auto&, const S& s) { return s + zeros(1); }),
      spoiled("a zero in front", [=](auto&, const S& s) { return zeros(1) + s; }),
      spoiled("many zeros behind", [=](auto&, const S& s) { return s + zeros(1024); }),
      spoiled("many zeros in front", [=](auto&, const S& s) { return zeros(1024) + s; }),
      spoiled("a line break behind", [](auto&, const S& s) { return s + '\n'; }),
      spoiled("twice", [](auto&, const S& s) { return s + s; }),
      spoiled("backwards",
              [](auto&, S s) {
                std::ranges::reverse(s);
                return s;
              }),
      spoiled("its complement",
              [](auto&, S s) {
                for (char& c : s) c = static_cast<char>(~c);
                return s;
              }),
      spoiled("in hexadecimal",
              [](auto&, const S& s) {
                S text;
                for (const unsigned char c : s) {
                  text += "0123456789abcdef"[c >> 4];
                  text += "0123456789abcdef"[c & 15];
                }
                return text;
              }),
      spoiled("in base64 once more", [](auto&, const S& s) { return encode_url(s); }),
      spoiled("the text itself", [](const Material& m, const S&) { return m.text; }),
      spoiled("a stranger's", [](const Material& m, const S&) { return m.scheme.forge(m.text); }),
      spoiled("much too long", [](auto&, const S&) { return S(20'000, 'x'); }),
  };
  for (const int eighth : {0, 1, 2, 3, 4, 5, 6, 7}) {
    all.push_back(spoiled(
        "a bit changed in eighth " + std::to_string(eighth),
        [=](auto&, const S& s) { return flipped(s, s.size() * static_cast<size_t>(eighth) / 8); }));
    all.push_back(
        spoiled("bit " + std::to_string(eighth) + " of the last byte", [=](auto&, const S& s) {
          return flipped(s, s.size() - 1, static_cast<char>(1 << eighth));
        }));
  }
  return all;
}

std::vector<Variant> signatures_of_other_texts() {
  return {
      of_text("nothing", [](const Material&) { return std::string(); }),
      of_text("the header", [](const Material& m) { return encode_url(m.header); }),
      of_text("the claims", [](const Material& m) { return encode_url(m.claims); }),
      of_text("the parts without a dot",
              [](const Material& m) { return encode_url(m.header) + encode_url(m.claims); }),
      of_text("the parts exchanged",
              [](const Material& m) { return unsigned_text(m.claims, m.header); }),
      of_text("the parts as they are", [](const Material& m) { return m.header + "." + m.claims; }),
      of_text("a dot behind", [](const Material& m) { return m.text + "."; }),
      of_text("a space behind", [](const Material& m) { return m.text + " "; }),
      of_text("a NUL behind", [](const Material& m) { return m.text + '\0'; }),
      of_text("a padding behind", [](const Material& m) { return m.text + "="; }),
      of_text("another user",
              [](const Material& m) { return unsigned_text(m.header, R"({"sub":"bob"})"); }),
      of_text("a token", [](const Material& m) { return m.token; }),
      of_text("all but the last letter",
              [](const Material& m) { return m.text.substr(0, m.text.size() - 1); }),
      of_text("a header in another order",
              [](const Material& m) {
                return unsigned_text(
                    R"({"kid":")" + m.scheme.key_id + R"(","alg":")" + m.scheme.algorithm + "\"}",
                    m.claims);
              }),
      // Claims put behind a signature that was made for others.
      {"a user who was added",
       [](const Material& m) {
         return with_signature(unsigned_text(m.header, R"({"sub":"root",)" + m.claims.substr(1)),
                               m.signature);
       }},
      {"a longer life",
       [](const Material& m) {
         return with_signature(unsigned_text(m.header, R"({"sub":"ann","exp":9999999999})"),
                               m.signature);
       }},
      {"a header that was added to",
       [](const Material& m) {
         return with_signature(unsigned_text(header_of(m.scheme, R"(,"typ":"JWT")"), m.claims),
                               m.signature);
       }},
      {"spaces that were added to the claims",
       [](const Material& m) {
         return with_signature(unsigned_text(m.header, m.claims + " "), m.signature);
       }},
  };
}

// Whoever takes a public key for a secret takes a token that everybody can sign.
std::vector<std::pair<std::string, std::string>> public_texts(const Scheme& scheme) {
  std::vector<std::pair<std::string, std::string>> texts{
      {"nothing", ""},
      {"a NUL", std::string(1, '\0')},
      {"null", "null"},
      {"secret", "secret"},
      {"the key's id", scheme.key_id},
      {"the address", kAddress},
      {"the key set", our_key_set()},
      {"the secret's length", std::string(kSecret.size(), '\0')},
      {"the secret in capitals", "A SECRET THAT NOBODY ELSE HAS"},
      {"the secret without its end", kSecret.substr(0, kSecret.size() - 1)},
      {"the secret and a line break", kSecret + "\n"},
      {"the secret in base64", encode_url(kSecret)}};
  // With the secret for a key, all the public keys of its door are at hand.
  const KeyPair& key = scheme.key ? *scheme.key : our_keys().rsa;
  const std::string pem = key.public_pem();
  texts.emplace_back("its PEM", pem);
  texts.emplace_back("its PEM without the last line break", pem.substr(0, pem.size() - 1));
  std::string body;
  std::string one_line;
  for (size_t at = 0; at < pem.size();) {
    const size_t end = pem.find('\n', at);
    const std::string line = pem.substr(at, end - at);
    if (!line.starts_with("-----")) body += line;
    one_line += line;
    at = end + 1;
  }
  texts.emplace_back("its PEM in one line", one_line);
  texts.emplace_back("its PEM without the frame", body);
  texts.emplace_back("its DER", key.public_der());
  texts.emplace_back("the second half of its DER",
                     key.public_der().substr(key.public_der().size() / 2));
  texts.emplace_back("its raw bytes", key.public_der().substr(key.public_der().size() - 32));
  texts.emplace_back("its JWK", key.jwk(scheme.key_id));
  if (scheme.is_hmac() || scheme.is("RS")) {
    const std::string modulus = key.number(OSSL_PKEY_PARAM_RSA_N);
    texts.emplace_back("its modulus", base64::decode_url(modulus).value());
    texts.emplace_back("its modulus in base64", modulus);
    texts.emplace_back("its exponent", std::string("\1\0\1", 3));
  }
  return texts;
}

std::vector<Variant> hmacs_by_what_is_public(const Scheme& scheme) {
  std::vector<Variant> all;
  for (const char* name : {"HS256", "HS384", "HS512"}) {
    for (const auto& [title, secret] : public_texts(scheme)) {
      all.push_back({std::string(name) + " by " + title, [=](const Material& m) {
                       const std::string header = R"({"alg":")" + std::string(name) +
                                                  R"(","kid":")" + m.scheme.key_id + "\"}";
                       const std::string text = unsigned_text(header, m.claims);
                       return with_signature(text, hmac(*Algorithm::find(name), secret, text));
                     }});
    }
    // The same, under the name of the algorithm that the key is for.
    all.push_back({std::string(name) + " by PEM as it should be", [=](const Material& m) {
                     const std::string pem =
                         (m.scheme.key ? *m.scheme.key : our_keys().rsa).public_pem();
                     return with_signature(m.text, hmac(*Algorithm::find(name), pem, m.text));
                   }});
  }
  return all;
}

TEST(HostileSignatures, AreRefused) {
  for (const Scheme& scheme : schemes()) {
    std::vector<Variant> variants = spoiled_signatures();
    for (const std::vector<Variant>& more :
         {signatures_of_other_texts(), hmacs_by_what_is_public(scheme)}) {
      variants.insert(variants.end(), more.begin(), more.end());
    }
    EXPECT_GE(variants.size(), 120u) << scheme.algorithm;
    expect_refused(variants, scheme);
  }
}

// --- HMAC

TEST(HostileSignatures, HmacsOfOtherHashesAreRefused) {
  for (const Scheme& scheme : schemes()) {
    if (!scheme.is_hmac()) continue;
    std::vector<Variant> variants;
    for (const char* name : {"HS256", "HS384", "HS512"}) {
      if (scheme.algorithm == name) continue;
      variants.push_back(spoiled(name, [=](const Material& m, const std::string&) {
        return hmac(*Algorithm::find(name), kSecret, m.text);
      }));
      variants.push_back(spoiled(std::string(name) + " made to fit",
                                 [=](const Material& m, const std::string& own) {
                                   std::string mac = hmac(*Algorithm::find(name), kSecret, m.text);
                                   mac.resize(own.size());
                                   return mac;
                                 }));
    }
    for (const size_t size : {8u, 16u, 20u, 24u, 31u}) {  // HS256/64 and such (RFC 9053)
      variants.push_back(
          spoiled("its first " + std::to_string(size),
                  [=](auto&, const std::string& own) { return own.substr(0, size); }));
    }
    expect_refused(variants, scheme);
  }
}

// --- RSA

using Number = std::unique_ptr<BIGNUM, void (*)(BIGNUM*)>;

Number number_of(std::string_view bytes) {
  return {BN_bin2bn(reinterpret_cast<const unsigned char*>(bytes.data()),
                    static_cast<int>(bytes.size()), nullptr),
          BN_free};
}
std::string bytes_of(const Number& number, size_t size) {
  std::string bytes(size, '\0');
  // Nothing, where it does not fit: refused as such.
  if (BN_bn2binpad(number.get(), reinterpret_cast<unsigned char*>(bytes.data()),
                   static_cast<int>(size)) < 0) {
    return "";
  }
  return bytes;
}

std::string sign_pss(const KeyPair& key, const EVP_MD* hash, const std::string& text,
                     int salt_size = RSA_PSS_SALTLEN_DIGEST) {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  EVP_PKEY_CTX* padding = nullptr;
  std::string signature(512, '\0');
  size_t size = signature.size();
  if (EVP_DigestSignInit(context, &padding, hash, nullptr, key.get()) != 1 ||
      EVP_PKEY_CTX_set_rsa_padding(padding, RSA_PKCS1_PSS_PADDING) != 1 ||
      EVP_PKEY_CTX_set_rsa_pss_saltlen(padding, salt_size) != 1 ||
      EVP_DigestSign(context, reinterpret_cast<unsigned char*>(signature.data()), &size,
                     reinterpret_cast<const unsigned char*>(text.data()), text.size()) != 1) {
    std::abort();
  }
  EVP_MD_CTX_free(context);
  signature.resize(size);
  return signature;
}

// PKCS#1 padding around bytes as they are, without the name of a hash.
std::string sign_bare(const KeyPair& key, const std::string& bytes) {
  EVP_PKEY_CTX* context = EVP_PKEY_CTX_new(key.get(), nullptr);
  std::string signature(512, '\0');
  size_t size = signature.size();
  if (EVP_PKEY_sign_init(context) != 1 ||
      EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) != 1 ||
      EVP_PKEY_sign(context, reinterpret_cast<unsigned char*>(signature.data()), &size,
                    reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size()) != 1) {
    std::abort();
  }
  EVP_PKEY_CTX_free(context);
  signature.resize(size);
  return signature;
}

std::string digest_of(const EVP_MD* hash, const std::string& text) {
  std::string digest(EVP_MAX_MD_SIZE, '\0');
  unsigned size = 0;
  EVP_Digest(text.data(), text.size(), reinterpret_cast<unsigned char*>(digest.data()), &size, hash,
             nullptr);
  digest.resize(size);
  return digest;
}

std::vector<Variant> rsa_variants(const Scheme& scheme) {
  const KeyPair& key = *scheme.key;
  const EVP_MD* hash = EVP_get_digestbyname(("SHA" + scheme.algorithm.substr(2)).c_str());
  const std::string modulus = base64::decode_url(key.number(OSSL_PKEY_PARAM_RSA_N)).value();
  const size_t size = modulus.size();
  std::vector<Variant> all{
      spoiled("the modulus", [=](auto&, auto&) { return std::string(modulus); }),
      spoiled("the modulus less one",
              [=](auto&, auto&) {
                return modulus.substr(0, size - 1) + static_cast<char>(modulus.back() - 1);
              }),
      spoiled("itself and the modulus",
              [=](auto&, const std::string& own) {
                Number sum = number_of(own);
                BN_add(sum.get(), sum.get(), number_of(modulus).get());
                return bytes_of(sum, size + 1);
              }),
      spoiled("the modulus less itself",
              [=](auto&, const std::string& own) {
                Number rest = number_of(modulus);
                BN_sub(rest.get(), rest.get(), number_of(own).get());
                return bytes_of(rest, size);
              }),
      spoiled("PSS", [=, &key](const Material& m, auto&) { return sign_pss(key, hash, m.text); }),
      spoiled(
          "the digest without its hash's name",
          [=, &key](const Material& m, auto&) { return sign_bare(key, digest_of(hash, m.text)); }),
      {"PSS by its name",
       [=, &key](const Material& m) {
         const std::string header = R"({"alg":"PS)" + m.scheme.algorithm.substr(2) +
                                    R"(","kid":")" + m.scheme.key_id + "\"}";
         const std::string text = unsigned_text(header, m.claims);
         return with_signature(text, sign_pss(key, hash, text));
       }},
  };
  for (const char* other : {"MD5", "SHA1", "SHA224", "SHA256", "SHA384", "SHA512", "SHA3-256"}) {
    const EVP_MD* another = EVP_get_digestbyname(other);
    if (another == hash) continue;
    all.push_back(spoiled(
        other, [=, &key](const Material& m, auto&) { return key.sign_hashed(another, m.text); }));
  }
  return all;
}

TEST(HostileSignatures, RsaSignaturesOfOtherKindsAreRefused) {
  for (const Scheme& scheme : schemes()) {
    if (scheme.is("RS")) expect_refused(rsa_variants(scheme), scheme);
  }
}

// PS* is taken where it is asked for, and no padding passes for the other.
TEST(HostileSignatures, PssIsTakenWhereItIsAskedForAndForNothingElse) {
  const KeyPair& key = our_keys().rsa;
  const TokenVerifier configured =
      TokenVerifier::create({.rsa_public_key = key.public_pem(), .accepts_pss = true}).value();
  const KeySetDoor set(our_key_set(), {.accepts_pss = true});
  const std::pair<std::string, const EVP_MD*> hashes[] = {
      {"256", EVP_sha256()}, {"384", EVP_sha384()}, {"512", EVP_sha512()}};
  for (const TokenVerifier* verifier : {&configured, &set.verifier()}) {
    const Door door{"with PSS", verifier};
    for (const auto& [bits, hash] : hashes) {
      const auto text_of = [](const std::string& algorithm) {
        return unsigned_text(R"({"alg":")" + algorithm + R"(","kid":"rsa"})", good_claims());
      };
      const std::string pss = text_of("PS" + bits);
      const std::string plain = text_of("RS" + bits);
      EXPECT_TRUE(accepts(door, with_signature(pss, sign_pss(key, hash, pss)))) << bits;
      EXPECT_TRUE(accepts(door, with_signature(plain, key.sign_text("RS" + bits, plain)))) << bits;
      const std::string bad[] = {
          with_signature(pss, key.sign_text("RS" + bits, pss)),
          with_signature(plain, sign_pss(key, hash, plain)),
          with_signature(pss, sign_pss(key, hash, pss, 0)),
          with_signature(pss, sign_pss(key, hash, pss, 20)),
          with_signature(pss, sign_pss(key, EVP_sha1(), pss)),
          with_signature(pss, sign_pss(strange_keys().rsa, hash, pss)),
          with_signature(pss, sign_pss(key, hash, pss + ".")),
          with_signature(pss, ""),
      };
      for (const std::string& token : bad) EXPECT_TRUE(is_refused(door, token)) << token;
    }
  }
  // An algorithm of the set's key says which padding it is for.
  const KeySetDoor narrow(set_of({key.jwk("rsa", R"(,"alg":"RS256")")}), {.accepts_pss = true});
  const std::string pss = unsigned_text(R"({"alg":"PS256","kid":"rsa"})", good_claims());
  EXPECT_TRUE(is_refused({"for RS256", &narrow.verifier()},
                         with_signature(pss, sign_pss(key, EVP_sha256(), pss))));
}

// --- ECDSA

struct Ecdsa {
  Number order, prime;
  size_t half;

  explicit Ecdsa(const KeyPair& key) : order(nullptr, BN_free), prime(nullptr, BN_free), half(0) {
    BIGNUM* value = nullptr;
    EVP_PKEY_get_bn_param(key.get(), OSSL_PKEY_PARAM_EC_ORDER, &value);
    order.reset(value);
    value = nullptr;
    EVP_PKEY_get_bn_param(key.get(), OSSL_PKEY_PARAM_EC_P, &value);
    prime.reset(value);
    half = static_cast<size_t>(BN_num_bytes(prime.get()));
  }
  std::string text(const Number& number) const { return bytes_of(number, half); }
  std::string text(unsigned value) const {
    Number number(BN_new(), BN_free);
    BN_set_word(number.get(), value);
    return text(number);
  }
};

std::vector<Variant> ecdsa_variants(const Scheme& scheme) {
  const KeyPair& key = *scheme.key;
  const Ecdsa curve(key);
  const size_t half = curve.half;
  std::vector<Variant> all;
  // Numbers that no signature has, or only one of a chosen text, in every place.
  std::vector<std::pair<std::string, std::string>> numbers{
      {"0", curve.text(0)},           {"1", curve.text(1)},
      {"2", curve.text(2)},           {"n", curve.text(curve.order)},
      {"p", curve.text(curve.prime)}, {"the highest", std::string(half, '\xff')}};
  Number less(BN_dup(curve.order.get()), BN_free);
  BN_sub_word(less.get(), 1);
  numbers.emplace_back("n - 1", curve.text(less));
  Number more(BN_dup(curve.order.get()), BN_free);
  BN_add_word(more.get(), 1);
  numbers.emplace_back("n + 1", curve.text(more));
  for (const auto& [r_name, r] : numbers) {
    for (const auto& [s_name, s] : numbers) {
      all.push_back(
          spoiled("r = " + r_name + ", s = " + s_name, [=](auto&, auto&) { return r + s; }));
    }
    all.push_back(spoiled("r = " + r_name,
                          [=](auto&, const std::string& own) { return r + own.substr(half); }));
    all.push_back(spoiled("s = " + r_name,
                          [=](auto&, const std::string& own) { return own.substr(0, half) + r; }));
  }
  all.push_back(
      {"in DER form",
       [&key, hash = EVP_get_digestbyname(("SHA" + scheme.algorithm.substr(2)).c_str())](
           const Material& m) { return with_signature(m.text, key.sign_hashed(hash, m.text)); }});
  all.push_back(spoiled("with the byte of a recovery",
                        [](auto&, const std::string& own) { return '\x1b' + own; }));
  all.push_back(spoiled("each half with a zero in front", [=](auto&, const std::string& own) {
    return std::string(1, '\0') + own.substr(0, half) + std::string(1, '\0') + own.substr(half);
  }));
  all.push_back(spoiled("each half without its first byte", [=](auto&, const std::string& own) {
    return own.substr(1, half - 1) + own.substr(half + 1);
  }));
  // The same number for whoever computes with more bytes than he counts.
  for (const bool is_r : {true, false}) {
    all.push_back(spoiled(is_r ? "r + n" : "s + n", [=](const Material& m, const std::string& own) {
      const Ecdsa same(*m.scheme.key);
      Number sum = number_of(is_r ? own.substr(0, half) : own.substr(half));
      BN_add(sum.get(), sum.get(), same.order.get());
      const std::string text = bytes_of(sum, half);
      return is_r ? text + own.substr(half) : own.substr(0, half) + text;
    }));
  }
  for (const Scheme& other : schemes()) {
    if (!other.is("ES") || other.algorithm == scheme.algorithm) continue;
    all.push_back(spoiled("by " + other.algorithm,
                          [&other](const Material& m, auto&) { return other.sign(m.text); }));
  }
  return all;
}

TEST(HostileSignatures, EcdsaSignaturesOutOfBoundsAreRefused) {
  for (const Scheme& scheme : schemes()) {
    if (scheme.is("ES")) expect_refused(ecdsa_variants(scheme), scheme);
  }
}

// --- EdDSA

// The order of the group, little end first (RFC 8032, 5.1).
const std::string kEdOrder = "\xed\xd3\xf5\x5c\x1a\x63\x12\x58\xd6\x9c\xf7\xa2\xde\xf9\xde\x14" +
                             std::string(15, '\0') + "\x10";

// s and so many times the order, which is the same number for who does not look.
std::string plus_order(std::string s, int times) {
  for (int i = 0; i < times; ++i) {
    unsigned carry = 0;
    for (size_t at = 0; at < s.size(); ++at) {
      carry += static_cast<unsigned char>(s[at]) + static_cast<unsigned char>(kEdOrder[at]);
      s[at] = static_cast<char>(carry & 0xff);
      carry >>= 8;
    }
  }
  return s;
}

// Encodings of the points of small order, canonical ones and others.
std::vector<std::string> small_points() {
  const auto point = [](char first, char middle, char last) {
    return std::string(1, first) + std::string(30, middle) + std::string(1, last);
  };
  const std::string eighth =
      "\x26\xe8\x95\x8f\xc2\xb2\x27\xb0\x45\xc3\xf4\x89\xf2\xef\x98\xf0"
      "\xd5\xdf\xac\x05\xd3\xc6\x33\x39\xb1\x38\x02\x88\x6d\x53\xfc\x05";
  const std::string other_eighth =
      "\xc7\x17\x6a\x70\x3d\x4d\xd8\x4f\xba\x3c\x0b\x76\x0d\x10\x67\x0f"
      "\x2a\x20\x53\xfa\x2c\x39\xcc\xc6\x4e\xc7\xfd\x77\x92\xac\x03\x7a";
  std::vector<std::string> all{point('\1', '\0', '\0'),        // the neutral one
                               point('\0', '\0', '\0'),        // of order 4
                               point('\xec', '\xff', '\x7f'),  // of order 2
                               point('\xed', '\xff', '\x7f'),  // p, for 0
                               point('\xee', '\xff', '\x7f'),  // p + 1, for 1
                               eighth,
                               other_eighth};
  const size_t canonical = all.size();
  for (size_t i = 0; i < canonical; ++i) {
    all.push_back(all[i]);
    all.back().back() = static_cast<char>(all.back().back() | '\x80');  // the other sign
  }
  return all;
}

std::vector<Variant> eddsa_variants() {
  using S = std::string;
  std::vector<Variant> all;
  for (int times = 1; times <= 15; ++times) {
    all.push_back(
        spoiled("s and the order " + std::to_string(times) + " times", [=](auto&, const S& own) {
          return own.substr(0, 32) + plus_order(own.substr(32), times);
        }));
  }
  const auto points = small_points();
  for (size_t i = 0; i < points.size(); ++i) {
    const S& point = points[i];
    const S name = "small point " + std::to_string(i);
    all.push_back(spoiled(name + " and zero", [=](auto&, auto&) { return point + S(32, '\0'); }));
    all.push_back(spoiled(name + " and the order", [=](auto&, auto&) { return point + kEdOrder; }));
    all.push_back(
        spoiled(name + " and s", [=](auto&, const S& own) { return point + own.substr(32); }));
  }
  for (const char bits : {'\x20', '\x40', '\x60', '\x80', '\xe0'}) {
    all.push_back(spoiled("high bits of s", [=](auto&, const S& own) {
      return own.substr(0, 63) + static_cast<char>(own.back() | bits);
    }));
  }
  all.push_back(
      spoiled("the other sign of R", [](auto&, const S& own) { return flipped(own, 31, '\x80'); }));
  for (const char* name : {"SHA256", "SHA512"}) {
    all.push_back({std::string("of a digest by ") + name, [=](const Material& m) {
                     const S digest = digest_of(EVP_get_digestbyname(name), m.text);
                     return with_signature(m.text, m.scheme.sign(digest));
                   }});
  }
  return all;
}

TEST(HostileSignatures, EdDsaSignaturesOutOfBoundsAreRefused) {
  for (const Scheme& scheme : schemes()) {
    if (scheme.is("EdDSA")) expect_refused(eddsa_variants(), scheme);
  }
}

// A key of small order takes a signature of nearly anything, which anybody can make.
TEST(HostileKeys, PointsOfSmallOrderAreNoKeys) {
  for (const std::string& point : small_points()) {
    const KeySetDoor door(set_of({R"({"kty":"OKP","crv":"Ed25519","use":"sig","kid":"ed","x":")" +
                                  encode_url(point) + "\"}"}));
    for (int user = 0; user < 16; ++user) {  // the challenge of one in eight fits any of them
      const std::string text = unsigned_text(R"({"alg":"EdDSA","kid":"ed"})",
                                             R"({"sub":")" + std::to_string(user) + "\"}");
      for (const std::string& r : small_points()) {
        EXPECT_FALSE(
            accepts({"", &door.verifier()}, with_signature(text, r + std::string(32, '\0'))))
            << encode_url(point);
      }
    }
  }
}

}  // namespace
}  // namespace gyre::auth::hostile
