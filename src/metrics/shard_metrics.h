#pragma once

#include <memory>
#include <vector>

#include "metrics/code_counters.h"
#include "metrics/counter.h"
#include "metrics/durations.h"
#include "metrics/labels.h"
#include "metrics/proxy_calls.h"

namespace gyre::metrics {

// What one shard counts. Made by app before the shards run and lives as long as the process; code
// of the shard gets a reference and increments the fields, readers on other shards add them up.
// Families and labels: observability.md 1; the label channel_namespace is always empty there, so it
// takes no part here. Some 55 KiB, most of it never touched.
struct alignas(64) ShardMetrics {
  ShardMetrics() = default;
  ShardMetrics(const ShardMetrics&) = delete;

  // transport_*: bytes of messages before compression and without framing.
  By<Transport, By<FrameType, Traffic>> sent;
  By<Transport, By<FrameType, Traffic>> received;

  // Close frames to clients, by transport.
  void count_close(Transport transport, uint32_t code) {
    closes.add(static_cast<uint32_t>(transport), code);
  }
  CodeCounters<64> closes;

  // client_*
  By<ClientMethod, Durations> commands;
  // Error replies, by the type of the command.
  void count_reply_error(FrameType type, uint32_t code) {
    reply_errors.add(static_cast<uint32_t>(type), code);
  }
  CodeCounters<128> reply_errors;
  By<RateScope, By<ClientMethod, Counter>> rate_limited;  // commands refused (gyre.rate_limits)
  Counter queued_frames;          // behind commands in work, or answers that are not read
  Counter rate_limited_http;      // requests (gyre.rate_limits.http)
  CodeCounters<64> disconnects;   // by the server
  CodeCounters<64> unsubscribes;  // by the server
  By<YesNo, By<YesNo, Counter>> recoveries;  // [recovered][with publications]
  struct Connections {
    Counter accepted;
    Gauge inflight;
  };
  // From connect to the end of the session.
  By<Transport, By<ClientName, By<ClientVersion, Connections>>> connections;
  By<ClientName, Gauge> subscriptions;
  Counter compacted_subscriptions;  // told a number for the channel's name
  By<Transport, Durations> ping_pong;

  // node_num_*: each counted where there is one owner for it, so that shards may be added up:
  // sessions and subscriptions on their shard, users in the census, channels with subscribers at
  // their homes.
  Gauge num_clients;
  Gauge num_users;
  Gauge num_subscriptions;
  Gauge num_channels;
  Gauge wildcards;  // of the node, counted on one shard

  // node_*
  By<Action, Counter> actions;
  By<BrokerMessage, Counter> messages_sent;      // to the broker
  By<BrokerMessage, Counter> messages_received;  // from the broker
  By<Survey, Durations> surveys;
  Durations pub_sub_lag;
  Durations broadcasts;  // of one publication to the subscribers of this shard
  Counter filtered_publications;
  Counter wildcard_publications;  // once for each wildcard that they were sent to
  // gyre_delivery_*
  Counter batched_publications;
  Counter cut_subscriptions;               // their connections were behind
  By<Skip, Counter> skipped_publications;  // one for each subscriber
  Counter connection_limit;
  Counter connection_rate_limit;

  // broker_*
  By<Suppression, Counter> suppressed_publishes;

  // api_*
  By<ApiProtocol, By<ApiMethod, Durations>> api_commands;
  void count_api_error(ApiProtocol protocol, ApiMethod method, uint32_t code) {
    api_errors.add(static_cast<uint32_t>(protocol) << 8 | static_cast<uint32_t>(method), code);
  }
  void count_api_error(ApiProtocol protocol, ApiMethod method, ApiFault fault) {
    count_api_error(protocol, method, static_cast<uint32_t>(fault));
  }
  CodeCounters<256> api_errors;

  // proxy_*, by proxy in the order of NodeFacts::proxies; complete before the shards run.
  std::vector<std::unique_ptr<ProxyCalls>> proxies;
};

}  // namespace gyre::metrics
