#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gyre::auth {

// What a token may say instead of the namespace's option (spec subscriptions.md 3.2).
struct Override {
  std::optional<bool> presence;
  std::optional<bool> join_leave;
  std::optional<bool> force_push_join_leave;
  std::optional<bool> force_positioning;
  std::optional<bool> force_recovery;
  friend bool operator==(const Override&, const Override&) = default;
};

struct SubscriptionOptions {
  std::string info;  // raw JSON, or bytes from b64info
  std::string data;
  Override override_options;
};

// The claims that we know, of connection and subscription tokens alike. Raw values keep their
// source text.
struct Claims {
  std::string subject;
  std::optional<int64_t> expires;     // exp, Unix seconds
  std::optional<int64_t> not_before;  // nbf
  std::optional<int64_t> expire_at;   // of the connection or subscription; 0 or less: never
  std::optional<int64_t> issued_at;   // iat
  std::string id;                     // jti
  std::string issuer;
  std::vector<std::string> audience;
  std::string channel;
  std::string client;
  std::string meta;
  SubscriptionOptions options;  // info, data and override of the token itself
  std::vector<std::string> channels;
  std::vector<std::pair<std::string, SubscriptionOptions>> subs;
  // The claim named by user_id_claim as text, if that was asked for.
  std::string user_id;
  // A b64info or b64data that is no base64; the token is otherwise well. Empty: there is none.
  std::string undecodable;

  // When the connection or subscription ends; nothing: never.
  std::optional<int64_t> end() const {
    if (!expire_at) return expires;
    return *expire_at > 0 ? expire_at : std::nullopt;
  }
};

struct Problem {
  enum class Kind : uint8_t {
    invalid,      // disconnect 3500, or error 103 for subscriptions
    expired,      // error 109; also a token that is not valid yet
    undecodable,  // b64info or b64data that is no base64: error 100
  };
  Kind kind = Kind::invalid;
  std::string reason;  // for people, without secrets
};

// Reads the claims' JSON. `user_id_claim`: the name of the claim that holds the user, empty for
// `sub`.
std::expected<Claims, Problem> read_claims(std::string_view json, std::string_view user_id_claim);

}  // namespace gyre::auth
