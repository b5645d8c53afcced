#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "metrics/proxy_calls.h"
#include "outbound/http_client.h"
#include "proxy/backend.h"
#include "proxy/wire.h"
#include "runtime/shard.h"

namespace gyre::proxy {

// What an HTTP status stands for (http.status_to_code_transforms).
struct StatusTransform {
  int status = 0;
  std::variant<protocol::ClientError, protocol::Disconnect> meaning;
};

// A backend's options; names are those of the keys. Header names are in lower case.
struct HttpOptions {
  std::string endpoint;
  os::Nanos timeout = os::kSecond;
  std::vector<std::string> http_headers;
  std::vector<std::string> emulated_headers;
  wire::Shape shape;
  Headers static_headers;
  std::vector<StatusTransform> transforms;
  std::shared_ptr<const outbound::TlsOptions> tls;  // null: defaults
  size_t response_max = size_t{16} << 20;           // bytes
};

// The headers of a request to a backend (spec proxies.md 2.1).
Headers request_headers(const HttpOptions& options, const ClientHeaders* client);

// A backend that is asked by POST requests with JSON (spec proxies.md 2). It keeps nothing between
// calls; connections are the client's.
class HttpProxy final : public Backend {
 public:
  // `type` and `name` are for logs. All of it outlives the proxy.
  HttpProxy(runtime::Shard& shard, outbound::HttpClient& client, Event event,
            const std::string& name, const HttpOptions& options, metrics::ProxyCalls& calls)
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
  void note_failure(const Error& error) override;

 private:
  template <class Outcome, class Call>
  Asked<Outcome> post(const Caller& caller, const Call& call);
  template <class Outcome>
  Asked<Outcome> send(Result<std::string> body, Headers headers, AnswerRules rules);
  template <class Outcome>
  Result<Response<Outcome>> read(const Result<outbound::HttpResponse>& answer,
                                 AnswerRules rules) const;

  runtime::Shard& shard_;
  outbound::HttpClient& client_;
  const Event event_;
  const std::string& name_;
  const HttpOptions& options_;
  metrics::ProxyCalls& calls_;
};

}  // namespace gyre::proxy
