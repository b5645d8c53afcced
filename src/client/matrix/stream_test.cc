// The authorization matrix: what a subscription gets of what it asks for - positions, recovery, and
// word of who joins and leaves - by namespace, permissions and token (subscriptions.md 2.1.9, 2.2).
#include <gtest/gtest.h>

#include "client/matrix/test_support.h"

namespace gyre::client::matrix {
namespace {

struct Granted {
  bool is_positioned = false;
  bool is_recoverable = false;
  bool hears_joins = false;
  friend bool operator==(const Granted&, const Granted&) = default;
  friend void PrintTo(const Granted& granted, std::ostream* out) {
    *out << (granted.is_positioned ? "positioned " : "- ")
         << (granted.is_recoverable ? "recoverable " : "- ")
         << (granted.hears_joins ? "hears joins" : "-");
  }
};

// A token that allows the subscription, and may say otherwise than the namespace.
struct Overriding {
  std::string_view title;
  std::string claim;  // empty: no token, the namespace lets everybody in
  std::optional<bool> positioning = {}, recovery = {}, join_leave = {}, pushes_join_leave = {};
};

std::vector<Overriding> overridings() {
  const auto claim = [](std::string_view key, bool value) {
    return R"("override":{")" + std::string(key) + R"(":{"value":)" + (value ? "true" : "false") +
           "}}";
  };
  std::vector<Overriding> all{{.title = "no token", .claim = ""},
                              {.title = "a token", .claim = R"("override":{})"}};
  for (const bool value : {false, true}) {
    const std::string_view title = value ? "a token for" : "a token against";
    all.push_back(
        {.title = title, .claim = claim("force_positioning", value), .positioning = value});
    all.push_back({.title = title, .claim = claim("force_recovery", value), .recovery = value});
    all.push_back({.title = title, .claim = claim("join_leave", value), .join_leave = value});
    all.push_back({.title = title,
                   .claim = claim("force_push_join_leave", value),
                   .pushes_join_leave = value});
  }
  return all;
}

Granted to_grant(const channel::ChannelOptions& options, unsigned wishes, const Who& who,
                 const Overriding& token) {
  const bool reads = has_history_access(options, who, true);
  Granted granted;
  granted.is_recoverable = token.recovery.value_or(options.force_recovery) ||
                           (bit(wishes, 1) && (options.allow_recovery || reads));
  granted.is_positioned = token.positioning.value_or(options.force_positioning) ||
                          (bit(wishes, 0) && (options.allow_positioning || reads)) ||
                          granted.is_recoverable;
  const bool is_told = token.join_leave.value_or(options.join_leave);
  const bool listens =
      token.pushes_join_leave.value_or(options.force_push_join_leave) ||
      (bit(wishes, 2) && options.join_leave && has_presence_access(options, who, true));
  granted.hears_joins = is_told && listens;
  return granted;
}

// The namespace lets everybody in. `permissions`: those to read history and to see presence.
channel::ChannelOptions stream_options(unsigned stream, unsigned permissions) {
  channel::ChannelOptions options;
  set_subscribe(options, 3);
  set_history(options, permissions, true);
  set_presence(options, permissions, bit(stream, 0));
  options.allow_positioning = bit(stream, 0);
  options.allow_recovery = bit(stream, 1);
  options.force_positioning = bit(stream, 2);
  options.force_recovery = bit(stream, 3);
  options.join_leave = bit(stream, 4);
  options.force_push_join_leave = bit(stream, 5);
  return options;
}

Granted subscribe(World& world, TestClient& client, const Who& who, unsigned wishes,
                  const Overriding& overriding) {
  std::string more;
  if (bit(wishes, 0)) more += R"(,"positioned":true)";
  if (bit(wishes, 1)) more += R"(,"recoverable":true)";
  if (bit(wishes, 2)) more += R"(,"join_leave":true)";
  SubscriptionToken token{.title = "", .claims = ""};
  if (!overriding.claim.empty()) {
    token.claims = R"({"sub":"USER","channel":"CHANNEL",)" + overriding.claim + "}";
  }
  const Outcome outcome = world.subscribe(client, {.name = "news"}, who, token, more);
  EXPECT_EQ(outcome, kAllowed);
  Granted granted;
  for (const std::string& message : world.heard()) {
    granted.is_positioned |= message.contains(R"("positioned":true)");
    granted.is_recoverable |= message.contains(R"("recoverable":true)");
    granted.hears_joins |= message.contains(R"("join":{)");
  }
  return granted;
}

TEST(StreamMatrix, WishesAreGrantedByNamespacePermissionsAndToken) {
  Sheet sheet;
  const std::vector<Overriding> tokens = overridings();
  const auto play = [&](World& world, unsigned stream, unsigned permissions,
                        const Identity& identity, unsigned wishes) {
    for (const Overriding& token : tokens) {
      TestClient& client = world.connect(identity);
      sheet.expect(subscribe(world, client, identity.who, wishes, token),
                   to_grant(world.options({.name = "news"}), wishes, identity.who, token), [&] {
                     return cell("stream " + std::to_string(stream),
                                 "permissions " + std::to_string(permissions), identity.title,
                                 "wishes " + std::to_string(wishes), token.title, token.claim);
                   });
      world.dismiss(client);
    }
  };
  for (unsigned positions = 0; positions < 16; ++positions) {
    // For nobody, clients, subscribers, subscribers and anonymous ones.
    for (const unsigned permissions : {0u, 1u, 2u, 6u}) {
      // Positions meet joins in all ways, but not with all permissions.
      const unsigned stream = positions | ((positions + permissions) & 3) << 4;
      World world({{Place::bare, stream_options(stream, permissions)},
                   {Place::chat, {}},
                   {Place::digits, {}}});
      for (const size_t index : {0u, 1u, 8u}) {  // nobody, ann, ann where it is insecure
        for (unsigned wishes = 0; wishes < 8; ++wishes) {
          play(world, stream, permissions, identities()[index], wishes);
        }
      }
      EXPECT_EQ(world.node().leftovers(), "");
    }
  }
  sheet.expect_cells(15'000);
}

}  // namespace
}  // namespace gyre::client::matrix
