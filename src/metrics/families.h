#pragma once

#include <initializer_list>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "metrics/durations.h"
#include "metrics/shard_metrics.h"
#include "os/process_usage.h"
#include "runtime/memory_pressure.h"

namespace gyre::metrics {

// Requests to servers of others at this moment, and what was turned away for want of room.
struct OutboundFigures {
  uint64_t connections = 0;
  uint64_t requests = 0;
  uint64_t refused = 0;
};

// What client::UserStatuses holds, and what had to go for want of room.
struct UserStatusFigures {
  uint64_t users = 0;
  uint64_t displaced = 0;
};

// What is true of the node as a whole, told by whoever asks for the export.
struct NodeFacts {
  std::string_view version;  // as clients see it: "6.9.1 Gyre/0.1.0"
  uint64_t num_nodes = 1;
  os::ProcessUsage process;
  runtime::MemoryPressure::Figures memory = {};
  std::span<const ProxyLabels> proxies = {};
  OutboundFigures outbound = {};
  std::optional<UserStatusFigures> user_statuses = {};  // nothing: they are not kept
};

using Shards = std::span<const ShardMetrics* const>;

enum class FamilyType : uint8_t { counter, gauge, histogram, summary };

struct Family {
  std::string_view name;
  FamilyType type;
  std::string_view help;
};

struct Label {
  std::string_view name;
  std::string_view value;
};
using Labels = std::initializer_list<Label>;  // in the order of names

// Where an export goes, family by family in the order of names.
class Output {
 public:
  virtual ~Output() = default;
  // The series that follow belong to this family. One without series does not exist.
  virtual void begin(const Family& family) = 0;
  virtual void number(Labels labels, double value) = 0;
  virtual void histogram(Labels labels, const Distribution& distribution,
                         std::span<const os::Nanos> bounds) = 0;
  // `recent` is the part of `total` that quantiles are of.
  virtual void summary(Labels labels, const Distribution& total, const Distribution& recent) = 0;
};

// The distributions that have quantiles.
struct Summarised {
  By<ApiProtocol, By<ApiMethod, Distribution>> api_commands;
  By<ClientMethod, Distribution> client_commands;
  By<Survey, Distribution> surveys;
  std::vector<Distribution> proxies;  // in the order of NodeFacts::proxies; missing ones are empty
};
void add_up(Shards shards, Summarised& total);

// The families of the reference but those of the process: `total` as add_up made it, `before` an
// earlier one, at which the time begins that quantiles are of.
void write_families(Shards shards, const NodeFacts& facts, const Summarised& total,
                    const Summarised& before, Output& output);
// What this server adds to them (docs/overload.md, docs/proxies.md, docs/limits.md,
// docs/wildcards.md, docs/delivery.md, docs/channel-compaction.md).
void write_own_families(Shards shards, const NodeFacts& facts, Output& output);
void write_process(const os::ProcessUsage& usage, Output& output);

}  // namespace gyre::metrics
