#include <numeric>

#include "metrics/families.h"

namespace gyre::metrics {

namespace {

template <class Counted>
double all_shards(Shards shards, Counted counted) {
  return static_cast<double>(std::accumulate(shards.begin(), shards.end(), uint64_t{0},
                                             [&](uint64_t so_far, const ShardMetrics* shard) {
                                               return so_far + counted(*shard).value();
                                             }));
}

}  // namespace

void write_delivery(Shards shards, Output& output) {
  output.begin({"gyre_delivery_batched_publications_total", FamilyType::counter,
                "Publications that a batch was made of, one for each shard with subscribers."});
  output.number({}, all_shards(shards, [](const ShardMetrics& m) -> const auto& {
                  return m.batched_publications;
                }));
  output.begin({"gyre_delivery_cut_subscriptions_total", FamilyType::counter,
                "Subscriptions ended, so that clients subscribe anew, because they were behind."});
  output.number({}, all_shards(shards, [](const ShardMetrics& m) -> const auto& {
                  return m.cut_subscriptions;
                }));
  output.begin({"gyre_delivery_skipped_publications_total", FamilyType::counter,
                "Publications left out, one for each subscriber: for a newer one of a batch, or "
                "because it was behind."});
  for_each_label<Skip>([&](Skip reason) {
    const double count = all_shards(shards, [&](const ShardMetrics& m) -> const auto& {
      return m.skipped_publications[reason];
    });
    output.number({{"reason", text_of(reason)}}, count);
  });
}

}  // namespace gyre::metrics
