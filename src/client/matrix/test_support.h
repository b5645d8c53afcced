#pragma once

#include <gtest/gtest.h>

#include <charconv>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "auth/signature.h"
#include "client/matrix/model.h"
#include "client/test_support.h"

// A node on which the cells of the authorization matrix are played, by clients that say what
// clients say, and are told what clients are told.
namespace gyre::client::matrix {

inline constexpr std::string_view kConnectionKey = "a key for connections";
inline constexpr std::string_view kSubscriptionKey = "a key for subscriptions";

inline std::string sign(std::string_view claims, std::string_view key) {
  const std::string text =
      base64::encode_url(R"({"alg":"HS256","typ":"JWT"})") + "." + base64::encode_url(claims);
  return text + "." + base64::encode_url(auth::hmac(*auth::Algorithm::find("HS256"), key, text));
}

inline std::string replace(std::string text, std::string_view what, std::string_view with) {
  for (size_t at = text.find(what); at != std::string::npos;
       at = text.find(what, at + with.size())) {
    text.replace(at, what.size(), with);
  }
  return text;
}

// How somebody connects, so that it works, and who that is then.
struct Identity {
  std::string_view title;
  std::string claims;  // of the token; empty: none is sent
  Who who;
  std::string header_user = {};
  bool is_welcome_without = false;  // allow_anonymous_connect_without_token
};

inline const std::vector<Identity>& identities() {
  static const std::vector<Identity> all{
      {.title = "nobody", .claims = "", .who = {}, .is_welcome_without = true},
      {.title = "ann", .claims = R"({"sub":"ann"})", .who = {"ann"}},
      {.title = "bob, welcome without",
       .claims = R"({"sub":"bob","exp":FUTURE})",
       .who = {"bob"},
       .is_welcome_without = true},
      {.title = "a token for nobody", .claims = R"({"sub":""})", .who = {}},
      {.title = "a token without sub", .claims = R"({"info":{"sub":"ann"}})", .who = {}},
      {.title = "ann with a channel of hers",
       .claims = R"({"sub":"ann","subs":{"chat:elsewhere":{}},"channels":["news"]})",
       .who = {"ann"}},
      {.title = "ann by a header", .claims = "", .who = {"ann"}, .header_user = "ann"},
      {.title = "nobody, insecure", .claims = "", .who = {"", true}},
      {.title = "ann, insecure", .claims = R"({"sub":"ann"})", .who = {"ann", true}},
  };
  return all;
}

// Options by the bits of a number.
inline bool bit(unsigned number, unsigned index) {
  return number >> index & 1;
}
inline void set_subscribe(channel::ChannelOptions& options, unsigned bits) {
  options.allow_subscribe_for_client = bit(bits, 0);
  options.allow_subscribe_for_anonymous = bit(bits, 1);
  options.allow_user_limited_channels = bit(bits, 2);
}
inline void set_publish(channel::ChannelOptions& options, unsigned bits) {
  options.allow_publish_for_client = bit(bits, 0);
  options.allow_publish_for_subscriber = bit(bits, 1);
  options.allow_publish_for_anonymous = bit(bits, 2);
}
inline void set_history(channel::ChannelOptions& options, unsigned bits, bool is_kept) {
  options.allow_history_for_client = bit(bits, 0);
  options.allow_history_for_subscriber = bit(bits, 1);
  options.allow_history_for_anonymous = bit(bits, 2);
  options.history_size = is_kept ? 10 : 0;
  options.history_ttl = std::chrono::seconds(is_kept ? 600 : 0);
}
inline void set_presence(channel::ChannelOptions& options, unsigned bits, bool is_kept) {
  options.allow_presence_for_client = bit(bits, 0);
  options.allow_presence_for_subscriber = bit(bits, 1);
  options.allow_presence_for_anonymous = bit(bits, 2);
  options.presence = is_kept;
}

class World {
 public:
  // One set of options for each place but the unknown one.
  explicit World(std::map<Place, channel::ChannelOptions> options)
      : options_(std::move(options)), node_(1, std::make_shared<Settings>()) {
    options_[Place::digits].channel_regex = "^[0-9\xc3\xa9]+$";
    auto namespaces = channel::Namespaces::compile(
        {}, options_[Place::bare],
        {{"chat", options_[Place::chat]}, {"digits", options_[Place::digits]}});
    settings().namespaces =
        std::make_shared<const channel::Namespaces>(std::move(namespaces).value());
    Services& services = node_[0].services;
    services.connection_tokens = verifier(kConnectionKey);
    services.subscription_tokens = verifier(kSubscriptionKey);
  }

  TestNode& node() { return node_; }
  Settings& settings() { return *node_.settings; }
  // For the unknown place, whose options nobody may ask for, those of none.
  const channel::ChannelOptions& options(const Channel& channel) { return options_[channel.place]; }

