#pragma once

#include <atomic>
#include <cstdint>

namespace gyre::runtime {

// How near the process is to its memory limit, and what is shed because of it (docs/overload.md).
// One for a node: one thread tells it what is in use, all shards ask it, without a lock. It counts
// what was shed, since whoever sheds asks here.
class MemoryPressure {
 public:
  // In the order in which they come; each includes those before.
  enum class Stage : uint8_t { none, refuse_connects, cut_slowest, refuse_publishes };
  static constexpr int kStages = 4;

  // 0: there is no limit, and never any pressure.
  explicit MemoryPressure(uint64_t limit) : limit_(limit) {}
  MemoryPressure(const MemoryPressure&) = delete;
  // For tests, and parts that stand alone.
  static MemoryPressure& unlimited();

  // True when the stage has changed.
  bool update(uint64_t used);

  Stage stage() const { return stage_.load(std::memory_order_relaxed); }
  // Whether one is to be refused, which is counted then.
  bool refuses_connect() { return refuses(Stage::refuse_connects, refused_connects_); }
  bool refuses_publish() { return refuses(Stage::refuse_publishes, refused_publishes_); }
  bool cuts_slowest() const { return stage() >= Stage::cut_slowest; }
  void count_cut(uint64_t connections) {
    cut_connections_.fetch_add(connections, std::memory_order_relaxed);
  }

  struct Figures {
    uint64_t limit = 0;
    uint64_t used = 0;
    Stage stage = Stage::none;
    uint64_t refused_connects = 0;
    uint64_t cut_connections = 0;
    uint64_t refused_publishes = 0;
  };
  Figures figures() const;

 private:
  bool refuses(Stage from, std::atomic<uint64_t>& count) {
    if (stage() < from) [[likely]]
      return false;
    count.fetch_add(1, std::memory_order_relaxed);
    return true;
  }

  const uint64_t limit_;
  std::atomic<Stage> stage_{Stage::none};
  std::atomic<uint64_t> used_{0};
  std::atomic<uint64_t> refused_connects_{0};
  std::atomic<uint64_t> cut_connections_{0};
  std::atomic<uint64_t> refused_publishes_{0};
};

}  // namespace gyre::runtime
