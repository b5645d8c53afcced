#include "metrics/families.h"
#include "metrics/write_family.h"

namespace gyre::metrics {
namespace {

void write_compaction(Shards shards, Output& out) {
  out.begin({"gyre_compacted_subscriptions_total", FamilyType::counter,
             "Subscriptions that were given a number in place of the channel's name."});
  write_used(out, {}, sum(shards, [](const ShardMetrics& m) -> const auto& {
               return m.compacted_subscriptions;
             }));
}

void write_delivery(Shards shards, Output& out) {
  out.begin({"gyre_delivery_batched_publications_total", FamilyType::counter,
             "Publications that a batch was made of, one for each shard with subscribers."});
  out.number(
      {}, sum(shards, [](const ShardMetrics& m) -> const auto& { return m.batched_publications; }));
  out.begin({"gyre_delivery_cut_subscriptions_total", FamilyType::counter,
             "Subscriptions ended, so that clients subscribe anew, because they were behind."});
  out.number({},
             sum(shards, [](const ShardMetrics& m) -> const auto& { return m.cut_subscriptions; }));
  out.begin({"gyre_delivery_skipped_publications_total", FamilyType::counter,
             "Publications left out, one for each subscriber: for a newer one of a batch, or "
             "because it was behind."});
  for_each_label<Skip>([&](Skip reason) {
    const double count = sum(shards, [&](const ShardMetrics& m) -> const auto& {
      return m.skipped_publications[reason];
    });
    out.number({{"reason", text_of(reason)}}, count);
  });
}

void write_memory(const runtime::MemoryPressure::Figures& figures, Output& out) {
  write_counter(
      out, {"gyre_memory_limit_bytes", FamilyType::gauge, "gyre.memory_limit; 0: there is none."},
      {}, static_cast<double>(figures.limit));
  write_counter(
      out,
      {"gyre_memory_used_bytes", FamilyType::gauge, "Memory in use, as it is held to the limit."},
      {}, static_cast<double>(figures.used));
}

void write_outbound(const OutboundFigures& figures, Output& out) {
  write_counter(out,
                {"gyre_outbound_connections", FamilyType::gauge,
                 "Connections to backends of proxies and to key sets, idle ones included."},
                {}, static_cast<double>(figures.connections));
  write_counter(out,
                {"gyre_outbound_refused_requests_total", FamilyType::counter,
                 "Requests to others that were not made since too many were waiting."},
                {}, static_cast<double>(figures.refused));
  write_counter(out,
                {"gyre_outbound_requests", FamilyType::gauge,
                 "Requests to others that are not answered yet."},
                {}, static_cast<double>(figures.requests));
}

void write_overload(const runtime::MemoryPressure::Figures& figures, Output& out) {
  const auto write = [&](std::string_view name, FamilyType type, std::string_view help,
                         uint64_t value) {
    write_counter(out, {name, type, help}, {}, static_cast<double>(value));
  };
  write("gyre_overload_cut_connections_total", FamilyType::counter,
        "Slow connections cut for want of memory.", figures.cut_connections);
  write("gyre_overload_refused_connects_total", FamilyType::counter,
        "Connections and connect commands refused for want of memory.", figures.refused_connects);
  write("gyre_overload_refused_publishes_total", FamilyType::counter,
        "Publish and broadcast commands refused for want of memory.", figures.refused_publishes);
  write("gyre_overload_stage", FamilyType::gauge,
        "What is shed: 0 nothing, 1 connects, 2 the slowest too, 3 publications too.",
        static_cast<uint64_t>(figures.stage));
}

void write_limits(Shards shards, Output& out) {
  const auto write = [&](std::string_view name, std::string_view help,
                         Counter ShardMetrics::* field) {
    write_counter(out, {name, FamilyType::counter, help}, {},
                  sum(shards, [&](const ShardMetrics& m) -> const auto& { return m.*field; }));
  };
  write("gyre_queued_frames_total",
        "Frames of clients that waited behind commands in work, or for answers to be read.",
        &ShardMetrics::queued_frames);
  out.begin({"gyre_rate_limited_commands_total", FamilyType::counter,
             "Commands refused because they came too fast, by whose limit they were over."});
  for_each_label<RateScope>([&](RateScope scope) {
    for_each_label<ClientMethod>([&](ClientMethod method) {
      const double count = sum(shards, [&](const ShardMetrics& m) -> const auto& {
        return m.rate_limited[scope][method];
      });
      write_used(out, {{"method", text_of(method)}, {"scope", text_of(scope)}}, count);
    });
  });
  write("gyre_rate_limited_connections_total",
        "Connections refused because they came too fast (client.connection_rate_limit).",
        &ShardMetrics::connection_rate_limit);
  write("gyre_rate_limited_http_requests_total",
        "HTTP requests refused because they came too fast.", &ShardMetrics::rate_limited_http);
}

void write_user_statuses(const std::optional<UserStatusFigures>& figures, Output& out) {
  if (!figures) return;
  write_counter(out, {"gyre_user_statuses", FamilyType::gauge, "Users whose status is kept."}, {},
                static_cast<double>(figures->users));
  write_counter(out,
                {"gyre_user_statuses_displaced_total", FamilyType::counter,
                 "Statuses forgotten because there were gyre.user_status.max_users."},
                {}, static_cast<double>(figures->displaced));
}

// Nothing where nobody has ever been subscribed to one.
void write_wildcards(Shards shards, Output& out) {
  const auto is_used = [](const ShardMetrics* shard) { return shard->wildcards.is_used(); };
  if (std::ranges::none_of(shards, is_used)) return;
  write_counter(out,
                {"gyre_wildcard_publications_total", FamilyType::counter,
                 "Publications to subscribers of wildcards, once for each wildcard."},
                {}, sum(shards, [](const ShardMetrics& m) -> const auto& {
                  return m.wildcard_publications;
                }));
  write_counter(
      out,
      {"gyre_wildcards", FamilyType::gauge, "Different wildcards that somebody is subscribed to."},
      {}, sum(shards, [](const ShardMetrics& m) -> const auto& { return m.wildcards; }));
}

}  // namespace

void write_own_families(Shards shards, const NodeFacts& facts, Output& out) {
  write_compaction(shards, out);
  write_delivery(shards, out);
  write_memory(facts.memory, out);
  write_outbound(facts.outbound, out);
  write_overload(facts.memory, out);
  write_limits(shards, out);
  write_user_statuses(facts.user_statuses, out);
  write_wildcards(shards, out);
}

}  // namespace gyre::metrics
