#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "protocol/encoding.h"
#include "tests/simulation/attendance.h"

namespace gyre::sim {

// What a client reads of a publication.
struct ReadPublication {
  std::string data;  // as it stands in the message
  std::string text;  // what a JSON string in it says; else the same
  bool is_delta = false;
  uint64_t offset = 0;
  std::string epoch;
  std::string channel;  // that it was published in, if it comes by a wildcard
};

// A message of the server, in either encoding (spec framing.md 3), as far as simulated clients look
// into it. `kind` says which of the fields are meant.
struct ServerMessage {
  enum class Kind : uint8_t {
    ping,
    error,
    connect,
    subscribe,
    unsubscribe,
    publish,
    presence,
    history,
    refresh,
    sub_refresh,
    presence_stats,
    rpc,
    push_publication,
    push_join,
    push_leave,
    push_subscribe,
    push_unsubscribe,
    push_refresh,
    push_disconnect,
  };
  Kind kind = Kind::ping;
  uint32_t id = 0;       // of replies
  uint32_t code = 0;     // error, push_unsubscribe, push_disconnect
  std::string channel;   // of pushes
  int64_t number = 0;    // that stands for it: given by subscribe, in its place in pushes
  std::string client;    // connect; who joins or leaves
  bool expires = false;  // connect, subscribe, refresh, sub_refresh, push_refresh
  uint32_t ttl = 0;
  std::vector<ServerMessage> subs;  // connect: server-side subscriptions, each with its channel
  bool recoverable = false;
  bool positioned = false;
  bool recovered = false;
  bool was_recovering = false;
  bool has_delta = false;
  std::string epoch;
  uint64_t offset = 0;
  std::vector<ReadPublication> publications;   // subscribe, history; the one of a push
  std::map<std::string, std::string> present;  // presence: users by client id
  uint32_t num_clients = 0;                    // presence_stats
  uint32_t num_users = 0;
  std::string data;  // rpc, as it stands in the message
};

// The messages of one WebSocket message; nothing if anything in it is not as the protocol says.
std::optional<std::vector<ServerMessage>> read_messages(protocol::Encoding encoding,
                                                        std::string_view bytes);

// What the server API answers to presence or presence_stats.
std::optional<PresenceAnswer> read_presence_answer(std::string_view body);

}  // namespace gyre::sim
