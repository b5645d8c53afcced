#pragma once

#include <algorithm>
#include <coroutine>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/base64.h"
#include "client/audience.h"
#include "client/census.h"
#include "client/rate_limiter.h"
#include "client/session.h"
#include "engine/memory/memory_broker.h"
#include "engine/memory/memory_presence_store.h"
#include "os/manual_kernel.h"
#include "protocol/encoder.h"

// A node of sessions for tests: shards with real sockets, hubs, homes, rosters and censuses in one
// thread, an engine whose answers can be held back, and clients whose transport is a record.
namespace gyre::client {

// Time stands until it is moved; randomness never repeats.
class TestKernel final : public os::ManualKernel {
 public:
  explicit TestKernel(uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15u) {}
  void random(void* bytes, size_t count) override {
    auto* out = static_cast<unsigned char*>(bytes);
    for (size_t i = 0; i < count; ++i) {
      state_ = state_ * 6364136223846793005u + 1442695040888963407u;
      out[i] = static_cast<unsigned char>(state_ >> 56);
    }
  }
  void pause(os::Descriptor socket, os::Token) override { paused[socket] = true; }
  void resume(os::Descriptor socket, os::Token) override { paused[socket] = false; }

  std::map<os::Descriptor, bool> paused;

 private:
  uint64_t state_;
};

// Coroutines wait here for as long as it is shut.
class Gate {
 public:
  auto pass() {
    struct Awaiter {
      Gate& gate;
      bool await_ready() const { return !gate.is_shut; }
      void await_suspend(std::coroutine_handle<> coroutine) { gate.waiting.push_back(coroutine); }
      void await_resume() const {}
    };
    return Awaiter{*this};
  }
  void open() {
    is_shut = false;
    for (std::coroutine_handle<> coroutine : std::exchange(waiting, {})) coroutine.resume();
  }
  // Lets those through that wait; who comes later waits.
  void let_through() {
    for (std::coroutine_handle<> coroutine : std::exchange(waiting, {})) coroutine.resume();
  }
  bool is_shut = false;
  std::vector<std::coroutine_handle<>> waiting;
};

// The memory broker behind gates.
class GatedBroker final : public engine::Broker {
 public:
  explicit GatedBroker(runtime::Shard& shard) : inner_(shard, std::chrono::hours(1)) {}

  void attach(engine::BrokerEvents& new_events) override {
    events = &new_events;
    inner_.attach(new_events);
  }
  runtime::Task<Result<void>> subscribe(std::string channel) override {
    if (held_channel.empty() || held_channel == channel) co_await subscribes.pass();
    if (is_down || channel == broken_channel) co_return fail(Errc::unavailable, "down");
    co_return co_await inner_.subscribe(std::move(channel));
  }
  runtime::Task<Result<void>> unsubscribe(std::string channel) override {
    co_return co_await inner_.unsubscribe(std::move(channel));
  }
  runtime::Task<Result<engine::PublishResult>> publish(engine::PublishRequest request) override {
    co_await publishes.pass();
    if (is_down) co_return fail(Errc::unavailable, "down");
    co_return co_await inner_.publish(std::move(request));
  }
  runtime::Task<Result<engine::HistoryPage>> history(std::string channel,
                                                     engine::HistoryQuery query) override {
    co_await histories.pass();
    if (is_down) co_return fail(Errc::unavailable, "down");
    co_return co_await inner_.history(std::move(channel), std::move(query));
  }
  runtime::Task<Result<void>> announce(std::string channel,
                                       protocol::AnnouncementRef announcement) override {
    if (log) log->emplace_back(announcement->is_join ? "join" : "leave");
    co_return co_await inner_.announce(std::move(channel), std::move(announcement));
  }
  runtime::Task<Result<void>> remove_history(std::string channel) override {
    co_return co_await inner_.remove_history(std::move(channel));
  }

  engine::BrokerEvents* events = nullptr;
  Gate subscribes;
  Gate publishes;
  Gate histories;
  std::string held_channel;  // whose subscribes alone wait; empty: all
  bool is_down = false;
  std::string broken_channel = "-";
  std::vector<std::string>* log = nullptr;  // of announcements

