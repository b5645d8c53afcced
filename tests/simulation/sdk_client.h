#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "protocol/messages.h"
#include "tests/simulation/attendance.h"
#include "tests/simulation/bans.h"
#include "tests/simulation/channel_kind.h"
#include "tests/simulation/ledger.h"
#include "tests/simulation/server_message.h"
#include "tests/simulation/sim_backend.h"
#include "tests/simulation/sim_websocket.h"

namespace gyre::sim {

// What the engine promises beyond what every engine does.
struct EnginePromises {
  // No publication is lost or repeated, and nothing fails.
  bool is_reliable = true;
  // Publications arrive before the answer to their publish: none waits for a batch.
  bool delivers_at_once = true;
  // What history has is recovered from.
  bool recovers_surely = true;
  // A connection is read while its commands wait.
  bool reads_on = true;
};

// A client that does what the official SDKs do: subscribes in the frame that connects, comes back
// after a break or a disconnect, recovers from where it was, subscribes again when it is told to.
// It holds all it sees against the ledger and reports what is not as promised. Owned by the
// scenario.
class SdkClient final : public SimWebSocket {
 public:
  static std::string_view secret() { return kSecret; }
  struct Options {
    std::string name;
    std::string user;
    uint16_t port = 0;
    protocol::Encoding encoding = protocol::Encoding::json;
    bool connects_first = false;  // subscribes only when the connect has been answered
    bool takes_numbers = false;   // in place of the names of channels
    bool is_slow = false;         // does not read for a while now and then
    bool may_be_slow = false;     // may be thrown out for that
    bool has_floods = false;      // there are, so that much may wait for it
    bool has_token = false;       // connects by a token, and refreshes it
    bool is_ruled = false;        // connects by the backend's word
    uint32_t concurrency = 1;     // of its commands, on the server
    uint32_t channel_limit = 128;
    os::Nanos expired_close_delay = 0;
    os::Nanos expired_sub_close_delay = 0;
    os::Nanos presence_update_interval = 0;
    EnginePromises promises;
    int32_t recovery_limit = 300;
    // All that there are, by name: for subscriptions that the server makes.
    const std::map<std::string, ChannelKind>* channels = nullptr;
    // Whether the user's other clients may have displaced one whose connection has been asked for
    // then; null: users may have several connections.
    std::function<bool(const std::string& user, os::Nanos asked)> may_be_displaced;
    std::string own_channel;           // that it is subscribed to when it connects; empty: none
    std::vector<std::string> may_get;  // channels that it may get with its connection
    Attendance* attendance = nullptr;
    const Bans* bans = nullptr;
    SimBackend* backend = nullptr;  // null: there is none
  };
  SdkClient(SimNetwork& network, Agenda& agenda, Ledger& ledger, Record& record, Options options);

  // --- What the application does.
  void start();
  void subscribe(const ChannelKind& channel);
  void unsubscribe(const std::string& channel);
  void publish(const std::string& channel, const std::string& payload);
  void ask_presence(const std::string& channel);
  void ask_presence_stats(const std::string& channel);
  void call();  // an RPC
  void ask_history(const std::string& channel, int32_t limit);
  void stop();            // for good; the server is told, or not
  void finish_sending();  // half-closes
  // Reads no more, says no more, and stays.
  void fall_asleep();
  bool is_asleep() const { return is_asleep_; }
  void read_slowly(bool is_resting) {
    pause_reading(is_resting);
    last_pause_ = network().now();
  }
  bool has_read_for(os::Nanos duration) const {
    return !is_paused() && last_pause_ + duration < network().now();
  }
  // Waits longer before it comes back.
  void set_patience(os::Nanos most) { patience_ = most; }
  // Reads, comes back soon, and has tokens that last: nothing more happens by itself.
  void calm() {
    read_slowly(false);
    set_patience(500 * os::kMillisecond);
    is_calm_ = true;
  }

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
  // Whether it wants none of the ledger's entries behind its position, as its filter says.
  bool wants_nothing_behind(const std::string& channel) const;
  // Whom it believes to be in the channel; null if it is not told.
  const std::set<std::string>* members(const std::string& channel) const;
  os::Nanos live_since(const std::string& channel) const;
  // It has been reading when it became live, so that it was live not long before.
  bool was_prompt(const std::string& channel) const;

