#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <latch>
#include <memory>
#include <thread>
#include <vector>

#include "load/loop.h"
#include "load/options.h"
#include "load/swarm.h"

namespace gyre::bench {

/// All subscribers of a run: one swarm per descriptor table's worth of connections. The first
/// lives on the calling thread, beside the publishers, so that a small run needs no hand-over;
/// each further one has a thread with an epoll set and a descriptor table of its own.
class Fleet {
 public:
  using MakeObserver =
      std::function<std::unique_ptr<Observer>(uint32_t swarm, uint32_t first, uint32_t count)>;

  Fleet(const Options& options, Script script, uint32_t count, const MakeObserver& make);
  Fleet(const Fleet&) = delete;
  Fleet& operator=(const Fleet&) = delete;
  ~Fleet();

  /// The calling thread's loop, for others to share.
  Loop& loop() { return loop_; }
  void turn(int64_t timeout_ns);
  /// Ends a turn of the calling thread early; any thread may call it.
  void wake();

  /// Opens every connection; returns when all are subscribed.
  void open_all();
  /// Turns for so long.
  void idle(double seconds);

  uint32_t swarms() const { return static_cast<uint32_t>(observers_.size()); }
  Observer& observer(uint32_t swarm) { return *observers_[swarm]; }
  /// Ends the threads; afterwards the observers can be read from here.
  void stop();

 private:
  class Bell : public EventHandler {
   public:
    explicit Bell(Loop& loop);
    ~Bell() override;
    void ring() const;
    void on_event(uint32_t index, uint32_t events) override;

   private:
    int fd_;
  };

  void run(uint32_t swarm, uint32_t first, uint32_t count);

  const Options& options_;
  Script script_;
  Loop loop_;
  Bell bell_;
  std::vector<std::unique_ptr<Observer>> observers_;
  std::unique_ptr<Swarm> own_;
  uint32_t elsewhere_ = 0;
  std::atomic<uint32_t> live_elsewhere_ = 0;
  std::atomic<bool> go_ = false;
  std::atomic<bool> stop_ = false;
  std::latch split_;
  std::vector<std::jthread> threads_;
};

}  // namespace gyre::bench
