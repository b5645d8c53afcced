#include "proxy/grpc_proxy.h"

#include <algorithm>

#include "base/log.h"
#include "proxy/grpc_stream.h"
#include "proxy/header_name.h"
#include "proxy/protobuf.h"

namespace gyre::proxy {

namespace {

// Takes from `source` what `wanted` lists, in place of what has such a name already.
void replace_by(grpc::Metadata& metadata, const Headers& source,
                const std::vector<std::string>& wanted) {
  const auto is_taken = [&](const std::string& name) {
    return std::ranges::find(wanted, name) != wanted.end() && !is_connection_header(name) &&
           !grpc::is_reserved_metadata(name);
  };
  std::erase_if(metadata, [&](const auto& entry) {
    const auto& [name, value] = entry;
    return is_taken(name) &&
           std::ranges::any_of(source, [&](const auto& other) { return other.first == name; });
  });
  for (const auto& [name, value] : source) {
    if (is_taken(name)) metadata.emplace_back(name, value);
  }
}

constexpr std::string_view kService = "/centrifugal.centrifugo.proxy.CentrifugoProxy/";

std::string method_of(Event event) {
  constexpr std::string_view kMethods[] = {"Connect", "Refresh",    "Subscribe",
                                           "Publish", "SubRefresh", "RPC"};
  return std::string(kService) + std::string(kMethods[static_cast<size_t>(event)]);
}

}  // namespace

grpc::Metadata call_metadata(const GrpcOptions& options, const ClientHeaders* client) {
  grpc::Metadata metadata = options.static_metadata;
  if (client) {
    replace_by(metadata, client->emulated, options.emulated_headers);
    replace_by(metadata, client->transport, options.http_headers);
  }
  return metadata;
}

template <class Outcome, class Call>
Asked<Outcome> GrpcProxy::request(const Caller& caller, const Call& call) {
  return send<Outcome>({.channel = options_.channel,
                        .method = method_of(event_),
                        .metadata = call_metadata(options_, caller.headers),
                        .message = encode_protobuf(wire::make(caller, call, options_.shape)),
                        .timeout = options_.timeout},
                       caller.rules);
}

template <class Outcome>
Asked<Outcome> GrpcProxy::send(grpc::Request request, AnswerRules rules) {
  const os::Nanos began = shard_.now();
  calls_.inflight.add();
  const Result<std::string> answer = co_await client_.call(std::move(request));
  calls_.inflight.subtract();
  calls_.durations.observe(shard_.now() - began);
  if (!answer) {
    note_failure(answer.error());
    // Metadata or an address that cannot be used is a failed call as well, and no base64.
    const Errc code = answer.error().code == Errc::invalid ? Errc::internal : answer.error().code;
    co_return fail(code, answer.error().context);
  }
  Result<Response<Outcome>> response = decode_protobuf<Outcome>(*answer, rules);
  if (!response) note_failure(response.error());
  co_return response;
}

void GrpcProxy::note_failure(const Error& error) {
  calls_.errors.add();
  log::error("error asking a proxy's backend",
             {{"type", name_of(event_)}, {"name", name_}, {"error", error.context}});
}

Asked<ConnectResult> GrpcProxy::ask(const Caller& caller, const ConnectCall& call) {
  return request<ConnectResult>(caller, call);
}
Asked<RefreshResult> GrpcProxy::ask(const Caller& caller, const RefreshCall& call) {
  return request<RefreshResult>(caller, call);
}
Asked<SubscribeResult> GrpcProxy::ask(const Caller& caller, const SubscribeCall& call) {
  return request<SubscribeResult>(caller, call);
}
Asked<PublishResult> GrpcProxy::ask(const Caller& caller, const PublishCall& call) {
  return request<PublishResult>(caller, call);
}
Asked<SubRefreshResult> GrpcProxy::ask(const Caller& caller, const SubRefreshCall& call) {
  return request<SubRefreshResult>(caller, call);
}
Asked<RpcResult> GrpcProxy::ask(const Caller& caller, const RpcCall& call) {
  return request<RpcResult>(caller, call);
}

StreamRef GrpcProxy::open(const Caller& caller, const SubscribeCall& call, bool is_bidirectional) {
  std::unique_ptr<grpc::Stream> stream = client_.open(
      {.channel = options_.channel,
       .method = std::string(kService) +
                 (is_bidirectional ? "SubscribeBidirectional" : "SubscribeUnidirectional"),
       .metadata = call_metadata(options_, caller.headers),
       .message = encode_stream_start(wire::make(caller, call, options_.shape), is_bidirectional)},
      !is_bidirectional);
  if (!stream) {
    note_failure({Errc::unavailable, "too many requests are waiting for their answers"});
    return nullptr;
  }
  return StreamRef(
      new GrpcStream(shard_, std::move(stream), options_.timeout, name_, calls_, caller.rules));
}

}  // namespace gyre::proxy