 private:
  engine::memory::MemoryBroker inner_;
};

// Counts what is done to presence.
class CountedPresence final : public engine::PresenceStore {
 public:
  bool forgets() const override { return is_forgetful; }
  runtime::Task<Result<void>> add(std::string channel, protocol::ClientInfo info) override {
    ++adds;
    if (is_down) co_return fail(Errc::unavailable, "down");
    co_return co_await inner_.add(std::move(channel), std::move(info));
  }
  runtime::Task<Result<void>> remove(std::string channel, std::string client) override {
    ++removes;
    log.emplace_back("remove");
    co_return co_await inner_.remove(std::move(channel), std::move(client));
  }
  runtime::Task<Result<engine::MemberList>> list(std::string channel) override {
    return inner_.list(std::move(channel));
  }
  runtime::Task<Result<engine::MemberPage>> page(std::string channel, std::string cursor,
                                                 size_t limit) override {
    return inner_.page(std::move(channel), std::move(cursor), limit);
  }
  runtime::Task<Result<engine::PresenceStats>> stats(std::string channel) override {
    return inner_.stats(std::move(channel));
  }
  size_t channels() const { return inner_.channels(); }

  bool is_forgetful = false;
  bool is_down = false;
  int adds = 0;
  int removes = 0;
  std::vector<std::string> log;

 private:
  engine::memory::MemoryPresenceStore inner_;
};

// What became of a client's transport.
struct Ending {
  uint32_t code = 0;  // of the close frame
  std::string reason;
  bool drops_output = false;
  bool is_cut = false;
  bool is_over() const { return code != 0 || is_cut; }
};

class RecordingTransport final : public Transport {
 public:
  RecordingTransport(std::shared_ptr<Ending> ending, Traits traits)
      : ending_(std::move(ending)), traits_(traits) {}
  Traits traits() const override { return traits_; }
  void close(const protocol::Disconnect& reason, Output output) override {
    *ending_ = {reason.code, reason.reason, output == Output::drop, false};
  }
  void cut() override { ending_->is_cut = true; }

 private:
  std::shared_ptr<Ending> ending_;
  const Traits traits_;
};

struct QuietHandler final : net::Handler {
  void on_bytes(std::span<char>) override {}
  void on_end(net::EndReason) override {}
};
struct TestAcceptor final : net::Acceptor {
  std::unique_ptr<net::Handler> accept(net::SocketHandle accepted) override {
    last = accepted;
    return std::make_unique<QuietHandler>();
  }
  net::SocketHandle last;
};

struct TestNode;

constexpr size_t kWildcardsMax = 5;

struct TestShard {
  TestShard(TestNode& node, uint16_t index);

  TestKernel kernel;
  runtime::Shard shard;
  std::optional<runtime::TurnScope> construction{std::in_place, shard};
  net::Sockets sockets;
  TestAcceptor acceptor;
  metrics::ShardMetrics metrics;
  GatedBroker broker;
  CountedPresence presence;
  Roster roster;
  hub::LocalHub hub;
  hub::Homes homes;
  hub::Directory directory;
  std::optional<hub::Wildcards> wildcards;  // if the node's namespaces have some
  Census census;
  RateLimiter rate_limiter;
  Services services;
  Audience audience;
};

// The messages of a server's text frames, or the bytes of the others; pings and closes left out.
inline std::vector<std::string> unframed(std::string_view bytes) {
  std::vector<std::string> messages;
  while (bytes.size() >= 2) {
    const auto opcode = static_cast<unsigned char>(bytes[0]) & 0x0f;
    size_t length = static_cast<unsigned char>(bytes[1]);
    size_t header = 2;
    if (length == 126 || length == 127) {
      header = length == 126 ? 4 : 10;
      length = 0;
      for (size_t i = 2; i < header; ++i) {
        length = length << 8 | static_cast<unsigned char>(bytes[i]);
      }
    }
    std::string_view payload = bytes.substr(header, length);
    bytes.remove_prefix(std::min(header + length, bytes.size()));
    if (opcode == 2) messages.emplace_back(payload);
    while (opcode == 1 && !payload.empty()) {
      const size_t newline = payload.find('\n');
      messages.emplace_back(payload.substr(0, newline));
      payload.remove_prefix(newline == std::string_view::npos ? payload.size() : newline + 1);
    }
  }
  return messages;
}

using Messages = std::vector<std::string>;

// One connection. What it hears is cut into messages; ids of clients stand as CLIENT.
class TestClient {
 public:
  TestClient(TestNode& node, TestShard& home, std::string_view header_user,
             Transport::Traits traits);

