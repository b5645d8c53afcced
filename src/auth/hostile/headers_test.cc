// Hostile tokens: headers that name another algorithm, another key, or more than we understand.
#include <gtest/gtest.h>

#include "auth/hostile/test_support.h"

namespace gyre::auth::hostile {
namespace {

// How a hostile header is signed.
enum class By : uint8_t {
  nobody,        // the signature is empty
  good_token,    // that of the token with the header as it should be
  stranger,      // with a key of the same kind
  empty_secret,  // HMAC, as if the key were an empty file
  public_key,    // HMAC, as if the key were a secret
  ourselves,     // so that the header alone is wrong
};
constexpr std::string_view kSigners[] = {"by nobody",  "by the good token", "by a stranger",
                                         "by nothing", "by a public key",   "by ourselves"};

std::string sign_header(const Material& m, const std::string& header, By by) {
  const std::string text = unsigned_text(header, m.claims);
  const auto mac = [&](std::string_view secret) {
    return hmac(*Algorithm::find("HS256"), secret, text);
  };
  switch (by) {
    case By::nobody:
      return text + ".";
    case By::good_token:
      return with_signature(text, m.signature);
    case By::stranger:
      return with_signature(text, m.scheme.forge(text));
    case By::empty_secret:
      return with_signature(text, mac(""));
    case By::public_key:
      return with_signature(text,
                            mac((m.scheme.key ? *m.scheme.key : our_keys().rsa).public_pem()));
    case By::ourselves:
      break;
  }
  return with_signature(text, m.scheme.sign(text));
}

// `header` has ALG and KID for those of the algorithm.
std::string filled(std::string header, const Scheme& scheme) {
  for (const auto& [what, with] :
       {std::pair{"ALG", scheme.algorithm}, std::pair{"KID", scheme.key_id}}) {
    for (size_t at; (at = header.find(what)) != std::string::npos;) header.replace(at, 3, with);
  }
  return header;
}

void add(std::vector<Variant>& all, const std::string& header, std::initializer_list<By> signers) {
  for (const By by : signers) {
    all.push_back(
        {header.substr(0, 120) + ' ' + std::string(kSigners[static_cast<size_t>(by)]),
         [=](const Material& m) { return sign_header(m, filled(header, m.scheme), by); }});
  }
}

constexpr auto kAnybody = {By::nobody,       By::good_token, By::stranger,
                           By::empty_secret, By::public_key, By::ourselves};
constexpr auto kStrangers = {By::nobody, By::good_token, By::stranger, By::empty_secret,
                             By::public_key};

// Values of `alg` that are none of ours: refused whoever has signed.
TEST(HostileHeaders, AlgorithmsThatAreNoneAreRefused) {
  std::vector<Variant> all;
  for (const char* value : {R"("none")",
                            R"("None")",
                            R"("NONE")",
                            R"("nOnE")",
                            R"("none ")",
                            R"(" none")",
                            R"("n\u006fne")",
                            R"("none\u0000")",
                            R"("")",
                            "null",
                            "0",
                            "256",
                            "true",
                            "false",
                            R"(["ALG"])",
                            R"(["ALG","none"])",
                            "[]",
                            "{}",
                            R"({"ALG":1})",
                            R"("ALG ")",
                            R"(" ALG")",
                            R"("ALG\u0000")",
                            R"("ALG\n")",
                            R"("ALG,none")",
                            R"("xALG")",
                            R"("ALGx")",
                            R"("PS256")",
                            R"("PS384")",
                            R"("PS512")",
                            R"("ES256K")",
                            R"("HS1")",
                            R"("RS1")",
                            R"("HS256/64")",
                            R"("SHA256")",
                            R"("dir")",
                            R"("A128KW")",
                            R"("RSA-OAEP")",
                            R"("Ed25519")",
                            R"("Ed448")",
                            R"("ESB256")",
                            R"("ML-DSA-44")",
                            R"("hs256")",
                            R"("rs256")",
                            R"("es256")",
                            R"("eddsa")",
                            R"("EDDSA")",
                            R"("HMAC")",
                            R"("RSA")"}) {
    add(all, std::string(R"({"typ":"JWT","kid":"KID","alg":)") + value + "}", kAnybody);
  }
  add(all, R"({"typ":"JWT","kid":"KID"})", kAnybody);
  add(all, R"({"Alg":"ALG","kid":"KID"})", kAnybody);
  add(all, R"({"enc":"ALG","kid":"KID"})", kAnybody);
  EXPECT_GE(all.size(), 120u);
  for (const Scheme& scheme : schemes()) expect_refused(all, scheme);
}

// The name of another algorithm than that which the key is for and has signed.
TEST(HostileHeaders, AlgorithmsAreNotTakenForOneAnother) {
  for (const Scheme& scheme : schemes()) {
    std::vector<Variant> all;
    for (const Scheme& other : schemes()) {
      if (other.algorithm == scheme.algorithm) continue;
      add(all, R"({"kid":"KID","alg":")" + other.algorithm + "\"}", kAnybody);
      add(all, R"({"kid":")" + other.key_id + R"(","alg":")" + other.algorithm + "\"}", kAnybody);
    }
    EXPECT_GE(all.size(), 100u);
    expect_refused(all, scheme);
  }
}

