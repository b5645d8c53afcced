#include "app/server.h"

#include <fmt/format.h>
#include <unistd.h>

#include <barrier>
#include <chrono>
#include <latch>
#include <mutex>
#include <thread>

#include "app/memory_watch.h"
#include "app/node.h"
#include "app/serve.h"
#include "app/version.h"
#include "base/log.h"
#include "grpc/channel_client.h"
#include "os/linux_kernel.h"
#include "os/process_memory.h"
#include "os/signals.h"
#include "outbound/curl_client.h"
#include "runtime/call.h"

namespace gyre::app {

namespace {

// Counts shards that have finished something, for a thread that is none.
class Countdown {
 public:
  explicit Countdown(size_t count) : left_(count) {}
  void arrive() {
    const std::lock_guard lock(mutex_);
    --left_;
  }
  bool is_done() const {
    const std::lock_guard lock(mutex_);
    return left_ == 0;
  }

 private:
  mutable std::mutex mutex_;
  size_t left_;
};

std::string address_text(const os::ListenOptions& listener, uint16_t port) {
  const bool is_v6 = listener.address.find(':') != std::string::npos;
  return is_v6 ? fmt::format("[{}]:{}", listener.address, port)
               : fmt::format("{}:{}", listener.address, port);
}

// The threads of a node: each builds its shard, listens, runs it, and destroys it.
class ShardThreads {
 public:
  ShardThreads(Node& node, std::vector<std::unique_ptr<os::LinuxKernel>>& kernels)
      : node_(node), kernels_(kernels), step_(static_cast<ptrdiff_t>(node.size())) {
    parts_.resize(node.size());
  }

  // Returns when all shards serve; an error if one of them could not, after all have ended.
  Result<NodeShard::Ports> start() {
    for (size_t i = 0; i < node_.size(); ++i) threads_.emplace_back([this, i] { run(i); });
    started_.wait();
    if (error_) {
      join();
      return std::unexpected(*error_);
    }
    return ports_;
  }

  // Calls `work(NodeShard&)` on each shard, in its turn.
  template <class Work>
  void on_each(const Work& work) {
    for (size_t i = 0; i < node_.size(); ++i) {
      runtime::send_errand(node_.shard(i), [this, i, work] { work(*parts_[i], node_.shard(i)); });
    }
  }

  void stop() {
    for (size_t i = 0; i < node_.size(); ++i) node_.shard(i).stop();
    join();
  }

 private:
  void run(size_t index) {
    if (Result<void> built = build(index); !built) fail_with(built.error());
    step_.arrive_and_wait();  // every shard's parts are known to all
    // The first one lets the system choose a port where that is wanted; the others follow.
    if (index == 0) listen(index);
    step_.arrive_and_wait();
    if (index != 0) listen(index);
    step_.arrive_and_wait();
    if (index == 0) started_.count_down();
    if (!has_failed()) node_.shard(index).run();
    const runtime::TurnScope scope(node_.shard(index));
    step_.arrive_and_wait();  // nobody delivers to what is destroyed now
    parts_[index].reset();
  }

  Result<void> build(size_t index) {
    if (node_.options().has_own_descriptor_tables) {
      GYRE_TRY_VOID(os::use_own_descriptor_table());
    }
    GYRE_TRY_VOID(kernels_[index]->open(node_.options().sends_by_ring));
    const runtime::TurnScope scope(node_.shard(index));
    GYRE_TRY(parts_[index], NodeShard::create(node_, index));
    return {};
  }

  void listen(size_t index) {
    if (has_failed()) return;
    const runtime::TurnScope scope(node_.shard(index));
    const Result<NodeShard::Ports> ports = parts_[index]->listen(ports_);
    if (!ports) {
      fail_with(ports.error());
    } else if (index == 0) {
      ports_ = *ports;
    }
  }

  void fail_with(const Error& error) {
    const std::lock_guard lock(mutex_);
    if (!error_) error_ = error;
  }
  bool has_failed() {
    const std::lock_guard lock(mutex_);
    return error_.has_value();
  }
  void join() {
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }

