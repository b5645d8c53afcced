#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "protocol/encoding.h"

namespace gyre::sim {

// What a client reads of a publication.
struct ReadPublication {
  std::string data;
  uint64_t offset = 0;
  std::string epoch;
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
    push_publication,
    push_unsubscribe,
    push_disconnect,
  };
  Kind kind = Kind::ping;
  uint32_t id = 0;      // of replies
  uint32_t code = 0;    // error, push_unsubscribe, push_disconnect
  std::string channel;  // of pushes
  std::string client;   // connect
  bool recoverable = false;
  bool positioned = false;
  bool recovered = false;
  bool was_recovering = false;
  std::string epoch;
  uint64_t offset = 0;
  std::vector<ReadPublication> publications;  // subscribe, history; the one of a push
  std::vector<std::string> present;           // client ids
};

// The messages of one WebSocket message; nothing if anything in it is not as the protocol says.
std::optional<std::vector<ServerMessage>> read_messages(protocol::Encoding encoding,
                                                        std::string_view bytes);

}  // namespace gyre::sim
