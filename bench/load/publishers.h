#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "load/loop.h"
#include "load/options.h"

namespace gyre::bench {

/// One publication to make.
struct Job {
  uint32_t channel = 0;
  uint32_t sequence = 0;
  int64_t due = 0;  // when it should have been sent
};

/// Keep-alive connections to the HTTP API. Each has one request in flight; further jobs wait in
/// its own line, so that the order of its publications is kept. Dialed when used, again if the
/// server has ended it meanwhile. Lives on one loop.
class Publishers : public EventHandler {
 public:
  using OnAnswer = std::function<void(uint32_t publisher, const Job& job)>;

  Publishers(const Options& options, Loop& loop, uint32_t count);
  ~Publishers() override;

  void on_answer(OnAnswer handler) { answered_ = std::move(handler); }
  /// Called for an answer that is an error, or has one in it. Without it such an answer is a fault
  /// of the run.
  void on_refusal(OnAnswer handler) { refused_ = std::move(handler); }
  /// The stamp of the publication names this number; the publisher's own unless set.
  void stamp_as(uint32_t number) { stamp_as_ = number; }

  void submit(uint32_t publisher, const Job& job);
  /// A publisher with nothing to do, or size().
  uint32_t find_free() const;
  uint32_t size() const { return static_cast<uint32_t>(connections_.size()); }
  /// Forgets what has not been sent yet.
  void drop_waiting();
  /// Jobs submitted and not answered.
  uint64_t outstanding() const { return outstanding_; }

  void on_event(uint32_t index, uint32_t events) override;

 private:
  struct Connection {
    int fd = -1;
    bool busy = false;
    Job job;
    std::deque<Job> line;
    std::string received;
  };

  void send_job(uint32_t publisher);
  void take_answer(uint32_t publisher);
  void build_request();

  const Options& options_;
  Loop& loop_;
  uint32_t handler_;
  std::vector<Connection> connections_;
  std::string request_;  // one for all: only channel and stamp differ
  std::vector<size_t> channel_at_;
  std::vector<size_t> stamp_at_;
  size_t channel_size_ = 0;
  uint32_t stamp_as_ = UINT32_MAX;
  uint64_t outstanding_ = 0;
  OnAnswer answered_;
  OnAnswer refused_;
};

/// The name of channel `index` in a run; fixed width if there are many.
std::string channel_name(const Options& options, uint32_t index);

}  // namespace gyre::bench
