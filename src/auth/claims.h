#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "auth/capability.h"
#include "base/result.h"

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
  std::vector<Capability> capabilities;  // caps, where they are read at all
  std::vector<std::string> allow;        // of a subscription token, likewise
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

// A field of the connection's meta that is taken from another claim (docs/tokens.md).
struct MetaRule {
  // `path`: names of members from the outermost inwards with dots between them; a backslash stands
  // before a dot or a backslash that belongs to a name.
  static Result<MetaRule> create(std::string field, std::string_view path);

  std::string field;
  std::vector<std::string> path;
};

// How claims are read; by itself as the reference does.
struct ClaimRules {
  std::string_view user_id_claim = {};  // the claim that holds the user; empty: `sub`
  bool has_capabilities = false;        // caps and allow mean something
  std::span<const MetaRule> meta = {};  // fields that come to be in `meta`, in place of equal ones
};

// Reads the claims' JSON.
std::expected<Claims, Problem> read_claims(std::string_view json, const ClaimRules& rules);

}  // namespace gyre::auth
