#include "api/api_error.h"

#include "base/log.h"

namespace gyre::api {

protocol::ErrorCode to_api_error(const Error& error) {
  switch (error.code) {
    case Errc::unrecoverable:
      return errors::kUnrecoverablePosition;
    case Errc::too_large:  // a queue on the way is full
      return errors::kTooManyRequests;
    default:
      log::error("API command failed", {{"error", error.context}});
      return errors::kInternal;
  }
}

int http_status_of(protocol::ErrorCode error) {
  switch (error.code) {
    case 102:
    case 104:
      return 404;
    case 107:
    case 108:
      return 400;
    case 111:  // ours (spec README.md, "Settled")
      return 429;
    case 112:
      return 416;
    case 113:
      return 409;
    default:
      return 500;
  }
}

}  // namespace gyre::api
