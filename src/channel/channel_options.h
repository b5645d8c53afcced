#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "channel/delivery_rule.h"
#include "protocol/encoding.h"

namespace gyre::channel {

// What a payload must be to be published (spec config.md 10.7).
enum class DataFormat : uint8_t {
  non_empty,    // at least one byte
  json,         // a JSON value
  json_object,  // a JSON object
  binary,       // anything
};

// What a namespace says of its channels, or the configuration of channels without one; names are
// those of the keys.
struct ChannelOptions {
  bool presence = false;
  bool join_leave = false;             // who joins and leaves is told to those who want to know
  bool force_push_join_leave = false;  // that is everybody

  int32_t history_size = 0;
  std::chrono::seconds history_ttl{0};
  std::chrono::seconds history_meta_ttl{0};  // 0: that of all channels
  bool force_positioning = false;
  bool allow_positioning = false;
  bool force_recovery = false;
  bool allow_recovery = false;
  bool recovers_cache = false;      // force_recovery_mode: cache
  bool auto_cache_recover = false;  // with every subscribe, asked for or not

  bool allows_fossil_delta = false;  // allowed_delta_types
  bool delta_publish = false;        // publications may be delivered as deltas
  bool allow_tags_filter = false;

  bool allow_subscribe_for_client = false;
  bool allow_subscribe_for_anonymous = false;
  bool allow_publish_for_client = false;
  bool allow_publish_for_subscriber = false;
  bool allow_publish_for_anonymous = false;
  bool allow_presence_for_client = false;
  bool allow_presence_for_subscriber = false;
  bool allow_presence_for_anonymous = false;
  bool allow_history_for_client = false;
  bool allow_history_for_subscriber = false;
  bool allow_history_for_anonymous = false;
  bool allow_user_limited_channels = false;

  // Proxies that decide instead of the permissions above; empty: none is asked.
  std::string subscribe_proxy;
  std::string publish_proxy;
  std::string sub_refresh_proxy;
  // The proxy that streams subscriptions, and whether clients' publications go to it.
  std::string subscribe_stream_proxy;
  bool is_subscribe_stream_bidirectional = false;

  // gyre.channel_compaction: pushes may have a number in place of the channel's name, for clients
  // of these encodings.
  bool compacts_json = false;
  bool compacts_protobuf = false;
  bool allows_compaction(protocol::Encoding encoding) const {
    return encoding == protocol::Encoding::json ? compacts_json : compacts_protobuf;
  }

  std::shared_ptr<const DeliveryRule> delivery = nullptr;  // null: there is none

  std::string channel_regex;  // RE2, unanchored, over what stands behind the namespace boundary
  DataFormat publication_data_format = DataFormat::non_empty;

  bool has_history() const { return history_size > 0 && history_ttl.count() > 0; }
};

}  // namespace gyre::channel
