#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "api/observer.h"
#include "api/requests.h"
#include "api/results.h"
#include "api/service.h"
#include "http/exchange.h"
#include "http/router.h"
#include "runtime/shard.h"
#include "runtime/task.h"

namespace gyre::api {

// The server API over HTTP (spec server-api.md 1, 2 and 6): routes, keys, JSON and the two ways to
// tell an error. One for each shard, owned by its assembly; outlives the server with its routes.
class HttpApi {
 public:
  struct Options {
    std::string prefix = "/api";
    std::string key;  // empty: nobody is let in, unless insecure
    bool insecure = false;
    bool transport_errors = false;  // errors of commands become HTTP statuses
    uint64_t body_bytes_max = uint64_t{64} * 1024 * 1024;
    MethodSet methods = MethodSet::standard();
  };

  // `observer` may be null.
  HttpApi(runtime::Shard& shard, Service& service, Observer* observer, const Options& options);
  HttpApi(const HttpApi&) = delete;

  void add_routes(http::Router<http::Route>& router);

  // The node goes down: the single-endpoint API answers 503 from now on.
  void drain() { is_draining_ = true; }

 private:
  std::optional<http::Response> admit(const http::Request& head) const;
  bool has_key(const http::Request& head) const;
  bool is_key(const std::optional<std::string_view>& text) const;
  bool tells_errors_by_status(const http::Request& request) const;

  void serve_command(Method method, http::Exchange exchange);
  runtime::Task<void> finish_command(Method method, http::Exchange exchange,
                                     Service::Execution execution);
  // The whole response, unless the answer is long.
  std::optional<http::Response> short_response(const http::Request& request,
                                               const Answer<AnyResult>& answer) const;
  runtime::Task<void> serve_batch(http::Exchange exchange);
  runtime::Task<void> serve_single_endpoint(http::Exchange exchange);
  runtime::Task<std::optional<http::Response>> run_single_commands(const http::Exchange* exchange,
                                                                   std::string* replies);

  http::Response undecodable(Method method, Errc failure);
  http::Response unencodable(Method method);
  void count(Method method, std::string_view error);

  runtime::Shard& shard_;
  Service& service_;
  Observer* const observer_;
  const Options options_;
  bool is_draining_ = false;
};

}  // namespace gyre::api