  std::string with_times(std::string text) {
    text = replace(std::move(text), "PAST", std::to_string(node_.unix_now() - 100));
    return replace(std::move(text), "FUTURE", std::to_string(node_.unix_now() + 100));
  }
  // A client of the identity that has asked to connect; `wishes` is the `subs` of its request.
  TestClient& connect(const Identity& identity, const std::string& wishes = "{}") {
    settings().insecure = identity.who.is_insecure;
    settings().allow_anonymous_connect_without_token = identity.is_welcome_without;
    TestClient& client = node_.client(0, identity.header_user);
    std::string request = R"("connect":{"subs":)" + wishes;
    if (!identity.claims.empty()) {
      request += R"(,"token":")" + sign(with_times(identity.claims), kConnectionKey) + '"';
    }
    is_connected_ = ask(client, request + "}");
    return client;
  }
  const Outcome& connecting() const { return is_connected_; }

  // Says a command without its id.
  Outcome ask(TestClient& client, const std::string& command) {
    if (client.is_over()) return {Outcome::Kind::silence};
    heard_ = client.say(R"({"id":7,)" + command + "}");
    if (client.ending->is_over()) return disconnect(client.ending->code);
    constexpr std::string_view kReply = R"({"id":7,)";
    constexpr std::string_view kError = R"("error":{"code":)";
    for (std::string_view message : heard_) {
      if (!message.starts_with(kReply)) continue;
      message.remove_prefix(kReply.size());
      if (!message.starts_with(kError)) return kAllowed;
      uint32_t code = 0;
      message.remove_prefix(kError.size());
      std::from_chars(message.data(), message.data() + message.size(), code);
      return error(code);
    }
    return {Outcome::Kind::silence};
  }
  // What was said at the last ask.
  const Messages& heard() const { return heard_; }

  Outcome subscribe(TestClient& client, const Channel& channel, const Who& who,
                    const SubscriptionToken& token, const std::string& more = "") {
    std::string request = R"("subscribe":{"channel":")" + channel.name + '"' + more;
    return ask(client, request + token_field(client, channel, who, token) + "}");
  }
  Outcome refresh_subscription(TestClient& client, const Channel& channel, const Who& who,
                               const SubscriptionToken& token) {
    return ask(client, R"("sub_refresh":{"channel":")" + channel.name + '"' +
                           token_field(client, channel, who, token) + "}");
  }
  Outcome command(TestClient& client, std::string_view method, const Channel& channel,
                  std::string_view more = "") {
    return ask(client, '"' + std::string(method) + R"(":{"channel":")" + channel.name + '"' +
                           std::string(more) + "}");
  }
  // The server subscribes the client, whatever the client may do itself.
  bool subscribe_by_server(TestClient& client, const Channel& channel) {
    if (channel.name.empty()) return false;
    const Result<void> result = node_.operate([&](Audience& audience) {
      Target target{.user = std::string(client.session().user()),
                    .client = client.session().id().text(),
                    .session = {},
                    .spared = {}};
      return audience.subscribe(std::move(target), {.channel = channel.name,
                                                    .info = {},
                                                    .data = {},
                                                    .override_options = {},
                                                    .recover_since = std::nullopt});
    });
    client.heard();
    return result.has_value();
  }
  // Whether a publication of the server reaches the client.
  bool hears(TestClient& client, const Channel& channel) {
    if (channel.name.empty() || client.is_over()) return false;
    client.heard();
    node_.publish(channel.name, "1");
    return !client.heard().empty();
  }
  void dismiss(TestClient& client) { client.leave(); }

 private:
  static std::unique_ptr<const auth::TokenVerifier> verifier(std::string_view key) {
    return std::make_unique<const auth::TokenVerifier>(
        auth::TokenVerifier::create({.hmac_secret_key = std::string(key)}).value());
  }
  std::string token_field(TestClient& client, const Channel& channel, const Who& who,
                          const SubscriptionToken& token) {
    if (!token.is_given()) return "";
    if (!token.is_token) return R"(,"token":")" + token.claims + '"';
    using enum SubscriptionToken::Key;
    const std::string_view key = token.key == subscriptions ? kSubscriptionKey
                                 : token.key == connections ? kConnectionKey
                                                            : std::string_view("a stranger's key");
    std::string claims = with_times(token.claims);
    claims = replace(std::move(claims), "USER", who.user);
    claims = replace(std::move(claims), "CLIENT", client.id());
    claims = replace(std::move(claims), "CHANNEL", channel.name);
    return R"(,"token":")" + sign(claims, key) + '"';
  }

  std::map<Place, channel::ChannelOptions> options_;
  TestNode node_;
  Messages heard_;
  Outcome is_connected_;
};

// Counts cells, and tells of the first that are wrong.
class Sheet {
 public:
  template <class Value, class Describe>
  void expect(const Value& actual, const Value& expected, Describe describe) {
    ++cells_;
    if (actual == expected || ++wrong_ > 20) return;
    ADD_FAILURE() << describe() << "\n  is       " << testing::PrintToString(actual)
                  << "\n  and not  " << testing::PrintToString(expected);
  }
  // To be called at the end.
  void expect_cells(int at_least) const {
    EXPECT_GE(cells_, at_least);
    EXPECT_EQ(wrong_, 0) << "of " << cells_ << " cells";
    testing::Test::RecordProperty("cells", cells_);
  }

 private:
  int cells_ = 0;
  int wrong_ = 0;
};

// A cell's name in a failure.
template <class... Parts>
std::string cell(const Parts&... parts) {
  std::string text;
  ((text += std::string(text.empty() ? "" : " | ") + std::string(parts)), ...);
  return text;
}

}  // namespace gyre::client::matrix
