#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace gyre::protocol {

// What a client is told instead of a result (framing.md 3.3). Proxies may send codes and messages
// of their own.
struct ClientError {
  uint32_t code = 0;
  std::string message;
  bool temporary = false;

  friend bool operator==(const ClientError&, const ClientError&) = default;
};

// Why a connection ends. Official SDKs come back unless the code is in 3500–3999 or 4500–4999.
struct Disconnect {
  uint32_t code = 0;
  std::string reason;

  bool reconnects() const {
    return !((code >= 3500 && code <= 3999) || (code >= 4500 && code <= 4999));
  }
  friend bool operator==(const Disconnect&, const Disconnect&) = default;
};

// Why a subscription ended. SDKs subscribe again when the code is 2500 or higher.
struct Unsubscribe {
  uint32_t code = 0;
  std::string reason;

  bool resubscribes() const { return code >= 2500; }
  friend bool operator==(const Unsubscribe&, const Unsubscribe&) = default;
};

// The fixed texts below; each becomes the owning struct where it is used, so that
// `return std::unexpected(errors::kPermissionDenied);` reads as it should.
struct ErrorCode {
  uint32_t code;
  std::string_view message;
  bool temporary = false;

  operator ClientError() const { return {code, std::string(message), temporary}; }
};

struct DisconnectCode {
  uint32_t code;
  std::string_view reason;

  operator Disconnect() const { return {code, std::string(reason)}; }
};

struct UnsubscribeCode {
  uint32_t code;
  std::string_view reason;

  operator Unsubscribe() const { return {code, std::string(reason)}; }
};

// connection-lifecycle.md 6.1
namespace errors {
inline constexpr ErrorCode kInternal{100, "internal server error", true};
inline constexpr ErrorCode kUnauthorized{101, "unauthorized"};
inline constexpr ErrorCode kUnknownChannel{102, "unknown channel"};
inline constexpr ErrorCode kPermissionDenied{103, "permission denied"};
inline constexpr ErrorCode kMethodNotFound{104, "method not found"};
inline constexpr ErrorCode kAlreadySubscribed{105, "already subscribed"};
inline constexpr ErrorCode kLimitExceeded{106, "limit exceeded"};
inline constexpr ErrorCode kBadRequest{107, "bad request"};
inline constexpr ErrorCode kNotAvailable{108, "not available"};
inline constexpr ErrorCode kTokenExpired{109, "token expired"};
inline constexpr ErrorCode kExpired{110, "expired"};
inline constexpr ErrorCode kTooManyRequests{111, "too many requests", true};
inline constexpr ErrorCode kUnrecoverablePosition{112, "unrecoverable position"};
inline constexpr ErrorCode kConcurrentPagination{113, "concurrent pagination", true};
}  // namespace errors

// connection-lifecycle.md 6.2
namespace disconnects {
inline constexpr DisconnectCode kConnectionClosed{3000, "connection closed"};
inline constexpr DisconnectCode kShutdown{3001, "shutdown"};
inline constexpr DisconnectCode kServerError{3004, "internal server error"};
inline constexpr DisconnectCode kExpired{3005, "connection expired"};
inline constexpr DisconnectCode kSubscriptionExpired{3006, "subscription expired"};
inline constexpr DisconnectCode kSlow{3008, "slow"};
inline constexpr DisconnectCode kWriteError{3009, "write error"};
inline constexpr DisconnectCode kInsufficientState{3010, "insufficient state"};
inline constexpr DisconnectCode kForceReconnect{3011, "force reconnect"};
inline constexpr DisconnectCode kNoPong{3012, "no pong"};
inline constexpr DisconnectCode kTooManyRequests{3013, "too many requests"};
inline constexpr DisconnectCode kStateInvalidated{3014, "state invalidated"};
inline constexpr DisconnectCode kInvalidToken{3500, "invalid token"};
inline constexpr DisconnectCode kBadRequest{3501, "bad request"};
inline constexpr DisconnectCode kStale{3502, "stale"};
inline constexpr DisconnectCode kForceNoReconnect{3503, "force disconnect"};
inline constexpr DisconnectCode kConnectionLimit{3504, "connection limit"};
inline constexpr DisconnectCode kChannelLimit{3505, "channel limit"};
inline constexpr DisconnectCode kInappropriateProtocol{3506, "inappropriate protocol"};
inline constexpr DisconnectCode kPermissionDenied{3507, "permission denied"};
inline constexpr DisconnectCode kNotAvailable{3508, "not available"};
inline constexpr DisconnectCode kTooManyErrors{3509, "too many errors"};
}  // namespace disconnects

// connection-lifecycle.md 6.3
namespace unsubscribes {
inline constexpr UnsubscribeCode kClient{0, "client unsubscribed"};
inline constexpr UnsubscribeCode kDisconnect{1, "client disconnected"};
inline constexpr UnsubscribeCode kServer{2000, "server unsubscribe"};
inline constexpr UnsubscribeCode kInsufficientState{2500, "insufficient state"};
inline constexpr UnsubscribeCode kExpired{2501, "subscription expired"};
inline constexpr UnsubscribeCode kStateInvalidated{2502, "state invalidated"};
}  // namespace unsubscribes

}  // namespace gyre::protocol