  // --- What the server API does to it must show within a while.
  struct Mark {
    uint64_t connection = 0;
    uint64_t endings = 0;  // unsubscribes of the channel
  };
  Mark mark(const std::string& channel) const;
  // It is still connected as it was, and has been reading all the time.
  bool is_as_marked(const Mark& mark) const;
  // It reads, and would have been cut off if it did not hear of everything at once.
  bool hears(os::Nanos duration) const {
    return state_ == State::connected && !options_.has_floods && has_read_for(duration);
  }
  // See SimBackend::Watch.
  uint64_t watch(const std::string& channel) const;
  const TokenSeal& token() const { return token_; }
  // A channel in which it is live by a token, and that token's uid; empty: there is none.
  std::pair<std::string, std::string> subscription_by_token() const;
  uint64_t refreshes() const { return refreshes_; }
  bool is_refreshing() const { return is_asking(Question::Kind::refresh); }
  // When it has asked to be let in last, and when it was let in last.
  os::Nanos connect_asked() const { return connect_asked_; }
  os::Nanos let_in() const { return let_in_; }
  // Until when the server may have gone about letting it in.
  os::Nanos connecting_until() const {
    return state_ == State::connecting ? network().now() : connecting_until_;
  }
  bool has_own_channel() const { return !options_.own_channel.empty(); }
  // It has its user's own channel, and has had it since it was let in.
  bool holds_own_channel() const;
  // Ends that should have come.
  void check_ends();
  // Publications that should have come by wildcards.
  void check_wildcards() const;
  // All that it wants is live.
  bool is_settled() const;
  std::string describe() const;

  struct Counts {
    uint64_t connects = 0;
    uint64_t publications = 0;
    uint64_t recovered = 0;
    uint64_t recovered_publications = 0;
    uint64_t unrecovered = 0;
    uint64_t losses = 0;  // unsubscribe 2500, disconnect 3010
    uint64_t deltas = 0;
    uint64_t from_cache = 0;
    uint64_t unsubscribes = 0;
    std::map<uint16_t, uint64_t> disconnects;
  };
  const Counts& counts() const { return counts_; }

 private:
  enum class State : uint8_t { away, opening, connecting, connected, gone };
  // A token for a subscription: what it says, and what is wrong with it.
  struct ShownToken {
    enum class Flaw : uint8_t { none, absent, forged, expired, of_other_user, of_other_channel };
    Flaw flaw = Flaw::none;
    TokenSeal seal;
    int64_t end = 0;  // Unix seconds; 0: none
    std::string text;
    bool is_foreign() const { return flaw >= Flaw::of_other_user; }
  };
  // How far it has read a channel, and how it asked for the rest. An answer is about the progress
  // as of its question: another question may be on its way already, if the API has subscribed the
  // client and ended that again meanwhile.
  struct Progress {
    bool has_delta = false;
    bool recovers = false;
    std::optional<protocol::StreamPosition> position;
    std::optional<std::string> base;  // the publication that the next delta is made of
  };
  struct Subscription {
    enum class State : uint8_t { none, asked, live, leaving };
    ChannelKind kind;
    State state = State::none;
    bool is_wanted = false;
    bool is_server_side = false;
    bool is_left_early = false;  // an unsubscribe follows a subscribe that is not answered yet
    bool is_positioned = false;  // as it is live
    int64_t number = 0;          // that its pushes have; 0: they have the name
    // Positioned: all up to its position has been seen, or the client was told that it was not.
    Progress progress;
    std::string filter;                            // the tag that it wants; empty: any
    std::optional<std::set<std::string>> members;  // who has joined and not left, since it is live
    os::Nanos live_since = 0;
    bool is_prompt = false;  // it was not long before that, on the server
    uint64_t changes = 0;    // counts changes of its state
    uint32_t already = 0;    // answers that say that it is there, though it is not
    // Plain: the place in the ledger of the last publication.
    std::optional<size_t> last_place;
    bool is_unbroken = false;  // nothing may be missing after last_place
    bool may_jump = false;     // the next publication is the newest, whatever was before
    int64_t end = 0;           // Unix seconds; 0: none
    os::Nanos end_told = 0;
    TokenSeal seal;  // of the token that it goes on by; issued at 0: there is none
    // Of a wildcard: what comes of each of the channels that it stands for. Places in the ledger.
    struct Stream {
      size_t due = 0;  // what must come begins here, before anything has come
      std::optional<size_t> last_place;
      size_t next() const { return last_place ? *last_place + 1 : due; }
    };
    std::map<std::string, Stream> streams;
    uint64_t life = 0;  // counts its times of being live
    std::set<std::string> seen;
  };
  struct Question {
    enum class Kind : uint8_t {
      connect,
      subscribe,
      unsubscribe,
      publish,
      presence,
      history,
      refresh,
      presence_stats,
      rpc,
      sub_refresh
    };
    Kind kind;
    std::string channel;
    std::string payload;
    Progress progress;  // of a subscribe
    uint64_t life = 0;
    int32_t limit = 0;
    std::string key;                    // of the backend's ruling; empty: it is not asked
    TokenSeal token{};                  // of a refresh
    std::optional<ShownToken> shown{};  // of a subscribe or sub_refresh
    os::Nanos asked = 0;
    bool may_wait = false;                          // for a backend that something else asks
    std::optional<protocol::StreamPosition> top{};  // of the channel, when it was asked
    // Of the channel's subscription, as of the question.
    uint64_t changes = 0;
    bool was_live = false;
    bool was_none = false;
  };

