#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "client/moderation.h"
#include "client/subscription.h"

namespace gyre::client {

// What a client has said of itself, and what is known of its connection besides; kept only where
// the server API tells of connections (gyre.connections). Owned by the session.
struct Introduction {
  // A client may say as much as a message holds.
  static constexpr size_t kTextBytesMax = 255;

  std::string app_name;
  std::string app_version;
  int64_t connected_at = 0;  // Unix milliseconds
  uint32_t latency_ms = 0;   // from the last ping to its pong; 0: not known
};

// A connection as the server API tells of it (spec server-api.md 8, ConnectionInfo). Owns what it
// says, since it goes from shard to shard.
struct ConnectionFacts {
  std::string client;
  std::string user;
  std::string_view transport;  // of static life, as is the next
  std::string_view protocol;
  Introduction introduction;
  std::vector<std::pair<std::string, Source>> channels;
  std::optional<TokenMark> token;
  std::vector<std::pair<std::string, TokenMark>> subscription_tokens;  // by channel
  std::string meta;                                                    // raw JSON

  // Of memory, about.
  size_t bytes() const;
};

// How much an answer may still hold.
struct AnswerRoom {
  size_t connections = 0;
  size_t bytes = 0;
  // False: there is no room for it.
  bool take(const ConnectionFacts& facts);
};

}  // namespace gyre::client
