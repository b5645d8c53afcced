#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "grpc/client.h"
#include "metrics/proxy_calls.h"
#include "proxy/backend.h"
#include "proxy/wire.h"
#include "runtime/shard.h"

namespace gyre::proxy {

// The options of a backend over GRPC; names are those of the keys. Header names are in lower case.
struct GrpcOptions {
  std::shared_ptr<const grpc::ChannelOptions> channel;
  os::Nanos timeout = os::kSecond;
  std::vector<std::string> http_headers;
  std::vector<std::string> emulated_headers;
  wire::Shape shape;
  // What each call has, with the credentials behind it.
  grpc::Metadata static_metadata;
};

// The metadata of a call to a backend (spec proxies.md 2.1 and 4).
grpc::Metadata call_metadata(const GrpcOptions& options, const ClientHeaders* client);

// A backend that is asked over GRPC (spec proxies.md 4). It keeps nothing between calls; the
// connection is the client's.
class GrpcProxy final : public Backend {
 public:
  // `event` and `name` are for logs and for the method. All of it outlives the proxy.
  GrpcProxy(runtime::Shard& shard, grpc::Client& client, Event event, const std::string& name,
            const GrpcOptions& options, metrics::ProxyCalls& calls)
      : shard_(shard),
        client_(client),
        event_(event),
        name_(name),
        options_(options),
        calls_(calls) {}

  Asked<ConnectResult> ask(const Caller& caller, const ConnectCall& call) override;
  Asked<RefreshResult> ask(const Caller& caller, const RefreshCall& call) override;
  Asked<SubscribeResult> ask(const Caller& caller, const SubscribeCall& call) override;
  Asked<PublishResult> ask(const Caller& caller, const PublishCall& call) override;
  Asked<SubRefreshResult> ask(const Caller& caller, const SubRefreshCall& call) override;
  Asked<RpcResult> ask(const Caller& caller, const RpcCall& call) override;
  StreamRef open(const Caller& caller, const SubscribeCall& call, bool is_bidirectional) override;
  void note_failure(const Error& error) override;

 private:
  template <class Outcome, class Call>
  Asked<Outcome> request(const Caller& caller, const Call& call);
  template <class Outcome>
  Asked<Outcome> send(grpc::Request request, AnswerRules rules);

  runtime::Shard& shard_;
  grpc::Client& client_;
  const Event event_;
  const std::string& name_;
  const GrpcOptions& options_;
  metrics::ProxyCalls& calls_;
};

}  // namespace gyre::proxy
