#pragma once

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/fault_points.h"
#include "tests/simulation/api_client.h"
#include "tests/simulation/attendance.h"
#include "tests/simulation/bans.h"
#include "tests/simulation/scenario.h"
#include "tests/simulation/sdk_client.h"
#include "tests/simulation/sim_backend.h"
#include "tests/simulation/sim_node.h"

namespace gyre::sim {

// Which fault points this world has at work, and how often each strikes.
class SeededFaults final : public fault::Chooser {
 public:
  explicit SeededFaults(SimNetwork& network) : network_(network) {
    for (uint32_t& chance : chances_) {
      if (network_.chance(300)) chance = static_cast<uint32_t>(10 + network_.below(300));
    }
    // Whoever is told all the time that everything is gone learns nothing else.
    uint32_t& epochs = chances_[static_cast<size_t>(fault::Point::new_epoch)];
    epochs = epochs > 0 ? 2 : 0;
  }
  bool strikes(fault::Point point) override {
    const uint32_t chance = chances_[static_cast<size_t>(point)];
    return chance > 0 && is_active_ && network_.chance(chance);
  }
  void calm() { is_active_ = false; }
  bool may_strike(fault::Point point) const {
    return fault::kCompiledIn && chances_[static_cast<size_t>(point)] > 0;
  }

 private:
  SimNetwork& network_;
  std::array<uint32_t, std::size(fault::kPoints)> chances_{};
  bool is_active_ = true;
};

// One run: see ScenarioOptions. What it is made of is in scenario.cc and, as to backends, in
// scenario_backend.cc, what happens in scenario_acts.cc and scenario_moderation.cc, what must be
// true in scenario_checks.cc.
class Scenario {
 public:
  explicit Scenario(const ScenarioOptions& options);
  ScenarioResult run();
  fault::Chooser* faults() { return options_.faults && fault::kCompiledIn ? &faults_ : nullptr; }

 private:
  using Engine = ScenarioOptions::Engine;
  using Namespace = std::pair<std::string, channel::ChannelOptions>;

  // --- What there is (scenario.cc)
  void choose_channels();
  void add_channels(const ChannelKind& kind, size_t count);
  void restrict(ChannelKind& kind);
  void add_token_channels();
  void add_wildcards();
  void add_user_channels();
  channel::ChannelOptions options_of(const ChannelKind& kind);
  static std::shared_ptr<const channel::DeliveryRule> delivery_rule(bool may_lose);
  void choose_settings();
  app::NodeOptions node_options() const;
  void make_world_outside();
  void start_node();
  void start_clients();
  std::function<bool(const std::string& user, os::Nanos asked)> displacement(size_t index) const;
  ScenarioResult result();

  // --- Backends (scenario_backend.cc)
  // What the seed has of them; decided first, since channels depend on it.
  struct Proxied {
    bool connect = false;
    bool refresh = false;
    bool subscribe = false;  // and publish, in the channels of one namespace
    bool sub_refresh = false;
    bool rpc = false;
    bool any() const { return connect || refresh || subscribe || rpc; }
  };
  void choose_proxies();
  void add_ruled_channels();
  std::shared_ptr<const proxy::Definitions> proxies() const;
  void make_backend();
  // See SimBackend::Watch.
  uint64_t watch(const std::string& client, const std::string& channel) const;
  void check_rulings();

  // --- What happens (scenario_acts.cc)
  void plan();
  void plan_for(SdkClient& client);
  void act(SdkClient& client);
  void act_on_wildcard(SdkClient& client);
  void act_on_wildcard_by_api(const SdkClient& client);
  void plan_api();
  void act_by_api();
  void act_on_store();
  void publish_by_api(const std::string& channel, const std::string& text);
  void publish_repeatedly(const std::string& channel, const std::string& text);
  void unsubscribe_by_api(const SdkClient& target, const std::string& channel);
  void disconnect_by_api(const SdkClient& target);
  void subscribe_by_api(const SdkClient& client, const std::string& channel);
  void ask_presence_by_api(const std::string& channel, bool counts_only);

