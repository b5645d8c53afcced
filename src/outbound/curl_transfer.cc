#include "outbound/curl_transfer.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <string_view>

namespace gyre::outbound {

namespace {

// Cut off rather than kept: the headers that are read are short.
constexpr size_t kHeaderMax = 4096;

bool is_clean(std::string_view text) {
  return std::none_of(text.begin(), text.end(),
                      [](char c) { return c == '\r' || c == '\n' || c == '\0'; });
}

bool is_header_name(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return c > ' ' && c < 0x7f && c != ':';
  });
}

// The value, if the line is one of the header `name` (in lower case).
bool take_header(std::string_view line, std::string_view name, std::string& value) {
  if (line.size() <= name.size() || line[name.size()] != ':' || line.size() > kHeaderMax)
    return false;
  for (size_t i = 0; i < name.size(); ++i) {
    const char c = line[i];
    if ((c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c) != name[i]) return false;
  }
  line.remove_prefix(name.size() + 1);
  while (!line.empty() && (line.front() == ' ' || line.front() == '\t')) line.remove_prefix(1);
  while (!line.empty() && static_cast<unsigned char>(line.back()) <= ' ') line.remove_suffix(1);
  value = line;
  return true;
}

Errc kind_of(CURLcode code) {
  switch (code) {
    case CURLE_OPERATION_TIMEDOUT:
      return Errc::timed_out;
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_URL_MALFORMAT:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
      return Errc::invalid;
    case CURLE_OUT_OF_MEMORY:
      return Errc::internal;
    default:
      return Errc::unavailable;
  }
}

curl_blob blob(const std::string& text) {
  return {const_cast<char*>(text.data()), text.size(), CURL_BLOB_COPY};
}

}  // namespace

CurlClient::Transfer::~Transfer() {
  curl_easy_cleanup(easy_);
  curl_slist_free_all(headers_);
  curl_slist_free_all(connect_to_);
}

Result<void> CurlClient::Transfer::prepare() {
  const HttpRequest& request = asking_.request;
  easy_ = curl_easy_init();
  if (!easy_) return gyre::fail(Errc::internal, "libcurl has no memory for a request");
  deadline_ = std::chrono::steady_clock::now() + std::chrono::nanoseconds(request.timeout);
  const bool is_set =
      set(CURLOPT_ERRORBUFFER, message_) && set(CURLOPT_PRIVATE, this) &&
      set(CURLOPT_NOSIGNAL, 1L) &&
      // Else the thread that resolves a name is waited for when the time is over, and nothing else
      // goes on meanwhile, of no backend.
      set(CURLOPT_QUICK_EXIT, 1L) && set(CURLOPT_URL, request.url.c_str()) &&
      set(CURLOPT_PROTOCOLS_STR, "http,https") && set(CURLOPT_REDIR_PROTOCOLS_STR, "http,https") &&
      set(CURLOPT_FOLLOWLOCATION, 1L) && set(CURLOPT_MAXREDIRS, 10L) && set(CURLOPT_PROXY, "") &&
      set(CURLOPT_ACCEPT_ENCODING, "gzip") &&
      set(CURLOPT_HTTP_VERSION, long{CURL_HTTP_VERSION_2TLS}) && set(CURLOPT_TCP_NODELAY, 1L) &&
      set(CURLOPT_SSLVERSION, long{CURL_SSLVERSION_TLSv1_2}) &&
      set(CURLOPT_WRITEFUNCTION, &on_body) && set(CURLOPT_WRITEDATA, this) &&
      set(CURLOPT_HEADERFUNCTION, &on_header) && set(CURLOPT_HEADERDATA, this) &&
      set(CURLOPT_OPENSOCKETFUNCTION, &on_open) && set(CURLOPT_OPENSOCKETDATA, &client_) &&
      set(CURLOPT_CLOSESOCKETFUNCTION, &on_close) && set(CURLOPT_CLOSESOCKETDATA, &client_);
  if (!is_set) return gyre::fail(Errc::internal, "libcurl refuses an option");
  if (request.method == "POST") {
    set(CURLOPT_POST, 1L);
    set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
    set(CURLOPT_POSTFIELDS, request.body.data());  // kept by the one who asks
  } else if (request.method != "GET") {
    return gyre::fail(Errc::invalid, "an HTTP request must be GET or POST, not " + request.method);
  }
  GYRE_TRY_VOID(set_headers());
  if (request.tls) GYRE_TRY_VOID(set_tls(*request.tls));
  return {};
}

std::string_view CurlClient::Transfer::origin() const {
  const std::string_view url = asking_.request.url;
  const size_t scheme = url.find("://");
  return url.substr(0, scheme == std::string_view::npos ? 0 : url.find_first_of("/?#", scheme + 3));
}

bool CurlClient::Transfer::set_time_left() {
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
      deadline_ - std::chrono::steady_clock::now());
  return set(CURLOPT_TIMEOUT_MS, std::max(1L, static_cast<long>(left.count())));
}

Result<void> CurlClient::Transfer::set_headers() {
  const auto append = [&](const std::string& line) {
    curl_slist* longer = curl_slist_append(headers_, line.c_str());
    if (longer) headers_ = longer;
    return longer != nullptr;
  };
  bool is_set = set(CURLOPT_USERAGENT, client_.options_.user_agent.c_str()) && append("Expect:");
  for (const auto& [name, value] : asking_.request.headers) {
    if (!is_header_name(name) || !is_clean(value)) {
      return gyre::fail(Errc::invalid, "a header is not well-formed");
    }
    // A header without a value is written with a semicolon; with a colon it would be taken out.
    is_set = is_set && append(value.empty() ? name + ";" : name + ": " + value);
  }
  if (!is_set || !set(CURLOPT_HTTPHEADER, headers_)) {
    return gyre::fail(Errc::internal, "libcurl has no memory for headers");
  }
  return {};
}

