#include "outbound/curl_client.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <netdb.h>
#include <openssl/x509_vfy.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <functional>
#include <future>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "os/linux_kernel.h"
#include "outbound/test_certificate.h"
#include "runtime/call.h"
#include "runtime/test_support.h"

namespace {

// What the library calls of others, put in place of them in this program.

// Names of the domain "slow.test" are resolved as soon as somebody says so.
class SlowResolver {
 public:
  void hold() {
    const std::lock_guard lock(mutex_);
    is_held_ = true;
  }
  void release() {
    const std::lock_guard lock(mutex_);
    is_held_ = false;
    changed_.notify_all();
  }
  void resolve() {
    std::unique_lock lock(mutex_);
    ++waiting_;
    changed_.notify_all();
    changed_.wait_for(lock, std::chrono::seconds(10), [&] { return !is_held_; });
    --waiting_;
    changed_.notify_all();
  }
  int waiting() {
    const std::lock_guard lock(mutex_);
    return waiting_;
  }
  void await_end() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return waiting_ == 0; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool is_held_ = false;
  int waiting_ = 0;
} slow_resolver;

// Folders whose authorities are trusted.
std::mutex folders_mutex;
std::vector<std::string> trusted_folders;

template <class Function>
Function* original(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

}  // namespace

// Seen by the library whatever a build hides of a program; calls the original, whose type a build
// with control-flow integrity cannot know.
#define GYRE_IN_PLACE \
  extern "C" __attribute__((visibility("default"), used, no_sanitize("cfi-icall")))

GYRE_IN_PLACE int getaddrinfo(const char* node, const char* service, const addrinfo* hints,
                              addrinfo** result) {
  if (node && std::string_view(node) == "slow.test") {
    slow_resolver.resolve();
    return EAI_AGAIN;
  }
  return original<decltype(getaddrinfo)>("getaddrinfo")(node, service, hints, result);
}

GYRE_IN_PLACE int X509_STORE_load_path(X509_STORE* store, const char* folder) {
  {
    const std::lock_guard lock(folders_mutex);
    trusted_folders.emplace_back(folder);
  }
  return original<decltype(X509_STORE_load_path)>("X509_STORE_load_path")(store, folder);
}

namespace gyre::outbound {
namespace {

// A server of the test: one thread per connection, which answers each request with what the script
// makes of it; nothing means that the connection is closed. A request is its head and its body.
class Backend {
 public:
  using Script = std::function<std::string(const std::string& head, const std::string& body)>;

  explicit Backend(Script script) : script_(std::move(script)) {
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    EXPECT_EQ(bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(listen(listener_, 64), 0);
    socklen_t size = sizeof address;
    getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    acceptor_ = std::jthread([this](const std::stop_token& stopping) { accept_all(stopping); });
  }
  ~Backend() {
    acceptor_.request_stop();
    shutdown(listener_, SHUT_RDWR);
    acceptor_.join();
    close(listener_);
    for (const int one : sockets_) shutdown(one, SHUT_RDWR);
  }

  std::string url(const std::string& path = "/") const {
    return "http://127.0.0.1:" + std::to_string(port_) + path;
  }
  int connections() const { return connections_.load(); }

 private:
  void accept_all(const std::stop_token& stopping) {
    while (!stopping.stop_requested()) {
      const int accepted = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (accepted < 0) return;
      connections_.fetch_add(1);
      sockets_.push_back(accepted);
      servants_.emplace_back([this, accepted] { serve(accepted); });
    }
  }
  void serve(int connection) {
    std::string bytes;
    char chunk[4096];
    while (true) {
      const size_t end = bytes.find("\r\n\r\n");
      if (end != std::string::npos) {
        const std::string head = bytes.substr(0, end + 4);
        const size_t length_at = head.find("Content-Length: ");
        const size_t length =
            length_at == std::string::npos ? 0 : std::stoul(head.substr(length_at + 16));
        if (bytes.size() >= head.size() + length) {
          const std::string answer = script_(head, bytes.substr(head.size(), length));
          bytes.erase(0, head.size() + length);
          if (answer.empty()) break;
          if (send(connection, answer.data(), answer.size(), MSG_NOSIGNAL) < 0) break;
          continue;
        }
      }
      const ssize_t count = recv(connection, chunk, sizeof chunk, 0);
      if (count <= 0) break;
      bytes.append(chunk, static_cast<size_t>(count));
      if (bytes.starts_with('\x16')) break;  // a handshake of TLS, which it does not speak
    }
    shutdown(connection, SHUT_RDWR);
  }

  Script script_;
  int listener_ = -1;
  uint16_t port_ = 0;
  std::atomic<int> connections_{0};
  std::vector<int> sockets_;  // the acceptor's, until it has ended
  std::vector<std::jthread> servants_;
  std::jthread acceptor_;
};

std::string ok(const std::string& body, const std::string& more = "") {
  return "HTTP/1.1 200 OK\r\n" + more + "Content-Length: " + std::to_string(body.size()) +
         "\r\n\r\n" + body;
}

class CurlClientTest : public testing::Test {
 protected:
  CurlClientTest() : kernel_(std::move(*os::LinuxKernel::create())) {
    EXPECT_TRUE(kernel_->open());
    shard_ = std::make_unique<runtime::Shard>(runtime::ShardId{0}, *kernel_, set_);
    shard_->attach(events_, output_);
    set_.shards.push_back(shard_.get());
    thread_ = std::jthread([this] { shard_->run(); });
  }
  ~CurlClientTest() override {
    client_.reset();
    // What it has cancelled resumes before this.
    std::promise<void> reached;
    tell([&] { reached.set_value(); });
    reached.get_future().wait();
    shard_->stop();
    thread_.join();
    EXPECT_EQ(shard_->tasks().active(), 0u);
  }

