// What a channel of 100,000 members costs one shard, from the request of a backend to the answer on
// its socket, and what their coming and going does:
//   cmake --build --preset release --target bench_micro && build/release/bench/micro/presence_bench
// `longest_turn_us`: for how long others got no turn at most, in CPU time.

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <optional>
#include <string>

#include "api/http_api.h"
#include "api/test_support.h"
#include "http/server.h"
#include "http/test_support.h"
#include "os/manual_kernel.h"

namespace gyre::api {
namespace {

// Of this thread, in microseconds: others on the machine do not lengthen a turn.
double cpu_time() {
  timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_nsec) / 1e3;
}

constexpr size_t kMembers = 100'000;
// What the kernel takes of an answer before it wants a reader.
constexpr size_t kSocketBuffer = size_t{2} << 20;

protocol::ClientInfo member(size_t i) {
  return {
      .user = fmt::format("user{}", i / 2),
      .client = fmt::format("{:08x}-9d1d-4f0c-8a35-{:012x}", i * 2'654'435'761u % 0xffffffff, i),
      .conn_info = R"({"name":"Somebody or other"})",
      .chan_info = ""};
}

// The server API over HTTP on one shard whose clients are strings.
class Node {
 public:
  Node() {
    const runtime::TurnScope scope(world_.shard);
    node_.emplace(world_.shard, world_.sockets);
    api_.emplace(world_.shard, node_->service, nullptr, HttpApi::Options{.key = "k"});
    server_.emplace(world_.sockets, http::Server::Options());
    api_->add_routes(server_->routes());
    if (!world_.sockets.listen({}, *server_)) std::abort();
    for (size_t i = 0; i < kMembers; ++i) add(i);
    client_ = world_.kernel.connect();
    world_.turn();
  }

  void add(size_t i) { run(node_->presence.add("news", member(i))); }
  void remove(size_t i) { run(node_->presence.remove("news", member(i).client)); }

  // The answer; `longest` becomes how long a turn has taken, in microseconds.
  std::string ask(std::string_view method, std::string_view body, double& longest) {
    http::TestKernel::Client& client = world_.kernel.client(client_);
    client.sends.push_back(fmt::format(
        "POST /api/{} HTTP/1.1\r\nHost: a\r\nX-API-Key: k\r\nContent-Length: {}\r\n\r\n{}", method,
        body.size(), body));
    std::string answer;
    while (!is_whole(answer)) {
      client.room = kSocketBuffer;
      const double began = cpu_time();
      world_.shard.turn(0);
      longest = std::max(longest, cpu_time() - began);
      answer += std::exchange(client.received, {});
    }
    return answer;
  }

 private:
  template <class T>
  static runtime::Task<void> ignore(runtime::Task<T> task) {
    static_cast<void>(co_await std::move(task));
  }
  template <class T>
  void run(runtime::Task<T> task) {
    const runtime::TurnScope scope(world_.shard);
    world_.shard.tasks().spawn(ignore(std::move(task)));
  }
  static bool is_whole(const std::string& answer) {
    constexpr std::string_view kLength = "Content-Length: ";
    const size_t head = answer.find("\r\n\r\n");
    const size_t length = answer.find(kLength);
    if (head == std::string::npos || length == std::string::npos) return false;
    return answer.size() >= head + 4 + std::stoull(answer.substr(length + kLength.size(), 20));
  }

