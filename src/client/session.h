#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/ref.h"
#include "channel/permissions.h"
#include "client/capabilities.h"
#include "client/client_id.h"
#include "client/command_box.h"
#include "client/connection_facts.h"
#include "client/counting.h"
#include "client/moderation.h"
#include "client/refusal.h"
#include "client/reply_size.h"
#include "client/roster.h"
#include "client/services.h"
#include "client/subscription.h"
#include "client/transport.h"
#include "protocol/encoder.h"
#include "runtime/latch.h"
#include "runtime/timer_wheel.h"

namespace gyre::client {

// One connected client: authentication, subscriptions, commands and their answers, and everything
// that happens by time (spec connection-lifecycle.md). Owned by its shard's Roster until it is
// closed, then by the coroutines that still work for it; after each wait they ask `is_open`.
//
// An idle one is these bytes, its transport's, and its subscriptions: a field here is a decision.
class Session final : public LocalCounted, runtime::Timer {
 public:
  Session(Services& services, net::SocketHandle socket, std::unique_ptr<Transport> transport,
          std::string_view header_user, proxy::Headers headers);
  ~Session() override;

  bool is_open() const { return state_ != State::closed; }
  const ClientId& id() const { return id_; }
  std::string_view user() const { return services_.roster.user_name(place_); }
  uint32_t outlet() const { return socket_.slot; }
  RosterPlace& place() { return place_; }

  // --- From the transport.
  // The frame may be looked at until the call returns.
  void receive(std::string_view frame);
  void on_slow() { close(protocol::disconnects::kSlow, Transport::Output::drop); }
  // What was sent has left, after a clog: commands that waited for that go on.
  void on_flushed();
  // The connection has ended by itself.
  void on_transport_ended() { end(); }

  // Ends the connection. Nothing happens to one that is closed.
  void close(const protocol::Disconnect& reason,
             Transport::Output output = Transport::Output::send);

  // --- From the roster.
  void on_lost(hub::ChannelSlot channel);
  void on_moved(hub::ChannelSlot channel, uint32_t index);
  static runtime::Task<Result<void>> subscribe_by_server(Ref<Session> self, SubscribeOrder order);
  void unsubscribe_by_server(std::string_view channel, const protocol::Unsubscribe& reason);
  void refresh_by_server(const RefreshOrder& order);
  // Ends the connection or those of its subscriptions whose tokens have been revoked.
  void end_what_is_revoked();
  // What the server API is told of the connection; nothing unless it is connected.
  std::optional<ConnectionFacts> facts() const;

 private:
  enum class State : uint8_t {
    fresh,       // nothing but `connect` is welcome
    connecting,  // `connect` is in work
    connected,
    refused,  // `connect` got an error; nothing is listened to any more
    closed,
  };
  enum Flag : uint8_t {
    kPingUnanswered = 1,
    kProcessing = 2,  // inside of `process`
    kCounted = 4,     // in the census
    kPaused = 8,      // not read from, as the backlog is long
    kNamed = 16,      // the client has told its name, for metrics
    kVersioned = 32,
    kConnected = 64,    // has been, so that it counts
    kIdentified = 128,  // has shown who it is, and waits for the rest of its `connect`
  };
  // What few sessions have, or few for long.
  struct Rare {
    std::string header_user;
    std::string conn_info;
    std::string meta;
    std::unique_ptr<proxy::ClientHeaders> headers;  // for backends; null: none
    // Of the tokens that the connection and its subscriptions have come with, where tokens can be
    // revoked or told of at all.
    std::optional<TokenMark> token;
    std::vector<std::pair<hub::ChannelSlot, TokenMark>> subscription_tokens;
    std::unique_ptr<const Capabilities> capabilities;  // null: there are none
    std::unique_ptr<Introduction> introduction;        // null: nobody is told of it
    // A frame behind a command in work, and how much of it has been processed.
    struct Waiting {
      std::string bytes;
      size_t begin = 0;
      size_t cost() const { return sizeof(Waiting) + bytes.size(); }
    };
    std::list<Waiting> backlog;  // which takes no memory while it is empty
    size_t backlog_cost = 0;
    // Waits for a join, until it has waited too long.
    struct WaitingUnsubscribe {
      hub::ChannelSlot channel;
      uint32_t id;
      uint32_t due;
    };
    std::vector<WaitingUnsubscribe> unsubscribes;  // by age, so that the first is due first
  };
  class Joining;
  struct SubscribePlan;
  struct Identity;
  struct ServerSide;
  using Handler = runtime::Task<Answer<void>> (Session::*)(const CommandBox& box);

