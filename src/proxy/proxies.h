#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "grpc/client.h"
#include "metrics/shard_metrics.h"
#include "outbound/http_client.h"
#include "proxy/backend.h"
#include "proxy/grpc_proxy.h"
#include "proxy/http_proxy.h"
#include "runtime/shard.h"

namespace gyre::proxy {

// The default proxy of an event goes by this name.
inline constexpr std::string_view kDefaultName = "default";

// What the configuration says of one proxy for one event.
struct Definition {
  Event event = Event::connect;
  std::string name;
  HttpOptions http;
  std::optional<GrpcOptions> grpc;  // if there, the backend is asked so, and not over HTTP
};

// All of them, as they are at the start: an immutable snapshot that the shards share. A reload does
// not change it.
class Definitions {
 public:
  explicit Definitions(std::vector<Definition> list);

  const std::vector<Definition>& list() const { return list_; }
  // Whether one of them forwards that header, of the connection's request or of the client's own
  // list; names in any case.
  bool wants_header(std::string_view name) const;
  bool wants_emulated_header(std::string_view name) const;
  // Whether one of them is asked over GRPC.
  bool needs_grpc() const;
  // What their calls are counted under, in the order of the list.
  std::vector<metrics::ProxyLabels> labels() const;

 private:
  std::vector<Definition> list_;
  std::vector<std::string> headers_;
  std::vector<std::string> emulated_headers_;
};

// The backends as one shard asks them. Owned by the shard's assembly; outlives the sessions.
class Proxies {
 public:
  // `metrics` has a place for each definition. Without a client for GRPC there are no backends that
  // are asked so.
  Proxies(runtime::Shard& shard, outbound::HttpClient& http, grpc::Client* grpc,
          std::shared_ptr<const Definitions> definitions, metrics::ShardMetrics& metrics);
  Proxies(const Proxies&) = delete;

  // Null if there is none.
  Backend* find(Event event, std::string_view name = kDefaultName) const;
  bool has(Event event) const;
  const Definitions& definitions() const { return *definitions_; }

 private:
  const std::shared_ptr<const Definitions> definitions_;
  std::vector<std::unique_ptr<Backend>> backends_;  // in the order of the definitions
};

}  // namespace gyre::proxy