// What is no JSON object, or names something twice: refused whoever has signed.
TEST(HostileHeaders, WhatIsNoHeaderIsRefused) {
  std::vector<Variant> all;
  const std::string good = R"({"alg":"ALG","kid":"KID"})";
  for (const std::string& header : std::vector<std::string>{
           "",
           " ",
           "{",
           "}",
           "[]",
           "null",
           "\"ALG\"",
           "1",
           "ALG",
           "[" + good + "]",
           good + good,
           good + ",",
           good + "x",
           "\xef\xbb\xbf" + good,
           good + std::string(1, '\0'),
           "/**/" + good,
           "{'alg':'ALG','kid':'KID'}",
           "{alg:\"ALG\",kid:\"KID\"}",
           R"({"alg":"ALG","kid":"KID",})",
           R"({"alg":"ALG","kid":"KID","x":NaN})",
           R"({"alg":"ALG","kid":"KID","x":01})",
           R"({"alg":"ALG","kid":"KID","x":'y'})",
           R"({"alg":"ALG" "kid":"KID"})",
           R"({"alg":"ALG";"kid":"KID"})",
           R"({"alg":"ALG","kid":"KID")",
           R"({"alg":"ALG","kid":"KID"]})",
           "{\"alg\":\"ALG\",\"kid\":\"KID\",\"x\":\"\xff\"}",
           "{\"alg\":\"ALG\",\"kid\":\"KID\",\"x\":\"\xc0\xaf\"}",
           "{\"alg\":\"ALG\",\"kid\":\"KID\",\"x\":\"\xed\xa0\x80\"}",
           "{\"alg\":\"ALG\",\"kid\":\"KID\",\"x\":\"\n\"}",
           R"({"alg":"ALG","kid":"KID","x":)" + std::string(20'000, '[') +
               std::string(20'000, ']') + "}",
           R"({"alg":"ALG","kid":"KID","x":)" + std::string(20'000, '[') + "}"}) {
    add(all, header, kAnybody);
  }
  EXPECT_GE(all.size(), 120u);
  for (const Scheme& scheme : schemes()) expect_refused(all, scheme);
}

// RFC 7515, 4 and 4.1.11: names are unique, and whoever does not understand what is critical
// refuses. Nothing is critical that we understand.
TEST(HostileHeaders, NamesTwiceAndCriticalOnesAreRefused) {
  std::vector<Variant> all;
  for (const char* more : {R"("alg":"ALG")",
                           R"("alg":"none")",
                           R"("alg":"HS256")",
                           R"("alg":null)",
                           R"("\u0061lg":"none")",
                           R"("kid":"KID")",
                           R"("kid":"other")",
                           R"("k\u0069d":"other")",
                           R"("typ":"JWT","typ":"JWE")",
                           R"("x":1,"x":2)",
                           R"("crit":["exp"],"exp":1)",
                           R"("crit":["b64"],"b64":true)",
                           R"("crit":["b64"],"b64":false)",
                           R"("b64":false,"crit":["b64"])",
                           R"("crit":["unknown"],"unknown":1)",
                           R"("crit":["unknown"])",
                           R"("crit":["alg"])",
                           R"("crit":["kid"])",
                           R"("crit":[])",
                           R"("crit":null)",
                           R"("crit":"b64")",
                           R"("crit":{})",
                           R"("crit":[1])",
                           R"("cr\u0069t":["b64"])",
                           R"("crit":["http://example.invalid/UNDEFINED"])"}) {
    add(all, std::string(R"({"alg":"ALG","kid":"KID",)") + more + "}", kAnybody);
    add(all, std::string("{") + more + R"(,"alg":"ALG","kid":"KID"})", kAnybody);
  }
  EXPECT_GE(all.size(), 120u);
  for (const Scheme& scheme : schemes()) expect_refused(all, scheme);
}

// Keys, and places of keys, that a token brings along: nobody looks.
TEST(HostileHeaders, KeysThatATokenBringsAreIgnored) {
  for (const Scheme& scheme : schemes()) {
    std::vector<Variant> all;
    const std::string jwk =
        scheme.stranger ? scheme.stranger->jwk("KID")
                        : R"({"kty":"oct","kid":"KID","k":")" + encode_url("a guess") + "\"}";
    const std::string der =
        encode_url((scheme.stranger ? *scheme.stranger : strange_keys().rsa).public_der());
    for (const std::string& more : std::vector<std::string>{
             R"("jwk":)" + jwk, R"("jwk":")" + encode_url(jwk) + "\"",
             R"("jwks":{"keys":[)" + jwk + "]}", R"("keys":[)" + jwk + "]",
             R"("x5c":[")" + der + "\"]", R"("x5t":")" + der.substr(0, 27) + "\"",
             R"("x5t#S256":")" + der.substr(0, 43) + "\"", R"("jku":"https://evil.example/keys")",
             R"("jku":"https://keys.example@evil.example/")",
             R"("jku":"https://keys.example/../evil")", R"("jku":"file:///etc/passwd")",
             R"("x5u":"https://evil.example/chain")", R"("iss":"https://evil.example")",
             R"("jwk":{"kty":"oct","k":""})", R"("epk":)" + jwk, R"("zip":"DEF","jwk":)" + jwk,
             R"("cty":"JWT","jwk":)" + jwk}) {
      add(all, R"({"alg":"ALG","kid":"KID",)" + more + "}", kStrangers);
      add(all, R"({"alg":"ALG",)" + more + "}", kStrangers);
    }
    EXPECT_GE(all.size(), 120u);
    expect_refused(all, scheme);
  }
}

const std::vector<std::string>& strange_key_ids() {
  static const std::vector<std::string> all{
      R"("")",
      "null",
      "1",
      "true",
      R"(["KID"])",
      R"({"KID":1})",
      R"(" KID")",
      R"("KID ")",
      R"("KID\u0000")",
      R"("\u0000")",
      R"("KID\n")",
      R"("KIDx")",
      R"("xKID")",
      R"("K")",
      R"("/dev/null")",
      R"("../../../../dev/null")",
      R"("..\\..\\..\\windows\\win.ini")",
      R"("file:///dev/null")",
      R"("https://evil.example/key")",
      R"("//evil.example/key")",
      R"("' UNION SELECT 'key'--")",
      R"("KID' OR '1'='1")",
      R"("KID; DROP TABLE keys")",
      R"("| cat /etc/passwd")",
      R"-("$(id)")-",
      R"("`id`")",
      R"("${jndi:ldap://evil.example/a}")",
      R"("{{realm}}")",
      R"("*")",
      R"("%00")",
      R"("%s%s%s%n")",
      R"("KID#")",
      R"("KID?x=1")",
      R"("<script>")",
      R"("\ud800")",
      R"("stranger")",
      "\"" + std::string(40'000, 'k') + "\"",
  };
  return all;
}

TEST(HostileHeaders, KeyIdsAreOnlyCompared) {
  std::vector<Variant> all;
  for (const std::string& id : strange_key_ids()) {
    add(all, R"({"alg":"ALG","kid":)" + id + "}", kStrangers);
    add(all, R"({"alg":"HS256","kid":)" + id + "}", {By::nobody, By::empty_secret, By::public_key});
  }
  EXPECT_GE(all.size(), 120u);
  for (const Scheme& scheme : schemes()) expect_refused(all, scheme);
}

// Where keys come from a set, even our own signature is none under another id; configured keys have
// no ids.
TEST(HostileHeaders, AKeyOfASetIsFoundByItsIdOnly) {
  for (const Scheme& scheme : schemes()) {
    const Door& door = scheme.doors.back();
    if (door.name != "key set") continue;
    std::vector<std::string> headers{R"({"alg":"ALG"})"};
    for (const std::string& id : strange_key_ids()) {
      headers.push_back(R"({"alg":"ALG","kid":)" + id + "}");
    }
    for (const Scheme& other : schemes()) {
      if (other.key_id != scheme.key_id) {
        headers.push_back(R"({"alg":"ALG","kid":")" + other.key_id + "\"}");
      }
    }
    for (const Use use : kUses) {
      for (const std::string& header : headers) {
        EXPECT_TRUE(
            is_refused(door, genuine(scheme, filled(header, scheme), good_claims(use)), use))
            << scheme.algorithm << ' ' << header.substr(0, 100);
      }
    }
  }
}

// RFC 7516 and 7797: what is encrypted, compressed or not encoded is not what we read.
TEST(HostileHeaders, OtherFormsOfClaimsAreRefused) {
  const std::string deflated(  // {"sub":"ann"}
      "\xab\x56\x2a\x2e\x4d\x52\xb2\x52\x4a\xcc\xcb\x53\xaa\x05\0", 15);
  std::vector<Variant> all;
  all.push_back({"compressed", [=](const Material& m) {
                   return genuine(m.scheme, header_of(m.scheme, R"(,"zip":"DEF")"), deflated);
                 }});
  all.push_back({"a token in a token", [](const Material& m) {
                   return genuine(m.scheme, header_of(m.scheme, R"(,"cty":"JWT")"), m.token);
                 }});
  all.push_back({"claims not encoded", [](const Material& m) {
                   const std::string text =
                       encode_url(header_of(m.scheme, R"(,"b64":false)")) + "." + m.claims;
                   return with_signature(text, m.scheme.sign(text));
                 }});
  all.push_back({"claims detached", [](const Material& m) {
                   const std::string header = encode_url(m.header);
                   return header + ".." +
                          encode_url(m.scheme.sign(header + "." + encode_url(m.claims)));
                 }});
  for (const char* header :
       {R"({"alg":"dir","enc":"A256GCM"})", R"({"alg":"RSA-OAEP","enc":"A256GCM","kid":"KID"})",
        R"({"alg":"ALG","enc":"A128CBC-HS256","kid":"KID"})"}) {
    const std::string text(header);
    all.push_back({"encrypted " + text, [=](const Material& m) {
                     return encode_url(filled(text, m.scheme)) + ".." + encode_url("iv") + "." +
                            encode_url(m.claims) + "." + encode_url("tag");
                   }});
  }
  for (const Scheme& scheme : schemes()) expect_refused(all, scheme);
}

// Odd, and good all the same: proof that the refusals above are about what they say.
TEST(HostileHeaders, WhatIsUnknownAndNotCriticalIsIgnored) {
  for (const Scheme& scheme : schemes()) {
    for (const std::string& header : std::vector<std::string>{
             R"({"kid":"KID","alg":"ALG"})", " {\n\"alg\" : \"ALG\",\t\"kid\":\"KID\" }\r\n",
             R"({"\u0061lg":"ALG","k\u0069d":"KID"})", R"({"alg":"ALG","kid":"KID","typ":"JWT"})",
             R"({"alg":"ALG","kid":"KID","typ":"at+jwt"})", R"({"alg":"ALG","kid":"KID","typ":1})",
             R"({"alg":"ALG","kid":"KID","cty":"x"})", R"({"alg":"ALG","kid":"KID","zip":"DEF"})",
             R"({"alg":"ALG","kid":"KID","jku":"https://evil.example/keys"})",
             R"({"alg":"ALG","kid":"KID","jwk":)" + strange_keys().ed.jwk("ed") + "}",
             R"({"alg":"ALG","kid":"KID","x":{"alg":"none","crit":["x"],"alg":1}})",
             R"({"alg":"ALG","kid":"KID","":[[[]]]})"}) {
      for (const Door& door : scheme.doors) {
        EXPECT_TRUE(accepts(door, genuine(scheme, filled(header, scheme), good_claims())))
            << scheme.algorithm << ' ' << header;
      }
    }
  }
}

}  // namespace
}  // namespace gyre::auth::hostile
