// Hostile tokens: claims that are none, of wrong types, over, or for others. All of them are signed
// with our own key, as by an issuer who lets strangers choose what he signs.
#include <gtest/gtest.h>

#include "auth/hostile/test_support.h"

namespace gyre::auth::hostile {
namespace {

std::string nested(int depth) {
  return std::string(static_cast<size_t>(depth), '[') +
         std::string(static_cast<size_t>(depth), ']');
}

std::string channel_of(Use use) {
  return use == Use::connect ? "" : R"(,"channel":"c")";
}

// What is no JSON object.
std::vector<std::string> broken_claims() {
  std::vector<std::string> all{"",
                               " ",
                               "{",
                               "}",
                               "[]",
                               "null",
                               "true",
                               "1",
                               "\"ann\"",
                               "{}{}",
                               "{},",
                               "{}x",
                               "[{}]",
                               "{]",
                               "{\"sub\"}",
                               "{\"sub\":}",
                               "{:\"ann\"}",
                               "{,}",
                               R"({"sub":"ann",})",
                               R"({"sub":"ann" "exp":1})",
                               R"({'sub':'ann'})",
                               R"({sub:"ann"})",
                               R"({"sub":"ann"} // root)",
                               R"(/**/{"sub":"ann"})",
                               R"({"sub":ann})",
                               R"({"sub":"ann})",
                               R"({"sub":NaN})",
                               R"({"sub":Infinity})",
                               R"({"sub":undefined})",
                               R"({"sub":"\x41"})",
                               R"({"sub":"\u00"})",
                               R"({"x":01})",
                               R"({"x":+1})",
                               R"({"x":1.})",
                               R"({"x":.5})",
                               R"({"x":1e})",
                               R"({"x":0x10})",
                               R"({"x":-})",
                               R"({"x":1_000})",
                               R"({"x":TRUE})"};
  for (const char* bytes :
       {"\xff", "\xfe\xff", "\x80", "\xc0\x80", "\xc0\xae", "\xc1\xbf", "\xe0\x80\xaf",
        "\xed\xa0\x80", "\xed\xbf\xbf", "\xf0\x80\x80\xaf", "\xf4\x90\x80\x80",
        "\xf8\x88\x80\x80\x80", "\xc3", "\xe2\x82", "\n", "\t", "\x01", "\x1f"}) {
    all.push_back(std::string(R"({"sub":")") + bytes + "\"}");
    all.push_back(std::string(R"({"sub":"ann","x":")") + bytes + "\"}");
    all.push_back(std::string(R"({")") + bytes + R"(":1,"sub":"ann"})");
  }
  const std::string zero(1, '\0');
  for (const std::string& text :
       {zero, "{}" + zero, zero + "{}", "{\"sub\":\"a" + zero + "\"}",
        std::string("\xef\xbb\xbf{}"), std::string("\xff\xfe{\0}\0", 6),
        "{\"x\":" + nested(10'001) + "}", "{\"x\":" + std::string(20'000, '[') + "}"}) {
    all.push_back(text);
  }
  return all;
}

// Values of known claims that these cannot have; CHANNEL is there or not.
std::vector<std::string> mistyped_claims() {
  std::vector<std::string> all;
  const auto add = [&all](std::string_view name, std::initializer_list<const char*> values) {
    for (const char* value : values) {
      all.push_back("\"" + std::string(name) + "\":" + value);
    }
  };
  for (const char* name : {"exp", "nbf", "iat", "expire_at"}) {
    add(name, {R"("1700000600")", R"("")", R"("never")", R"("Infinity")", "true", "false", "[]",
               "[1700000600]", "{}", R"({"value":1700000600})", "1e400", "-1e400", "1e300",
               "-1e300", "1e16", "-1e16", "123456789012345678901234567890"});
  }
  for (const char* name : {"sub", "iss", "jti", "client", "channel", "b64info", "b64data"}) {
    add(name, {"1", "0", "1.5", "true", "false", "[]", R"(["ann"])", "{}", R"({"value":"ann"})",
               R"("\ud800")", R"("\udc00x")"});
  }
  add("aud", {"1", "true", "{}", "[1]", "[true]", "[[]]", R"([["a"]])", R"([{"a":1}])",
              R"(["a",1])", "[null]", R"({"0":"a"})"});
  add("channels", {"1", "true", R"("news")", "{}", "[1]", "[[]]", R"(["a",null])", R"([{"a":1}])",
                   R"({"news":{}})"});
  add("subs", {"1", "true", R"("news")", "[]", R"(["news"])", R"({"news":1})", R"({"news":"x"})",
               R"({"news":[]})", R"({"news":true})", R"({"news":{"b64info":1}})",
               R"({"news":{"override":1}})", R"({"news":{"override":{"presence":true}}})"});
  add("override",
      {"1", "true", "[]", R"("presence")", R"({"presence":true})", R"({"presence":{"value":1}})",
       R"({"presence":{"value":"true"}})", R"({"force_recovery":[]})"});
  // The last one counts (RFC 7519, 4).
  all.push_back(R"("sub":"ann","sub":1)");
  all.push_back(R"("exp":1700000600,"exp":"1700000600")");
  all.push_back(R"("s\u0075b":1)");
  return all;
}

TEST(HostileClaims, WhatIsNoObjectOrOfWrongTypesIsRefused) {
  std::vector<Variant> variants;
  for (const std::string& claims : broken_claims()) {
    variants.push_back({"claims " + claims.substr(0, 60),
                        [=](const Material& m) { return genuine(m.scheme, m.header, claims); }});
  }
  for (const std::string& claim : mistyped_claims()) {
    variants.push_back({claim, [=](const Material& m) {
                          // Behind the good claims, where the last one counts.
                          const std::string good = m.claims.substr(0, m.claims.size() - 1);
                          return genuine(m.scheme, m.header, good + "," + claim + "}");
                        }});
  }
  EXPECT_GE(variants.size(), 240u);
  for (const Scheme& scheme : schemes()) {
    const std::span uses(kUses);
    expect_refused(variants, scheme, scheme.is_slow() ? uses.first(1) : uses);
  }
}

// Times that are over, or have not come: no token, and the client is told that it is old.
TEST(HostileClaims, OtherTimesAreNotNow) {
  for (const Scheme& scheme : schemes()) {
    for (const Door& door : scheme.doors) {
      for (const char* claim : {R"("exp":1700000000)",
                                R"("exp":1699999999)",
                                R"("exp":1700000000.9)",
                                R"("exp":0)",
                                R"("exp":-1)",
                                R"("exp":-0.0)",
                                R"("exp":1)",
                                R"("exp":1.7e9)",
                                R"("exp":1e-400)",
                                R"("exp":-9e14)",
                                R"("exp":1700000600,"exp":1)",
                                R"("exp":1,"expire_at":1700000600)",
                                R"("exp":1,"expire_at":0)",
                                R"("nbf":1700000001)",
                                R"("nbf":1700000600)",
                                R"("nbf":9e14)",
                                R"("nbf":1700000001.5)",
                                R"("nbf":1,"nbf":1700000001)",
                                R"("exp":1700000600,"nbf":1700000001)",
                                R"("exp":1,"nbf":1700000001)"}) {
        for (const Use use : kUses) {
          const std::string claims =
              std::string(R"({"sub":"ann",)") + claim + channel_of(use) + "}";
          EXPECT_EQ(problem_of(door, genuine(scheme, header_of(scheme), claims), use),
                    Problem::Kind::expired)
              << scheme.algorithm << ' ' << claims;
          EXPECT_TRUE(is_refused(door, forged(scheme, header_of(scheme), claims), use))
              << "a stranger is not told: " << claims;
        }
      }
    }
  }
}

// A token of one kind is none of the other.
TEST(HostileClaims, KindsAreNotExchanged) {
  for (const Scheme& scheme : schemes()) {
    const auto token = [&](const char* claims) {
      return genuine(scheme, header_of(scheme), claims);
    };
    for (const Door& door : scheme.doors) {
      for (const char* claims :
           {R"({"sub":"ann","channel":"c"})", R"({"channel":"c","sub":""})",
            R"({"sub":"ann","channel":"","channel":"c"})", R"({"sub":"ann","ch\u0061nnel":"c"})"}) {
        EXPECT_FALSE(door.verifier->verify_connect(token(claims), kNow)) << claims;
        EXPECT_TRUE(door.verifier->verify_subscribe(token(claims), kNow)) << claims;
      }
      for (const char* claims :
           {R"({"sub":"ann"})", R"({"sub":"ann","channel":""})", R"({"sub":"ann","channel":null})",
            R"({"channels":["c"]})", R"({"sub":"ann","Channel":"c"})", R"({"subs":{"channel":{}}})",
            R"({"sub":"ann","info":{"channel":"c"}})"}) {
        EXPECT_TRUE(door.verifier->verify_connect(token(claims), kNow)) << claims;
        EXPECT_FALSE(door.verifier->verify_subscribe(token(claims), kNow)) << claims;
      }
    }
  }
}

// --- Parties

// A verifier for every algorithm that asks for more.
struct Asking {
  explicit Asking(VerifierOptions options) : served(our_key_set(), options) {
    options.hmac_secret_key = kSecret;
    keyed.emplace(TokenVerifier::create(std::move(options)).value());
  }
  Door door(const Scheme& scheme) const {
    if (scheme.is_hmac()) return {"configured keys", &*keyed};
    return {"key set", &served.verifier()};
  }
  KeySetDoor served;
  std::optional<TokenVerifier> keyed;
};

void expect_parties(const VerifierOptions& options, std::initializer_list<const char*> good,
                    std::initializer_list<const char*> bad) {
  const Asking asking(options);
  for (const Scheme& scheme : schemes()) {
    const Door door = asking.door(scheme);
    for (const Use use : kUses) {
      const auto token = [&](const char* claim) {
        return genuine(scheme, header_of(scheme),
                       std::string(R"({"sub":"ann",)") + claim + channel_of(use) + "}");
      };
      for (const char* claim : good) {
        EXPECT_TRUE(accepts(door, token(claim), use)) << scheme.algorithm << ' ' << claim;
      }
      for (const char* claim : bad) {
        EXPECT_TRUE(is_refused(door, token(claim), use)) << scheme.algorithm << ' ' << claim;
      }
    }
  }
}

TEST(HostileClaims, OtherAudiencesAreRefused) {
  const auto others = {R"("x":1)",
                       R"("aud":null)",
                       R"("aud":"")",
                       R"("aud":[])",
                       R"("aud":[""])",
                       R"("aud":"chat2")",
                       R"("aud":"Chat")",
                       R"("aud":"chat ")",
                       R"("aud":" chat")",
                       R"("aud":"chat\n")",
                       R"("aud":"\nchat")",
                       R"("aud":"chat\u0000")",
                       R"("aud":"chat,x")",
                       R"("aud":["chat2"])",
                       R"("aud":["c","h","a","t"])",
                       R"("aud":"cha")",
                       R"("aud":["x","chat x"])",
                       R"("aud":"[\"chat\"]")",
                       R"("aud":"сhat")",
                       R"("aud":"chat","aud":"x")",
                       R"("aud":"*")",
                       R"("iss":"chat")",
                       R"("Aud":"chat")",
                       R"("aud":"%63hat")"};
  expect_parties({.audience = "chat"},
                 {R"("aud":"chat")", R"("aud":["x","chat"])", R"("aud":"ch\u0061t")"}, others);
  expect_parties({.audience_regex = "^chat$"}, {R"("aud":"chat")", R"("aud":["x","chat"])"},
                 others);
}

TEST(HostileClaims, OtherIssuersAreRefused) {
  const auto others = {R"("x":1)",
                       R"("iss":null)",
                       R"("iss":"")",
                       R"("iss":"http://id.example")",
                       R"("iss":"https://id.example/")",
                       R"("iss":"https://id.example.evil")",
                       R"("iss":"https://id.example@evil")",
                       R"("iss":"https://id.example#")",
                       R"("iss":"https://id.example\n")",
                       R"("iss":"\nhttps://id.example")",
                       R"("iss":"x\nhttps://id.example\nx")",
                       R"("iss":"https://id.example\r")",
                       R"("iss":"https://id.example\u0000")",
                       R"("iss":"https://id.example ")",
                       R"("iss":" https://id.example")",
                       R"("iss":"https://evil/?https://id.example")",
                       R"("iss":"HTTPS://ID.EXAMPLE")",
                       R"("iss":"https://idxexample")",
                       R"("iss":"https://id.exampl\u0435")",
                       R"("iss":"https://id。example")",
                       R"("iss":"https:\/\/id.example:443")",
                       R"("aud":"https://id.example")",
                       R"("iss":"https://id.example","iss":"evil")",
                       R"("Iss":"https://id.example")"};
  expect_parties({.issuer = "https://id.example"},
                 {R"("iss":"https://id.example")", R"("iss":"https:\/\/id.example")"}, others);
  expect_parties({.issuer_regex = R"(^https://id\.example$)"}, {R"("iss":"https://id.example")"},
                 others);
  // A choice inside of the anchors, which bind less than it does.
  expect_parties({.issuer_regex = "^(a|b)$"}, {R"("iss":"a")", R"("iss":"b")"},
                 {R"("iss":"ab")", R"("iss":"a\nb")", R"("iss":"b\n")", R"("iss":"a|b")"});
}

// Odd, and good all the same: proof that the refusals above are about what they say.
TEST(HostileClaims, WhatIsOddAndRightIsTaken) {
  for (const Scheme& scheme : schemes()) {
    for (const std::string& claims : std::vector<std::string>{
             "{}", " {\n}\t", R"({"sub":null,"exp":null})", R"({"exp":1700000001})",
             R"({"exp":1700000001.5})", R"({"exp":1.7000006e9})", R"({"nbf":1700000000})",
             R"({"iat":1800000000})", R"({"exp":9e14})", R"({"sub":"a","sub":"b"})",
             R"({"exp":1,"exp":1700000600})", R"({"x":)" + nested(5'000) + "}", R"({"x":"\ud800"})",
             R"({"aud":[]})", R"({"x":1e400})", R"({"x":")" + std::string(20'000, 'x') + "\"}"}) {
      for (const Door& door : scheme.doors) {
        EXPECT_TRUE(door.verifier->verify_connect(genuine(scheme, header_of(scheme), claims), kNow))
            << scheme.algorithm << ' ' << claims.substr(0, 80);
      }
    }
  }
}

}  // namespace
}  // namespace gyre::auth::hostile