  // --- Input (session.cc)
  // They are no commands in work, so nothing else bounds them.
  static constexpr size_t kWaitingUnsubscribesMax = 128;
  uint32_t concurrency() const;
  bool is_busy() const {
    return in_flight_ >= concurrency() || state_ == State::connecting ||
           (rare_ && rare_->unsubscribes.size() >= kWaitingUnsubscribesMax) || is_clogged();
  }
  bool is_clogged() const;
  std::string_view process(std::string_view frame);
  void hold_back(std::string_view frame);
  void catch_up();
  void resume();
  // Nothing is listened to any more.
  void drop_backlog();
  void handle(const protocol::Command& command, std::string_view bytes);
  // Counts a command that begins; true if it is one too many, and must be refused.
  bool is_too_fast(protocol::RequestKind kind, std::string_view user);
  void start(const protocol::Command& command, std::string_view bytes, Handler handler);
  static runtime::Task<void> serve(Ref<Session> self, CommandBox box, protocol::RequestKind kind,
                                   Handler handler);
  void on_pong();

  // --- Output (session.cc)
  protocol::Encoding encoding() const { return transport_->traits().encoding; }
  void send(metrics::FrameType type, std::string_view message);
  void count_received(metrics::FrameType type, size_t bytes);
  void count_sent(metrics::FrameType type, size_t bytes);
  template <class Result>
  void reply(uint32_t id, const Result& result);
  void refuse(uint32_t id, protocol::RequestKind kind, const Refusal& refusal);
  void push_unsubscribe(std::string_view channel, const protocol::Unsubscribe& reason);

  // --- Time (duties.cc)
  static uint32_t ticks(os::Nanos time);
  uint32_t due_in(os::Nanos delay) const;
  void arm();
  void on_timer() override;
  void on_end_due();
  void send_ping();
  os::Nanos spread(os::Nanos interval) const;
  void start_duties();
  void start_presence_ticks();
  void await_leaving();
  void await_join(hub::ChannelSlot channel, uint32_t id);
  uint32_t unsubscribe_due() const {
    return rare_ && !rare_->unsubscribes.empty() ? rare_->unsubscribes.front().due : 0;
  }
  void expire_at(std::optional<int64_t> unix_second);
  uint32_t next_presence_tick(uint32_t due) const;
  void on_presence_tick(uint32_t due);

  // --- Commands (commands/*.cc)
  runtime::Task<Answer<void>> connect(const CommandBox& box);
  // What a token's key is in. Once more if the verifier has been replaced meanwhile (a reload), and
  // the new one looks for keys elsewhere. Error 100: it cannot be had now.
  runtime::Task<Answer<void>> load_key_sets(
      const std::unique_ptr<const auth::TokenVerifier>& verifier, std::string token);
  void keep_emulated_headers(const protocol::ConnectRequest& request);
  runtime::Task<Answer<std::optional<proxy::ConnectResult>>> ask_to_connect(
      const protocol::ConnectRequest& request);
  Answer<void> authenticate(const protocol::ConnectRequest& request,
                            std::optional<proxy::ConnectResult> granted, Identity& identity,
                            std::vector<ServerSide>& subs);
  Answer<void> authenticate_by_backend(proxy::ConnectResult granted, Identity& identity,
                                       std::vector<ServerSide>& subs) const;
  Answer<void> authenticate_by_token(std::string_view token, Identity& identity,
                                     std::vector<ServerSide>& subs);
  Answer<void> add_wishes(const protocol::ConnectRequest& request, const Identity& identity,
                          std::vector<ServerSide>& subs) const;
  Answer<void> add_personal_channel(Identity& identity, std::vector<ServerSide>& subs) const;
  runtime::Task<Answer<void>> displace_others(std::string user, std::string channel);
  runtime::Task<Answer<void>> admit(const Identity& identity);
  runtime::Task<Answer<void>> join_all(std::vector<ServerSide>& subs);
  static runtime::Task<void> join_one(Ref<Session> self, ServerSide* one, runtime::Latch* latch);
  void reply_connected(uint32_t id, const Identity& identity, std::vector<ServerSide>& subs);
  void refuse_connect(uint32_t id, const protocol::ClientError& error);

