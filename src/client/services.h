#pragma once

#include <array>
#include <memory>
#include <string>

#include "auth/token_verifier.h"
#include "base/frame.h"
#include "client/settings.h"
#include "hub/directory.h"
#include "hub/local_hub.h"
#include "hub/wildcards.h"
#include "metrics/shard_metrics.h"
#include "net/sockets.h"
#include "proxy/proxies.h"
#include "runtime/memory_pressure.h"
#include "runtime/shard.h"

namespace gyre::client {

class Audience;
class Census;
class Moderation;
class RateLimiter;
class RegexCache;
class Roster;
class Streams;
class UserStatuses;

// What the sessions of one shard work with. Owned by the shard's assembly; outlives the sessions. A
// reload changes `settings` and the verifiers between turns.
struct Services {
  runtime::Shard& shard;
  net::Sockets& sockets;
  hub::LocalHub& hub;
  hub::Directory& directory;
  Roster& roster;
  Census& census;
  RateLimiter& rate_limiter;
  metrics::ShardMetrics& metrics;
  std::shared_ptr<const Settings> settings;
  std::unique_ptr<const auth::TokenVerifier> connection_tokens;
  std::unique_ptr<const auth::TokenVerifier> subscription_tokens;
  Audience* audience = nullptr;             // the connections of the whole node
  auth::KeySets* key_sets = nullptr;        // where the verifiers look; null: there are none
  const proxy::Proxies* proxies = nullptr;  // backends that decide; null: there are none
  Streams* streams = nullptr;               // of backends; null: there are none
  const Moderation* moderation = nullptr;   // who is blocked, what is revoked; null: nothing can be
  UserStatuses* user_statuses = nullptr;    // what users have done last; null: it is not kept
  RegexCache* regexes = nullptr;            // of capabilities; null: there are none
  hub::Wildcards* wildcards = nullptr;      // null: there are none
  bool tells_of_connections = false;        // the server API does (gyre.connections)
  runtime::MemoryPressure& memory = runtime::MemoryPressure::unlimited();
  std::array<FrameRef, 2> pings = {};  // by encoding; made once, sent to everybody

  // Where messages are encoded: empty, and good until the next call.
  std::string& message_buffer() {
    trim_message_buffer();
    buffer.clear();
    return buffer;
  }
  // When the message is in a frame: a large one was for somebody's thousand presences, and is not
  // kept until somebody else has something to say.
  void trim_message_buffer() {
    if (buffer.capacity() > kBufferKept) std::string().swap(buffer);
  }
  static constexpr size_t kBufferKept = 64 * 1024;
  std::string buffer = {};
};

}  // namespace gyre::client
