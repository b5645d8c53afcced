#pragma once

#include <expected>
#include <variant>

#include "protocol/codes.h"

namespace gyre::client {

// Why a client does not get what it asked for: an error in the reply, or the end of the connection.
using Refusal = std::variant<protocol::ClientError, protocol::Disconnect>;

template <class T>
using Answer = std::expected<T, Refusal>;

inline std::unexpected<Refusal> refuse(const protocol::ErrorCode& code) {
  return std::unexpected<Refusal>(protocol::ClientError(code));
}
inline std::unexpected<Refusal> refuse(const protocol::DisconnectCode& code) {
  return std::unexpected<Refusal>(protocol::Disconnect(code));
}

}  // namespace gyre::client