  // What was heard because of it.
  Messages say(std::string_view frame);
  Messages heard();
  void leave();  // the connection ends by itself
  bool is_over() const { return ending->is_over() || has_left_; }
  bool is_paused() { return home_.kernel.paused[descriptor_]; }

  const std::string& id() const { return id_; }
  net::SocketHandle socket() const { return socket_; }
  Session& session() { return *session_; }
  std::shared_ptr<Ending> ending = std::make_shared<Ending>();

 private:
  TestNode& node_;
  TestShard& home_;
  os::Descriptor descriptor_;
  net::SocketHandle socket_;
  Session* session_;  // as long as nothing is over
  std::string id_;
  bool has_left_ = false;
};

inline channel::ChannelOptions open_options() {
  channel::ChannelOptions options;
  options.allow_subscribe_for_client = options.allow_subscribe_for_anonymous = true;
  options.allow_publish_for_client = options.allow_publish_for_anonymous = true;
  options.allow_history_for_client = options.allow_history_for_anonymous = true;
  options.allow_presence_for_client = options.allow_presence_for_anonymous = true;
  return options;
}

// Namespaces: none; `present` with presence; `stream` with history, positioned and recoverable.
inline std::shared_ptr<Settings> test_settings() {
  channel::ChannelOptions present = open_options();
  present.presence = true;
  channel::ChannelOptions stream = open_options();
  stream.history_size = 10;
  stream.history_ttl = std::chrono::seconds(600);
  stream.force_recovery = true;
  channel::ChannelOptions both = stream;
  both.presence = true;
  auto namespaces = channel::Namespaces::compile(
      {}, open_options(), {{"present", present}, {"stream", stream}, {"both", both}});
  auto settings = std::make_shared<Settings>();
  settings->namespaces = std::make_shared<const channel::Namespaces>(std::move(namespaces).value());
  settings->allow_anonymous_connect_without_token = true;
  settings->server_version = "test";
  return settings;
}

// A token that whoever does not look at signatures takes.
inline std::string token(std::string_view claims) {
  return base64::encode_url(R"({"alg":"HS256","typ":"JWT"})") + "." + base64::encode_url(claims) +
         "." + base64::encode_url("signature");
}

struct TestNode {
  explicit TestNode(size_t shard_count = 1, std::shared_ptr<Settings> own = test_settings(),
                    net::SocketLimits limits = {})
      : settings(std::move(own)), socket_limits(limits) {
    hubs.resize(shard_count);
    homes.resize(shard_count);
    wildcards.resize(shard_count);
    rosters.resize(shard_count);
    censuses.resize(shard_count);
    for (size_t i = 0; i < shard_count; ++i) {
      shards.push_back(std::make_unique<TestShard>(*this, static_cast<uint16_t>(i)));
    }
    for (const auto& one : shards) set.shards.push_back(&one->shard);
  }
  ~TestNode() { settle(); }

  TestShard& operator[](size_t index) { return *shards[index]; }
  // Until all that was posted has been done.
  void settle() {
    for (int round = 0; round < 4; ++round) {
      for (const auto& one : shards) one->shard.turn(0);
    }
  }
  void pass(os::Nanos time) {
    for (const auto& one : shards) one->kernel.now += time;
    settle();
  }
  int64_t unix_now() { return shards[0]->kernel.now / os::kSecond; }

