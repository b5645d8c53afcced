#include "auth/token_issuer.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "auth/signature.h"
#include "base/base64.h"
#include "base/check.h"
#include "protocol/json.h"

namespace gyre::auth {

namespace {

std::string json_text(std::string_view text) {
  std::string json;
  protocol::json::append_string(json, text);
  return json;
}

// The claims in the order in which they were set; each once, as the user's claim may be named like
// another.
class ClaimWriter {
 public:
  void set(std::string_view name, std::string value) {
    const auto known = std::ranges::find(claims_, name, &Claim::first);
    if (known == claims_.end()) {
      claims_.emplace_back(name, std::move(value));
    } else {
      known->second = std::move(value);
    }
  }
  std::string json() const {
    std::string json = "{";
    for (const auto& [name, value] : claims_) {
      if (json.size() > 1) json += ',';
      protocol::json::append_string(json, name);
      json.append(":").append(value);
    }
    return json + "}";
  }

 private:
  using Claim = std::pair<std::string, std::string>;
  std::vector<Claim> claims_;
};

}  // namespace

std::string issue_token(const TokenContent& content, std::string_view secret) {
  GYRE_CHECK(!secret.empty());
  ClaimWriter claims;
  if (!content.user.empty()) claims.set("sub", json_text(content.user));
  if (content.expires) claims.set("exp", std::to_string(*content.expires));
  claims.set("iat", std::to_string(content.issued_at));
  if (!content.channel.empty()) claims.set("channel", json_text(content.channel));
  if (!content.uid.empty()) claims.set("jti", json_text(content.uid));
  if (!content.user_id_claim.empty()) claims.set(content.user_id_claim, json_text(content.user));

  std::string token = base64::encode_url(R"({"alg":"HS256","typ":"JWT"})");
  token.append(".").append(base64::encode_url(claims.json()));
  const std::string signature = hmac(*Algorithm::find("HS256"), secret, token);
  return token.append(".").append(base64::encode_url(signature));
}

}  // namespace gyre::auth
