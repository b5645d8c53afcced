#pragma once

#include <expected>

#include "base/result.h"
#include "protocol/codes.h"

namespace gyre::api {

// What a command ends with: its result, or an error of the table in spec server-api.md 2.
template <class T>
using Answer = std::expected<T, protocol::ErrorCode>;

namespace errors {
using protocol::errors::kBadRequest;
using protocol::errors::kInternal;
using protocol::errors::kLimitExceeded;
using protocol::errors::kNotAvailable;
using protocol::errors::kTooManyRequests;
using protocol::errors::kUnknownChannel;
using protocol::errors::kUnrecoverablePosition;
inline constexpr protocol::ErrorCode kNotFound{104, "not found"};
}  // namespace errors

inline std::unexpected<protocol::ErrorCode> refuse(protocol::ErrorCode error) {
  return std::unexpected(error);
}

// What the backend is told of a failure inside; one that is nobody's mistake but ours is logged.
protocol::ErrorCode to_api_error(const Error& error);

// The status of an answer in error mode "transport".
int http_status_of(protocol::ErrorCode error);

}  // namespace gyre::api
