// Hostile tokens: what is no compact JWS of three strict base64url parts (RFC 7515, 3.1 and 7.1).
#include <gtest/gtest.h>

#include <algorithm>
#include <array>

#include "auth/hostile/test_support.h"

namespace gyre::auth::hostile {
namespace {

struct Parts {
  std::string header, claims, signature;
  explicit Parts(const Material& from)
      : header(encode_url(from.header)),
        claims(encode_url(from.claims)),
        signature(encode_url(from.signature)) {}
};

std::string changed(std::string text, char what, char with) {
  std::ranges::replace(text, what, with);
  return text;
}

// The same bytes by other letters: the last letter of a part has bits that mean nothing.
std::string with_trailing_bits(std::string part) {
  constexpr std::string_view kLetters =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  if (part.size() % 4 == 0) return part + "A";  // there are none: a letter of nothing
  part.back() = kLetters[(kLetters.find(part.back()) + 1) % 64];
  return part;
}

// Between the parts or around them.
std::vector<Variant> foreign_bytes() {
  std::vector<Variant> all;
  for (const std::string_view junk : {" ", "\t", "\n", "\r\n", "\v", "=", "==", "!", ",", "\"", "%",
                                      "\xc2\xa0", "\xef\xbb\xbf", "\xff", "\xe2\x80\x8b"}) {
    const std::string bytes(junk);
    const std::string name = "junk " + encode_url(junk) + " ";
    all.push_back({name + "in front", [=](const Material& m) { return bytes + m.token; }});
    all.push_back({name + "behind", [=](const Material& m) { return m.token + bytes; }});
    all.push_back({name + "behind the header", [=](const Material& m) {
                     const Parts p(m);
                     return p.header + bytes + "." + p.claims + "." + p.signature;
                   }});
    all.push_back({name + "in the claims", [=](const Material& m) {
                     const Parts p(m);
                     return p.header + "." + p.claims.substr(0, 8) + bytes + p.claims.substr(8) +
                            "." + p.signature;
                   }});
    all.push_back({name + "in the signature", [=](const Material& m) {
                     const Parts p(m);
                     return p.header + "." + p.claims + "." + p.signature.substr(0, 8) + bytes +
                            p.signature.substr(8);
                   }});
  }
  const std::string zero(1, '\0');
  all.push_back({"NUL behind", [=](const Material& m) { return m.token + zero; }});
  all.push_back({"NUL and more behind", [=](const Material& m) { return m.token + zero + "x"; }});
  all.push_back({"NUL in front", [=](const Material& m) { return zero + m.token; }});
  all.push_back(
      {"a token, NUL, a token", [=](const Material& m) { return m.token + zero + m.token; }});
  return all;
}

std::vector<Variant> wrong_segments() {
  std::vector<Variant> all;
  for (const char* text :
       {"", ".", "..", "...", "....", "null", "{}", "[]", "a.b.c", "e30.e30.", "e30.e30.e30"}) {
    all.push_back({std::string("nothing but '") + text + "'",
                   [=](const Material&) { return std::string(text); }});
  }
  // Header, claims, signature; dots as written.
  for (const char* shape :
       {"h.c",       "h.c.",      "h.c..",       "h.c.s.", "h.c.s..", ".h.c.s", "h..c.s", "h.c..s",
        "h..s",      ".c.s",      "h",           "s",      "hc.s",    "h.cs",   "hcs",    "h.c.s.s",
        "h.c.s.s.s", "h.h.c.s.s", "h.c.s.h.c.s", "c.h.s",  "s.c.h",   "h.s.c",  "s.h.c",  "h.h.s",
        "c.c.s",     "h.c.c",     "h.c.h",       "h.c.ss", "hh.c.s",  "h.cc.s"}) {
    all.push_back({std::string("shaped ") + shape, [=](const Material& m) {
                     const Parts p(m);
                     std::string token;
                     for (const char part : std::string_view(shape)) {
                       token += part == 'h'   ? p.header
                                : part == 'c' ? p.claims
                                : part == 's' ? p.signature
                                              : ".";
                     }
                     return token;
                   }});
  }
  for (const char separator : {':', ',', '-', ' ', '/', '+', '~'}) {
    all.push_back({std::string("separated by ") + separator,
                   [=](const Material& m) { return changed(m.token, '.', separator); }});
  }
  return all;
}

std::vector<Variant> other_encodings() {
  const auto upper = [](unsigned char c) { return static_cast<char>(std::toupper(c)); };
  const auto lower = [](unsigned char c) { return static_cast<char>(std::tolower(c)); };
  return {
      {"padded to four letters",
       [](const Material& m) {
         const auto pad = [](std::string part) {
           do part += '=';
           while (part.size() % 4);
           return part;
         };
         const Parts p(m);
         return pad(p.header) + "." + pad(p.claims) + "." + pad(p.signature);
       }},
      {"trailing bits of the signature",
       [](const Material& m) {
         const Parts p(m);
         return p.header + "." + p.claims + "." + with_trailing_bits(p.signature);
       }},
      {"trailing bits of the header",
       [](const Material& m) {
         const Parts p(m);
         return with_trailing_bits(p.header) + "." + p.claims + "." + p.signature;
       }},
      {"trailing bits of the claims",
       [](const Material& m) {
         const Parts p(m);
         return p.header + "." + with_trailing_bits(p.claims) + "." + p.signature;
       }},
      {"signed with trailing bits in the header",
       [](const Material& m) {
         const std::string header =
             encode_url(m.header + std::string(m.header.size() % 3 ? 0 : 1, ' '));
         const std::string text = with_trailing_bits(header) + "." + encode_url(m.claims);
         return with_signature(text, m.scheme.sign(text));
       }},
      {"signed with padding in the header",
       [](const Material& m) {
         const std::string text = encode_url(m.header) + "=." + encode_url(m.claims);
         return with_signature(text, m.scheme.sign(text));
       }},
      {"signed with a line break in the claims",
       [](const Material& m) {
         const std::string text = encode_url(m.header) + "." + encode_url(m.claims) + "\n";
         return with_signature(text, m.scheme.sign(text));
       }},
      {"signed without any encoding",
       [](const Material& m) {
         const std::string text = m.header + "." + m.claims;
         return text + "." + m.scheme.sign(text);
       }},
      {"signed with claims that are not encoded",
       [](const Material& m) {
         const std::string text = encode_url(m.header) + "." + m.claims;
         return with_signature(text, m.scheme.sign(text));
       }},
      {"a letter of the standard alphabet",
       [](const Material& m) {
         const Parts p(m);
         return p.header + "." + p.claims + "." + p.signature.substr(0, p.signature.size() - 4) +
                "+/+/";
       }},
      {"a single letter for a signature", [](const Material& m) { return m.text + ".A"; }},
      {"five letters for a signature", [](const Material& m) { return m.text + ".AAAAA"; }},
      {"as a bearer", [](const Material& m) { return "Bearer " + m.token; }},
      {"as a field", [](const Material& m) { return "token=" + m.token; }},
      {"in quotes", [](const Material& m) { return '"' + m.token + '"'; }},
      {"encoded once more", [](const Material& m) { return encode_url(m.token); }},
      {"parts encoded twice",
       [](const Material& m) {
         const Parts p(m);
         return encode_url(p.header) + "." + encode_url(p.claims) + "." + encode_url(p.signature);
       }},
      {"dots as %2E",
       [](const Material& m) {
         const Parts p(m);
         return p.header + "%2E" + p.claims + "%2E" + p.signature;
       }},
      {"wide dots",
       [](const Material& m) {
         const Parts p(m);
         return p.header + "\xef\xbc\x8e" + p.claims + "\xef\xbc\x8e" + p.signature;
       }},
      {"in capitals",
       [=](const Material& m) {
         std::string token = m.token;
         std::ranges::transform(token, token.begin(), upper);
         return token;
       }},
      {"in small letters",
       [=](const Material& m) {
         std::string token = m.token;
         std::ranges::transform(token, token.begin(), lower);
         return token;
       }},
      {"backwards",
       [](const Material& m) {
         std::string token = m.token;
         std::ranges::reverse(token);
         return token;
       }},
      {"in JSON form (RFC 7515, 7.2.2)",
       [](const Material& m) {
         const Parts p(m);
         return R"({"protected":")" + p.header + R"(","payload":")" + p.claims +
                R"(","signature":")" + p.signature + "\"}";
       }},
      {"longer than tokens may be",
       [](const Material& m) {
         std::string claims = m.claims;
         claims.insert(1, R"("pad":")" + std::string(TokenVerifier::kTokenBytesMax, 'x') + "\",");
         return genuine(m.scheme, m.header, claims);
       }},
      {"a header longer than tokens may be",
       [](const Material& m) {
         const std::string pad(TokenVerifier::kTokenBytesMax, ' ');
         return genuine(m.scheme, m.header + pad, m.claims);
       }},
  };
}

TEST(HostileShapes, AreRefused) {
  std::vector<Variant> variants = foreign_bytes();
  for (const std::vector<Variant>& more : {wrong_segments(), other_encodings()}) {
    variants.insert(variants.end(), more.begin(), more.end());
  }
  EXPECT_GE(variants.size(), 120u);
  for (const Scheme& scheme : schemes()) expect_refused(variants, scheme);
}

// Every beginning of a good token, and every letter of it replaced.
TEST(HostileShapes, NothingOfATokenMayBeMissingOrAnother) {
  for (const Scheme& scheme : schemes()) {
    const std::string good = Material(scheme, Use::connect).token;
    for (const Door& door : scheme.doors) {
      ASSERT_TRUE(accepts(door, good)) << scheme.algorithm;
      for (size_t at = 0; at < good.size(); at += scheme.is_hmac() ? 1 : 7) {
        EXPECT_TRUE(is_refused(door, good.substr(0, at))) << scheme.algorithm << ' ' << at;
        std::string other = good;
        other[at] = other[at] == 'A' ? 'B' : 'A';
        EXPECT_TRUE(is_refused(door, other)) << scheme.algorithm << ' ' << at;
      }
    }
  }
}

}  // namespace
}  // namespace gyre::auth::hostile