  void on_open() override;
  void on_message(std::string_view message) override;
  void on_close(uint16_t code) override;
  void on_lost() override;
  void on_mistake(std::string_view what) override { violation(what); }

  void handle(const ServerMessage& message);
  void on_connected(const Question& question, const ServerMessage& message);
  void on_expiry(const ServerMessage& message);
  void refresh_later(os::Nanos wait);
  void on_refreshed(const Question& question, const ServerMessage& message);
  std::string make_token(bool is_ours);
  void check_expiry();
  // --- Tokens of subscriptions (sdk_tokens.cc)
  ShownToken make_subscription_token(const std::string& channel);
  bool is_over(const Question& question) const;
  void check_token_accepted(const Question& question, const ServerMessage& message) const;
  bool is_refused_by_token(const Question& question, uint32_t code);
  bool is_showing_foreign_token() const;
  void lives_by(Subscription& subscription, const ShownToken& token);
  void refresh_subscription_later(const Subscription& subscription);
  void refresh_subscription(const Subscription& subscription);
  void on_sub_refreshed(const Question& question, const ServerMessage& message);
  void on_sub_refresh_refused(const Question& question, uint32_t code);
  void check_seal(const Subscription& subscription, const Ledger::Entry& entry) const;
  void check_subscription_end() const;
  void check_disconnect(uint16_t code);
  bool returns_after(uint16_t code) const;
  // --- What others have ruled (sdk_rulings.cc)
  const Ruling* ruling(const Question& question) const;
  bool is_waiting_for_backend() const;
  void check_accepted(const Question& question) const;
  bool is_refused_by_backend(const Question& question, uint32_t code) const;
  void on_refused_by_backend(const Question& question, uint32_t code);
  bool is_ended_by_backend(uint16_t code) const;
  void check_banned(uint16_t code) const;
  void check_displaced() const;
  void check_let_in(const Question& question, const ServerMessage& message);
  void check_promptness(const Question& question) const;
  void on_called(const Question& question, const ServerMessage& message);
  void on_subscription_expired(const Subscription& subscription) const;
  void on_error(const Question& question, uint32_t code);
  bool is_asking(Question::Kind kind) const;
  static std::string_view name_of(Question::Kind kind);
  void on_refused(const Question& question, uint32_t code);
  void on_subscribed(const Question& question, const ServerMessage& message);
  void on_subscribed_by_server(const std::string& channel, const ServerMessage& message);
  void take_number(Subscription& subscription, const ServerMessage& message);
  // Puts in the name of the channel that a push has the number of; false if there is none.
  bool name_channel(ServerMessage& push) const;
  // `question`: null if the server has subscribed it.
  void go_live(Subscription& subscription, const Question* question, const ServerMessage& message);
  void set_state(Subscription& subscription, Subscription::State state);
  // Of its subscriptions: the live ones, or those that are on their way as well.
  size_t count(bool is_live) const;
  bool passes(const Subscription& subscription, const Ledger::Entry& entry) const;
  void take_payload(Subscription& subscription, ReadPublication& publication);
  void on_member(const ServerMessage& message);
  Question question_of(Question::Kind kind, const std::string& channel) const;
  // Whether it was subscribed when the server came to the question; nothing if nobody can know.
  std::optional<bool> was_subscribed(const Question& question) const;
  Allowed allowed(const Question& question) const;
  void check_allowed(const Question& question, bool was_done);
  void check_recovery(Subscription& subscription, const ServerMessage& message);
  void check_cache(Subscription& subscription, const Question* question,
                   const ServerMessage& message);
  std::optional<protocol::StreamPosition> newest(const std::string& channel) const;
  bool was_recoverable(const Subscription& subscription) const;
  void on_unsubscribed(const std::string& channel);
  void on_unsubscribe_push(const std::string& channel, uint32_t code);
  void on_publication(const std::string& channel, ReadPublication publication);
  void check_positioned(Subscription& subscription, const ReadPublication& publication);
  // --- Wildcards (sdk_wildcards.cc)
  void open_streams(Subscription& subscription) const;
  void check_of_wildcard(Subscription& subscription, const ReadPublication& publication);
  void check_nothing_missing(const Subscription& subscription, const std::string& channel,
                             size_t end) const;
  std::optional<size_t> find_published(const Subscription& subscription, const std::string& channel,
                                       const ReadPublication& publication);
  void check_plain(Subscription& subscription, const ReadPublication& publication);
  void on_published(const Question& question);
  void on_presence(const Question& question, const ServerMessage& message);
  void on_presence_stats(const Question& question, const ServerMessage& message);
  void check_allowed_to_hear(const Subscription& subscription, const Ledger::Entry& entry) const;
  void check_aside(Subscription& subscription, const ReadPublication& publication);
  void on_history(const Question& question, const ServerMessage& message);

