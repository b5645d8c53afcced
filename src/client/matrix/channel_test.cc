// The authorization matrix: who may publish to a channel, read its history and see who is present.
#include <gtest/gtest.h>

#include <array>

#include "client/matrix/test_support.h"

namespace gyre::client::matrix {
namespace {

// Eight sets of permissions, each with what they are for kept or not. The three commands have
// different ones at the same time, and places too, so that one taken for another is seen.
channel::ChannelOptions channel_options(unsigned bits, bool is_kept) {
  channel::ChannelOptions options;
  set_publish(options, bits);
  set_history(options, 3 * bits + 1, is_kept);
  set_presence(options, 5 * bits + 2, is_kept != bit(bits, 0));
  set_subscribe(options, ~bits);
  return options;
}

World channel_world(unsigned bits, bool is_kept) {
  return World({{Place::bare, channel_options(bits, is_kept)},
                {Place::chat, channel_options(~bits, !is_kept)},
                {Place::digits, channel_options(bits + 3, is_kept)}});
}

enum class Standing : uint8_t { outside, subscribed, left };
constexpr std::array kStandings{Standing::outside, Standing::subscribed, Standing::left};

class ChannelMatrix : public testing::Test {
 protected:
  // Whether the client is subscribed to the channel now.
  static bool take_stand(World& world, TestClient& client, const Channel& channel,
                         Standing standing) {
    if (standing == Standing::outside) return false;
    const bool is_subscribed = world.subscribe_by_server(client, channel);
    if (standing == Standing::subscribed) return is_subscribed;
    if (!channel.name.empty()) world.command(client, "unsubscribe", channel);
    return false;
  }
  // Somebody who hears every channel that there is.
  static TestClient& listener(World& world) {
    TestClient& client = world.connect({.title = "eve", .claims = R"({"sub":"eve"})", .who = {}});
    for (const Channel& channel : channels()) world.subscribe_by_server(client, channel);
    return client;
  }

  static Outcome ask(World& world, TestClient& client, std::string_view method,
                     const Channel& channel) {
    const std::string_view more = method == "publish"   ? R"(,"data":1)"
                                  : method == "history" ? R"(,"limit":1)"
                                                        : "";
    return world.command(client, method, channel, more);
  }
  static Outcome expect_of(std::string_view method, const Channel& channel,
                           const channel::ChannelOptions& options, const Who& who, bool is_in) {
    if (method == "publish") return to_publish(channel, options, who, is_in);
    if (method == "history") return to_read_history(channel, options, who, is_in);
    return to_see_presence(channel, options, who, is_in);
  }

  void play(World& world, TestClient& eve, const Identity& identity, const Channel& channel,
            Standing standing) {
    const channel::ChannelOptions& options = world.options(channel);
    const Who& who = identity.who;
    TestClient* client = nullptr;
    bool is_in = false;
    for (const std::string_view method : {"publish", "history", "presence", "presence_stats"}) {
      if (!client || client->is_over()) {
        client = &world.connect(identity);
        is_in = take_stand(world, *client, channel, standing);
      }
      const auto name = [&] {
        return cell(world_, identity.title, channel.name, is_in ? "subscribed" : "outside", method);
      };
      eve.heard();
      const Outcome actual = ask(world, *client, method, channel);
      const Outcome expected = expect_of(method, channel, options, who, is_in);
      sheet_.expect(actual, expected, name);
      if (method == "publish") {
        sheet_.expect(!eve.heard().empty(), expected == kAllowed,
                      [&] { return cell(name(), "is delivered"); });
      }
    }
    world.dismiss(*client);
  }

  Sheet sheet_;
  std::string world_;
};

TEST_F(ChannelMatrix, PublishHistoryAndPresence) {
  for (unsigned bits = 0; bits < 8; ++bits) {
    for (const bool is_kept : {false, true}) {
      World world = channel_world(bits, is_kept);
      world_ = std::to_string(bits) + (is_kept ? " kept" : " not kept");
      TestClient& eve = listener(world);
      for (const Identity& identity : identities()) {
        for (const Channel& channel : channels()) {
          for (const Standing standing : kStandings) {
            play(world, eve, identity, channel, standing);
          }
        }
      }
      EXPECT_EQ(world.node().leftovers(), "");
    }
  }
  sheet_.expect_cells(90'000);
}

}  // namespace
}  // namespace gyre::client::matrix
