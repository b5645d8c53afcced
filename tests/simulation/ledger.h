#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <queue>
#include <string>
#include <string_view>
#include <vector>

#include "os/kernel.h"
#include "tests/simulation/sim_network.h"

namespace gyre::sim {

// What a run of a scenario has to say: violations of what the server promises, and on demand a
// readable trace.
class Record {
 public:
  Record(const SimNetwork& network, bool traces) : network_(network), traces_(traces) {}

  os::Nanos now() const { return network_.now(); }
  // Time has jumped: whoever was given some seconds for something may have been late.
  void jumped() { jumped_at_ = now(); }
  bool has_just_jumped() const { return has_jumped_within(5 * os::kSecond); }
  bool has_jumped_within(os::Nanos duration) const {
    return jumped_at_ > 0 && now() < jumped_at_ + duration;
  }
  bool has_jumped_since(os::Nanos time) const { return jumped_at_ > 0 && jumped_at_ >= time; }
  void note(std::string_view who, std::string_view what);
  void violation(std::string_view who, std::string_view what);
  const std::vector<std::string>& violations() const { return violations_; }

 private:
  const SimNetwork& network_;
  const bool traces_;
  os::Nanos jumped_at_ = 0;
  std::vector<std::string> violations_;
};

// Things that happen at a time, outside of all shards: what people, applications and the servers
// behind a broker do. In order of time, then of asking.
class Agenda {
 public:
  explicit Agenda(SimNetwork& network) : network_(network) {}
  void after(os::Nanos delay, std::function<void()> what) {
    plans_.push({network_.now() + delay, next_++, std::move(what)});
  }
  os::Nanos next() const { return plans_.empty() ? os::kForever : plans_.top().when; }
  // Does what is due.
  void advance() {
    while (!plans_.empty() && plans_.top().when <= network_.now()) {
      const std::function<void()> what = plans_.top().what;
      plans_.pop();
      what();
    }
  }

 private:
  struct Plan {
    os::Nanos when;
    uint64_t number;
    std::function<void()> what;
    bool operator<(const Plan& other) const {
      return when != other.when ? when > other.when : number > other.number;
    }
  };
  SimNetwork& network_;
  std::priority_queue<Plan> plans_;
  uint64_t next_ = 0;
};

// What was truly published: each publication of each channel in the order of the broker. Payloads
// are unique in their channel, so that each publication can be told by them.
class Ledger {
 public:
  struct Entry {
    std::string payload;
    std::string epoch;  // empty without history
    uint64_t offset = 0;
    std::string tag;  // the value of the one tag that filters look at; empty: it has none
    os::Nanos time = 0;
    uint32_t repeats = 0;  // how often it may be delivered once more
    bool is_lost = false;  // was not delivered
  };

  explicit Ledger(Record& record) : record_(record) {}
  void published(std::string_view channel, Entry entry);
  void repeated(std::string_view channel, std::string_view payload);
  void lost(std::string_view channel, std::string_view payload);

  // The broker has forgotten its streams: what was published so far cannot be recovered.
  void forget();
  bool is_forgotten(std::string_view channel, size_t place) const;

  // By place in the channel's order.
  const Entry& at(std::string_view channel, size_t place) const;
  size_t count(std::string_view channel) const;
  std::optional<size_t> find(std::string_view channel, std::string_view payload) const;
  // The payload of an offset; null if nothing was published there.
  const Entry* find(std::string_view channel, std::string_view epoch, uint64_t offset) const;
  // The highest offset of the epoch; 0 if there is none.
  uint64_t top(std::string_view channel, std::string_view epoch) const;

 private:
  struct Channel {
    std::vector<Entry> entries;
    std::map<std::string, size_t, std::less<>> by_payload;
    std::map<std::pair<std::string, uint64_t>, size_t> by_position;
    size_t forgotten = 0;
  };
  const Channel* channel(std::string_view name) const;

  Record& record_;
  std::map<std::string, Channel, std::less<>> channels_;
};

}  // namespace gyre::sim
