#pragma once

#include <cstdint>
#include <deque>
#include <string>

#include "engine/broker.h"

namespace gyre::engine::memory {

// The history of one channel (spec memory.md, 3 and 4). Owned by MemoryBroker. Times are seconds of
// any clock that does not run backwards; the owner passes them in.
class Stream {
 public:
  explicit Stream(std::string epoch) : epoch_(std::move(epoch)) {}

  // Whether the version rule keeps the publication out. Refreshes the deadlines in any case, as an
  // append would.
  bool is_outdated(const protocol::Publication& publication) const;
  // Appends and trims to the size of this call. Gives the publication its offset and, if it is the
  // first, the epoch.
  protocol::PublicationRef append(Ref<protocol::Publication> publication, int32_t size);
  Result<HistoryPage> read(const HistoryQuery& query) const;
  void clear() { items_.clear(); }

  void keep_items_until(int64_t second) { items_until_ = second; }
  void keep_until(int64_t second) { until_ = second; }
  // Drops the publications if their time has passed; false if the whole stream's has.
  bool age(int64_t now);
  // When `age` has something to do next.
  int64_t next_deadline() const { return items_.empty() ? until_ : std::min(items_until_, until_); }

  protocol::StreamPosition top() const { return {.offset = top_, .epoch = epoch_}; }
  const std::string& epoch() const { return epoch_; }
  size_t size() const { return items_.size(); }

 private:
  HistoryPage read_forward(size_t first, int32_t limit) const;
  HistoryPage read_backward(size_t count, int32_t limit) const;

  std::string epoch_;
  uint64_t top_ = 0;
  std::deque<protocol::PublicationRef> items_;  // contiguous offsets up to top_, unless cleared
  uint64_t version_ = 0;
  std::string version_epoch_;
  int64_t items_until_ = 0;
  int64_t until_ = 0;
};

}  // namespace gyre::engine::memory