  uint32_t ask(Question question, const protocol::Request& request, std::string& out);
  void ask_now(Question question, const protocol::Request& request);
  void ask_to_subscribe(Subscription& subscription, std::string& out);
  void subscribe_later(const std::string& channel);
  void flush(std::string& out);
  void come_back();
  void forget_connection();

  void note(std::string_view what) const { record_.note(options_.name, what); }
  void violation(std::string_view what) const { record_.violation(options_.name, what); }

  static constexpr std::string_view kSecret = "the secret of all tokens";

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
  std::map<std::string, uint64_t>
      endings_;  // told of by push, error, or as an early leave; by channel, subscribed to or not
  bool is_asleep_ = false;
  bool is_calm_ = false;
  bool has_sent_foreign_token_ = false;
  os::Nanos opened_ = 0;  // when the connection began
  os::Nanos connect_asked_ = 0;
  os::Nanos connecting_until_ = 0;
  os::Nanos let_in_ = 0;
  std::string connect_key_;  // of the backend's ruling
  TokenSeal made_;           // of the token that it has made last
  std::optional<int64_t> made_end_;
  TokenSeal token_;         // of the one that counts
  uint64_t refreshes_ = 0;  // counts its questions
  uint64_t next_token_ = 1;
  std::optional<os::Nanos> end_;  // when the server ends the connection, unless it is refreshed
  os::Nanos end_slack_ = 0;       // by how much that may be too late
  uint64_t expiries_ = 0;         // counts what was said of that
  os::Nanos last_pause_ = 0;
  uint32_t last_answered_ = 0;  // the id
  Counts counts_;
};

}  // namespace gyre::sim
