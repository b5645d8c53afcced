#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "api/service.h"
#include "client/audience.h"
#include "engine/memory/memory_broker.h"
#include "engine/memory/memory_presence_store.h"
#include "hub/directory.h"
#include "hub/home.h"
#include "hub/local_hub.h"

namespace gyre::api {

struct NoReceivers final : hub::ReceiverEvents {
  void on_unencodable(uint32_t) override {}
  void on_lost(hub::ChannelSlot, uint32_t) override {}
  void on_moved(hub::ChannelSlot, uint32_t, uint32_t) override {}
  void on_unused(std::string_view) override {}
};

// The namespaces of the configuration with which the recordings in tests/golden/server were made,
// as far as their channels are streams.
inline std::shared_ptr<const channel::Namespaces> recorded_namespaces() {
  channel::ChannelOptions without;
  without.presence = true;
  without.history_size = 10;
  without.history_ttl = std::chrono::seconds(300);
  channel::ChannelOptions json, object, binary, cache;
  json.publication_data_format = channel::DataFormat::json;
  object.publication_data_format = channel::DataFormat::json_object;
  binary.publication_data_format = channel::DataFormat::binary;
  cache.history_size = 1;
  cache.history_ttl = std::chrono::seconds(60);
  return std::make_shared<const channel::Namespaces>(std::move(*channel::Namespaces::compile(
      {}, without,
      {{"plain", {}}, {"json", json}, {"obj", object}, {"bin", binary}, {"cache", cache}})));
}

// Everything below the API on one shard, without clients. Made within a turn of the shard.
struct TestNode {
  TestNode(runtime::Shard& shard, net::Sockets& sockets)
      : broker(shard, std::chrono::hours(24)),
        hub(sockets, receivers),
        hubs{&hub},
        homes(shard, broker, hubs),
        parts{{.homes = &homes, .presence = &presence}},
        directory(shard, parts, 1),
        audience(shard, rosters),
        service({.shard = shard,
                 .directory = directory,
                 .audience = audience,
                 .node = {.uid = "u-1", .name = "n", .version = "v", .started = shard.now()},
                 .moderation = &moderation,
                 .user_statuses = &user_statuses,
                 .connections_max = 10},
                recorded_namespaces()) {}

  engine::memory::MemoryBroker broker;
  engine::memory::MemoryPresenceStore presence;
  NoReceivers receivers;
  hub::LocalHub hub;
  std::vector<hub::LocalHub*> hubs;
  hub::Homes homes;
  std::vector<hub::HomeParts> parts;
  hub::Directory directory;
  std::vector<client::Roster*> rosters;
  client::Audience audience;
  client::Moderation moderation{{.entries = 2}};
  client::UserStatuses user_statuses{{}};
  Service service;
};

// Keeps what it is told: "method" for a command, "method error" for an error.
struct TestObserver final : Observer {
  void on_command(Method method, os::Nanos) override { told.emplace_back(name_of(method)); }
  void on_error(Method method, std::string_view error) override {
    told.push_back(std::string(name_of(method)) + " " + std::string(error));
  }
  std::vector<std::string> told;
};

}  // namespace gyre::api