  TestClient& client(size_t shard = 0, std::string_view header_user = {},
                     Transport::Traits traits = {}) {
    clients.push_back(std::make_unique<TestClient>(*this, *shards[shard], header_user, traits));
    return *clients.back();
  }
  // An anonymous one, or the user's, that has connected.
  TestClient& connected(size_t shard = 0, std::string_view user = {}) {
    TestClient& one = client(shard);
    const std::string with =
        user.empty() ? std::string()
                     : R"("token":")" + token(R"({"sub":")" + std::string(user) + R"("})") + '"';
    one.say(R"({"id":1,"connect":{)" + with + "}}");
    return one;
  }
  // From the API, without history.
  void publish(std::string_view channel, std::string_view data,
               engine::HistoryOptions history = {}) {
    publish(channel, make_ref<protocol::Publication>(std::string(data)), history);
  }
  void publish(std::string_view channel, Ref<protocol::Publication> publication,
               engine::HistoryOptions history) {
    TestShard& from = *shards[0];
    {
      const runtime::TurnScope scope(from.shard);
      from.shard.tasks().spawn(ignore(from.directory.publish({.channel = std::string(channel),
                                                              .publication = std::move(publication),
                                                              .history = history,
                                                              .idempotency_key = {}})));
    }
    settle();
  }
  template <class T>
  static runtime::Task<void> ignore(runtime::Task<T> task) {
    static_cast<void>(co_await std::move(task));
  }
  template <class T>
  static runtime::Task<void> keep(runtime::Task<T> task, std::optional<T>* result) {
    result->emplace(co_await std::move(task));
  }
  static runtime::Task<void> note(runtime::Task<void> task, bool* is_done) {
    co_await std::move(task);
    *is_done = true;
  }
  // Runs an operation of the API to its end.
  template <class Make>
  auto operate(Make make) {
    using Value = decltype(make(shards[0]->audience).operator co_await().await_resume());
    if constexpr (std::is_void_v<Value>) {
      bool is_done = false;
      {
        const runtime::TurnScope scope(shards[0]->shard);
        shards[0]->shard.tasks().spawn(note(make(shards[0]->audience), &is_done));
      }
      settle();
      if (!is_done) std::abort();
    } else {
      std::optional<Value> result;
      {
        const runtime::TurnScope scope(shards[0]->shard);
        shards[0]->shard.tasks().spawn(keep(make(shards[0]->audience), &result));
      }
      settle();
      return std::move(result).value();
    }
  }
  // Everything that must be zero when all clients have gone, as text; "" if it is.
  std::string leftovers();

  std::shared_ptr<Settings> settings;
  const net::SocketLimits socket_limits;
  runtime::ShardSet set;
  std::vector<hub::LocalHub*> hubs;
  std::vector<hub::HomeParts> homes;
  std::vector<hub::Wildcards*> wildcards;
  std::vector<Roster*> rosters;
  std::vector<Census*> censuses;
  UserBuckets user_buckets;
  std::vector<std::unique_ptr<TestShard>> shards;
  std::vector<std::unique_ptr<TestClient>> clients;
  os::Descriptor next_descriptor = 100;
};

inline TestShard::TestShard(TestNode& node, uint16_t index)
    : kernel(index + 1u),
      shard(runtime::ShardId{index}, kernel, node.set),
      sockets(shard, node.socket_limits),
      broker(shard),
      hub(sockets, roster, &metrics),
      homes(shard, broker, node.hubs, &metrics),
      directory(shard, node.homes, 42),
      census(shard, node.censuses, 42, metrics),
      rate_limiter(shard, node.user_buckets, 42),
      services{.shard = shard,
               .sockets = sockets,
               .hub = hub,
               .directory = directory,
               .roster = roster,
               .census = census,
               .rate_limiter = rate_limiter,
               .metrics = metrics,
               .settings = node.settings,
               .connection_tokens = nullptr,
               .subscription_tokens = nullptr,
               .audience = &audience},
      audience(shard, node.rosters) {
  const auto verifier = [] {
    return std::make_unique<const auth::TokenVerifier>(
        auth::TokenVerifier::create({.insecure_skip_signature_verify = true}).value());
  };
  services.connection_tokens = verifier();
  services.subscription_tokens = verifier();
  for (const auto encoding : {protocol::Encoding::json, protocol::Encoding::protobuf}) {
    std::string ping;
    protocol::encode_ping(encoding, ping);
    services.pings[static_cast<size_t>(encoding)] = Frame::make(ping);
  }
  node.hubs[index] = &hub;
  node.homes[index] = {.homes = &homes, .presence = &presence};
  node.rosters[index] = &roster;
  node.censuses[index] = &census;
  const Settings* settings = node.settings.get();
  if (settings && settings->namespaces && settings->namespaces->wildcards()) {
    wildcards.emplace(homes, node.wildcards, node.settings->namespaces, kWildcardsMax);
    homes.feed(*wildcards);
    services.wildcards = &*wildcards;
    node.wildcards[index] = &*wildcards;
  }
  roster.start(services);
  shard.attach(sockets, sockets);
  if (!sockets.listen({}, acceptor)) std::abort();
  construction.reset();
}

