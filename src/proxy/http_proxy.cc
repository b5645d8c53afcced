#include "proxy/http_proxy.h"

#include <algorithm>

#include "base/log.h"
#include "proxy/decode.h"
#include "proxy/encode.h"
#include "proxy/header_name.h"

namespace gyre::proxy {

namespace {

bool lists(const std::vector<std::string>& names, std::string_view name) {
  return std::ranges::find(names, name) != names.end();
}

// Takes headers of one source over: they win over those of the same names that are there.
void override_by(Headers& headers, const Headers& source, const std::vector<std::string>& wanted) {
  const auto is_taken = [&](const std::string& name) {
    return lists(wanted, name) && !is_connection_header(name);
  };
  std::erase_if(headers, [&](const auto& header) {
    const std::string name = in_lower_case(header.first);
    return is_taken(name) &&
           std::ranges::any_of(source, [&](const auto& other) { return other.first == name; });
  });
  for (const auto& [name, value] : source) {
    if (is_taken(name)) headers.emplace_back(canonical_header(name), value);
  }
}

constexpr int kOk = 200;

}  // namespace

Headers request_headers(const HttpOptions& options, const ClientHeaders* client) {
  Headers headers;
  for (const auto& [name, value] : options.static_headers) {
    headers.emplace_back(canonical_header(name), value);
  }
  if (client) {
    override_by(headers, client->emulated, options.emulated_headers);
    override_by(headers, client->transport, options.http_headers);
  }
  constexpr std::string_view kType = "Content-Type";
  std::erase_if(headers, [&](const auto& header) { return header.first == kType; });
  headers.emplace_back(kType, "application/json");
  return headers;
}

template <class Outcome, class Call>
Asked<Outcome> HttpProxy::post(const Caller& caller, const Call& call) {
  return send<Outcome>(encode_json(wire::make(caller, call, options_.shape)),
                       request_headers(options_, caller.headers), caller.rules);
}

template <class Outcome>
Asked<Outcome> HttpProxy::send(Result<std::string> body, Headers headers, AnswerRules rules) {
  if (!body) {
    note_failure(body.error());
    co_return std::unexpected(std::move(body).error());
  }
  const os::Nanos began = shard_.now();
  calls_.inflight.add();
  const Result<outbound::HttpResponse> answer =
      co_await client_.fetch({.method = "POST",
                              .url = options_.endpoint,
                              .headers = std::move(headers),
                              .body = std::move(*body),
                              .timeout = options_.timeout,
                              .response_max = options_.response_max,
                              .tls = options_.tls});
  calls_.inflight.subtract();
  calls_.durations.observe(shard_.now() - began);
  Result<Response<Outcome>> response = read<Outcome>(answer, rules);
  if (!response) note_failure(response.error());
  co_return response;
}

template <class Outcome>
Result<Response<Outcome>> HttpProxy::read(const Result<outbound::HttpResponse>& answer,
                                          AnswerRules rules) const {
  if (!answer) {
    // An address or a certificate that cannot be used is a failed call as well, and no base64.
    const Errc code = answer.error().code == Errc::invalid ? Errc::internal : answer.error().code;
    return fail(code, answer.error().context);
  }
  if (answer->status == kOk) return decode_response<Outcome>(answer->body, rules);
  const auto found =
      std::ranges::find(options_.transforms, answer->status, &StatusTransform::status);
  if (found == options_.transforms.end()) {
    return fail(Errc::unavailable, "HTTP status " + std::to_string(answer->status));
  }
  Response<Outcome> response;
  if (const auto* error = std::get_if<protocol::ClientError>(&found->meaning)) {
    response.error = *error;
  } else {
    response.disconnect = std::get<protocol::Disconnect>(found->meaning);
  }
  return response;
}

void HttpProxy::note_failure(const Error& error) {
  calls_.errors.add();
  log::error("error asking a proxy's backend",
             {{"type", name_of(event_)}, {"name", name_}, {"error", error.context}});
}

Asked<ConnectResult> HttpProxy::ask(const Caller& caller, const ConnectCall& call) {
  return post<ConnectResult>(caller, call);
}
Asked<RefreshResult> HttpProxy::ask(const Caller& caller, const RefreshCall& call) {
  return post<RefreshResult>(caller, call);
}
Asked<SubscribeResult> HttpProxy::ask(const Caller& caller, const SubscribeCall& call) {
  return post<SubscribeResult>(caller, call);
}
Asked<PublishResult> HttpProxy::ask(const Caller& caller, const PublishCall& call) {
  return post<PublishResult>(caller, call);
}
Asked<SubRefreshResult> HttpProxy::ask(const Caller& caller, const SubRefreshCall& call) {
  return post<SubRefreshResult>(caller, call);
}
Asked<RpcResult> HttpProxy::ask(const Caller& caller, const RpcCall& call) {
  return post<RpcResult>(caller, call);
}

}  // namespace gyre::proxy