  template <class Work>
  void tell(Work work) {
    shard_->post(*new runtime::Errand<Work>(std::move(work)));
  }
  static runtime::Task<void> ask(HttpClient* client, HttpRequest request,
                                 std::promise<Result<HttpResponse>>* answer) {
    answer->set_value(co_await client->fetch(std::move(request)));
  }
  // From the shard; the answer comes when it comes.
  std::future<Result<HttpResponse>> begin(HttpRequest request) {
    promises_.push_back(std::make_unique<std::promise<Result<HttpResponse>>>());
    auto* promise = promises_.back().get();
    tell([this, promise, request = std::move(request)]() mutable {
      shard_->tasks().spawn(ask(client_.get(), std::move(request), promise));
    });
    return promise->get_future();
  }
  Result<HttpResponse> fetch(HttpRequest request) { return begin(std::move(request)).get(); }

  std::unique_ptr<os::LinuxKernel> kernel_;
  runtime::NoEvents events_;
  runtime::NoOutput output_;
  runtime::ShardSet set_;
  std::unique_ptr<runtime::Shard> shard_;
  std::vector<std::unique_ptr<std::promise<Result<HttpResponse>>>> promises_;
  std::unique_ptr<CurlClient> client_ = std::make_unique<CurlClient>();
  std::jthread thread_;
};

constexpr os::Nanos kLong = 20 * os::kSecond;

TEST_F(CurlClientTest, PostsAndReadsTheAnswer) {
  std::string seen_head;
  std::string seen_body;
  Backend backend([&](const std::string& head, const std::string& body) {
    seen_head = head;
    seen_body = body;
    return ok(R"({"result":{}})",
              "Content-Type: application/json\r\nCACHE-Control:  max-age=5 \r\n");
  });
  const auto response = fetch({.method = "POST",
                               .url = backend.url("/connect?a=1"),
                               .headers = {{"Content-Type", "application/json"}, {"X-Empty", ""}},
                               .body = R"({"client":"1"})",
                               .timeout = kLong});
  ASSERT_TRUE(response) << response.error().context;
  EXPECT_EQ(response->status, 200);
  EXPECT_EQ(response->body, R"({"result":{}})");
  EXPECT_EQ(response->content_type, "application/json");
  EXPECT_EQ(response->cache_control, "max-age=5");
  EXPECT_EQ(seen_body, R"({"client":"1"})");
  EXPECT_TRUE(seen_head.starts_with("POST /connect?a=1 HTTP/1.1\r\n")) << seen_head;
  EXPECT_NE(seen_head.find("\r\nX-Empty:\r\n"), std::string::npos) << seen_head;
  EXPECT_NE(seen_head.find("\r\nContent-Type: application/json\r\n"), std::string::npos);
  EXPECT_EQ(seen_head.find("Expect"), std::string::npos);
}

TEST_F(CurlClientTest, GivesEveryStatusAsItIs) {
  Backend backend([](const std::string&, const std::string&) {
    return std::string("HTTP/1.1 503 Later\r\nContent-Length: 2\r\n\r\nno");
  });
  const auto response = fetch({.url = backend.url(), .timeout = kLong});
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 503);
  EXPECT_EQ(response->body, "no");
}

TEST_F(CurlClientTest, KeepsItsConnections) {
  Backend backend([](const std::string&, const std::string&) { return ok("x"); });
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(fetch({.url = backend.url(), .timeout = kLong}));
  EXPECT_EQ(backend.connections(), 1);
  EXPECT_EQ(client_->connections(), 1u);
  EXPECT_EQ(client_->open_requests(), 0u);
}

TEST_F(CurlClientTest, OpensNoMoreConnectionsThanAllowed) {
  client_ = std::make_unique<CurlClient>(CurlOptions{.connections_per_host_max = 3});
  Backend backend([](const std::string&, const std::string& body) { return ok(body); });
  std::vector<std::future<Result<HttpResponse>>> answers;
  for (int i = 0; i < 50; ++i) {
    answers.push_back(begin(
        {.method = "POST", .url = backend.url(), .body = std::to_string(i), .timeout = kLong}));
  }
  for (size_t i = 0; i < answers.size(); ++i) {
    const auto response = answers[i].get();
    ASSERT_TRUE(response) << response.error().context;
    EXPECT_EQ(response->body, std::to_string(i));
  }
  EXPECT_LE(backend.connections(), 3);
}

TEST_F(CurlClientTest, GivesUpWhenTheTimeIsOver) {
  std::promise<void> over;
  Backend backend([&](const std::string&, const std::string&) {
    over.get_future().wait();
    return std::string();
  });
  const auto response = fetch({.url = backend.url(), .timeout = 50 * os::kMillisecond});
  over.set_value();
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, Errc::timed_out);
}

TEST_F(CurlClientTest, GivesUpOnceTheTimeOfWhoWaitsIsOver) {
  client_ = std::make_unique<CurlClient>(CurlOptions{.connections_per_host_max = 1});
  std::promise<void> over;
  Backend backend([&](const std::string&, const std::string&) {
    over.get_future().wait();
    return ok("late");
  });
  auto first = begin({.url = backend.url(), .timeout = kLong});
  const auto second = fetch({.url = backend.url(), .timeout = 50 * os::kMillisecond});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Errc::timed_out);
  over.set_value();
  EXPECT_TRUE(first.get());
  EXPECT_EQ(client_->open_requests(), 0u);
}

TEST_F(CurlClientTest, TellsWhatIsWrongWithTheServer) {
  Backend closes([](const std::string&, const std::string&) { return std::string(); });
  EXPECT_EQ(fetch({.url = closes.url(), .timeout = kLong}).error().code, Errc::unavailable);
  Backend cuts([](const std::string&, const std::string&) {
    return std::string("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n");
  });
  EXPECT_FALSE(fetch({.url = cuts.url(), .timeout = 200 * os::kMillisecond}));
  Backend garbage(
      [](const std::string&, const std::string&) { return std::string("garbage\r\n\r\n"); });
  EXPECT_EQ(fetch({.url = garbage.url(), .timeout = kLong}).error().code, Errc::unavailable);
  // The port of a server that is no more.
  std::string nobody;
  {
    Backend gone([](const std::string&, const std::string&) { return ok(""); });
    nobody = gone.url();
  }
  EXPECT_EQ(fetch({.url = nobody, .timeout = kLong}).error().code, Errc::unavailable);
}

TEST_F(CurlClientTest, BoundsTheAnswer) {
  Backend backend([](const std::string& head, const std::string&) {
    return ok(std::string(head.starts_with("GET /more") ? 101 : 100, 'x'));
  });
  EXPECT_TRUE(fetch({.url = backend.url(), .timeout = kLong, .response_max = 100}));
  const auto response = fetch({.url = backend.url("/more"), .timeout = kLong, .response_max = 100});
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, Errc::too_large);
}

