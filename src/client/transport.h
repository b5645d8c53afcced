#pragma once

#include "metrics/labels.h"
#include "protocol/codes.h"
#include "protocol/encoding.h"

namespace gyre::client {

// What a session needs of its connection besides the outlet that it writes to. Owned by the
// session, on its shard; implemented by each way in (src/transport).
class Transport {
 public:
  struct Traits {
    metrics::Transport name = metrics::Transport::websocket;
    protocol::Encoding encoding = protocol::Encoding::json;
    bool has_own_pings = false;  // the transport's own, in place of the protocol's (framing.md 5.3)
  };

  virtual ~Transport() = default;
  virtual Traits traits() const = 0;
  // Ends the connection, with what is queued sent first or dropped. The session hears nothing more
  // from it.
  enum class Output : uint8_t { send, drop };
  virtual void close(const protocol::Disconnect& reason, Output output) = 0;
  // Ends it without a word once what is queued has left.
  virtual void cut() = 0;
};

}  // namespace gyre::client
