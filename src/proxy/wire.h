#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/fields.h"
#include "protocol/messages.h"
#include "proxy/backend.h"

// Requests to backends as they travel (spec proxies.md 3): the fields in the order of their JSON,
// numbered as in the GRPC service. Views into the call that they were made of.
namespace gyre::proxy::wire {

// What a backend's configuration says of its requests.
struct Shape {
  bool is_binary = false;  // binary_encoding: data in base64
  bool has_meta = false;   // include_connection_meta
};

struct ConnectRequest {
  std::string_view client;
  std::string_view transport;
  std::string_view protocol;
  std::string_view encoding;
  protocol::RawView data;
  std::string b64data;
  std::string_view name;
  std::string_view version;
  std::vector<std::string_view> channels;

  static constexpr auto fields = describe(
      field<1>("client", &ConnectRequest::client),
      field<2>("transport", &ConnectRequest::transport),
      field<3>("protocol", &ConnectRequest::protocol),
      field<4>("encoding", &ConnectRequest::encoding), field<10>("data", &ConnectRequest::data),
      field<11>("b64data", &ConnectRequest::b64data), field<12>("name", &ConnectRequest::name),
      field<13>("version", &ConnectRequest::version),
      field<14>("channels", &ConnectRequest::channels));
};

struct RefreshRequest {
  std::string_view client;
  std::string_view transport;
  std::string_view protocol;
  std::string_view encoding;
  std::string_view user;
  protocol::RawView meta;

  static constexpr auto fields = describe(field<1>("client", &RefreshRequest::client),
                                          field<2>("transport", &RefreshRequest::transport),
                                          field<3>("protocol", &RefreshRequest::protocol),
                                          field<4>("encoding", &RefreshRequest::encoding),
                                          field<10>("user", &RefreshRequest::user, Emit::always),
                                          field<11>("meta", &RefreshRequest::meta));
};

struct SubscribeRequest {
  std::string_view client;
  std::string_view transport;
  std::string_view protocol;
  std::string_view encoding;
  std::string_view user;
  std::string_view channel;
  protocol::RawView meta;
  protocol::RawView data;
  std::string b64data;

  static constexpr auto fields = describe(
      field<1>("client", &SubscribeRequest::client),
      field<2>("transport", &SubscribeRequest::transport),
      field<3>("protocol", &SubscribeRequest::protocol),
      field<4>("encoding", &SubscribeRequest::encoding),
      field<10>("user", &SubscribeRequest::user, Emit::always),
      field<11>("channel", &SubscribeRequest::channel), field<13>("meta", &SubscribeRequest::meta),
      field<14>("data", &SubscribeRequest::data), field<15>("b64data", &SubscribeRequest::b64data));
};

struct PublishRequest {
  std::string_view client;
  std::string_view transport;
  std::string_view protocol;
  std::string_view encoding;
  std::string_view user;
  std::string_view channel;
  protocol::RawView data;
  std::string b64data;
  protocol::RawView meta;

  static constexpr auto fields = describe(
      field<1>("client", &PublishRequest::client),
      field<2>("transport", &PublishRequest::transport),
      field<3>("protocol", &PublishRequest::protocol),
      field<4>("encoding", &PublishRequest::encoding),
      field<10>("user", &PublishRequest::user, Emit::always),
      field<11>("channel", &PublishRequest::channel), field<12>("data", &PublishRequest::data),
      field<13>("b64data", &PublishRequest::b64data), field<14>("meta", &PublishRequest::meta));
};

struct SubRefreshRequest {
  std::string_view client;
  std::string_view transport;
  std::string_view protocol;
  std::string_view encoding;
  std::string_view user;
  std::string_view channel;
  protocol::RawView meta;

  static constexpr auto fields = describe(field<1>("client", &SubRefreshRequest::client),
                                          field<2>("transport", &SubRefreshRequest::transport),
                                          field<3>("protocol", &SubRefreshRequest::protocol),
                                          field<4>("encoding", &SubRefreshRequest::encoding),
                                          field<10>("user", &SubRefreshRequest::user, Emit::always),
                                          field<11>("channel", &SubRefreshRequest::channel),
                                          field<12>("meta", &SubRefreshRequest::meta));
};

struct RpcRequest {
  std::string_view client;
  std::string_view transport;
  std::string_view protocol;
  std::string_view encoding;
  std::string_view user;
  std::string_view method;
  protocol::RawView data;
  std::string b64data;
  protocol::RawView meta;

  static constexpr auto fields = describe(
      field<1>("client", &RpcRequest::client), field<2>("transport", &RpcRequest::transport),
      field<3>("protocol", &RpcRequest::protocol), field<4>("encoding", &RpcRequest::encoding),
      field<10>("user", &RpcRequest::user, Emit::always), field<11>("method", &RpcRequest::method),
      field<12>("data", &RpcRequest::data), field<13>("b64data", &RpcRequest::b64data),
      field<14>("meta", &RpcRequest::meta));
};

ConnectRequest make(const Caller& caller, const ConnectCall& call, Shape shape);
RefreshRequest make(const Caller& caller, const RefreshCall& call, Shape shape);
SubscribeRequest make(const Caller& caller, const SubscribeCall& call, Shape shape);
PublishRequest make(const Caller& caller, const PublishCall& call, Shape shape);
SubRefreshRequest make(const Caller& caller, const SubRefreshCall& call, Shape shape);
RpcRequest make(const Caller& caller, const RpcCall& call, Shape shape);

}  // namespace gyre::proxy::wire
