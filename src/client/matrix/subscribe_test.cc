// The authorization matrix: who may subscribe, with a token and without, again, and by refreshing.
#include <gtest/gtest.h>

#include "client/matrix/test_support.h"

namespace gyre::client::matrix {
namespace {

// `chat` has the opposite of what channels without namespace have, so that one taken for the other
// is seen; whoever may publish or read has no part in it.
World subscribe_world(unsigned bits) {
  channel::ChannelOptions bare;
  set_subscribe(bare, bits);
  set_publish(bare, ~bits);
  channel::ChannelOptions chat;
  set_subscribe(chat, ~bits);
  set_history(chat, bits, true);
  channel::ChannelOptions digits;
  set_subscribe(digits, bits + 3);
  set_presence(digits, ~bits, true);
  return World({{Place::bare, bare}, {Place::chat, chat}, {Place::digits, digits}});
}

const SubscriptionToken& no_token() {
  return subscription_tokens().front();
}

class SubscribeMatrix : public testing::Test {
 protected:
  // A client that unsubscribes from what it has not, subscribes, and does both once more.
  void play_without_token(World& world, unsigned bits, const Identity& identity,
                          const Channel& channel) {
    const Outcome expected =
        to_subscribe(channel, world.options(channel), identity.who, no_token(), false);
    const bool is_in = expected == kAllowed;
    TestClient& client = world.connect(identity);
    const auto expect = [&](std::string_view step, const auto& actual, const auto& wanted) {
      sheet_.expect(actual, wanted,
                    [&] { return cell(std::to_string(bits), identity.title, channel.name, step); });
    };
    expect("connect", world.connecting(), kAllowed);
    if (!channel.name.empty()) {
      expect("unsubscribe", world.command(client, "unsubscribe", channel), to_unsubscribe(channel));
    }
    expect("subscribe", world.subscribe(client, channel, identity.who, no_token()), expected);
    expect("hear", world.hears(client, channel), is_in);
    if (client.is_over()) return;
    if (is_in) {
      expect("subscribe twice", world.subscribe(client, channel, identity.who, no_token()),
             to_subscribe(channel, world.options(channel), identity.who, no_token(), true));
    }
    expect("leave", world.command(client, "unsubscribe", channel), to_unsubscribe(channel));
    expect("hear no more", world.hears(client, channel), false);
    expect("subscribe again", world.subscribe(client, channel, identity.who, no_token()), expected);
    world.dismiss(client);
  }

  Sheet sheet_;
};

TEST_F(SubscribeMatrix, WithoutAToken) {
  for (unsigned bits = 0; bits < 8; ++bits) {
    World world = subscribe_world(bits);
    for (const Identity& identity : identities()) {
      for (const Channel& channel : channels()) {
        play_without_token(world, bits, identity, channel);
      }
    }
    EXPECT_EQ(world.node().leftovers(), "");
  }
  sheet_.expect_cells(15'000);
}

TEST_F(SubscribeMatrix, ATokenDecidesAlone) {
  for (const unsigned bits : {0u, 7u}) {  // nothing is open, everything is
    World world = subscribe_world(bits);
    for (const Identity& identity : identities()) {
      for (const Channel& channel : channels()) {
        for (const SubscriptionToken& token : subscription_tokens()) {
          TestClient& client = world.connect(identity);
          const Outcome expected =
              to_subscribe(channel, world.options(channel), identity.who, token, false);
          const auto name = [&] {
            return cell(std::to_string(bits), identity.title, channel.name, "token", token.title);
          };
          sheet_.expect(world.subscribe(client, channel, identity.who, token), expected, name);
          sheet_.expect(world.hears(client, channel), expected == kAllowed, name);
          world.dismiss(client);
        }
      }
    }
    EXPECT_EQ(world.node().leftovers(), "");
  }
  sheet_.expect_cells(30'000);
}

TEST_F(SubscribeMatrix, ATokenRefreshesWhatIsSubscribed) {
  World world = subscribe_world(5);
  for (const Identity& identity : identities()) {
    for (const Channel& channel : channels()) {
      for (const SubscriptionToken& token : subscription_tokens()) {
        for (const bool is_wanted : {false, true}) {
          TestClient& client = world.connect(identity);
          const bool is_subscribed = is_wanted && world.subscribe_by_server(client, channel);
          sheet_.expect(world.refresh_subscription(client, channel, identity.who, token),
                        to_refresh_subscription(channel, identity.who, token, is_subscribed), [&] {
                          return cell(identity.title, channel.name, token.title,
                                      is_subscribed ? "subscribed" : "not subscribed");
                        });
          world.dismiss(client);
        }
      }
    }
  }
  EXPECT_EQ(world.node().leftovers(), "");
  sheet_.expect_cells(15'000);
}

}  // namespace
}  // namespace gyre::client::matrix
