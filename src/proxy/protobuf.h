#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "proxy/backend.h"
#include "proxy/wire.h"

// Requests and answers as the messages of proto/proxy.proto. The classes that protoc makes of it
// stay behind this header.
namespace gyre::proxy {

// A request in Protobuf. Payloads travel as they are; none of them can be broken.
template <class Request>
std::string encode_protobuf(const Request& request);

extern template std::string encode_protobuf(const wire::ConnectRequest&);
extern template std::string encode_protobuf(const wire::RefreshRequest&);
extern template std::string encode_protobuf(const wire::SubscribeRequest&);
extern template std::string encode_protobuf(const wire::PublishRequest&);
extern template std::string encode_protobuf(const wire::SubRefreshRequest&);
extern template std::string encode_protobuf(const wire::RpcRequest&);

// Reads an answer. Errors: malformed (no such message), too_large (too many elements: see
// decode.h), invalid (a value that should be base64 is not).
template <class Outcome>
Result<Response<Outcome>> decode_protobuf(std::string_view bytes, AnswerRules rules = {});

extern template Result<Response<ConnectResult>> decode_protobuf(std::string_view, AnswerRules);
extern template Result<Response<RefreshResult>> decode_protobuf(std::string_view, AnswerRules);
extern template Result<Response<SubscribeResult>> decode_protobuf(std::string_view, AnswerRules);
extern template Result<Response<PublishResult>> decode_protobuf(std::string_view, AnswerRules);
extern template Result<Response<SubRefreshResult>> decode_protobuf(std::string_view, AnswerRules);
extern template Result<Response<RpcResult>> decode_protobuf(std::string_view, AnswerRules);

// The first message of a subscription stream, bidirectional ones have it in one more message, and
// later ones of the client's.
std::string encode_stream_start(const wire::SubscribeRequest& request, bool is_bidirectional);
std::string encode_stream_publication(std::string_view data);
// What comes: first the answer to the subscribe, without which it is malformed, then publications.
Result<Response<SubscribeResult>> decode_stream_start(std::string_view bytes,
                                                      AnswerRules rules = {});
Result<std::optional<StreamPublication>> decode_stream_publication(std::string_view bytes);

}  // namespace gyre::proxy
