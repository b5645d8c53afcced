#include "metrics/exporter.h"

#include "metrics/text_output.h"

namespace gyre::metrics {
namespace {

std::shared_ptr<const Summarised> sums_of(Shards shards) {
  auto sums = std::make_shared<Summarised>();
  add_up(shards, *sums);
  return sums;
}

}  // namespace

Exporter::Exporter(std::vector<const ShardMetrics*> shards) : shards_(std::move(shards)) {}

std::string Exporter::text(const NodeFacts& facts, os::Nanos now) {
  TextOutput output;
  write(facts, now, output);
  write_own_families(shards_, facts, output);
  write_process(facts.process, output);
  return output.take();
}

void Exporter::write(const NodeFacts& facts, os::Nanos now, Output& output) {
  const auto sums = sums_of(shards_);
  const auto before = advance(now, sums);
  write_families(shards_, facts, *sums, *before, output);
}

void Exporter::age(os::Nanos now) {
  advance(now, sums_of(shards_));
}

std::shared_ptr<const Summarised> Exporter::advance(os::Nanos now,
                                                    const std::shared_ptr<const Summarised>& sums) {
  const std::scoped_lock lock(mutex_);
  // The first time begins with nothing, so that what came before the first question counts.
  if (moments_.empty()) moments_.push_back({now, std::make_shared<Summarised>()});
  // Quantiles are of the time since the oldest, so it is chosen before a new one is remembered.
  while (moments_.size() > 1 && now - moments_.front().time > kAges * kAgeStep) {
    moments_.pop_front();
  }
  const auto before = moments_.front().sums;
  if (now - moments_.back().time >= kAgeStep) {
    if (moments_.size() == size_t{kAges}) moments_.pop_front();
    moments_.push_back({now, sums});
  }
  return before;
}

}  // namespace gyre::metrics
