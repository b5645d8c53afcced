#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "os/kernel.h"
#include "runtime/task.h"

namespace gyre::outbound {

// What a TLS connection to a backend needs, as PEM text; empty means the system's authorities and
// no certificate of our own.
struct TlsOptions {
  std::string authorities;  // who may have signed the server's certificate
  std::string certificate;  // ours, for servers that ask
  std::string key;
  std::string server_name;  // in place of the address's host, in the handshake and in its check
  bool insecure_skip_verify = false;
};

struct HttpRequest {
  std::string method = "GET";
  std::string url;  // http or https
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  os::Nanos timeout = os::kSecond;         // of everything, from the connection to the last byte
  size_t response_max = size_t{16} << 20;  // bytes of the body
  std::shared_ptr<const TlsOptions> tls;   // null: defaults
};

struct HttpResponse {
  int status = 0;
  std::string body;
  std::string content_type;
  std::string cache_control;
};

// How much is asked at this moment.
struct ClientFigures {
  uint64_t connections = 0;  // idle ones included
  uint64_t requests = 0;     // not answered yet
  uint64_t refused = 0;      // ever, since too many were waiting
};

// Asks HTTP servers of others: proxies' backends, key sets. Shared by all shards; ends when their
// threads have, and before they do.
class HttpClient {
 public:
  virtual ~HttpClient() = default;
  // The server's answer, whatever its status. Errors: invalid (the request cannot be made: its
  // address, a header, a certificate of ours), unavailable (no connection, or it broke), timed_out,
  // too_large, cancelled (the client ends). Resumes on the shard that asked.
  virtual runtime::Task<Result<HttpResponse>> fetch(HttpRequest request) = 0;
  // From any thread.
  virtual ClientFigures figures() const { return {}; }
};

}  // namespace gyre::outbound
