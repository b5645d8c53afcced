#pragma once

#include <cstddef>
#include <string_view>

#include "base/result.h"
#include "proxy/backend.h"

namespace gyre::proxy {

// Channels, subscriptions and tags of one answer; more are refused. Capabilities have bounds of
// their own.
inline constexpr size_t kElementsMax = 10'000;

// Reads an answer's body, a JSON object (spec proxies.md 2). Names are compared without regard to
// case, unknown ones are skipped, and values of the backend's own are kept byte for byte; any other
// `null` is as if nothing stood there. Errors: malformed (no such object), too_large (too many
// elements), invalid (a value that should be base64 is not).
template <class Outcome>
Result<Response<Outcome>> decode_response(std::string_view body, AnswerRules rules = {});

extern template Result<Response<ConnectResult>> decode_response(std::string_view, AnswerRules);
extern template Result<Response<RefreshResult>> decode_response(std::string_view, AnswerRules);
extern template Result<Response<SubscribeResult>> decode_response(std::string_view, AnswerRules);
extern template Result<Response<PublishResult>> decode_response(std::string_view, AnswerRules);
extern template Result<Response<SubRefreshResult>> decode_response(std::string_view, AnswerRules);
extern template Result<Response<RpcResult>> decode_response(std::string_view, AnswerRules);

}  // namespace gyre::proxy