Result<void> CurlClient::Transfer::set_tls(const TlsOptions& tls) {
  bool is_set = true;
  const auto give = [&](CURLoption option, const std::string& pem) {
    if (pem.empty()) return;
    curl_blob bytes = blob(pem);
    is_set = is_set && set(option, &bytes);
  };
  give(CURLOPT_CAINFO_BLOB, tls.authorities);
  // In place of all that the system trusts: its folder would count beside the text.
  if (!tls.authorities.empty()) is_set = is_set && set(CURLOPT_CAPATH, static_cast<char*>(nullptr));
  give(CURLOPT_SSLCERT_BLOB, tls.certificate);
  give(CURLOPT_SSLKEY_BLOB, tls.key);
  if (tls.insecure_skip_verify) {
    is_set = is_set && set(CURLOPT_SSL_VERIFYPEER, 0L) && set(CURLOPT_SSL_VERIFYHOST, 0L);
  }
  if (!is_set) return gyre::fail(Errc::invalid, "libcurl refuses the TLS settings");
  if (tls.server_name.empty()) return {};

  // Under the other name in the address, but at the host of the real one.
  CURLU* url = curl_url();
  char* host = nullptr;
  char* port = nullptr;
  char* renamed = nullptr;
  is_set = url && curl_url_set(url, CURLUPART_URL, asking_.request.url.c_str(), 0) == CURLUE_OK &&
           curl_url_get(url, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
           curl_url_get(url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK &&
           curl_url_set(url, CURLUPART_HOST, tls.server_name.c_str(), 0) == CURLUE_OK &&
           curl_url_get(url, CURLUPART_URL, &renamed, 0) == CURLUE_OK;
  if (is_set) {
    connect_to_ = curl_slist_append(nullptr, (std::string("::") + host + ":" + port).c_str());
    curl_slist* with_host =
        curl_slist_append(headers_, (std::string("Host: ") + host + ":" + port).c_str());
    if (with_host) headers_ = with_host;
    is_set = connect_to_ && with_host && set(CURLOPT_CONNECT_TO, connect_to_) &&
             set(CURLOPT_HTTPHEADER, headers_) && set(CURLOPT_URL, renamed);
  }
  curl_free(renamed);
  curl_free(port);
  curl_free(host);
  curl_url_cleanup(url);
  if (!is_set) return gyre::fail(Errc::invalid, "the address does not fit the TLS server name");
  return {};
}

size_t CurlClient::Transfer::on_body(char* bytes, size_t size, size_t count, void* transfer) {
  auto& self = *static_cast<Transfer*>(transfer);
  const size_t added = size * count;
  if (added > self.asking_.request.response_max - self.response_.body.size()) {
    self.is_too_large_ = true;
    return 0;  // ends the transfer
  }
  self.response_.body.append(bytes, added);
  return added;
}

size_t CurlClient::Transfer::on_header(char* bytes, size_t size, size_t count, void* transfer) {
  auto& response = static_cast<Transfer*>(transfer)->response_;
  const std::string_view line(bytes, size * count);
  if (line.starts_with("HTTP/")) response = {};  // behind a redirect or an interim answer
  if (!take_header(line, "content-type", response.content_type)) {
    take_header(line, "cache-control", response.cache_control);
  }
  return line.size();
}

curl_socket_t CurlClient::Transfer::on_open(void* client, curlsocktype, curl_sockaddr* address) {
  const int opened = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
  if (opened < 0) return CURL_SOCKET_BAD;
  static_cast<CurlClient*>(client)->connections_.fetch_add(1, std::memory_order_relaxed);
  return opened;
}

int CurlClient::Transfer::on_close(void* client, curl_socket_t socket) {
  static_cast<CurlClient*>(client)->connections_.fetch_sub(1, std::memory_order_relaxed);
  return close(socket);
}

void CurlClient::Transfer::finish(CURLcode code) {
  if (is_too_large_) {
    return fail(Errc::too_large, "the answer is larger than " +
                                     std::to_string(asking_.request.response_max) + " bytes");
  }
  if (code != CURLE_OK) {
    // What the server has answered with cannot make the request a wrong one.
    long sent = 0;
    curl_easy_getinfo(easy_, CURLINFO_REQUEST_SIZE, &sent);
    const Errc kind =
        sent > 0 && code != CURLE_OPERATION_TIMEDOUT ? Errc::unavailable : kind_of(code);
    return fail(kind, message_[0] ? message_ : curl_easy_strerror(code));
  }
  long status = 0;
  curl_easy_getinfo(easy_, CURLINFO_RESPONSE_CODE, &status);
  response_.status = static_cast<int>(status);
  asking_.result = std::move(response_);
  hand_back();
}

void CurlClient::Transfer::hand_back() {
  // The client may be gone when the one who asked goes on.
  client_.open_requests_.fetch_sub(1, std::memory_order_relaxed);
  asking_.shard->post(asking_);
}

void CurlClient::Transfer::fail(Errc code, std::string context) {
  asking_.result = gyre::fail(code, std::move(context));
  hand_back();
}

}  // namespace gyre::outbound