  runtime::Task<Answer<void>> subscribe(const CommandBox& box);
  Answer<channel::Resolved> check_subscribe(const Settings& settings,
                                            const protocol::SubscribeRequest& request) const;
  static SubscribePlan plan_by_namespace(std::string_view channel,
                                         const channel::ChannelOptions& options);
  Answer<SubscribePlan> plan_subscribe(const protocol::SubscribeRequest& request,
                                       const channel::Resolved& resolved) const;
  static Source source_of(channel::Ground ground);
  static void grant(const auth::SubscriptionOptions& granted, SubscribePlan& plan);
  struct Wishes;
  static Answer<void> grant_wishes(const channel::Resolved& resolved, const Wishes& wishes,
                                   const channel::Requester& who, SubscribePlan& plan);
  Answer<void> allow(const proxy::Allow& allow, const protocol::SubscribeRequest& request,
                     const channel::Resolved& resolved, SubscribePlan& plan) const;
  runtime::Task<Answer<void>> ask_to_subscribe(const protocol::SubscribeRequest& request,
                                               const channel::Resolved& resolved,
                                               SubscribePlan& plan);
  // commands/subscribe_stream.cc
  runtime::Task<Answer<void>> open_stream(const protocol::SubscribeRequest& request,
                                          const channel::Resolved& resolved, SubscribePlan& plan,
                                          proxy::StreamRef& stream);
  void start_following(const std::string& channel, proxy::StreamRef stream);
  static runtime::Task<void> follow(Ref<Session> self, std::string channel, hub::ChannelSlot slot,
                                    proxy::StreamRef stream);
  void push_streamed(const protocol::PushChannel& channel, proxy::StreamPublication publication);
  Answer<void> publish_to_stream(const protocol::PublishRequest& request,
                                 const channel::ChannelOptions& options);
  Answer<void> finish_plan(const protocol::SubscribeRequest& request,
                           const channel::ChannelOptions& options, SubscribePlan& plan) const;
  Answer<auth::Claims> verify_token(const protocol::SubscribeRequest& request) const;
  bool is_token_ours(const auth::SubscribeToken& token, std::string_view channel) const;
  SubscribePlan plan_server_side(const channel::ChannelName& name,
                                 const channel::ChannelOptions& options,
                                 const auth::SubscriptionOptions& wanted) const;
  runtime::Task<Answer<hub::Joined>> join(const SubscribePlan& plan, Joining& joining);
  runtime::Task<Answer<hub::Joined>> join_wildcard(const SubscribePlan& plan, bool is_listening);
  protocol::SubscribeResult describe(const SubscribePlan& plan, const hub::Joined& joined) const;
  // 0: the client knows the channel by its name alone.
  int64_t push_id(const Subscription& subscription) const;
  Answer<void> plan_filter(const protocol::SubscribeRequest& request,
                           const channel::ChannelOptions& options, SubscribePlan& plan) const;
  static void plan_recovery(const channel::ChannelOptions& options, bool is_asked,
                            protocol::StreamPosition since, SubscribePlan& plan);
  void count_recovery(const SubscribePlan& plan, const hub::Joined& joined);
  static runtime::Task<Result<void>> join_by_server(Ref<Session> self, SubscribeOrder order);
  void push_subscribed(const SubscribePlan& plan, const hub::Joined& joined);
  void unsubscribe(uint32_t id, std::string_view channel);

  void publish(const protocol::Command& command, std::string_view bytes);
  Answer<channel::Resolved> check_publish(const Settings& settings,
                                          const protocol::PublishRequest& request) const;
  Answer<engine::PublishRequest> prepare_publish(const protocol::PublishRequest& request,
                                                 const channel::Resolved& resolved) const;
  runtime::Task<Answer<void>> publish_by_backend(const CommandBox& box);
  static runtime::Task<void> publish_elsewhere(Ref<Session> self, uint32_t id,
                                               engine::PublishRequest request);
  void finish_publish(uint32_t id, os::Nanos began, const Answer<void>& answer);
  runtime::Task<Answer<void>> history(const CommandBox& box);
  runtime::Task<Answer<void>> presence(const CommandBox& box);
  runtime::Task<Answer<void>> presence_stats(const CommandBox& box);
  void rpc(const protocol::Command& command, std::string_view bytes);
  void update_user_status(uint32_t id);
  runtime::Task<Answer<void>> rpc_by_backend(const CommandBox& box);
  void refresh(uint32_t id, std::string_view token);
  runtime::Task<Answer<void>> refresh_with_key_set(const CommandBox& box);
  Answer<void> apply_refresh(std::string_view token, protocol::RefreshResult& result);
  static runtime::Task<void> refresh_by_backend(Ref<Session> self);
  void apply_refresh(Result<proxy::Response<proxy::RefreshResult>> asked);
  bool has_other_token_channels(const auth::Claims& claims) const;
  void sub_refresh(uint32_t id, const protocol::SubRefreshRequest& request);
  runtime::Task<Answer<void>> sub_refresh_with_key_set(const CommandBox& box);
  Answer<void> apply_sub_refresh(const protocol::SubRefreshRequest& request,
                                 protocol::SubRefreshResult& result);
  static runtime::Task<void> sub_refresh_by_backend(Ref<Session> self, std::string channel,
                                                    uint32_t expires_at);
  void apply_sub_refresh(Subscription& subscription,
                         const Result<proxy::Response<proxy::SubRefreshResult>>& asked);
  void end_expired(Subscription& subscription);

