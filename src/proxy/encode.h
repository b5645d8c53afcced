#pragma once

#include <string>

#include "base/result.h"
#include "proxy/wire.h"

namespace gyre::proxy {

// A request as JSON. An error: data or meta is not JSON, which only base64 could carry.
template <class Request>
Result<std::string> encode_json(const Request& request);

extern template Result<std::string> encode_json(const wire::ConnectRequest&);
extern template Result<std::string> encode_json(const wire::RefreshRequest&);
extern template Result<std::string> encode_json(const wire::SubscribeRequest&);
extern template Result<std::string> encode_json(const wire::PublishRequest&);
extern template Result<std::string> encode_json(const wire::SubRefreshRequest&);
extern template Result<std::string> encode_json(const wire::RpcRequest&);

}  // namespace gyre::proxy