  Node& node_;
  std::vector<std::unique_ptr<os::LinuxKernel>>& kernels_;
  std::vector<std::unique_ptr<NodeShard>> parts_;
  std::vector<std::thread> threads_;
  std::barrier<> step_;
  std::latch started_{1};
  NodeShard::Ports ports_;
  std::mutex mutex_;
  std::optional<Error> error_;
};

size_t shard_count(const config::Tree& tree) {
  const int64_t wanted = tree.integer("gyre.shards");
  return wanted > 0 ? static_cast<size_t>(std::min<int64_t>(wanted, 1024)) : os::usable_cores();
}

outbound::CurlOptions outbound_options(const config::Tree& tree) {
  const auto number = [&tree](std::string_view key) {
    return static_cast<uint32_t>(tree.integer(key));
  };
  return {.connections_max = number("gyre.outbound.max_connections"),
          .connections_per_host_max = number("gyre.outbound.max_connections_per_host"),
          .waiting_max = number("gyre.outbound.max_requests"),
          .user_agent = "gyre/" GYRE_VERSION};
}

int refuse_to_start(const Error& error) {
  log::write(log::Level::fatal, "error starting the server", {{"error", error.context}});
  return 1;
}

// The lines that scripts wait for (spec observability.md 6, security.md 1).
void tell_listeners(const NodeOptions& options, const NodeShard::Ports& ports) {
  std::string outside;
  std::string inside;
  const auto add = [](std::string& list, bool is_there, std::string_view name) {
    if (is_there) list += (list.empty() ? "" : ", ") + std::string(name);
  };
  std::string& node = options.internal ? inside : outside;
  add(outside, options.websocket_path.has_value(), "websocket");
  add(options.api_is_external ? outside : node, options.api.has_value(), "api");
  add(node, options.metrics_path.has_value(), "prometheus");
  add(node, options.health_path.has_value(), "health");
  add(outside, options.demo != nullptr, "demo");
  if (!outside.empty()) {
    log::info(fmt::format("serving {} endpoints on {}", outside,
                          address_text(options.external, ports.external)));
  }
  if (!inside.empty()) {
    log::info(fmt::format("serving {} endpoints on {}", inside,
                          address_text(*options.internal, ports.internal)));
  }
}

// Spec security.md 4: each mode that gives away rights says so once.
void warn_of_insecure_modes(const config::Tree& tree, const NodeOptions& options) {
  if (tree.boolean("client.insecure")) {
    log::warn("INSECURE client mode enabled, make sure you understand risks");
  }
  if (tree.boolean("client.insecure_skip_token_signature_verify")) {
    log::warn("INSECURE: signatures of tokens are not verified, make sure you understand risks");
  }
  for (const char* section : {"client.token", "client.subscription_token"}) {
    if (!tree.boolean(fmt::format("{}.insecure_skip_jwks_endpoint_safety_check", section)))
      continue;
    log::warn(fmt::format(
        "INSECURE: {} lets tokens say where their keys are, make sure you understand risks",
        section));
  }
  if (options.api && options.api->insecure) {
    log::warn("INSECURE HTTP API mode enabled, make sure you understand risks");
  }
  if (options.origins.allows_everything()) {
    log::warn(
        "usage of allowed_origins * is discouraged for security reasons, consider setting "
        "exact list of origins");
  }
}

// A file that is not there or has nothing in it is rather being replaced than the wish for defaults
// without keys and namespaces.
std::optional<std::string> what_is_lost(const config::Loaded& first, const config::Loaded& now) {
  if (first.file_found && !now.file_found) {
    return fmt::format("the configuration file {} is not there", now.path);
  }
  if (!first.is_file_empty && now.is_file_empty) {
    return fmt::format("the configuration file {} is empty", now.path);
  }
  return std::nullopt;
}

void reload(const config::LoadOptions& source, const config::Loaded& first,
            const NodeOptions& running, ShardThreads& threads) {
  const config::Loaded loaded = config::load(source);
  if (const std::optional<std::string> lost = what_is_lost(first, loaded)) {
    return log::error("error reloading configuration", {{"error", *lost}});
  }
  const Verdict verdict = judge(loaded);
  for (const std::string& refusal : verdict.refusals) {
    log::error("error reloading configuration", {{"error", refusal}});
  }
  if (!verdict.refusals.empty()) return;
  Result<Reloaded> reloaded = reloaded_options(loaded.tree, running);
  if (reloaded) {
    // Tried here, so that no shard can refuse what another has taken.
    const auto connection = auth::TokenVerifier::create(reloaded->connection_tokens);
    const auto subscription = auth::TokenVerifier::create(reloaded->subscription_tokens);
    if (!connection) reloaded = std::unexpected(connection.error());
    if (!subscription) reloaded = std::unexpected(subscription.error());
  }
  if (!reloaded) {
    log::error("error reloading configuration", {{"error", reloaded.error().context}});
    return;
  }
  threads.on_each([reloaded = *reloaded](NodeShard& shard, runtime::Shard&) {
    if (const Result<void> applied = shard.apply(reloaded); !applied) {
      log::error("error reloading configuration", {{"error", applied.error().context}});
    }
  });
  log::info("configuration successfully reloaded");
}

std::string_view name_of(os::Signal signal) {
  switch (signal) {
    case os::Signal::hangup:
      return "hangup";
    case os::Signal::interrupt:
      return "interrupt";
    case os::Signal::terminate:
      return "terminated";
    case os::Signal::none:
      break;
  }
  return "";
}

runtime::Task<void> drain_shard(NodeShard* shard, std::shared_ptr<Countdown> left) {
  co_await shard->drain();
  left->arrive();
}

// How the stop went. Its exit codes tell whether all connections have ended by themselves.
enum class Stop : uint8_t { clean, late, hurried };

Stop shut_down(ShardThreads& threads, size_t shards, std::chrono::nanoseconds timeout) {
  const auto left = std::make_shared<Countdown>(shards);
  threads.on_each([left](NodeShard& parts, runtime::Shard& shard) {
    shard.tasks().spawn(drain_shard(&parts, left));
  });
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  while (!left->is_done()) {
    if (std::chrono::steady_clock::now() >= deadline) return Stop::late;
    const os::Signal signal = os::next_signal(10 * os::kMillisecond);
    if (signal == os::Signal::interrupt || signal == os::Signal::terminate) return Stop::hurried;
  }
  return Stop::clean;
}

// Until SIGINT or SIGTERM.
void serve_signals(const config::LoadOptions& source, const config::Loaded& first,
                   const NodeOptions& running, Node& node, ShardThreads& threads) {
  os::Kernel& clock = node.shard(0).kernel();
  MemoryWatch memory(node.memory(), [&threads] {
    threads.on_each([](NodeShard& shard, runtime::Shard&) { shard.cut_slowest(); });
  });
  const bool is_watched = running.memory_limit > 0;
  for (;;) {
    const os::Signal signal =
        os::next_signal(is_watched ? MemoryWatch::kInterval : 3600 * os::kSecond);
    if (is_watched) memory.look(os::memory_in_use(), clock.monotonic());
    if (signal == os::Signal::none) continue;
    log::info(fmt::format("signal received: {}", name_of(signal)));
    if (signal != os::Signal::hangup) return;
    reload(source, first, running, threads);
  }
}

}  // namespace

int run_server(const config::Loaded& loaded, const config::LoadOptions& source) {
  const config::Tree& tree = loaded.tree;
  Result<NodeOptions> options = node_options(tree);
  if (!options) return refuse_to_start(options.error());
  std::vector<std::unique_ptr<os::LinuxKernel>> kernels;
  std::vector<os::Kernel*> pointers;
  for (size_t i = 0; i < shard_count(tree); ++i) {
    Result<std::unique_ptr<os::LinuxKernel>> kernel = os::LinuxKernel::create();
    if (!kernel) return refuse_to_start(kernel.error());
    kernels.push_back(std::move(*kernel));
    pointers.push_back(kernels.back().get());
  }
  const NodeOptions running = *options;
  // Their threads post to shards: they end when the shards' threads have, and before the shards do.
  std::optional<outbound::CurlClient> http_client(std::in_place, outbound_options(tree));
  std::optional<grpc::ChannelClient> grpc_client;
  if (running.proxies->needs_grpc()) {
    grpc_client.emplace(grpc::ChannelClientOptions{
        .calls_max = static_cast<uint32_t>(tree.integer("gyre.outbound.max_requests")),
        .streams_max = static_cast<uint32_t>(tree.integer("gyre.outbound.max_streams"))});
  }
  auto node = std::make_unique<Node>(std::move(*options), memory_engine(running.history_meta_ttl),
                                     std::move(pointers), &*http_client,
                                     grpc_client ? &*grpc_client : nullptr);
  log::info("starting Centrifugo", {{"version", running.version},
                                    {"runtime", "gyre"},
                                    {"pid", getpid()},
                                    {"gomaxprocs", node->size()},
                                    {"engine", "memory"}});
  ShardThreads threads(*node, kernels);
  const Result<NodeShard::Ports> ports = threads.start();
  if (!ports) return refuse_to_start(ports.error());
  tell_listeners(running, *ports);
  if (running.sends_by_ring && !kernels.front()->has_ring()) {
    log::info("io_uring is not available here, deliveries are sent one by one");
  }
  warn_of_insecure_modes(tree, running);
  serve_signals(source, loaded, running, *node, threads);
  log::info("shutting down ...");
  const Stop stop = shut_down(threads, node->size(), tree.duration("shutdown.timeout"));
  if (stop != Stop::clean) {
    log::write(log::Level::fatal, stop == Stop::late
                                      ? "shutdown timeout reached, connections are cut"
                                      : "stopped by a second signal, connections are cut");
    // Coroutines may still hold on to what would be destroyed: the process ends without that.
    remove_pid_file(tree);
    log::flush();
    std::quick_exit(1);
  }
  threads.stop();
  grpc_client.reset();
  http_client.reset();
  return 0;
}

}  // namespace gyre::app