  // --- Subscriptions (subscriptions.cc)
  Subscription* find(hub::ChannelSlot channel);
  Subscription* find(std::string_view channel);
  const Subscription* find(std::string_view channel) const {
    return const_cast<Session*>(this)->find(channel);
  }
  // Ends the subscription, which must be live, in hub and presence; tells nobody.
  void detach(Subscription& subscription,
              void (hub::LocalHub::*leave)(hub::ChannelSlot, uint32_t) = &hub::LocalHub::remove);
  void forget(Subscription& subscription);
  // What others see of a subscription's end: taken down before it ends, told when it has.
  struct Parting {
    std::string channel;
    protocol::AnnouncementRef leave;  // null if nobody is told
    bool was_present = false;
  };
  Parting parting(const Subscription& subscription) const;
  void tell(Parting parting);
  void announce_join(const SubscribePlan& plan);
  static uint8_t receiver_flags(const SubscribePlan& plan, const hub::Joined& joined);
  void withdraw_presence(hub::ChannelSlot channel);
  void renew_presence(const Subscription& subscription);
  void set_conn_info(std::string_view told);
  void set_chan_info(Subscription& subscription, std::string_view told);
  protocol::ClientInfo info(const Subscription* subscription) const;
  protocol::ClientInfo info(std::string_view chan_info) const;
  channel::Requester requester(std::string_view channel) const;
  // What commands with a channel check first; only a subscribe may be for a wildcard.
  Answer<channel::Resolved> resolve(const Settings& settings, std::string_view channel,
                                    bool may_be_wildcard = false) const;

  // The backend that is asked about an event; null if there is none.
  proxy::Backend* backend(proxy::Event event, std::string_view name = proxy::kDefaultName) const {
    return services_.proxies ? services_.proxies->find(event, name) : nullptr;
  }
  proxy::Caller caller() const;

  // --- What the server API is told (connection_facts.cc)
  void introduce(const protocol::ConnectRequest& request);
  // The user has had a connection until now.
  void note_online() const;

  // --- Capabilities that tokens and backends give (rights.cc)
  // Those of the connection, in place of earlier ones. Fails, and leaves these, if a pattern is not
  // what it should be.
  Result<void> keep_capabilities(std::vector<auth::Capability> given);
  // The same of a backend's answer. False: it is as good as none, and that has been told.
  bool keep_capabilities_of(proxy::Backend& backend, proxy::Capabilities caps);
  channel::Rights rights(std::string_view channel) const;
  // Ends the subscriptions that there are only because of capabilities which have gone.
  void end_what_is_not_granted();

  // --- Users that are blocked and tokens that are revoked (revocation.cc)
  bool keeps_tokens() const { return services_.moderation || services_.tells_of_connections; }
  static TokenMark mark_of(const auth::Claims& claims);
  // Whether the token, of the connection or a subscription, counts no more; it is for the user.
  bool is_revoked(const auth::Claims& claims, std::string_view user) const;
  Answer<void> check_moderation(std::string_view user) const;
  void keep_token(const auth::Claims& claims);
  void keep_token(hub::ChannelSlot channel, const auth::Claims& claims);
  void forget_token(hub::ChannelSlot channel);

  bool has_waiting_unsubscribe(hub::ChannelSlot channel) const;
  void answer_waiting_unsubscribes(hub::ChannelSlot channel);

  metrics::ShardMetrics::Connections& connections() const;
  metrics::ClientName client_name() const;
  size_t live_subscriptions() const;
  void end();
  Rare& rare();
  std::string_view conn_info() const { return rare_ ? std::string_view(rare_->conn_info) : ""; }

  Services& services_;
  const std::unique_ptr<Transport> transport_;
  std::unique_ptr<Rare> rare_;
  std::vector<Subscription> subscriptions_;
  const net::SocketHandle socket_;
  const ClientId id_;
  RosterPlace place_;
  // Ticks of the timer wheel at which something is due; 0: nothing. One timer serves them all.
  uint32_t ping_due_ = 0;
  uint32_t pong_due_ = 0;
  uint32_t presence_due_ = 0;
  uint32_t pinged_at_ = 0;  // milliseconds of the shard's clock
  uint32_t end_due_ = 0;    // stale, expired or, when refused, cut
  uint32_t errors_ = 0;     // state of the allowance of errors
  uint16_t in_flight_ = 0;
  State state_ = State::fresh;
  uint8_t flags_ = 0;
};
static_assert(sizeof(Session) <= 168, "every idle connection costs this");

template <class Result>
void Session::reply(uint32_t id, const Result& result) {
  if (!is_open()) return;
  std::string& out = services_.message_buffer();
  out.reserve(expected_size(result));
  if (protocol::encode_reply(encoding(), id, result, out)) {
    send(kTypeOfReply<Result>, out);
  } else {
    close(protocol::disconnects::kInappropriateProtocol);
  }
}

}  // namespace gyre::client
