#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "outbound/http_client.h"

namespace gyre::outbound {

struct CurlOptions {
  // Requests being served at once, and so connections: of all hosts, and of one. Further ones wait;
  // their time runs.
  uint32_t connections_max = 512;
  uint32_t connections_per_host_max = 256;
  uint32_t waiting_max = 16'384;  // requests at once, being served or waiting; more are refused
  std::string user_agent = "gyre";
};

// HttpClient on libcurl: one thread with one pool of connections for all shards, since a pool per
// shard would hold as many idle connections to each backend as there are shards, and since neither
// a slow resolver nor a handshake may stop a shard. Owned by app; ends before the shards do.
class CurlClient final : public HttpClient {
 public:
  // The thread starts with the first request.
  explicit CurlClient(CurlOptions options = {});
  // Requests that are still open end as cancelled.
  ~CurlClient() override;
  CurlClient(const CurlClient&) = delete;

  runtime::Task<Result<HttpResponse>> fetch(HttpRequest request) override;

  ClientFigures figures() const override {
    return {.connections = connections(),
            .requests = open_requests(),
            .refused = refused_.load(std::memory_order_relaxed)};
  }
  // Requests not answered yet, and connections to others at this moment. From any thread.
  size_t open_requests() const { return open_requests_.load(std::memory_order_relaxed); }
  size_t connections() const { return connections_.load(std::memory_order_relaxed); }

 private:
  class Transfer;
  struct Asking;
  struct Host {
    uint32_t requests = 0;
    uint32_t started = 0;  // of them
  };
  void submit(std::unique_ptr<Transfer> transfer);
  void run(const std::stop_token& stopping);
  // Takes over what was submitted since the last time.
  void begin_submitted();
  // Hands to libcurl what there is room for. Its own queue for that (CURLMOPT_MAX_HOST_CONNECTIONS)
  // forgets a request at times, until its time is over: libcurl 7.88.
  void start_waiting();
  bool has_room(const Transfer& transfer) const;
  void start(std::unique_ptr<Transfer> transfer);
  void leave_host(Transfer& transfer);
  // Whether there was one.
  bool end_finished();

  const CurlOptions options_;
  void* const multi_;  // CURLM; the thread's, except for wake-ups
  std::atomic<size_t> open_requests_{0};
  std::atomic<size_t> connections_{0};
  std::atomic<uint64_t> refused_{0};
  // The thread's:
  std::map<std::string, Host> hosts_;  // those that have a request here
  std::vector<std::unique_ptr<Transfer>> waiting_;
  std::vector<std::unique_ptr<Transfer>> transfers_;

  std::mutex mutex_;
  std::vector<std::unique_ptr<Transfer>> submitted_;  // guarded by mutex_
  std::jthread thread_;                               // last: uses all of the above
};

}  // namespace gyre::outbound
