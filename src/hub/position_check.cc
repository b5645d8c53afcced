#include "hub/position_check.h"

#include "base/log.h"
#include "runtime/shard.h"

namespace gyre::hub {

PositionCheck::PositionCheck(runtime::Shard& shard, Homes& homes, os::Nanos interval)
    : shard_(shard), homes_(homes), interval_(interval) {
  shard_.timers().arm(*this, shard_.now() + interval_);
}

void PositionCheck::on_timer() {
  shard_.timers().arm(*this, shard_.now() + interval_);
  // A broker that is slower than the interval is not asked twice.
  if (!is_running_) shard_.tasks().spawn(check());
}

runtime::Task<void> PositionCheck::check() {
  is_running_ = true;
  const std::vector<Homes::Stand> stands = homes_.positioned();
  std::vector<std::pair<SharedNameRef, protocol::StreamPosition>> behind;
  for (size_t begin = 0; begin < stands.size(); begin += kBatch) {
    const size_t end = std::min(begin + kBatch, stands.size());
    std::vector<engine::Broker::TopQuery> queries;
    for (size_t i = begin; i < end; ++i) {
      queries.push_back({std::string(stands[i].channel->text()), stands[i].meta_ttl});
    }
    const auto tops = co_await homes_.broker().tops(std::move(queries));
    if (!tops) {
      log::warn("positions could not be checked", {{"error", tops.error().context}});
      break;
    }
    for (size_t i = begin; i < end; ++i) {
      const protocol::StreamPosition& top = (*tops)[i - begin];
      if (homes_.is_behind(stands[i], top)) behind.emplace_back(stands[i].channel, top);
    }
  }
  if (!behind.empty()) {
    // What is missing may be on its way.
    co_await runtime::SleepUntil(shard_.now() + Homes::kCatchUpGrace);
    for (const auto& [channel, top] : behind) homes_.insist(*channel, top);
  }
  is_running_ = false;
}

}  // namespace gyre::hub
