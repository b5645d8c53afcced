#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "outbound/http_client.h"
#include "proxy/backend.h"
#include "tests/simulation/ledger.h"

namespace gyre::sim {

// What the backend has said to one question.
struct Ruling {
  enum class Kind : uint8_t {
    accepts,
    refuses,        // with an error code of its own
    disconnects,    // with a code of its own
    knows_nobody,   // to a connect: no result, and so no credentials
    fails,          // nothing that could be read, or not in time
    breaks_base64,  // could be read, and is an error of ours
  };
  Kind kind = Kind::accepts;
  proxy::Event event = proxy::Event::connect;
  uint32_t code = 0;  // refuses, disconnects
  std::string client;
  std::string channel;
  std::string said;                   // what the client gets; what is published
  std::vector<std::string> channels;  // that a connection gets
  int64_t end = 0;                    // Unix seconds; 0: none
  bool is_over = false;               // refresh, sub_refresh: it must end now
  os::Nanos answered = 0;             // when the node heard of it; 0: not yet, or never
};

// The application's backend, outside of all nodes: it is asked over HTTP and answers late, in error
// or with rubbish, hangs until the node has given up, and refuses for good reason, as the seed has
// it. It remembers all that it has said, so that others can hold the node to it, and watches over
// the ends of what it has granted. Owned by the scenario.
class SimBackend {
 public:
  struct Options {
    // Chances out of 1000.
    uint32_t refuses = 0;
    uint32_t disconnects = 0;
    uint32_t fails = 0;
    uint32_t hangs = 0;
    bool asks_refresh = false;       // when connections come to their end
    bool asks_sub_refresh = false;   // the same of subscriptions
    int64_t subscription_grace = 0;  // client.expired_sub_close_delay in seconds
    os::Nanos presence_interval = 0;
    std::vector<std::string> channels;  // that it may grant with a connection
  };
  // How long it may be until the node has given up, for each event.
  static constexpr os::Nanos kTimeouts[] = {4 * os::kSecond, 8 * os::kSecond, 3 * os::kSecond,
                                            8 * os::kSecond, 8 * os::kSecond, 8 * os::kSecond};
  // A number for as long as the client with that id surely is connected, or subscribed to the
  // channel by its own wish, and hears of everything at once; 0: it is not, or may be late.
  using Watch = std::function<uint64_t(const std::string& client, const std::string& channel)>;

  SimBackend(SimNetwork& network, Agenda& agenda, Record& record, Options options, Watch watch)
      : network_(network),
        agenda_(agenda),
        record_(record),
        options_(std::move(options)),
        watch_(std::move(watch)) {}

  // Accepts everything, at once, for good.
  void calm() { is_calm_ = true; }
  const Options& options() const { return options_; }
  // What to put into a question's data, so that what was said to it can be found.
  std::string next_key(std::string_view user);
  // Null if nobody has asked. The key is the data of the question, or of a refresh the client.
  const Ruling* find(proxy::Event event, std::string_view key) const;
  // What it has said when that client's subscription came to its end; null if nobody has asked.
  const Ruling* find_sub_refresh(const std::string& client, const std::string& channel) const {
    return find(proxy::Event::sub_refresh, client + " " + channel);
  }
  // Whether it has told the node to end that client's connection, with that code.
  bool has_disconnected(const std::string& client, uint32_t code) const;
  bool has_broken_base64_for(const std::string& client) const {
    return has_disconnected(client, 0);
  }
  template <class Visit>
  void for_each(Visit visit) const {
    for (const auto& [key, ruling] : rulings_) visit(key.second, ruling);
  }
  // The connection of a token, which the backend is asked about only when it comes to its end.
  void lives_until(const std::string& client, int64_t end, os::Nanos since);
  uint64_t questions() const { return questions_; }

 private:
  friend class BackendLine;
  struct Question;
  struct Said {
    Ruling ruling;
    int status = 200;
    std::string body;
    os::Nanos delay = 0;
    bool is_silent = false;
  };
  // The end of something that it has granted.
  struct Life {
    int64_t end = 0;
    os::Nanos since = 0;
    uint64_t number = 0;
    bool was_asked = false;
  };
  using Lives = std::map<std::pair<std::string, std::string>, Life>;  // by client and channel

  Said judge(const Question& question);
  void misbehave(const Question& question, Said& said);
  void accept(const Question& question, Said& said);
  void accept_connect(const Question& question, Said& said);
  void accept_publish(const Question& question, Said& said);
  void prolong(const Question& question, Said& said);
  void note(const Question& question, const Said& said);
  // The node has heard it.
  void told(const Question& question, const Said& said);
  void begin_life(const std::string& client, const std::string& channel, int64_t end,
                  os::Nanos since);
  void check_asked(Question& question);
  void must_go(const std::string& client, const std::string& channel, std::string_view why);

  int64_t unix_now() const { return network_.wall() / os::kSecond; }
  // Some seconds from now.
  int64_t some_end() { return unix_now() + 3 + static_cast<int64_t>(network_.below(15)); }
  bool chance(uint32_t of_1000) { return network_.chance(of_1000); }
  void violation(std::string_view what) { record_.violation("backend", what); }

  SimNetwork& network_;
  Agenda& agenda_;
  Record& record_;
  const Options options_;
  const Watch watch_;
  bool is_calm_ = false;
  uint64_t next_key_ = 1;
  uint64_t next_life_ = 1;
  uint64_t questions_ = 0;
  std::map<std::pair<proxy::Event, std::string>, Ruling> rulings_;
  std::map<std::string, std::vector<uint32_t>> disconnected_;  // by client; 0: by broken base64
  Lives lives_;                                                // of connections: without a channel
};

// The way of one node to it. Owned by the SimNode.
class BackendLine final : public outbound::HttpClient {
 public:
  BackendLine(SimBackend& backend) : backend_(backend) {}
  // The node has been killed: it reaches nobody.
  void die() { is_dead_ = true; }
  runtime::Task<Result<outbound::HttpResponse>> fetch(outbound::HttpRequest request) override;

 private:
  class Wait;
  SimBackend& backend_;
  bool is_dead_ = false;
};

}  // namespace gyre::sim
