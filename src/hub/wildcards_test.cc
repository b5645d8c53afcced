#include "hub/wildcards.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>

#include "engine/memory/memory_broker.h"
#include "os/manual_kernel.h"

namespace gyre::hub {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::shared_ptr<const channel::Namespaces> wildcard_namespaces(
    const std::vector<channel::Namespaces::PatternRule>& patterns) {
  auto all = channel::Namespaces::compile({}, {}, {{"chat", {}}, {"vip", {}}}, patterns);
  auto rules = channel::WildcardRules::compile({}, {{">", ""}, {"chat:>", "chat"}});
  EXPECT_TRUE(all->add_wildcards(std::move(rules).value()));
  return std::make_shared<const channel::Namespaces>(std::move(*all));
}

struct WildcardNode {
  explicit WildcardNode(size_t most) : most_wildcards(most) {}

  runtime::ShardSet set;
  std::vector<LocalHub*> hubs;
  std::vector<Wildcards*> all;
  const size_t most_wildcards;
};

struct MuteHandler final : net::Handler {
  void on_bytes(std::span<char>) override {}
  void on_end(net::EndReason) override {}
};

// A shard with one connection, which leaves a wildcard as a session would.
struct WildcardShard final : ReceiverEvents, net::Acceptor {
  WildcardShard(WildcardNode& node, uint16_t index)
      : shard(runtime::ShardId{index}, kernel, node.set),
        sockets(shard, {}),
        broker(shard, std::chrono::hours(1)),
        hub(sockets, *this, &metrics),
        homes(shard, broker, node.hubs, &metrics),
        wildcards(homes, node.all, wildcard_namespaces({{"secret.*", "vip"}, {"chat:vip*", "vip"}}),
                  node.most_wildcards) {
    homes.feed(wildcards);
    shard.attach(sockets, sockets);
    EXPECT_TRUE(sockets.listen({}, *this));
    sockets.on_connection(kernel.listener, 10);
    sockets.set_framing(socket, net::Framing::websocket_text);
    construction.reset();
  }

  std::unique_ptr<net::Handler> accept(net::SocketHandle accepted) override {
    socket = accepted;
    return std::make_unique<MuteHandler>();
  }
  void on_unencodable(uint32_t) override {
    for (const std::string& name : {std::string("a.*"), std::string("a.>")}) {
      if (const ChannelSlot slot = hub.find(name); slot != ChannelSlot()) hub.drop(slot, 0);
    }
  }
  void on_lost(ChannelSlot, uint32_t) override {}
  void on_moved(ChannelSlot, uint32_t, uint32_t) override {}
  void on_unused(std::string_view channel) override {
    if (wildcards.is_wildcard(channel)) wildcards.leave(channel);
  }

  os::ManualKernel kernel;
  runtime::Shard shard;
  std::optional<runtime::TurnScope> construction{std::in_place, shard};
  net::Sockets sockets;
  net::SocketHandle socket;
  metrics::ShardMetrics metrics;
  engine::memory::MemoryBroker broker;
  LocalHub hub;
  Homes homes;
  Wildcards wildcards;
};

class WildcardsTest : public testing::Test {
 protected:
  static constexpr size_t kMost = 3;
  WildcardsTest() {
    for (uint16_t i = 0; i < 2; ++i) {
      shards_.push_back(std::make_unique<WildcardShard>(node_, i));
      node_.set.shards.push_back(&shards_[i]->shard);
      node_.hubs.push_back(&shards_[i]->hub);
      node_.all.push_back(&shards_[i]->wildcards);
    }
  }
  ~WildcardsTest() override { settle(); }