inline TestClient::TestClient(TestNode& node, TestShard& home, std::string_view header_user,
                              Transport::Traits traits)
    : node_(node), home_(home), descriptor_(node.next_descriptor++) {
  const runtime::TurnScope scope(home_.shard);
  home_.sockets.on_connection(home_.kernel.listener, descriptor_);
  socket_ = home_.acceptor.last;
  home_.sockets.set_framing(socket_, traits.encoding == protocol::Encoding::json
                                         ? net::Framing::websocket_text
                                         : net::Framing::websocket_binary);
  session_ = &home_.roster.open(socket_, std::make_unique<RecordingTransport>(ending, traits),
                                header_user);
  id_ = session_->id().text();
}

inline Messages TestClient::say(std::string_view frame) {
  if (!is_over()) {
    const runtime::TurnScope scope(home_.shard);
    session_->receive(std::string(frame));  // bytes that are gone after the call
  }
  node_.settle();
  return heard();
}

inline Messages TestClient::heard() {
  Messages messages = unframed(std::exchange(home_.kernel.sent[descriptor_], {}));
  for (std::string& message : messages) {
    for (size_t at; (at = message.find(id_)) != std::string::npos;) {
      message.replace(at, id_.size(), "CLIENT");
    }
  }
  return messages;
}

inline void TestClient::leave() {
  if (has_left_) return;
  {
    const runtime::TurnScope scope(home_.shard);
    if (!is_over()) session_->on_transport_ended();
    has_left_ = true;
    home_.sockets.close(socket_);
  }
  node_.settle();
}

inline std::string TestNode::leftovers() {
  for (const auto& one : clients) one->leave();
  settle();
  pass(3 * os::kSecond);  // homes linger
  std::string text;
  const auto expect_none = [&text](std::string_view what, int64_t count) {
    if (count != 0) text.append(what).append("=").append(std::to_string(count)).append(" ");
  };
  for (const auto& one : shards) {
    using metrics::ClientName;
    metrics::ShardMetrics& figures = one->metrics;
    expect_none("sessions", static_cast<int64_t>(one->roster.sessions()));
    expect_none("clients", static_cast<int64_t>(one->roster.clients()));
    expect_none("channels", static_cast<int64_t>(one->hub.channels()));
    expect_none("subscriptions", static_cast<int64_t>(one->hub.subscriptions()));
    expect_none("homes", static_cast<int64_t>(one->homes.size()));
    expect_none("listened", static_cast<int64_t>(one->homes.listened()));
    expect_none("users", static_cast<int64_t>(one->census.users()));
    expect_none("presence", static_cast<int64_t>(one->presence.channels()));
    expect_none("tasks", static_cast<int64_t>(one->shard.tasks().active()));
    expect_none("sockets", static_cast<int64_t>(one->sockets.open_sockets()));
    expect_none("num_clients", figures.num_clients.value());
    expect_none("num_users", figures.num_users.value());
    expect_none("num_subscriptions", figures.num_subscriptions.value());
    expect_none("num_channels", figures.num_channels.value());
    metrics::for_each_label<ClientName>([&](ClientName name) {
      expect_none("metrics.subscriptions", figures.subscriptions[name].value());
      metrics::for_each_label<metrics::ClientVersion>([&](metrics::ClientVersion version) {
        const auto& connections = figures.connections[metrics::Transport::websocket][name][version];
        expect_none("metrics.inflight", connections.inflight.value());
      });
    });
    const auto count = [&](metrics::Action action) {
      return static_cast<int64_t>(figures.actions[action].value());
    };
    expect_none("clients added and not removed",
                count(metrics::Action::add_client) - count(metrics::Action::remove_client));
    expect_none(
        "subscriptions added and not removed",
        count(metrics::Action::add_subscription) - count(metrics::Action::remove_subscription));
  }
  return text;
}

}  // namespace gyre::client