  http::TestWorld world_;
  std::optional<TestNode> node_;
  std::optional<HttpApi> api_;
  std::optional<http::Server> server_;
  size_t client_ = 0;
};

Node& node() {
  static auto* const made = new Node;  // lives as long as the program
  return *made;
}

void ask(benchmark::State& state, std::string_view method, const std::string& body) {
  double longest = 0;
  size_t bytes = 0;
  for (auto _ : state) bytes = node().ask(method, body, longest).size();
  state.counters["answer_bytes"] = static_cast<double>(bytes);
  state.counters["longest_turn_us"] = longest;
}
BENCHMARK_CAPTURE(ask, presence_stats, "presence_stats", R"({"channel":"news"})")
    ->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(ask, page_of_1000, "presence", R"({"channel":"news","limit":1000})")
    ->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(ask, page_of_10000, "presence", R"({"channel":"news","limit":10000})")
    ->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(ask, all, "presence", R"({"channel":"news"})")->Unit(benchmark::kMicrosecond);

// One more member and one less.
void join_and_leave(benchmark::State& state) {
  size_t i = kMembers;
  for (auto _ : state) {
    node().add(i);
    node().remove(i);
    ++i;
  }
}
BENCHMARK(join_and_leave);

struct Accepted final : net::Acceptor {
  struct Ignoring final : net::Handler {
    void on_bytes(std::span<char>) override {}
    void on_end(net::EndReason) override {}
  };
  std::unique_ptr<net::Handler> accept(net::SocketHandle socket) override {
    sockets.push_back(socket);
    return std::make_unique<Ignoring>();
  }
  std::vector<net::SocketHandle> sockets;
};

// Takes everything and keeps nothing.
struct Sink final : os::ManualKernel {
  ptrdiff_t send(os::Descriptor, os::Token, std::span<const iovec> parts) override {
    ++sends;
    ptrdiff_t size = 0;
    for (const iovec& part : parts) size += static_cast<ptrdiff_t>(part.iov_len);
    bytes += static_cast<uint64_t>(size);
    return size;
  }
  uint64_t bytes = 0;
};

struct Places final : hub::ReceiverEvents {
  void on_unencodable(uint32_t) override {}
  void on_lost(hub::ChannelSlot, uint32_t) override {}
  void on_moved(hub::ChannelSlot, uint32_t outlet, uint32_t index) override { at[outlet] = index; }
  void on_unused(std::string_view) override {}
  std::vector<uint32_t> at;
};

// All members of a channel leave, so many in a turn, and those who are left are told of each.
void mass_leave(benchmark::State& state) {
  const auto members = static_cast<uint32_t>(state.range(0));
  const auto per_turn = static_cast<uint32_t>(state.range(1));
  double longest = 0;
  double sends = 0;
  for (auto _ : state) {
    state.PauseTiming();
    Sink kernel;
    runtime::ShardSet set;
    runtime::Shard shard({}, kernel, set);
    net::Sockets sockets(shard, {});
    shard.attach(sockets, sockets);
    Accepted accepted;
    Places places;
    hub::LocalHub hub(sockets, places);
    places.at.resize(members);
    hub::ChannelSlot channel;
    {
      const runtime::TurnScope scope(shard);
      if (!sockets.listen({}, accepted)) std::abort();
      channel = hub.reserve("news");
      for (uint32_t i = 0; i < members; ++i) {
        sockets.on_connection(kernel.listener, static_cast<os::Descriptor>(i));
        sockets.set_framing(accepted.sockets.back(), net::Framing::websocket_text);
        places.at[i] = hub.add(
            channel, {.outlet = accepted.sockets[i].slot, .flags = hub::Receiver::kAnnouncements});
      }
    }
    state.ResumeTiming();
    for (uint32_t gone = 0; gone < members;) {
      const double began = cpu_time();
      {
        const runtime::TurnScope scope(shard);
        for (uint32_t i = 0; i < per_turn && gone < members; ++i, ++gone) {
          hub.drop(channel, places.at[gone]);
          sockets.close(accepted.sockets[gone]);
          hub.announce("news", make_ref<const protocol::Announcement>(false, member(gone)));
        }
      }
      shard.turn(0);
      longest = std::max(longest, cpu_time() - began);
    }
    while (sockets.waiting() > 0) shard.turn(0);
    sends = static_cast<double>(kernel.sends);
  }
  state.counters["longest_turn_us"] = longest;
  state.counters["sends"] = sends;
}
BENCHMARK(mass_leave)
    ->Args({10'000, 1})
    ->Args({10'000, 256})
    ->Unit(benchmark::kMillisecond)
    ->Iterations(3);

}  // namespace
}  // namespace gyre::api
