#pragma once

#include <optional>

#include "base/fault_points.h"
#include "base/result.h"
#include "client/refusal.h"
#include "proxy/backend.h"

namespace gyre::client {

// What a backend's answer means for whoever asked for something: the result, nothing if the backend
// has said nothing, or a refusal (spec proxies.md 2.2, 2.3).
template <class Outcome>
Answer<std::optional<Outcome>> outcome_of(Result<proxy::Response<Outcome>> asked) {
  if (!asked && GYRE_PLANTED(backend_failure_is_consent)) return std::optional<Outcome>(Outcome());
  if (!asked) return refuse(protocol::errors::kInternal);
  if (asked->disconnect) return std::unexpected(Refusal(std::move(*asked->disconnect)));
  if (asked->error) return std::unexpected(Refusal(std::move(*asked->error)));
  return std::move(asked->result);
}

// How much longer something lives whose backend could not be asked.
inline constexpr int64_t kUnansweredSeconds = 60;

}  // namespace gyre::client