  // --- Who is sent away (scenario_moderation.cc)
  void moderate(const SdkClient& target);
  void moderate_subscription(const SdkClient& target);
  void block_by_api(const std::string& user);
  void unblock_by_api(const std::string& user);
  void unblock_all();
  void revoke_by_api(const SdkClient& target);
  void invalidate_by_api(const std::string& user);
  template <class IsMeant>
  void check_sent_away(const std::string& why, IsMeant is_meant);
  void flood();
  void kill_node();
  void set_clock();
  std::string payload();
  std::string payload(size_t size);
  std::string maybe_tags();

  // --- Time (scenario.cc)
  // Until the virtual time has come, with what the agenda has on the way.
  bool run_for(os::Nanos duration);
  template <class Condition>
  bool run_until(Condition condition, os::Nanos most);
  void bury_ghosts();

  // --- What must be true (scenario_checks.cc)
  void check_step();
  void check_quiet();
  void check_positions();
  void check_presence();
  void check_members();
  void check_single_connections();
  void leave();
  void drain();
  void check_empty();
  std::optional<protocol::StreamPosition> top(const std::string& channel);
  void violation(std::string_view what) { record_.violation("node", what); }

  uint64_t below(uint64_t bound) { return stage_.network().below(bound); }
  bool chance(uint32_t of_1000) { return stage_.network().chance(of_1000); }
  os::Nanos some_time(os::Nanos most) {
    return static_cast<os::Nanos>(below(static_cast<uint64_t>(most)));
  }
  SdkClient& some_client() { return *clients_[below(clients_.size())]; }
  // Any that is not a user's own.
  const ChannelKind& some_channel() { return channels_[below(shared_channels_)]; }
  const ChannelKind& any_channel() { return channels_[below(channels_.size())]; }
  bool is_reliable() const { return options_.engine == Engine::memory; }

  static constexpr os::Nanos kSecond = os::kSecond;
  static constexpr uint16_t kNodePort = 8000;
  static constexpr uint64_t kStepsMax = 1'000'000;
  static constexpr os::Nanos kGhostLife = 20 * kSecond;
  // Of streams, in seconds; a jump of time is longer than this, at times.
  static constexpr int64_t kMetaTtl = 40;

  const ScenarioOptions options_;
  SimStage stage_;
  Record record_;
  Agenda agenda_;
  Ledger ledger_;
  SeededFaults faults_;
  const bool has_floods_;  // more at once than a reader that rests may leave waiting
  const bool has_delivery_rules_;
  const bool kills_nodes_;
  const size_t users_;
  std::vector<Namespace> namespaces_;
  std::vector<ChannelKind> channels_;
  size_t shared_channels_ = 0;  // of them, the first ones; the rest are the users' own
  std::vector<ChannelKind> wildcards_;
  std::string wildcard_rule_;  // allows those of them that it stands for
  std::map<std::string, ChannelKind> kinds_;
  client::Settings settings_;
  Proxied proxied_;
  os::Nanos position_check_delay_ = 0;
  bool engine_fails_ = false;  // at times: what was to end may not have begun
  std::unique_ptr<SimStore> store_;
  std::unique_ptr<SimPresence> presence_;
  std::unique_ptr<SimBackend> backend_;
  std::unique_ptr<Attendance> attendance_;
  Bans bans_;
  bool has_moderation_ = false;
  os::Nanos killed_at_ = 0;  // the last node
  std::unique_ptr<SimNode> node_;
  std::vector<std::unique_ptr<SimNode>> ghosts_;
  std::vector<std::unique_ptr<SdkClient>> clients_;
  std::unique_ptr<ApiClient> api_;
  bool is_active_ = true;
  bool is_up_ = true;
  uint64_t next_payload_ = 1;
};

}  // namespace gyre::sim
