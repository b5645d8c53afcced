#include "metrics/families.h"

#include <map>
#include <string>

#include "metrics/write_family.h"

namespace gyre::metrics {
namespace {

using os::kMicrosecond;
using os::kMillisecond;
using os::kSecond;

constexpr bool are_bins(std::span<const os::Nanos> bounds) {
  return std::ranges::all_of(bounds, [](os::Nanos bound) {
    return std::ranges::find(kBinBounds, bound) != kBinBounds.end();
  });
}

// The bounds of the families (observability.md 1.1, 1.3).
constexpr os::Nanos kApiBounds[] = {
    5 * kMillisecond,    10 * kMillisecond,  25 * kMillisecond,  50 * kMillisecond,
    100 * kMillisecond,  250 * kMillisecond, 500 * kMillisecond, kSecond,
    2500 * kMillisecond, 5 * kSecond,        10 * kSecond};
constexpr os::Nanos kCommandBounds[] = {100 * kMicrosecond,  250 * kMicrosecond, 500 * kMicrosecond,
                                        kMillisecond,        5 * kMillisecond,   10 * kMillisecond,
                                        25 * kMillisecond,   50 * kMillisecond,  100 * kMillisecond,
                                        250 * kMillisecond,  500 * kMillisecond, kSecond,
                                        2500 * kMillisecond, 5 * kSecond,        10 * kSecond};
constexpr os::Nanos kSurveyBounds[] = {kMillisecond,        5 * kMillisecond,   10 * kMillisecond,
                                       25 * kMillisecond,   50 * kMillisecond,  100 * kMillisecond,
                                       250 * kMillisecond,  500 * kMillisecond, kSecond,
                                       2500 * kMillisecond, 5 * kSecond,        10 * kSecond};
constexpr os::Nanos kLagBounds[] = {kMillisecond,       5 * kMillisecond,   10 * kMillisecond,
                                    25 * kMillisecond,  50 * kMillisecond,  100 * kMillisecond,
                                    200 * kMillisecond, 500 * kMillisecond, kSecond,
                                    2 * kSecond,        5 * kSecond,        10 * kSecond};
constexpr os::Nanos kBroadcastBounds[] = {
    kMicrosecond,        5 * kMicrosecond,   10 * kMicrosecond,  50 * kMicrosecond,
    100 * kMicrosecond,  250 * kMicrosecond, 500 * kMicrosecond, kMillisecond,
    5 * kMillisecond,    10 * kMillisecond,  25 * kMillisecond,  50 * kMillisecond,
    100 * kMillisecond,  250 * kMillisecond, 500 * kMillisecond, kSecond,
    2500 * kMillisecond, 5 * kSecond,        10 * kSecond};
static_assert(are_bins(kApiBounds) && are_bins(kCommandBounds) && are_bins(kSurveyBounds) &&
              are_bins(kLagBounds) && are_bins(kBroadcastBounds));

// Empty in this release, as in the reference (observability.md 1).
constexpr Label kNamespace = {"channel_namespace", ""};
constexpr Label kBrokerName = {"broker_name", ""};
constexpr Label kAcceptProtocol = {"accept_protocol", ""};

template <class Pick>
Distribution sum_durations(Shards shards, Pick&& pick) {
  Distribution total;
  for (const ShardMetrics* shard : shards) pick(*shard).add_to(total);
  return total;
}

// Counts by tag and code, of all shards. The counts without a place have no code.
struct Coded {
  std::map<std::pair<uint32_t, uint32_t>, double> by_code;
  double rest = 0;
};
template <class Pick>
Coded sum_codes(Shards shards, Pick&& pick) {
  Coded coded;
  for (const ShardMetrics* shard : shards) {
    const auto& counters = pick(*shard);
    counters.for_each([&](uint32_t tag, uint32_t code, uint64_t count) {
      coded.by_code[{tag, code}] += static_cast<double>(count);
    });
    coded.rest += static_cast<double>(counters.rest());
  }
  return coded;
}

// Calls write(tag, code text, count) for each.
template <class Write>
void for_each_code(const Coded& coded, Write&& write) {
  for (const auto& [key, count] : coded.by_code) {
    write(key.first, std::to_string(key.second), count);
  }
}

constexpr std::string_view kOther = "other";

void write_api(Shards shards, const Summarised& total, const Summarised& before, Output& out) {
  const auto for_each_used = [&](auto&& write) {
    for_each_label<ApiProtocol>([&](ApiProtocol protocol) {
      for_each_label<ApiMethod>([&](ApiMethod method) {
        const Distribution& whole = total.api_commands[protocol][method];
        if (whole.count() == 0) return;
        write({{"method", text_of(method)}, {"protocol", text_of(protocol)}}, whole,
              before.api_commands[protocol][method]);
      });
    });
  };
  out.begin({"centrifugo_api_command_duration_seconds", FamilyType::summary,
             "Duration of server API commands; use the histogram instead."});
  for_each_used([&](Labels labels, const Distribution& whole, const Distribution& earlier) {
    out.summary(labels, whole, whole.since(earlier));
  });
  out.begin({"centrifugo_api_command_duration_seconds_histogram", FamilyType::histogram,
             "Duration of server API commands."});
  for_each_used([&](Labels labels, const Distribution& whole, const Distribution&) {
    out.histogram(labels, whole, kApiBounds);
  });

  out.begin({"centrifugo_api_command_errors_total", FamilyType::counter,
             "Errors of server API commands."});
  const Coded errors =
      sum_codes(shards, [](const ShardMetrics& m) -> const auto& { return m.api_errors; });
  for_each_code(errors, [&](uint32_t tag, std::string_view code, double count) {
    if (code == "1") code = "read_body";
    if (code == "2") code = "unmarshal";
    if (code == "3") code = "marshal";
    out.number({{"error", code},
                {"method", text_of(static_cast<ApiMethod>(tag & 0xff))},
                {"protocol", text_of(static_cast<ApiProtocol>(tag >> 8))}},
               count);
  });
  write_used(out, {{"error", kOther}, {"method", kOther}, {"protocol", kOther}}, errors.rest);
}

void write_broker(Shards shards, Output& out) {
  out.begin({"centrifugo_broker_publish_suppressed_count", FamilyType::counter,
             "Publishes that were not executed."});
  for_each_label<Suppression>([&](Suppression reason) {
    write_used(out, {kNamespace, {"reason", text_of(reason)}},
               sum(shards, [&](const ShardMetrics& m) -> const auto& {
                 return m.suppressed_publishes[reason];
               }));
  });
  out.begin({"centrifugo_broker_redis_pub_sub_dropped_messages", FamilyType::counter,
             "Messages from Redis that were dropped because buffers were full."});
  out.number({kBrokerName, {"channel_type", "client"}}, 0);
  out.number({kBrokerName, {"channel_type", "control"}}, 0);
}

void write_client_codes(Shards shards, Output& out) {
  out.begin(
      {"centrifugo_client_num_reply_errors", FamilyType::counter, "Error replies to clients."});
  const Coded errors =
      sum_codes(shards, [](const ShardMetrics& m) -> const auto& { return m.reply_errors; });
  for_each_code(errors, [&](uint32_t tag, std::string_view code, double count) {
    out.number({kNamespace, {"code", code}, {"method", text_of(static_cast<FrameType>(tag))}},
               count);
  });
  write_used(out, {kNamespace, {"code", kOther}, {"method", kOther}}, errors.rest);

  out.begin({"centrifugo_client_num_server_disconnects", FamilyType::counter,
             "Clients disconnected by the server."});
  const Coded disconnects =
      sum_codes(shards, [](const ShardMetrics& m) -> const auto& { return m.disconnects; });
  for_each_code(disconnects, [&](uint32_t, std::string_view code, double count) {
    out.number({{"code", code}}, count);
  });
  write_used(out, {{"code", kOther}}, disconnects.rest);

  out.begin({"centrifugo_client_num_server_unsubscribes", FamilyType::counter,
             "Subscriptions ended by the server."});
  const Coded unsubscribes =
      sum_codes(shards, [](const ShardMetrics& m) -> const auto& { return m.unsubscribes; });
  for_each_code(unsubscribes, [&](uint32_t, std::string_view code, double count) {
    out.number({kNamespace, {"code", code}}, count);
  });
  write_used(out, {kNamespace, {"code", kOther}}, unsubscribes.rest);
}

void write_connections(Shards shards, Output& out) {
  const auto for_each_used = [&](auto&& write) {
    for_each_label<Transport>([&](Transport transport) {
      for_each_label<ClientName>([&](ClientName name) {
        for_each_label<ClientVersion>([&](ClientVersion version) {
          double accepted = 0;
          double inflight = 0;
          for (const ShardMetrics* shard : shards) {
            const auto& cell = shard->connections[transport][name][version];
            accepted += static_cast<double>(cell.accepted.value());
            inflight += static_cast<double>(cell.inflight.value());
          }
          if (accepted == 0) return;
          write({kAcceptProtocol,
                 {"client_name", text_of(name)},
                 {"client_version", text_of(version)},
                 {"transport", text_of(transport)}},
                accepted, inflight);
        });
      });
    });
  };
  out.begin({"centrifugo_client_connections_accepted", FamilyType::counter,
             "Connections that passed connect."});
  for_each_used([&](Labels labels, double accepted, double) { out.number(labels, accepted); });
  out.begin({"centrifugo_client_connections_inflight", FamilyType::gauge, "Current connections."});
  for_each_used([&](Labels labels, double, double inflight) { out.number(labels, inflight); });
}

void write_ping_pong_and_recovery(Shards shards, Output& out) {
  out.begin({"centrifugo_client_ping_pong_duration_seconds", FamilyType::histogram,
             "Time from a ping to its pong."});
  for_each_label<Transport>([&](Transport transport) {
    const Distribution whole = sum_durations(
        shards, [&](const ShardMetrics& m) -> const auto& { return m.ping_pong[transport]; });
    if (whole.count() == 0) return;
    out.histogram({{"transport", text_of(transport)}}, whole, kCommandBounds);
  });
  out.begin({"centrifugo_client_recover", FamilyType::counter, "Attempts to recover."});
  for_each_label<YesNo>([&](YesNo with_publications) {
    for_each_label<YesNo>([&](YesNo recovered) {
      write_used(out,
                 {kNamespace,
                  {"has_recovered_publications", text_of(with_publications)},
                  {"recovered", text_of(recovered)}},
                 sum(shards, [&](const ShardMetrics& m) -> const auto& {
                   return m.recoveries[recovered][with_publications];
                 }));
    });
  });
}

void write_client(Shards shards, const Summarised& total, const Summarised& before, Output& out) {
  out.begin({"centrifugo_client_command_duration_seconds", FamilyType::summary,
             "Duration of client commands; use the histogram instead."});
  for_each_label<ClientMethod>([&](ClientMethod method) {
    const Distribution& whole = total.client_commands[method];
    out.summary({kNamespace, {"method", text_of(method)}}, whole,
                whole.since(before.client_commands[method]));
  });
  out.begin({"centrifugo_client_command_duration_seconds_histogram", FamilyType::histogram,
             "Duration of client commands."});
  for_each_label<ClientMethod>([&](ClientMethod method) {
    out.histogram({kNamespace, {"method", text_of(method)}}, total.client_commands[method],
                  kCommandBounds);
  });
  write_connections(shards, out);
  write_client_codes(shards, out);
  write_ping_pong_and_recovery(shards, out);
  out.begin(
      {"centrifugo_client_subscriptions_inflight", FamilyType::gauge, "Current subscriptions."});
  for_each_label<ClientName>([&](ClientName name) {
    const auto pick = [&](const ShardMetrics& m) -> const auto& { return m.subscriptions[name]; };
    const bool is_used = std::ranges::any_of(
        shards, [&](const ShardMetrics* shard) { return pick(*shard).is_used(); });
    if (is_used) out.number({kNamespace, {"client_name", text_of(name)}}, sum(shards, pick));
  });
}

void write_map_broker(Output& out) {
  out.begin({"centrifugo_map_broker_redis_pub_sub_dropped_messages", FamilyType::counter,
             "Map messages from Redis that were dropped because buffers were full."});
  out.number({kBrokerName, {"channel_type", "client"}}, 0);
}

void write_durations(Output& out, const Family& family, Labels labels, const Distribution& whole,
                     std::span<const os::Nanos> bounds) {
  out.begin(family);
  if (whole.count() > 0) out.histogram(labels, whole, bounds);
}

void write_broker_messages(Shards shards, Output& out) {
  out.begin({"centrifugo_node_messages_received_count", FamilyType::counter,
             "Messages from the broker."});
  for_each_label<BrokerMessage>([&](BrokerMessage type) {
    const double count = sum(
        shards, [&](const ShardMetrics& m) -> const auto& { return m.messages_received[type]; });
    if (count == 0 && type > BrokerMessage::control) return;
    out.number({kNamespace, {"type", text_of(type)}}, count);
  });
  out.begin({"centrifugo_node_messages_sent_count", FamilyType::counter,
             "Messages given to the broker."});
  for_each_label<BrokerMessage>([&](BrokerMessage type) {
    const double count =
        sum(shards, [&](const ShardMetrics& m) -> const auto& { return m.messages_sent[type]; });
    if (count == 0 && type > BrokerMessage::control) return;
    out.number({kNamespace, {"type", text_of(type)}}, count);
  });
}

void write_node_numbers(Shards shards, const NodeFacts& facts, Output& out) {
  const auto gauge = [&](std::string_view name, std::string_view help,
                         Gauge ShardMetrics::* field) {
    write_counter(out, {name, FamilyType::gauge, help}, {},
                  sum(shards, [&](const ShardMetrics& m) -> const Gauge& { return m.*field; }));
  };
  gauge("centrifugo_node_num_channels", "Channels with subscribers on this node.",
        &ShardMetrics::num_channels);
  gauge("centrifugo_node_num_clients", "Clients of this node.", &ShardMetrics::num_clients);
  write_counter(out, {"centrifugo_node_num_nodes", FamilyType::gauge, "Nodes known."}, {},
                static_cast<double>(facts.num_nodes));
  gauge("centrifugo_node_num_subscriptions", "Subscriptions on this node.",
        &ShardMetrics::num_subscriptions);
  gauge("centrifugo_node_num_users", "Distinct users of this node.", &ShardMetrics::num_users);
}

void write_surveys(const Summarised& total, const Summarised& before, Output& out) {
  out.begin({"centrifugo_node_survey_duration_seconds", FamilyType::summary,
             "Duration of surveys; use the histogram instead."});
  for_each_label<Survey>([&](Survey op) {
    const Distribution& whole = total.surveys[op];
    if (whole.count() == 0) return;
    out.summary({{"op", text_of(op)}}, whole, whole.since(before.surveys[op]));
  });
  out.begin({"centrifugo_node_survey_duration_seconds_histogram", FamilyType::histogram,
             "Duration of surveys."});
  for_each_label<Survey>([&](Survey op) {
    if (total.surveys[op].count() == 0) return;
    out.histogram({{"op", text_of(op)}}, total.surveys[op], kSurveyBounds);
  });
}

void write_node(Shards shards, const NodeFacts& facts, const Summarised& total,
                const Summarised& before, Output& out) {
  out.begin({"centrifugo_node_action_count", FamilyType::counter, "What the node has done."});
  for_each_label<Action>([&](Action action) {
    write_used(
        out, {{"action", text_of(action)}, kNamespace},
        sum(shards, [&](const ShardMetrics& m) -> const auto& { return m.actions[action]; }));
  });
  write_durations(
      out,
      {"centrifugo_node_broadcast_duration_seconds", FamilyType::histogram,
       "Duration of the fan-out of one publication to local subscribers."},
      {kNamespace, {"type", "publication"}},
      sum_durations(shards, [](const ShardMetrics& m) -> const auto& { return m.broadcasts; }),
      kBroadcastBounds);
  write_counter(out, {"centrifugo_node_build", FamilyType::gauge, "The version that runs."},
                {{"version", facts.version}}, 1);
  write_counter(
      out,
      {"centrifugo_node_client_connection_limit", FamilyType::counter,
       "Connections refused because of the node's connection limit."},
      {}, sum(shards, [](const ShardMetrics& m) -> const auto& { return m.connection_limit; }));
  write_broker_messages(shards, out);
  write_node_numbers(shards, facts, out);
  write_durations(
      out,
      {"centrifugo_node_pub_sub_lag_seconds", FamilyType::histogram,
       "Delay of publications in the broker."},
      {kNamespace},
      sum_durations(shards, [](const ShardMetrics& m) -> const auto& { return m.pub_sub_lag; }),
      kLagBounds);
  write_surveys(total, before, out);
  out.begin({"centrifugo_node_tags_filter_dropped_publications", FamilyType::counter,
             "Publications not delivered because of a tags filter."});
  write_used(out, {kNamespace}, sum(shards, [](const ShardMetrics& m) -> const auto& {
               return m.filtered_publications;
             }));
}

// Every proxy has its series from the start (observability.md 1.3).
void write_proxies(Shards shards, const NodeFacts& facts, const Summarised& total,
                   const Summarised& before, Output& out) {
  const auto for_each_proxy = [&](auto&& write) {
    for (size_t i = 0; i < facts.proxies.size() && i < total.proxies.size(); ++i) {
      const ProxyLabels& proxy = facts.proxies[i];
      write(i, {{"name", proxy.name}, {"protocol", proxy.protocol}, {"type", proxy.type}});
    }
  };
  out.begin({"centrifugo_proxy_duration_seconds", FamilyType::summary,
             "Duration of calls to proxies' backends; use the histogram instead."});
  for_each_proxy([&](size_t i, Labels labels) {
    const Distribution earlier = i < before.proxies.size() ? before.proxies[i] : Distribution();
    out.summary(labels, total.proxies[i], total.proxies[i].since(earlier));
  });
  out.begin({"centrifugo_proxy_duration_seconds_histogram", FamilyType::histogram,
             "Duration of calls to proxies' backends."});
  for_each_proxy(
      [&](size_t i, Labels labels) { out.histogram(labels, total.proxies[i], kApiBounds); });
  out.begin({"centrifugo_proxy_errors", FamilyType::counter, "Failed calls to proxies' backends."});
  for_each_proxy([&](size_t i, Labels labels) {
    out.number(labels, sum(shards, [&](const ShardMetrics& m) -> const auto& {
                 return m.proxies[i]->errors;
               }));
  });
  out.begin({"centrifugo_proxy_inflight_requests", FamilyType::gauge,
             "Calls to proxies' backends that are not answered yet."});
  for_each_proxy([&](size_t i, Labels labels) {
    out.number(labels, sum(shards, [&](const ShardMetrics& m) -> const auto& {
                 return m.proxies[i]->inflight;
               }));
  });
}

void write_shared_polls(Output& out) {
  write_counter(out,
                {"centrifugo_shared_poll_num_channels", FamilyType::gauge,
                 "Active channels of shared polls."},
                {}, 0);
  write_counter(
      out, {"centrifugo_shared_poll_num_keys", FamilyType::gauge, "Tracked keys of shared polls."},
      {}, 0);
}

using TrafficField = By<Transport, By<FrameType, Traffic>> ShardMetrics::*;

void write_traffic(Shards shards, TrafficField field, const Family& messages, const Family& bytes,
                   Output& out) {
  const auto for_each_used = [&](auto&& write) {
    for_each_label<Transport>([&](Transport transport) {
      for_each_label<FrameType>([&](FrameType type) {
        const double count = sum(shards, [&](const ShardMetrics& m) -> const auto& {
          return (m.*field)[transport][type].messages;
        });
        if (count == 0) return;
        const double size = sum(shards, [&](const ShardMetrics& m) -> const auto& {
          return (m.*field)[transport][type].bytes;
        });
        write({kNamespace, {"frame_type", text_of(type)}, {"transport", text_of(transport)}}, count,
              size);
      });
    });
  };
  out.begin(messages);
  for_each_used([&](Labels labels, double count, double) { out.number(labels, count); });
  out.begin(bytes);
  for_each_used([&](Labels labels, double, double size) { out.number(labels, size); });
}

void write_transport(Shards shards, Output& out) {
  write_traffic(
      shards, &ShardMetrics::received,
      {"centrifugo_transport_messages_received", FamilyType::counter, "Messages from clients."},
      {"centrifugo_transport_messages_received_size", FamilyType::counter,
       "Bytes of messages from clients."},
      out);
  write_traffic(shards, &ShardMetrics::sent,
                {"centrifugo_transport_messages_sent", FamilyType::counter, "Messages to clients."},
                {"centrifugo_transport_messages_sent_size", FamilyType::counter,
                 "Bytes of messages to clients, before compression."},
                out);
  out.begin({"centrifugo_transport_outgoing_close_count", FamilyType::counter,
             "Close frames sent to clients."});
  const Coded closes =
      sum_codes(shards, [](const ShardMetrics& m) -> const auto& { return m.closes; });
  for_each_code(closes, [&](uint32_t tag, std::string_view code, double count) {
    out.number({{"code", code}, {"transport", text_of(static_cast<Transport>(tag))}}, count);
  });
  write_used(out, {{"code", kOther}, {"transport", kOther}}, closes.rest);
}

}  // namespace

void add_up(Shards shards, Summarised& total) {
  for (const ShardMetrics* shard : shards) {
    for_each_label<ApiProtocol>([&](ApiProtocol protocol) {
      for_each_label<ApiMethod>([&](ApiMethod method) {
        shard->api_commands[protocol][method].add_to(total.api_commands[protocol][method]);
      });
    });
    for_each_label<ClientMethod>([&](ClientMethod method) {
      shard->commands[method].add_to(total.client_commands[method]);
    });
    for_each_label<Survey>([&](Survey op) { shard->surveys[op].add_to(total.surveys[op]); });
    if (total.proxies.size() < shard->proxies.size()) total.proxies.resize(shard->proxies.size());
    for (size_t i = 0; i < shard->proxies.size(); ++i) {
      shard->proxies[i]->durations.add_to(total.proxies[i]);
    }
  }
}

void write_families(Shards shards, const NodeFacts& facts, const Summarised& total,
                    const Summarised& before, Output& output) {
  write_api(shards, total, before, output);
  write_broker(shards, output);
  write_client(shards, total, before, output);
  write_map_broker(output);
  write_node(shards, facts, total, before, output);
  write_proxies(shards, facts, total, before, output);
  write_shared_polls(output);
  write_transport(shards, output);
}

void write_process(const os::ProcessUsage& usage, Output& out) {
  const auto write = [&](std::string_view name, FamilyType type, std::string_view help,
                         double value) {
    if (value > 0) write_counter(out, {name, type, help}, {}, value);
  };
  write("process_cpu_seconds_total", FamilyType::counter, "Processor time used.",
        usage.cpu_seconds);
  write("process_max_fds", FamilyType::gauge, "Most descriptors that may be open.",
        static_cast<double>(usage.descriptors_max));
  write("process_network_receive_bytes_total", FamilyType::counter,
        "Bytes received by the network namespace.", static_cast<double>(usage.network_received));
  write("process_network_transmit_bytes_total", FamilyType::counter,
        "Bytes sent by the network namespace.", static_cast<double>(usage.network_sent));
  write("process_open_fds", FamilyType::gauge, "Open descriptors.",
        static_cast<double>(usage.descriptors));
  write("process_resident_memory_bytes", FamilyType::gauge, "Resident memory.",
        static_cast<double>(usage.resident_bytes));
  write("process_start_time_seconds", FamilyType::gauge,
        "Start of the process since the Unix epoch.", usage.start_time);
  write("process_virtual_memory_bytes", FamilyType::gauge, "Virtual memory.",
        static_cast<double>(usage.virtual_bytes));
  write("process_virtual_memory_max_bytes", FamilyType::gauge, "Most virtual memory allowed.",
        static_cast<double>(usage.virtual_bytes_max));
}

}  // namespace gyre::metrics