  void settle() {
    for (int round = 0; round < 4; ++round) {
      for (const auto& one : shards_) one->shard.turn(0);
    }
  }
  static runtime::Task<void> keep(runtime::Task<Result<void>> task,
                                  std::optional<Result<void>>* answer) {
    answer->emplace(co_await std::move(task));
  }
  Result<void> joined(size_t on, const std::string& name, const std::string& name_space = "") {
    std::optional<Result<void>> answer;
    {
      const runtime::TurnScope scope(shards_[on]->shard);
      shards_[on]->shard.tasks().spawn(
          keep(shards_[on]->wildcards.join(name, name_space), &answer));
    }
    settle();
    EXPECT_TRUE(answer);
    return answer ? *answer : fail(Errc::internal, "no answer");
  }
  // Joins, and has the connection of the shard for a receiver.
  void receive(size_t on, const std::string& name, const std::string& name_space = "") {
    EXPECT_TRUE(joined(on, name, name_space)) << name;
    WildcardShard& shard = *shards_[on];
    const runtime::TurnScope scope(shard.shard);
    const ChannelSlot slot = shard.hub.reserve(name);
    shard.hub.add(slot, {.outlet = shard.socket.slot, .variant = FrameVariant::json, .flags = 0});
    shard.hub.release(slot);
  }
  void leave(size_t on, const std::string& name) {
    {
      const runtime::TurnScope scope(shards_[on]->shard);
      shards_[on]->hub.drop(shards_[on]->hub.find(name), 0);
    }
    settle();
  }
  // On the shard where the channel is at home.
  engine::PublishResult publish(size_t at, const std::string& channel, const std::string& data,
                                const std::string& key = "", engine::HistoryOptions history = {}) {
    engine::PublishRequest request{.channel = channel,
                                   .publication = make_ref<protocol::Publication>(data),
                                   .history = history,
                                   .idempotency_key = key};
    engine::PublishResult result;
    {
      const runtime::TurnScope scope(shards_[at]->shard);
      result = shards_[at]->broker.publish_at_once(request)->value();
    }
    settle();
    return result;
  }
  std::vector<std::string> heard(size_t on) {
    const std::string bytes = std::exchange(shards_[on]->kernel.sent[10], {});
    std::vector<std::string> messages;
    for (size_t at = 0; (at = bytes.find("{\"push\"", at)) != std::string::npos;) {
      const size_t end = bytes.find("}}}", at) + 3;
      messages.push_back(bytes.substr(at, end - at));
      at = end;
    }
    return messages;
  }
  static std::string push(const std::string& wildcard, const std::string& channel, int data) {
    return R"({"push":{"channel":")" + wildcard + R"(","pub":{"data":)" + std::to_string(data) +
           R"(,"channel":")" + channel + R"("}}})";
  }
  size_t listened() const { return shards_[0]->homes.listened() + shards_[1]->homes.listened(); }
  bool are_forgotten() const {
    return shards_[0]->wildcards.empty() && shards_[1]->wildcards.empty() && listened() == 0;
  }

