// The authorization matrix: who may connect, as whom, and what connects subscribe to.
#include <gtest/gtest.h>

#include <set>

#include "client/matrix/test_support.h"

namespace gyre::client::matrix {
namespace {

using Names = std::set<std::string>;

// What a client shows at its connect.
struct Credentials {
  std::string_view title;
  std::string claims;  // of its token; empty: it has none
  std::string user = {};
  Names channels = {};  // that the claims give
  bool is_invalid = false;
  bool is_over = false;    // by exp, or not valid yet by nbf
  bool has_ended = false;  // expire_at is over
  bool has_unknown_channel = false;
  std::string_view key = kConnectionKey;
};

const std::vector<Credentials>& credentials() {
  static const std::vector<Credentials> all{
      {.title = "no token", .claims = ""},
      {.title = "ann", .claims = R"({"sub":"ann"})", .user = "ann"},
      {.title = "ann for a time", .claims = R"({"sub":"ann","exp":FUTURE})", .user = "ann"},
      {.title = "ann for ever",
       .claims = R"({"sub":"ann","exp":FUTURE,"expire_at":0})",
       .user = "ann"},
      {.title = "nobody", .claims = R"({"sub":""})"},
      {.title = "nobody, not told", .claims = "{}"},
      {.title = "ann, over", .claims = R"({"sub":"ann","exp":PAST})", .is_over = true},
      {.title = "ann, from later on", .claims = R"({"sub":"ann","nbf":FUTURE})", .is_over = true},
      {.title = "ann, ended",
       .claims = R"({"sub":"ann","expire_at":PAST})",
       .user = "ann",
       .has_ended = true},
      {.title = "nobody, over", .claims = R"({"exp":PAST})", .is_over = true},
      {.title = "a stranger's ann",
       .claims = R"({"sub":"ann","exp":PAST})",
       .is_invalid = true,
       .key = "a stranger's key"},
      {.title = "ann by the key for subscriptions",
       .claims = R"({"sub":"ann"})",
       .is_invalid = true,
       .key = kSubscriptionKey},
      {.title = "a subscription token",
       .claims = R"({"sub":"ann","channel":"news","exp":PAST})",
       .is_invalid = true},
      {.title = "ann with channels",
       .claims = R"({"sub":"ann","channels":["$a","caf\u00e9","#b"]})",
       .user = "ann",
       .channels = {"$a", "caf\xc3\xa9", "#b"}},
      {.title = "ann with subs",
       .claims = R"({"sub":"ann","channels":["news"],"subs":{"chat:x":{},"digits:x":{}}})",
       .user = "ann",
       .channels = {"chat:x", "digits:x"}},
      {.title = "nobody with channels",
       .claims = R"({"channels":["news","news"]})",
       .channels = {"news"}},
      {.title = "ann with an unknown channel",
       .claims = R"({"sub":"ann","channels":["x","no:x"]})",
       .has_unknown_channel = true},
      {.title = "nobody with an unknown channel",
       .claims = R"({"subs":{"no:x":{}}})",
       .has_unknown_channel = true},
      {.title = "ann with an unknown channel, over",
       .claims = R"({"sub":"ann","channels":["no:x"],"exp":PAST})",
       .is_over = true,
       .has_unknown_channel = true},
      {.title = "ann with channels, ended",
       .claims = R"({"sub":"ann","channels":["a"],"expire_at":PAST})",
       .user = "ann",
       .channels = {"a"},
       .has_ended = true},
  };
  return all;
}

// What the configuration says of connecting.
struct Policy {
  bool welcomes_without = false;   // allow_anonymous_connect_without_token
  bool is_insecure = false;        // client.insecure
  bool refuses_anonymous = false;  // disallow_anonymous_connection_tokens
  bool has_personal_channels = false;
  std::string personal_namespace = {};
  std::string header_user = {};  // what user_id_http_header carries

