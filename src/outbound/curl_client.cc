#include "outbound/curl_client.h"

#include <pthread.h>

#include "base/check.h"
#include "outbound/curl_transfer.h"

namespace gyre::outbound {

namespace {

// The library's own state, made once for the process.
bool is_library_ready() {
  static const bool is_ready = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
  return is_ready;
}

// Nothing waits for this time to pass: a submission and the end wake the thread.
constexpr int kPollMilliseconds = 60'000;
// With requests that wait for their turn: so late may they be told that their time is over.
constexpr int kWaitingPollMilliseconds = 20;

}  // namespace

CurlClient::CurlClient(CurlOptions options)
    : options_(std::move(options)), multi_(is_library_ready() ? curl_multi_init() : nullptr) {
  GYRE_CHECK(multi_);
  curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, long{options_.connections_max});
}

CurlClient::~CurlClient() {
  if (thread_.joinable()) {
    thread_.request_stop();
    curl_multi_wakeup(multi_);
    thread_.join();
  }
  curl_multi_cleanup(multi_);
}

runtime::Task<Result<HttpResponse>> CurlClient::fetch(HttpRequest request) {
  // Submits when the coroutine is suspended, so that the answer finds it so.
  struct Submission {
    CurlClient& client;
    Asking& asking;
    bool await_ready() const { return false; }
    void await_suspend(std::coroutine_handle<> coroutine) {
      asking.coroutine = coroutine;
      asking.shard = runtime::Shard::current();
      client.submit(std::make_unique<Transfer>(client, asking));
    }
    void await_resume() const {}
  };

  if (open_requests_.fetch_add(1, std::memory_order_relaxed) >= options_.waiting_max) {
    open_requests_.fetch_sub(1, std::memory_order_relaxed);
    refused_.fetch_add(1, std::memory_order_relaxed);
    co_return fail(Errc::unavailable, "too many requests are waiting for their answers");
  }
  Asking asking;
  asking.request = std::move(request);
  co_await Submission{*this, asking};
  co_return std::move(asking.result);
}

void CurlClient::submit(std::unique_ptr<Transfer> transfer) {
  const std::lock_guard lock(mutex_);
  submitted_.push_back(std::move(transfer));
  if (!thread_.joinable()) {
    thread_ = std::jthread([this](const std::stop_token& stopping) { run(stopping); });
  }
  curl_multi_wakeup(multi_);
}

void CurlClient::run(const std::stop_token& stopping) {
  pthread_setname_np(pthread_self(), "gyre-http");
  while (!stopping.stop_requested()) {
    begin_submitted();
    start_waiting();
    int running = 0;
    curl_multi_perform(multi_, &running);
    if (end_finished() && !waiting_.empty()) continue;
    curl_multi_poll(multi_, nullptr, 0,
                    waiting_.empty() ? kPollMilliseconds : kWaitingPollMilliseconds, nullptr);
  }
  begin_submitted();
  for (const auto& transfer : waiting_) transfer->fail(Errc::cancelled, "the server is ending");
  while (!transfers_.empty()) {
    const std::unique_ptr<Transfer> transfer = std::move(transfers_.back());
    transfers_.pop_back();
    curl_multi_remove_handle(multi_, transfer->handle());
    transfer->fail(Errc::cancelled, "the server is ending");
  }
}

void CurlClient::begin_submitted() {
  std::vector<std::unique_ptr<Transfer>> submitted;
  {
    const std::lock_guard lock(mutex_);
    submitted.swap(submitted_);
  }
  for (auto& transfer : submitted) {
    if (Result<void> prepared = transfer->prepare(); !prepared) {
      transfer->fail(prepared.error().code, std::move(prepared.error().context));
    } else {
      transfer->at_host = hosts_.try_emplace(std::string(transfer->origin())).first;
      ++transfer->at_host->second.requests;
      waiting_.push_back(std::move(transfer));
    }
  }
}

void CurlClient::start_waiting() {
  std::erase_if(waiting_, [this](std::unique_ptr<Transfer>& transfer) {
    if (transfer->is_late()) {
      leave_host(*transfer);
      transfer->fail(Errc::timed_out, "the time was over before there was a connection");
    } else if (has_room(*transfer)) {
      start(std::move(transfer));
    } else {
      return false;
    }
    return true;
  });
}

bool CurlClient::has_room(const Transfer& transfer) const {
  return transfers_.size() < options_.connections_max &&
         transfer.at_host->second.started < options_.connections_per_host_max;
}

void CurlClient::start(std::unique_ptr<Transfer> transfer) {
  if (!transfer->set_time_left() || curl_multi_add_handle(multi_, transfer->handle()) != CURLM_OK) {
    leave_host(*transfer);
    return transfer->fail(Errc::internal, "libcurl refuses a request");
  }
  ++transfer->at_host->second.started;
  transfer->place = transfers_.size();
  transfers_.push_back(std::move(transfer));
}

void CurlClient::leave_host(Transfer& transfer) {
  if (--transfer.at_host->second.requests == 0) hosts_.erase(transfer.at_host);
}

bool CurlClient::end_finished() {
  bool any = false;
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi_, &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    const CURLcode code = message->data.result;
    CURL* const handle = message->easy_handle;
    curl_multi_remove_handle(multi_, handle);  // the message is gone after this
    Transfer* ended = nullptr;
    curl_easy_getinfo(handle, CURLINFO_PRIVATE, &ended);
    std::swap(transfers_[ended->place], transfers_.back());
    std::swap(transfers_[ended->place]->place, ended->place);
    const std::unique_ptr<Transfer> transfer = std::move(transfers_.back());
    transfers_.pop_back();
    --transfer->at_host->second.started;
    leave_host(*transfer);
    transfer->finish(code);
    any = true;
  }
  return any;
}

}  // namespace gyre::outbound
