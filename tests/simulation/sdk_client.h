#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/messages.h"
#include "tests/simulation/ledger.h"
#include "tests/simulation/server_message.h"
#include "tests/simulation/sim_websocket.h"

namespace gyre::sim {

// What a channel is, as its namespace says.
struct ChannelKind {
  std::string name;
  bool has_history = false;
  bool is_positioned = false;  // recoverable ones are, too
  bool is_recoverable = false;
  bool has_presence = false;
  int32_t history_size = 0;
  int64_t history_ttl = 0;  // seconds
};

// What the engine promises beyond what every engine does.
struct EnginePromises {
  // Publications arrive before the answer to their publish, none is lost or repeated, and nothing
  // fails.
  bool is_reliable = true;
  // What history has is recovered from.
  bool recovers_surely = true;
};

// A client that does what the official SDKs do: subscribes in the frame that connects, comes back
// after a break or a disconnect, recovers from where it was, subscribes again when it is told to.
// It holds all it sees against the ledger and reports what is not as promised. Owned by the
// scenario.
class SdkClient final : public SimWebSocket {
 public:
  struct Options {
    std::string name;
    std::string user;
    uint16_t port = 0;
    protocol::Encoding encoding = protocol::Encoding::json;
    bool connects_first = false;  // subscribes only when the connect has been answered
    bool is_slow = false;         // does not read for a while now and then
    bool may_be_slow = false;     // may be thrown out for that
    EnginePromises promises;
    int32_t recovery_limit = 300;
  };
  SdkClient(SimNetwork& network, Agenda& agenda, Ledger& ledger, Record& record, Options options);

  // --- What the application does.
  void start();
  void subscribe(const ChannelKind& channel);
  void unsubscribe(const std::string& channel);
  void publish(const std::string& channel, const std::string& payload);
  void ask_presence(const std::string& channel);
  void ask_history(const std::string& channel, int32_t limit);
  void stop();  // for good; the server is told, or not
  // Waits longer before it comes back.
  void set_patience(os::Nanos most) { patience_ = most; }

  // --- For the end of a scenario.
  const std::string& name() const { return options_.name; }
  const std::string& user() const { return options_.user; }
  bool is_slow() const { return options_.is_slow; }
  bool is_connected() const { return state_ == State::connected; }
  // A disconnect after which SDKs do not come back, or `stop`.
  bool is_gone() const { return state_ == State::gone; }
  const std::string& client_id() const { return client_id_; }
  // The channels in which it is live.
  std::set<std::string> live_channels() const;
  // Where it stands in a positioned channel.
  std::optional<protocol::StreamPosition> position(const std::string& channel) const;
  // All that it wants is live.
  bool is_settled() const;

  struct Counts {
    uint64_t connects = 0;
    uint64_t publications = 0;
    uint64_t recovered = 0;
    uint64_t recovered_publications = 0;
    uint64_t unrecovered = 0;
    uint64_t losses = 0;  // unsubscribe 2500
    uint64_t unsubscribes = 0;
    std::map<uint16_t, uint64_t> disconnects;
  };
  const Counts& counts() const { return counts_; }

 private:
  enum class State : uint8_t { away, opening, connecting, connected, gone };
  struct Subscription {
    enum class State : uint8_t { none, asked, live, leaving };
    ChannelKind kind;
    State state = State::none;
    bool is_wanted = true;
    // Positioned: all up to here has been seen, or the client was told that it was not.
    std::optional<protocol::StreamPosition> position;
    bool has_asked_to_recover = false;
    // Plain: the place in the ledger of the last publication.
    std::optional<size_t> last_place;
    bool is_unbroken = false;  // nothing may be missing after last_place
    uint64_t life = 0;         // counts its times of being live
    std::set<std::string> seen;
  };
  struct Question {
    enum class Kind : uint8_t { connect, subscribe, unsubscribe, publish, presence, history };
    Kind kind;
    std::string channel;
    std::string payload;
    uint64_t life = 0;
    int32_t limit = 0;
  };

  void on_open() override;
  void on_message(std::string_view message) override;
  void on_close(uint16_t code) override;
  void on_lost() override;
  void on_mistake(std::string_view what) override { violation(what); }

  void handle(const ServerMessage& message);
  void on_connected(const ServerMessage& message);
  void on_error(const Question& question, uint32_t code);
  void on_subscribed(const std::string& channel, const ServerMessage& message);
  void check_recovery(Subscription& subscription, const ServerMessage& message);
  bool was_recoverable(const Subscription& subscription) const;
  void on_unsubscribed(const std::string& channel);
  void on_unsubscribe_push(const std::string& channel, uint32_t code);
  void on_publication(const std::string& channel, const ReadPublication& publication);
  void check_positioned(Subscription& subscription, const ReadPublication& publication);
  void check_plain(Subscription& subscription, const ReadPublication& publication);
  void on_published(const Question& question);
  void on_presence(const Question& question, const ServerMessage& message);
  void on_history(const Question& question, const ServerMessage& message);

  uint32_t ask(Question question, const protocol::Request& request, std::string& out);
  void ask_now(Question question, const protocol::Request& request);
  void ask_to_subscribe(Subscription& subscription, std::string& out);
  void subscribe_later(const std::string& channel);
  void flush(std::string& out);
  void come_back();
  void forget_connection();

  void note(std::string_view what) { record_.note(options_.name, what); }
  void violation(std::string_view what) { record_.violation(options_.name, what); }

  Agenda& agenda_;
  Ledger& ledger_;
  Record& record_;
  const Options options_;
  State state_ = State::away;
  uint64_t connection_ = 0;  // counts them
  os::Nanos patience_ = 500 * os::kMillisecond;
  std::string client_id_;
  uint32_t next_id_ = 1;
  std::map<uint32_t, Question> questions_;
  std::map<std::string, Subscription> subscriptions_;
  Counts counts_;
};

}  // namespace gyre::sim
