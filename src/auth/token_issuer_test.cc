#include "auth/token_issuer.h"

#include <gtest/gtest.h>

#include "auth/jwt.h"
#include "auth/token_verifier.h"

namespace gyre::auth {
namespace {

constexpr int64_t kIssuedAt = 1'700'000'000;

std::string claims_of(const TokenContent& content) {
  return Jwt::split(issue_token(content, "secret"))->claims;
}

TEST(TokenIssuer, WritesWhatIsKnownAndNothingElse) {
  EXPECT_EQ(claims_of({.issued_at = kIssuedAt}), R"({"iat":1700000000})");
  EXPECT_EQ(claims_of({.user = "4\"2", .expires = kIssuedAt + 1, .issued_at = kIssuedAt}),
            R"({"sub":"4\"2","exp":1700000001,"iat":1700000000})");
  EXPECT_EQ(claims_of({.user = "42", .channel = "c", .issued_at = kIssuedAt}),
            R"({"sub":"42","iat":1700000000,"channel":"c"})");
  EXPECT_EQ(claims_of({.user = "42", .issued_at = kIssuedAt, .uid = "t1"}),
            R"({"sub":"42","iat":1700000000,"jti":"t1"})");
}

TEST(TokenIssuer, PutsTheUserIntoTheConfiguredClaimAsWell) {
  EXPECT_EQ(claims_of({.user = "42", .issued_at = kIssuedAt, .user_id_claim = "uid"}),
            R"({"sub":"42","iat":1700000000,"uid":"42"})");
  EXPECT_EQ(claims_of({.user = "42", .issued_at = kIssuedAt, .user_id_claim = "sub"}),
            R"({"sub":"42","iat":1700000000})");
}

TEST(TokenIssuer, WhatItIssuesIsVerified) {
  const TokenVerifier verifier = std::move(*TokenVerifier::create({.hmac_secret_key = "secret"}));
  const std::string connect = issue_token({.user = "42", .expires = kIssuedAt + 1}, "secret");
  EXPECT_EQ(verifier.verify_connect(connect, kIssuedAt)->user, "42");
  EXPECT_EQ(verifier.verify_connect(connect, kIssuedAt + 1).error().kind, Problem::Kind::expired);
  const std::string subscribe = issue_token({.user = "42", .channel = "c"}, "secret");
  EXPECT_EQ(verifier.verify_subscribe(subscribe, kIssuedAt)->claims.channel, "c");
  EXPECT_FALSE(verifier.verify_connect(issue_token({}, "another"), kIssuedAt));
}

}  // namespace
}  // namespace gyre::auth