  WildcardNode node_{kMost};
  std::vector<std::unique_ptr<WildcardShard>> shards_;
};

TEST_F(WildcardsTest, ShardsThatListenGetWhatFits) {
  receive(1, "news.*");
  for (const size_t home : {0u, 1u}) {
    publish(home, "news.sport", "1");
    publish(home, "news.sport.today", "2");
    publish(home, "other", "3");
    EXPECT_THAT(heard(1), ElementsAre(push("news.*", "news.sport", 1))) << "from " << home;
    EXPECT_THAT(heard(0), IsEmpty());
  }
  EXPECT_EQ(listened(), 1u);
  EXPECT_EQ(shards_[0]->metrics.wildcards.value(), 1);
  EXPECT_EQ(shards_[0]->metrics.wildcard_publications.value(), 1u);
}

TEST_F(WildcardsTest, EachOfSeveralThatFitGetsIt) {
  receive(0, "a.*");
  receive(0, "a.>");
  receive(1, "*.b");
  publish(0, "a.b", "1");
  EXPECT_THAT(heard(0),
              testing::UnorderedElementsAre(push("a.*", "a.b", 1),
                                            R"({"push":{"channel":"a.\u003e","pub":{"data":1,)"
                                            R"("channel":"a.b"}}})"));
  EXPECT_THAT(heard(1), ElementsAre(push("*.b", "a.b", 1)));
}

TEST_F(WildcardsTest, AChannelsPublicationsComeInOrderAndWithTheirOffsets) {
  receive(1, "a.*");
  const engine::HistoryOptions history{
      .size = 5, .ttl = std::chrono::seconds(60), .meta_ttl = std::chrono::seconds(0)};
  for (int i = 1; i <= 40; ++i) publish(0, "a.b", std::to_string(i), "", history);
  const std::vector<std::string> messages = heard(1);
  ASSERT_EQ(messages.size(), 40u);
  for (size_t i = 1; i < messages.size(); ++i) {
    const std::string number = std::to_string(i + 1);
    EXPECT_EQ(messages[i], R"({"push":{"channel":"a.*","pub":{"data":)" + number + R"(,"offset":)" +
                               number + R"(,"channel":"a.b"}}})");
  }
}

TEST_F(WildcardsTest, WhatIsPublishedAgainIsNotDeliveredAgain) {
  receive(0, "a.*");
  publish(0, "a.b", "1", "key");
  EXPECT_EQ(publish(0, "a.b", "2", "key").suppressed, engine::Suppressed::by_idempotency);
  EXPECT_THAT(heard(0), ElementsAre(push("a.*", "a.b", 1)));
}

TEST_F(WildcardsTest, NothingComesOfChannelsThatAreNotForAll) {
  receive(0, ">");
  receive(0, "*");
  receive(0, "chat:>", "chat");
  for (const char* hidden : {"$a", "$news.a", "#42", "a.#1,2", "chat:#42", "$chat:a", "vip:a",
                             "chat:vip", "secret.a", "nope:a", "a\xc3\xa9"}) {
    publish(0, hidden, "1");
    EXPECT_THAT(heard(0), IsEmpty()) << hidden;
  }
  publish(0, std::string(256, 'a'), "1");
  EXPECT_THAT(heard(0), IsEmpty()) << "a name that is too long for clients";
  publish(0, "chat:a", "2");
  EXPECT_THAT(heard(0), ElementsAre(R"({"push":{"channel":"chat:\u003e","pub":{"data":2,)"
                                    R"("channel":"chat:a"}}})"))
      << "and not the star, which is of channels without a namespace";
}

TEST_F(WildcardsTest, AReloadThatMovesAChannelTakesItAway) {
  receive(0, "news.*");
  publish(0, "news.a", "1");
  EXPECT_EQ(heard(0).size(), 1u);
  {
    const runtime::TurnScope scope(shards_[0]->shard);
    shards_[0]->wildcards.use(wildcard_namespaces({{"news.a*", "vip"}}));
  }
  publish(0, "news.a", "2");
  EXPECT_THAT(heard(0), IsEmpty());
  publish(0, "news.b", "3");
  EXPECT_EQ(heard(0).size(), 1u);
}

// What was allowed for channels of one namespace must not get those of another.
TEST_F(WildcardsTest, WhoComesForAnotherNamespaceMustWait) {
  receive(0, "news.*");
  EXPECT_EQ(joined(1, "news.*", "vip").error().code, Errc::unavailable);
  const auto is_listening = [this](size_t on, std::string_view name_space) {
    const runtime::TurnScope scope(shards_[on]->shard);
    return shards_[on]->wildcards.is_listening("news.*", name_space);
  };
  EXPECT_TRUE(is_listening(0, ""));
  EXPECT_FALSE(is_listening(0, "vip"));
  EXPECT_FALSE(is_listening(1, ""));
  leave(0, "news.*");
  EXPECT_TRUE(joined(1, "news.*", "vip"));
  EXPECT_TRUE(is_listening(1, "vip"));
}

TEST_F(WildcardsTest, TheLastOneThatLeavesIsForgotten) {
  receive(0, "a.*");
  receive(1, "a.*");
  EXPECT_EQ(listened(), 1u);
  leave(0, "a.*");
  EXPECT_FALSE(are_forgotten());
  publish(0, "a.b", "1");
  EXPECT_THAT(heard(0), IsEmpty());
  EXPECT_EQ(heard(1).size(), 1u);
  leave(1, "a.*");
  EXPECT_TRUE(are_forgotten());
  EXPECT_EQ(shards_[0]->metrics.wildcards.value(), 0);
  publish(0, "a.b", "2");
  EXPECT_THAT(heard(1), IsEmpty());
}

TEST_F(WildcardsTest, ThereAreNotMoreOfThemThanThereMayBe) {
  receive(0, "a.*");
  receive(1, "b.*");
  receive(1, "c.*");
  EXPECT_EQ(joined(0, "d.*").error().code, Errc::too_large);
  EXPECT_EQ(joined(1, "d.*").error().code, Errc::too_large);
  receive(0, "b.*");
  leave(1, "c.*");
  EXPECT_TRUE(joined(0, "d.*"));
}

// A payload that is no JSON ends the connection, and with it both of its wildcards, while the
// second has yet to get the publication.
TEST_F(WildcardsTest, ADeliveryMayEndWhatItIsFor) {
  receive(0, "a.*");
  receive(0, "a.>");
  publish(0, "a.b", "no JSON");
  EXPECT_THAT(heard(0), IsEmpty());
  EXPECT_TRUE(are_forgotten());
}

}  // namespace
}  // namespace gyre::hub
