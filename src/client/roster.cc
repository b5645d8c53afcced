#include "client/roster.h"

#include <algorithm>

#include "base/fault_points.h"
#include "base/hash.h"
#include "client/census.h"
#include "client/session.h"

namespace gyre::client {

namespace {

// Keeps a session until the end of the turn in which it was closed: callers up the stack may still
// be inside of it.
struct Farewell final : runtime::Mortal {
  explicit Farewell(Ref<Session> closed) : session(std::move(closed)) {}
  Ref<Session> session;
};

// So many sessions are seen to, some milliseconds' worth, before others have their turn.
constexpr size_t kSessionsPerSlice = 256;
constexpr size_t kUsersPerSlice = 1000;
// The same for telling of them, in names of channels; a session is as much work as some of those.
constexpr size_t kWorkPerSlice = 4096;
constexpr size_t kWorkPerSession = 8;

template <class Act>
runtime::Task<void> in_slices(std::vector<Ref<Session>> sessions, Act act) {
  for (size_t i = 0; i < sessions.size(); ++i) {
    if (i > 0 && i % kSessionsPerSlice == 0) co_await runtime::Yield();
    act(*sessions[i]);
  }
}

bool is_spared(const Target& target, const Session& session) {
  return !target.spared.empty() &&
         std::ranges::find(target.spared, session.id().text()) != target.spared.end();
}

}  // namespace

uint64_t Roster::ClientAccess::hash(uint32_t outlet) const {
  return (*by_outlet)[outlet]->id().hash();
}
bool Roster::ClientAccess::equals(uint32_t outlet, const ClientId& id) const {
  return (*by_outlet)[outlet]->id() == id;
}
uint32_t& Roster::ClientAccess::link(uint32_t outlet) const {
  return (*by_outlet)[outlet]->place().same_bucket;
}

Roster::Roster() : by_user_(UserAccess{&users_}), by_client_(ClientAccess{&by_outlet_}) {}
Roster::~Roster() = default;

void Roster::start(Services& services) {
  services_ = &services;
  services.shard.kernel().random(&seed_, sizeof(seed_));
}

RosterPlace& Roster::place(uint32_t outlet) {
  return by_outlet_[outlet]->place();
}

Session& Roster::open(net::SocketHandle socket, std::unique_ptr<Transport> transport,
                      std::string_view header_user, proxy::Headers headers) {
  check_shard();
  if (socket.slot >= by_outlet_.size()) by_outlet_.resize(socket.slot + 1);
  by_outlet_[socket.slot] =
      make_ref<Session>(*services_, socket, std::move(transport), header_user, std::move(headers));
  ++sessions_;
  return *by_outlet_[socket.slot];
}

bool Roster::wants_header(std::string_view name) const {
  return services_->proxies && services_->proxies->definitions().wants_header(name);
}

void Roster::admit(Session& session, std::string_view user) {
  check_shard();
  const uint64_t hash = hash_text(user, seed_);
  uint32_t slot = by_user_.find(user, hash);
  if (slot == RosterPlace::kNone) {
    slot = users_.emplace(user, hash);
    by_user_.insert(slot, hash);
  }
  const uint32_t outlet = session.outlet();
  RosterPlace& its = session.place();
  its.user = slot;
  its.next = users_[slot].first;
  if (its.next != RosterPlace::kNone) place(its.next).previous = outlet;
  users_[slot].first = outlet;
  ++users_[slot].count;
  by_client_.insert(outlet, session.id().hash());
  services_->metrics.actions[metrics::Action::add_client].add();
  services_->metrics.num_clients.set(static_cast<int64_t>(by_client_.size()));
}

void Roster::withdraw(Session& session) {
  RosterPlace& its = session.place();
  if (its.user == RosterPlace::kNone) return;
  by_client_.erase(session.outlet(), session.id().hash());
  services_->metrics.actions[metrics::Action::remove_client].add();
  services_->metrics.num_clients.set(static_cast<int64_t>(by_client_.size()));
  User& user = users_[its.user];
  (its.previous == RosterPlace::kNone ? user.first : place(its.previous).next) = its.next;
  if (its.next != RosterPlace::kNone && !GYRE_PLANTED(user_list_loses_predecessor)) {
    place(its.next).previous = its.previous;
  }
  if (--user.count == 0) {
    by_user_.erase(its.user, user.hash);
    users_.erase(its.user);
  }
  its = RosterPlace();
}

void Roster::remove(Session& session) {
  check_shard();
  withdraw(session);
  --sessions_;
  services_->shard.bury(std::make_unique<Farewell>(std::move(by_outlet_[session.outlet()])));
}

std::string_view Roster::user_name(const RosterPlace& place) const {
  return place.user == RosterPlace::kNone ? std::string_view() : users_[place.user].name;
}

std::vector<Ref<Session>> Roster::matching(const Target& target) const {
  std::vector<Ref<Session>> result;
  // Only emulated and unidirectional connections have session ids; there are none of them yet.
  if (!target.session.empty()) return result;
  if (!target.client.empty()) {
    const std::optional<ClientId> id = ClientId::parse(target.client);
    if (!id) return result;
    const uint32_t outlet = by_client_.find(*id, id->hash());
    if (outlet == RosterPlace::kNone) return result;
    const Ref<Session>& session = by_outlet_[outlet];
    if (session->user() == target.user && !is_spared(target, *session)) result.push_back(session);
    return result;
  }
  const uint32_t slot = by_user_.find(target.user, hash_text(target.user, seed_));
  if (slot == RosterPlace::kNone) return result;
  for (uint32_t at = users_[slot].first; at != RosterPlace::kNone;
       at = by_outlet_[at]->place().next) {
    if (!is_spared(target, *by_outlet_[at])) result.push_back(by_outlet_[at]);
  }
  return result;
}

runtime::Task<Result<void>> Roster::subscribe(Target target, SubscribeOrder order) {
  Result<void> result;
  for (Ref<Session>& session : matching(target)) {
    Result<void> one = co_await Session::subscribe_by_server(session, order);
    if (!one && result) result = std::move(one);
  }
  co_return result;
}

runtime::Task<void> Roster::unsubscribe(const Target& target, std::string channel,
                                        protocol::Unsubscribe reason) {
  return in_slices(matching(target),
                   [channel = std::move(channel), reason = std::move(reason)](Session& session) {
                     session.unsubscribe_by_server(channel, reason);
                   });
}

runtime::Task<void> Roster::disconnect(const Target& target, protocol::Disconnect reason) {
  return in_slices(matching(target),
                   [reason = std::move(reason)](Session& session) { session.close(reason); });
}

runtime::Task<void> Roster::refresh(const Target& target, RefreshOrder order) {
  return in_slices(matching(target), [order = std::move(order)](Session& session) {
    session.refresh_by_server(order);
  });
}

runtime::Task<void> Roster::end_what_is_revoked(std::optional<std::string> user) {
  if (user) {
    co_return co_await in_slices(
        matching({.user = std::move(*user), .client = {}, .session = {}, .spared = {}}),
        [](Session& session) { session.end_what_is_revoked(); });
  }
  for (size_t outlet = 0; outlet < by_outlet_.size(); ++outlet) {
    if (outlet > 0 && outlet % kSessionsPerSlice == 0) co_await runtime::Yield();
    if (by_outlet_[outlet]) by_outlet_[outlet]->end_what_is_revoked();
  }
}

runtime::Task<Result<std::vector<ConnectionFacts>>> Roster::connections(
    std::optional<std::string> user, AnswerRoom room) {
  check_shard();
  std::vector<Ref<Session>> chosen;
  if (user) {
    chosen = matching({.user = std::move(*user), .client = {}, .session = {}, .spared = {}});
  }
  std::vector<ConnectionFacts> result;
  size_t work = 0;
  // Not a walk over a copy of the list: with all connections that would be a long turn by itself.
  for (size_t i = 0; i < (user ? chosen.size() : by_outlet_.size()); ++i) {
    const Ref<Session>& session = user ? chosen[i] : by_outlet_[i];
    std::optional<ConnectionFacts> facts = session ? session->facts() : std::nullopt;
    work += 1 + (facts ? kWorkPerSession + facts->channels.size() : 0);
    if (facts) {
      if (!room.take(*facts)) co_return fail(Errc::too_large, "too many connections");
      result.push_back(std::move(*facts));
    }
    if (work < kWorkPerSlice) continue;
    work = 0;
    co_await runtime::Yield();
  }
  co_return result;
}

runtime::Task<std::vector<bool>> Roster::are_online(
    std::shared_ptr<const std::vector<std::string>> users) {
  check_shard();
  std::vector<bool> result;
  for (const std::string& user : *users) {
    if (!result.empty() && result.size() % kUsersPerSlice == 0) co_await runtime::Yield();
    result.push_back(by_user_.find(user, hash_text(user, seed_)) != RosterPlace::kNone);
  }
  co_return result;
}

runtime::Task<void> Roster::drain(protocol::Disconnect reason, os::Nanos time) {
  const auto all = static_cast<os::Nanos>(std::max<size_t>(sessions_, 1));
  const os::Nanos began = services_->shard.now();
  os::Nanos closed = 0;
  for (size_t outlet = 0; outlet < by_outlet_.size(); ++outlet) {
    if (!by_outlet_[outlet]) continue;
    by_outlet_[outlet]->close(reason);
    const os::Nanos due = began + time / all * ++closed;
    if (due > services_->shard.now()) {
      co_await runtime::SleepUntil(due);
    } else if (closed % kSessionsPerSlice == 0) {
      co_await runtime::Yield();
    }
  }
}

std::vector<std::pair<std::string, uint32_t>> Roster::channels(const Glob* filter) const {
  std::vector<std::pair<std::string, uint32_t>> result;
  services_->hub.for_each([&](std::string_view name, size_t receivers) {
    if (receivers > 0 && (!filter || filter->matches(name))) {
      result.emplace_back(name, static_cast<uint32_t>(receivers));
    }
  });
  return result;
}

Totals Roster::totals() const {
  // A channel is counted where it is at home, a user where the census has it: once on this node.
  return {.clients = by_client_.size(),
          .users = services_->census.users(),
          .channels = services_->directory.channels_at_home(),
          .subscriptions = services_->hub.subscriptions()};
}

void Roster::on_unencodable(uint32_t outlet) {
  // An earlier one of these calls may have closed it; the same below.
  if (by_outlet_[outlet]) by_outlet_[outlet]->close(protocol::disconnects::kInappropriateProtocol);
}

void Roster::on_lost(hub::ChannelSlot channel, uint32_t outlet) {
  if (by_outlet_[outlet]) by_outlet_[outlet]->on_lost(channel);
}

void Roster::on_moved(hub::ChannelSlot channel, uint32_t outlet, uint32_t index) {
  by_outlet_[outlet]->on_moved(channel, index);
}

void Roster::on_unused(std::string_view channel) {
  if (services_->wildcards && services_->wildcards->is_wildcard(channel)) {
    services_->wildcards->leave(channel);
  } else {
    services_->directory.leave(channel);
  }
}

}  // namespace gyre::client
