#pragma once

#include <curl/curl.h>

#include <chrono>
#include <coroutine>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "outbound/curl_client.h"
#include "runtime/message.h"
#include "runtime/shard.h"

namespace gyre::outbound {

// A fetch that waits: in the frame of the coroutine that asked. The transfer writes the result,
// then posts this to the shard, and looks at it no more.
struct CurlClient::Asking final : runtime::Message {
  void deliver() override { coroutine.resume(); }

  HttpRequest request;
  Result<HttpResponse> result = HttpResponse{};
  std::coroutine_handle<> coroutine;
  runtime::Shard* shard = nullptr;
};

// One request on its way. Made on the shard that asks, then owned by the client's thread.
class CurlClient::Transfer {
 public:
  Transfer(CurlClient& client, Asking& asking) : client_(client), asking_(asking) {}
  ~Transfer();
  Transfer(const Transfer&) = delete;

  // Makes libcurl's handle out of the request.
  Result<void> prepare();
  CURL* handle() const { return easy_; }
  // Hands the outcome to the one who asked.
  void finish(CURLcode code);
  void fail(Errc code, std::string context);

  // Scheme and authority of the address.
  std::string_view origin() const;
  bool is_late() const { return std::chrono::steady_clock::now() >= deadline_; }
  // What is left of the time, for libcurl to count from now on.
  bool set_time_left();

  size_t place = 0;  // among the client's transfers
  std::map<std::string, Host>::iterator at_host;

 private:
  void hand_back();
  Result<void> set_headers();
  Result<void> set_tls(const TlsOptions& tls);
  static size_t on_body(char* bytes, size_t size, size_t count, void* transfer);
  static size_t on_header(char* bytes, size_t size, size_t count, void* transfer);
  // Connections are counted; they outlive the transfer that opened them.
  static curl_socket_t on_open(void* client, curlsocktype purpose, curl_sockaddr* address);
  static int on_close(void* client, curl_socket_t socket);
  template <class Value>
  bool set(CURLoption option, Value value) {
    return curl_easy_setopt(easy_, option, value) == CURLE_OK;
  }

  CurlClient& client_;
  Asking& asking_;
  CURL* easy_ = nullptr;
  std::chrono::steady_clock::time_point deadline_;
  curl_slist* headers_ = nullptr;
  curl_slist* connect_to_ = nullptr;
  HttpResponse response_;
  bool is_too_large_ = false;
  char message_[CURL_ERROR_SIZE] = {};
};

}  // namespace gyre::outbound