TEST_F(CurlClientTest, RefusesWhatItShouldNotSend) {
  Backend backend([](const std::string&, const std::string&) { return ok(""); });
  EXPECT_EQ(fetch({.url = "file:///etc/passwd"}).error().code, Errc::invalid);
  EXPECT_EQ(fetch({.url = "http://"}).error().code, Errc::invalid);
  EXPECT_EQ(fetch({.method = "DELETE", .url = backend.url()}).error().code, Errc::invalid);
  for (const auto& [name, value] : std::vector<std::pair<std::string, std::string>>{
           {"X-A", "1\r\nX-B: 2"}, {"X-A", "1\n"}, {"X A", "1"}, {"", "1"}, {"X:A", "1"}}) {
    EXPECT_EQ(fetch({.url = backend.url(), .headers = {{name, value}}}).error().code,
              Errc::invalid);
  }
  EXPECT_EQ(backend.connections(), 0);
}

TEST_F(CurlClientTest, FollowsToHttpOnly) {
  std::string target;
  Backend backend([&](const std::string& head, const std::string&) {
    if (head.starts_with("GET /end")) return ok("end");
    return "HTTP/1.1 307 x\r\nContent-Length: 0\r\nLocation: " + target + "\r\n\r\n";
  });
  target = "/end";
  EXPECT_EQ(fetch({.url = backend.url(), .timeout = kLong})->body, "end");
  target = "file:///etc/hostname";
  EXPECT_EQ(fetch({.url = backend.url(), .timeout = kLong}).error().code, Errc::unavailable);
  target = "/again";
  EXPECT_EQ(fetch({.url = backend.url(), .timeout = kLong}).error().code, Errc::unavailable);
}

