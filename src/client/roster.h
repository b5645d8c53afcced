#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ref.h"
#include "base/slab.h"
#include "base/slot_index.h"
#include "client/audience.h"
#include "client/client_id.h"
#include "client/services.h"
#include "client/transport.h"
#include "hub/local_hub.h"
#include "runtime/shard_bound.h"

namespace gyre::client {

class Session;

// Where a session stands in its shard's roster.
struct RosterPlace {
  static constexpr uint32_t kNone = UINT32_MAX;
  uint32_t user = kNone;  // slot of the user; none: not admitted
  uint32_t next = kNone;  // the user's other sessions, by outlet
  uint32_t previous = kNone;
  uint32_t same_bucket = kNone;  // in the index by client id
};

// All sessions of one shard: by outlet from the moment that the transport is open, by user and
// client id once they are admitted. Owned by the shard's assembly. Operations of the server API
// arrive here (client::Audience), and what the hub has to tell of its receivers.
class Roster final : public hub::ReceiverEvents, runtime::ShardBound {
 public:
  Roster();
  ~Roster() override;
  // Once, before the first session.
  void start(Services& services);

  // A new connection, which must authenticate yet. `header_user`: the user that a trusted proxy has
  // named (client.user_id_http_header), empty if none. `headers`: of the request that has opened
  // the connection, those that backends want.
  Session& open(net::SocketHandle socket, std::unique_ptr<Transport> transport,
                std::string_view header_user, proxy::Headers headers = {});
  // Whether a backend wants that header of a connection's request.
  bool wants_header(std::string_view name) const;
  // From now on the session is the user's, and operations find it.
  void admit(Session& session, std::string_view user);
  // It is not found any more, but lives on.
  void withdraw(Session& session);
  // It is closed; destroyed when nothing of this turn and no coroutine needs it any more.
  void remove(Session& session);

  std::string_view user_name(const RosterPlace& place) const;

  // --- Operations of the server API on this shard's sessions; of very many some at a time.
  runtime::Task<Result<void>> subscribe(Target target, SubscribeOrder order);
  runtime::Task<void> unsubscribe(const Target& target, std::string channel,
                                  protocol::Unsubscribe reason);
  runtime::Task<void> disconnect(const Target& target, protocol::Disconnect reason);
  runtime::Task<void> refresh(const Target& target, RefreshOrder order);
  // Ends what has come with tokens that are revoked: of the user, or without one of anybody.
  runtime::Task<void> end_what_is_revoked(std::optional<std::string> user);
  // Of the user's connections, or without one of all (see Audience).
  runtime::Task<Result<std::vector<ConnectionFacts>>> connections(std::optional<std::string> user,
                                                                  AnswerRoom room);
  runtime::Task<std::vector<bool>> are_online(
      std::shared_ptr<const std::vector<std::string>> users);
  // Ends all connections, evenly over so much time: those of a whole node that come back at once
  // would be a storm for the others.
  runtime::Task<void> drain(protocol::Disconnect reason, os::Nanos time);

  std::vector<std::pair<std::string, uint32_t>> channels(const Glob* filter) const;
  Totals totals() const;
  size_t sessions() const { return sessions_; }
  size_t clients() const { return by_client_.size(); }

  // --- hub::ReceiverEvents
  void on_unencodable(uint32_t outlet) override;
  void on_lost(hub::ChannelSlot channel, uint32_t outlet) override;
  void on_moved(hub::ChannelSlot channel, uint32_t outlet, uint32_t index) override;
  void on_unused(std::string_view channel) override;

 private:
  struct User {
    User(std::string_view user_name, uint64_t name_hash) : name(user_name), hash(name_hash) {}
    std::string name;
    uint64_t hash;
    uint32_t first = RosterPlace::kNone;  // outlet of a session
    uint32_t count = 0;
    uint32_t link = RosterPlace::kNone;
  };
  struct UserAccess {
    Slab<User>* users;
    uint64_t hash(uint32_t slot) const { return (*users)[slot].hash; }
    bool equals(uint32_t slot, std::string_view name) const { return (*users)[slot].name == name; }
    uint32_t& link(uint32_t slot) const { return (*users)[slot].link; }
  };
  struct ClientAccess {
    std::vector<Ref<Session>>* by_outlet;
    uint64_t hash(uint32_t outlet) const;
    bool equals(uint32_t outlet, const ClientId& id) const;
    uint32_t& link(uint32_t outlet) const;
  };
  RosterPlace& place(uint32_t outlet);
  std::vector<Ref<Session>> matching(const Target& target) const;

  Services* services_ = nullptr;
  uint64_t seed_ = 0;
  std::vector<Ref<Session>> by_outlet_;
  size_t sessions_ = 0;
  Slab<User> users_;
  SlotIndex<UserAccess> by_user_;
  SlotIndex<ClientAccess> by_client_;
};

}  // namespace gyre::client
