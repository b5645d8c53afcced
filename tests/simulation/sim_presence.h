#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>

#include "engine/presence_store.h"
#include "runtime/shard.h"
#include "tests/simulation/ledger.h"
#include "tests/simulation/sim_broker.h"

namespace gyre::sim {

// Presence outside of the node, as Redis keeps it: entries that nobody adds again vanish. Shared by
// the stores of all homes.
class SimPresence {
 public:
  SimPresence(SimNetwork& network, Agenda& agenda, BrokerWeather weather, os::Nanos ttl)
      : network_(network), agenda_(agenda), weather_(weather), ttl_(ttl) {}

  void calm() { weather_.refused = 0; }
  // Who is there now.
  std::set<std::string> clients(const std::string& channel) const;
  size_t entries() const;

 private:
  friend class SimPresenceStore;
  struct Entry {
    protocol::ClientInfo info;
    os::Nanos until = 0;
  };
  SimNetwork& network_;
  Agenda& agenda_;
  BrokerWeather weather_;
  const os::Nanos ttl_;
  std::map<std::string, std::map<std::string, Entry>> channels_;
};

// The way of one home to it: a connection that is slow and keeps its order, there and back. Owned
// by the home's NodeShard.
class SimPresenceStore final : public engine::PresenceStore {
 public:
  SimPresenceStore(runtime::Shard& shard, SimPresence& presence)
      : shard_(shard), presence_(presence) {}
  void die() { is_dead_ = true; }

  bool forgets() const override { return true; }
  runtime::Task<Result<void>> add(std::string channel, protocol::ClientInfo info) override;
  runtime::Task<Result<void>> remove(std::string channel, std::string client) override;
  runtime::Task<Result<engine::MemberList>> list(std::string channel) override;
  runtime::Task<Result<engine::MemberPage>> page(std::string channel, std::string cursor,
                                                 size_t limit) override;
  runtime::Task<Result<engine::PresenceStats>> stats(std::string channel) override;

 private:
  class Trip;
  bool is_refused() const { return presence_.network_.chance(presence_.weather_.refused); }

  runtime::Shard& shard_;
  SimPresence& presence_;
  bool is_dead_ = false;
  os::Nanos line_free_[2] = {};  // there, back
};

}  // namespace gyre::sim
