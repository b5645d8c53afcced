#include "proxy/wire.h"

#include <algorithm>

#include "base/base64.h"

namespace gyre::proxy::wire {

namespace {

// RFC 4648, 4: the other alphabet, with padding.
std::string padded_base64(std::string_view bytes) {
  std::string text = base64::encode_url(bytes);
  std::ranges::replace(text, '-', '+');
  std::ranges::replace(text, '_', '/');
  text.append((4 - text.size() % 4) % 4, '=');
  return text;
}

template <class Request>
Request begin(const Caller& caller, Shape shape) {
  Request request;
  request.client = caller.client;
  request.transport = caller.transport;
  request.protocol = caller.encoding == protocol::Encoding::json ? "json" : "protobuf";
  request.encoding = shape.is_binary ? "binary" : "json";
  if constexpr (requires { request.user; }) request.user = caller.user;
  if constexpr (requires { request.meta; }) {
    if (shape.has_meta) request.meta = caller.meta;
  }
  return request;
}

template <class Request>
void set_data(Request& request, std::string_view data, Shape shape) {
  if (shape.is_binary) {
    request.b64data = padded_base64(data);
  } else {
    request.data = data;
  }
}

}  // namespace

ConnectRequest make(const Caller& caller, const ConnectCall& call, Shape shape) {
  auto request = begin<ConnectRequest>(caller, shape);
  set_data(request, call.data, shape);
  request.name = call.name;
  request.version = call.version;
  request.channels = call.channels;
  return request;
}

RefreshRequest make(const Caller& caller, const RefreshCall&, Shape shape) {
  return begin<RefreshRequest>(caller, shape);
}

SubscribeRequest make(const Caller& caller, const SubscribeCall& call, Shape shape) {
  auto request = begin<SubscribeRequest>(caller, shape);
  request.channel = call.channel;
  set_data(request, call.data, shape);
  return request;
}

PublishRequest make(const Caller& caller, const PublishCall& call, Shape shape) {
  auto request = begin<PublishRequest>(caller, shape);
  request.channel = call.channel;
  set_data(request, call.data, shape);
  return request;
}

SubRefreshRequest make(const Caller& caller, const SubRefreshCall& call, Shape shape) {
  auto request = begin<SubRefreshRequest>(caller, shape);
  request.channel = call.channel;
  return request;
}

RpcRequest make(const Caller& caller, const RpcCall& call, Shape shape) {
  auto request = begin<RpcRequest>(caller, shape);
  request.method = call.method;
  set_data(request, call.data, shape);
  return request;
}

}  // namespace gyre::proxy::wire