  std::string name() const {
    return cell(welcomes_without ? "welcome without" : "-", is_insecure ? "insecure" : "-",
                refuses_anonymous ? "no anonymous tokens" : "-",
                has_personal_channels ? "personal " + personal_namespace : "-",
                "header " + header_user);
  }
};

std::vector<Policy> policies() {
  std::vector<Policy> all;
  for (unsigned bits = 0; bits < 16; ++bits) {
    for (const std::string_view personal : {"off", "", "chat", "nope"}) {
      all.push_back({.welcomes_without = bit(bits, 0),
                     .is_insecure = bit(bits, 1),
                     .refuses_anonymous = bit(bits, 2),
                     .has_personal_channels = personal != "off",
                     .personal_namespace = std::string(personal == "off" ? "" : personal),
                     .header_user = bit(bits, 3) ? "hal" : ""});
    }
  }
  return all;
}

// What comes of it: who the client is, and what it hears.
struct Connected {
  Outcome outcome;
  std::string user = {};
  Names channels = {};
  friend bool operator==(const Connected&, const Connected&) = default;
  friend void PrintTo(const Connected& connected, std::ostream* out) {
    *out << connected.outcome << " as '" << connected.user << "' with";
    for (const std::string& name : connected.channels) *out << ' ' << name;
  }
};

// connection-lifecycle.md 2.1.
Connected to_connect(const Credentials& shown, const Policy& policy) {
  const bool has_token = !shown.claims.empty();
  Connected result{kAllowed, "", {}};
  if (has_token) {
    if (shown.is_invalid) return {disconnect(3500)};
    if (shown.is_over) return {error(109)};
    if (shown.has_unknown_channel) return {error(102)};
    if (shown.user.empty() && policy.refuses_anonymous) return {disconnect(3507)};
    result.user = shown.user;
    result.channels = shown.channels;
  }
  const bool is_known = has_token || policy.welcomes_without || policy.is_insecure;
  if (is_known && !result.user.empty() && policy.has_personal_channels) {
    if (policy.personal_namespace == "nope") return {error(102)};
    const std::string& home = policy.personal_namespace;
    result.channels.insert((home.empty() ? "" : home + ":") + "#" + result.user);
  }
  if (!is_known) {
    if (policy.header_user.empty()) return {disconnect(3501)};
    result.user = policy.header_user;
  }
  if (shown.has_ended && !policy.is_insecure) return {error(110)};
  return result;
}

World closed_world() {
  return World({{Place::bare, {}}, {Place::chat, {}}, {Place::digits, {}}});
}

Connected connect(World& world, const Credentials& shown, const Policy& policy) {
  Settings& settings = world.settings();
  settings.insecure = policy.is_insecure;
  settings.allow_anonymous_connect_without_token = policy.welcomes_without;
  settings.disallow_anonymous_connection_tokens = policy.refuses_anonymous;
  settings.has_personal_channels = policy.has_personal_channels;
  settings.personal_namespace = policy.personal_namespace;
  TestClient& client = world.node().client(0, policy.header_user);
  std::string request = R"("connect":{)";
  if (!shown.claims.empty()) {
    request += R"("token":")" + sign(world.with_times(shown.claims), shown.key) + '"';
  }
  Connected result{world.ask(client, request + "}"), "", {}};
  if (result.outcome == kAllowed) {
    result.user = client.session().user();
    static const char* const kCandidates[] = {
        "news", "$a",        "caf\xc3\xa9", "#b",        "a", "chat:x", "digits:x",
        "#ann", "chat:#ann", "#hal",        "chat:#hal", "#", "chat:#"};
    for (const char* const name : kCandidates) {
      if (world.hears(client, {.name = name})) result.channels.insert(name);
    }
  }
  world.dismiss(client);
  return result;
}

TEST(ConnectMatrix, CredentialsAndPolicies) {
  Sheet sheet;
  World world = closed_world();
  for (const Policy& policy : policies()) {
    for (const Credentials& shown : credentials()) {
      sheet.expect(connect(world, shown, policy), to_connect(shown, policy),
                   [&] { return cell(shown.title, policy.name()); });
    }
  }
  EXPECT_EQ(world.node().leftovers(), "");
  sheet.expect_cells(1'200);
}

// connect.subs: an unknown namespace ends the connection, all else is granted or dropped.
TEST(ConnectMatrix, Wishes) {
  Sheet sheet;
  for (unsigned bits = 0; bits < 8; ++bits) {
    channel::ChannelOptions bare, chat, digits;
    set_subscribe(bare, bits);
    set_subscribe(chat, ~bits);
    set_subscribe(digits, bits + 3);
    World world({{Place::bare, bare}, {Place::chat, chat}, {Place::digits, digits}});
    for (const Identity& identity : identities()) {
      for (const Channel& channel : channels()) {
        TestClient& client =
            world.connect(identity, R"({")" + channel.name + R"(":{"recover":true}})");
        const auto name = [&] {
          return cell(std::to_string(bits), identity.title, "wishes", channel.name);
        };
        const bool is_heeded = identity.header_user.empty();
        const bool is_unknown = channel.place == Place::unknown;
        sheet.expect(world.connecting(), is_heeded && is_unknown ? disconnect(3501) : kAllowed,
                     name);
        sheet.expect(world.hears(client, channel),
                     is_heeded && is_wish_granted(channel, world.options(channel), identity.who),
                     name);
        world.dismiss(client);
      }
    }
    EXPECT_EQ(world.node().leftovers(), "");
  }
  sheet.expect_cells(6'000);
}

// Channels that a token brings need a namespace, and nothing else.
TEST(ConnectMatrix, ChannelsOfTokens) {
  Sheet sheet;
  World world = closed_world();
  for (const std::string_view user : {"ann", "bob", ""}) {
    for (const std::string_view form : {R"("channels":["CHANNEL"])", R"("subs":{"CHANNEL":{}})"}) {
      for (const Channel& channel : channels()) {
        if (channel.name.empty()) continue;
        const std::string claims = R"({"sub":")" + std::string(user) + "\"," +
                                   replace(std::string(form), "CHANNEL", channel.name) + "}";
        const Identity identity{.title = user, .claims = claims, .who = {std::string(user), false}};
        TestClient& client = world.connect(identity);
        const bool is_known = channel.place != Place::unknown;
        const auto name = [&] { return cell(user, form, channel.name); };
        sheet.expect(world.connecting(), is_known ? kAllowed : error(102), name);
        sheet.expect(world.hears(client, channel), is_known, name);
        if (is_known) {
          sheet.expect(
              world.subscribe(client, channel, identity.who, subscription_tokens().front()),
              channel.is_too_long ? error(107) : error(105), name);
        }
        world.dismiss(client);
      }
    }
  }
  EXPECT_EQ(world.node().leftovers(), "");
  sheet.expect_cells(500);
}

}  // namespace
}  // namespace gyre::client::matrix
