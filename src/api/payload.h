#pragma once

#include <string_view>
#include <utility>

#include "api/api_error.h"
#include "api/requests.h"
#include "base/base64.h"

namespace gyre::api {

// A value of a request and its binary form, which wins when it is there.
inline Answer<Raw> take_payload(Raw plain, std::string_view b64) {
  if (b64.empty()) return plain;
  auto bytes = base64::decode(b64);
  if (!bytes) return refuse(errors::kBadRequest);
  return Raw{.bytes = std::move(*bytes), .is_json = false};
}

}  // namespace gyre::api
