#pragma once

#include <memory>
#include <thread>
#include <vector>

#include "base/check.h"
#include "net/sockets.h"
#include "os/linux_kernel.h"

namespace gyre::sim {

// Shards on threads of their own over the real kernel: what the simulation is held against. Owned
// by a test; `start` after everything is set up.
class RealShards {
 public:
  explicit RealShards(uint16_t count, net::SocketLimits limits = {}) {
    for (uint16_t i = 0; i < count; ++i) {
      nodes_.push_back(std::make_unique<Node>(i, set_, limits));
      set_.shards.push_back(&nodes_.back()->shard);
    }
  }
  ~RealShards() { stop(); }
  RealShards(const RealShards&) = delete;

  runtime::ShardSet& set() { return set_; }
  runtime::Shard& shard(size_t index) { return nodes_[index]->shard; }
  net::Sockets& sockets(size_t index) { return nodes_[index]->sockets; }
  size_t size() const { return nodes_.size(); }

  void start() {
    for (auto& node : nodes_) threads_.emplace_back([&node] { node->shard.run(); });
  }
  void stop() {
    if (threads_.empty()) return;
    for (auto& node : nodes_) node->shard.stop();
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }

 private:
  struct Node {
    Node(uint16_t index, runtime::ShardSet& set, net::SocketLimits limits)
        : kernel(make_kernel()),
          shard(runtime::ShardId{index}, *kernel, set),
          sockets(shard, limits) {
      shard.attach(sockets, sockets);
    }
    static std::unique_ptr<os::LinuxKernel> make_kernel() {
      auto kernel = os::LinuxKernel::create();
      GYRE_CHECK(kernel && (*kernel)->open());
      return std::move(*kernel);
    }
    std::unique_ptr<os::LinuxKernel> kernel;
    runtime::Shard shard;
    net::Sockets sockets;
  };

  runtime::ShardSet set_;
  std::vector<std::unique_ptr<Node>> nodes_;
  std::vector<std::thread> threads_;
};

}  // namespace gyre::sim