TEST_F(CurlClientTest, RefusesMoreThanMayWait) {
  client_ = std::make_unique<CurlClient>(CurlOptions{.waiting_max = 2});
  std::promise<void> over;
  std::shared_future<void> is_over = over.get_future().share();
  Backend backend([&](const std::string&, const std::string&) {
    is_over.wait();
    return ok("x");
  });
  auto first = begin({.url = backend.url(), .timeout = kLong});
  auto second = begin({.url = backend.url(), .timeout = kLong});
  EXPECT_EQ(fetch({.url = backend.url()}).error().code, Errc::unavailable);
  over.set_value();
  EXPECT_TRUE(first.get());
  EXPECT_TRUE(second.get());
}

TEST_F(CurlClientTest, CancelsAtItsEnd) {
  std::promise<void> asked;
  std::promise<void> over;
  Backend backend([&](const std::string&, const std::string&) {
    asked.set_value();
    over.get_future().wait();
    return std::string();
  });
  auto answer = begin({.url = backend.url(), .timeout = kLong});
  asked.get_future().wait();
  client_.reset();
  const auto response = answer.get();
  over.set_value();
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, Errc::cancelled);
}

TEST_F(CurlClientTest, RefusesABadCertificateOfOurs) {
  const auto tls = std::make_shared<TlsOptions>();
  tls->certificate = "no certificate";
  tls->key = "no key";
  const auto response = fetch({.url = "https://127.0.0.1:1/", .timeout = kLong, .tls = tls});
  ASSERT_FALSE(response);
}

TEST_F(CurlClientTest, ASlowResolverHoldsUpNobodyElse) {
  slow_resolver.hold();
  Backend backend([](const std::string&, const std::string&) { return ok("x"); });
  const auto late = fetch({.url = "http://slow.test/", .timeout = os::kSecond / 5});
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, Errc::timed_out);
  EXPECT_TRUE(fetch({.url = backend.url(), .timeout = kLong}));
  EXPECT_EQ(slow_resolver.waiting(), 1) << "the resolver was waited for";
  slow_resolver.release();
  slow_resolver.await_end();
}

TEST_F(CurlClientTest, TrustsItsOwnAuthoritiesInPlaceOfTheSystems) {
  const auto folders = [&](const std::string& authorities) {
    trusted_folders.clear();
    const auto tls = std::make_shared<TlsOptions>();
    tls->authorities = authorities;
    // What is trusted is loaded before it turns out that the other side speaks no TLS.
    Backend backend([](const std::string&, const std::string&) { return ""; });
    std::string url = backend.url();
    EXPECT_FALSE(fetch({.url = url.replace(0, 4, "https"), .timeout = kLong, .tls = tls}));
    return trusted_folders;
  };
  EXPECT_FALSE(folders("").empty());
  EXPECT_TRUE(folders(new_test_identity().certificate).empty());
}

}  // namespace
}  // namespace gyre::outbound
