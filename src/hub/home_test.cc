#include "hub/home.h"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <set>

#include "hub/position_check.h"
#include "runtime/test_support.h"

namespace gyre::hub {
namespace {

using protocol::PublicationRef;
using protocol::StreamPosition;

PublicationRef published(uint64_t offset) {
  auto publication = make_ref<protocol::Publication>(std::to_string(offset));
  publication->offset = offset;
  return publication;
}

std::vector<uint64_t> offsets(const std::vector<PublicationRef>& publications) {
  std::vector<uint64_t> result;
  for (const PublicationRef& publication : publications) result.push_back(publication->offset);
  return result;
}

TEST(Recovery, NeedsEveryOffsetUpToTheTop) {
  const std::vector<PublicationRef> read{published(3), published(4)};
  EXPECT_TRUE(recover({2, "e"}, {4, "e"}, read, {}).recovered);
  EXPECT_FALSE(recover({1, "e"}, {4, "e"}, read, {}).recovered) << "2 is missing";
  EXPECT_FALSE(recover({2, "e"}, {5, "e"}, read, {}).recovered) << "5 is missing";
  EXPECT_FALSE(recover({2, "other"}, {4, "e"}, read, {}).recovered);
  EXPECT_TRUE(recover({2, ""}, {4, "e"}, read, {}).recovered);
  EXPECT_TRUE(recover({4, "e"}, {4, "e"}, {}, {}).recovered);
  EXPECT_FALSE(recover({9, "e"}, {4, "e"}, {}, {}).recovered) << "ahead of the stream";
}

TEST(Recovery, MergesWhatArrivedMeanwhile) {
  const std::vector<PublicationRef> read{published(3), published(4)};
  const std::vector<PublicationRef> arrived{published(4), published(5)};
  const Recovery merged = recover({2, "e"}, {5, "e"}, read, arrived);
  EXPECT_TRUE(merged.recovered);
  EXPECT_EQ(offsets(merged.publications), (std::vector<uint64_t>{3, 4, 5}));
  EXPECT_FALSE(recover({2, "e"}, {6, "e"}, read, {published(6)}).recovered) << "5 is missing";
}

TEST(CacheRecovery, SendsTheNewestUnlessItIsThere) {
  const std::vector<PublicationRef> newest{published(4)};
  EXPECT_EQ(offsets(recover_cache({1, "e"}, {4, "e"}, newest, {}, nullptr).publications),
            std::vector<uint64_t>{4});
  EXPECT_EQ(offsets(recover_cache({9, "other"}, {4, "e"}, newest, {}, nullptr).publications),
            std::vector<uint64_t>{4});
  const Recovery there = recover_cache({4, "e"}, {4, "e"}, newest, {}, nullptr);
  EXPECT_TRUE(there.recovered);
  EXPECT_TRUE(there.publications.empty());
}

TEST(CacheRecovery, NeedsTheTopOrThePosition) {
  EXPECT_FALSE(recover_cache({1, "e"}, {4, "e"}, {}, {}, nullptr).recovered);
  EXPECT_TRUE(recover_cache({4, "e"}, {4, "e"}, {}, {}, nullptr).recovered);
  EXPECT_FALSE(recover_cache({0, "e"}, {0, "e"}, {}, {}, nullptr).recovered);
  EXPECT_FALSE(recover_cache({1, "e"}, {4, "e"}, {published(3)}, {}, nullptr).recovered);
}

TEST(CacheRecovery, CountsWhatArrivedMeanwhile) {
  const Recovery recovery =
      recover_cache({1, "e"}, {5, "e"}, {published(4)}, {published(5), published(6)}, nullptr);
  EXPECT_TRUE(recovery.recovered);
  EXPECT_EQ(offsets(recovery.publications), std::vector<uint64_t>{5}) << "6 comes by itself";
}

TEST(CacheRecovery, SendsTheNewestThatPassesTheFilter) {
  protocol::FilterNode node;
  node.key = "a";
  node.cmp = "ex";
  const auto filter = protocol::TagsFilter::compile(node);
  auto with_tag = make_ref<protocol::Publication>("3");
  with_tag->offset = 3;
  with_tag->set_tags({{"a", "1"}});
  const Recovery recovery =
      recover_cache({1, "e"}, {4, "e"}, {published(4), with_tag, published(2)}, {}, &*filter);
  EXPECT_TRUE(recovery.recovered);
  EXPECT_EQ(offsets(recovery.publications), std::vector<uint64_t>{3});
}

// A broker that does nothing until the test says so.
class HeldBroker final : public engine::Broker {
 public:
  void attach(engine::BrokerEvents& new_events) override { events = &new_events; }
  runtime::Task<Result<void>> subscribe(std::string) override {
    ++subscribes;
    if (refuses) co_return fail(Errc::timed_out, "nobody knows");
    co_return Result<void>();
  }
  runtime::Task<Result<void>> unsubscribe(std::string) override {
    ++unsubscribes;
    if (holds_unsubscribes) co_await Held{*this};
    co_return Result<void>();
  }
  runtime::Task<Result<engine::PublishResult>> publish(engine::PublishRequest) override {
    co_return fail(Errc::unavailable, "not part of this test");
  }
  runtime::Task<Result<engine::HistoryPage>> history(std::string, engine::HistoryQuery) override {
    if (holds) co_await Held{*this};
    if (is_down) co_return fail(Errc::unavailable, "down");
    co_return page;
  }
  runtime::Task<Result<void>> remove_history(std::string) override { co_return Result<void>(); }
  runtime::Task<Result<void>> announce(std::string, protocol::AnnouncementRef) override {
    co_return fail(Errc::unavailable, "not part of this test");
  }

  // The held reads get the page as it is now.
  void release() {
    holds = holds_unsubscribes = false;
    for (std::coroutine_handle<> read : std::exchange(reads, {})) read.resume();
  }
  void deliver(uint64_t offset, std::string_view epoch = "e") {
    events->on_publication("c", published(offset), epoch);
  }

  struct Held {
    HeldBroker& broker;
    bool await_ready() const { return false; }
    void await_suspend(std::coroutine_handle<> read) { broker.reads.push_back(read); }
    void await_resume() {}
  };
  engine::BrokerEvents* events = nullptr;
  engine::HistoryPage page{.publications = {}, .top = {0, "e"}};
  std::vector<std::coroutine_handle<>> reads;
  bool holds = false;
  bool holds_unsubscribes = false;
  bool is_down = false;
  bool refuses = false;
  int subscribes = 0;
  int unsubscribes = 0;
};

struct QuietHandler final : net::Handler {
  void on_bytes(std::span<char>) override {}
  void on_end(net::EndReason) override {}
};

struct OneConnection final : net::Acceptor {
  std::unique_ptr<net::Handler> accept(net::SocketHandle accepted) override {
    socket = accepted;
    return std::make_unique<QuietHandler>();
  }
  net::SocketHandle socket;
};

struct Losses final : ReceiverEvents {
  void on_unencodable(uint32_t) override {}
  void on_lost(ChannelSlot, uint32_t) override { ++lost; }
  void on_moved(ChannelSlot, uint32_t, uint32_t) override {}
  void on_unused(std::string_view) override {}
  int lost = 0;
};

// One shard that is home and listener at once, with one connection.
class HomeTest : public runtime::ShardTest<> {
 protected:
  HomeTest() {
    set_.shards.push_back(&shard_);
    shard_.attach(sockets_, sockets_);
    EXPECT_TRUE(sockets_.listen({}, connection_));
    sockets_.on_connection(kernel_.listener, 10);
    sockets_.set_framing(connection_.socket, net::Framing::websocket_text);
    hubs_.push_back(&hub_);
  }

  using Answer = std::optional<Result<Joined>>;
  void join(JoinWish wish, Answer* answer) {
    shard_.tasks().spawn(keep(homes_.join("c", shard_.id(), std::move(wish)), answer));
  }
  Joined joined(JoinWish wish) {
    Answer answer;
    join(std::move(wish), &answer);
    EXPECT_TRUE(answer && *answer);
    return answer && *answer ? **answer : Joined();
  }
  static JoinWish from(uint64_t offset, const std::string& epoch = "e") {
    return {.positioned = true,
            .since = StreamPosition{offset, epoch},
            .recovery_limit = 300,
            .meta_ttl = {}};
  }
  static JoinWish positioned() {
    return {.positioned = true, .since = std::nullopt, .recovery_limit = 0, .meta_ttl = {}};
  }
  // As the session does when the answer is there.
  void receive(uint8_t flags = Receiver::kPositioned) {
    const ChannelSlot slot = hub_.reserve("c");
    hub_.add(slot,
             {.outlet = connection_.socket.slot, .variant = FrameVariant::json, .flags = flags});
    hub_.release(slot);
  }
  // How many publications have been sent to the connection since the last call.
  size_t sent() {
    sockets_.flush();
    const std::string bytes = std::exchange(kernel_.sent[10], {});
    size_t count = 0;
    for (size_t at = bytes.find("\"pub\""); at != std::string::npos;
         at = bytes.find("\"pub\"", at + 1))
      ++count;
    return count;
  }
  void set_page(const std::vector<uint64_t>& kept, uint64_t top) {
    broker_.page = {.publications = {}, .top = {top, "e"}};
    for (uint64_t offset : kept) broker_.page.publications.push_back(published(offset));
  }

  // Publishes, and tells whether the receiver got a delta.
  bool is_delta(uint64_t offset, bool wants_delta, std::string_view epoch = "e") {
    auto publication = make_ref<protocol::Publication>(
        "\"The quick brown fox jumps over the lazy dog " + std::to_string(offset) + '"');
    publication->offset = offset;
    publication->wants_delta = wants_delta;
    broker_.events->on_publication("c", publication, epoch);
    sockets_.flush();
    const std::string bytes = std::exchange(kernel_.sent[10], {});
    EXPECT_NE(bytes.find("\"pub\""), std::string::npos);
    return bytes.find(R"("delta":true)") != std::string::npos;
  }

  net::Sockets sockets_{shard_, {}};
  OneConnection connection_;
  Losses losses_;
  LocalHub hub_{sockets_, losses_};
  std::vector<LocalHub*> hubs_;
  HeldBroker broker_;
  Homes homes_{shard_, broker_, hubs_};

  static runtime::Task<void> keep(runtime::Task<Result<Joined>> task, Answer* answer) {
    answer->emplace(co_await std::move(task));
  }
};

TEST_F(HomeTest, APlainJoinHasNoPositionAndGetsWhatFollows) {
  EXPECT_EQ(joined({}).position, StreamPosition());
  receive(0);
  broker_.deliver(5);
  EXPECT_EQ(sent(), 1u);
}

TEST_F(HomeTest, APositionedJoinStandsAtTheTop) {
  set_page({}, 7);
  EXPECT_EQ(joined(positioned()).position, (StreamPosition{7, "e"}));
  receive();
  broker_.deliver(8);
  EXPECT_EQ(sent(), 1u);
  EXPECT_EQ(losses_.lost, 0);
}

TEST_F(HomeTest, RecoversWhatWasMissed) {
  set_page({5, 6, 7}, 7);
  const Joined answer = joined(from(4));
  EXPECT_TRUE(answer.recovery.recovered);
  EXPECT_EQ(offsets(answer.recovery.publications), (std::vector<uint64_t>{5, 6, 7}));
}

TEST_F(HomeTest, SaysSoWhenHistoryIsGoneOrTheEpochIsAnother) {
  set_page({6, 7}, 7);
  EXPECT_FALSE(joined(from(4)).recovery.recovered);
  EXPECT_FALSE(joined(from(5, "other")).recovery.recovered);
  EXPECT_EQ(joined(from(4)).position, (StreamPosition{7, "e"}));
}

TEST_F(HomeTest, WhatArrivesWhileHistoryIsReadIsNotLost) {
  set_page({}, 5);
  joined(positioned());  // the channel has a position
  broker_.holds = true;
  Answer answer;
  join(from(4), &answer);
  set_page({5}, 5);
  broker_.deliver(6);
  broker_.deliver(7);
  EXPECT_FALSE(answer);
  broker_.release();
  ASSERT_TRUE(answer && *answer);
  EXPECT_TRUE((*answer)->recovery.recovered);
  EXPECT_EQ(offsets((*answer)->recovery.publications), (std::vector<uint64_t>{5, 6, 7}));
  EXPECT_EQ((*answer)->position.offset, 7u);
}

TEST_F(HomeTest, AJoinWaitsUntilDeliveriesHaveCaughtUpWithHistory) {
  set_page({}, 5);
  joined(positioned());
  receive();
  set_page({6, 7}, 7);  // history knows more than has been delivered
  Answer answer;
  join(from(5), &answer);
  EXPECT_FALSE(answer);
  broker_.deliver(6);
  broker_.deliver(7);
  shard_.turn(0);
  ASSERT_TRUE(answer && *answer);
  EXPECT_TRUE((*answer)->recovery.recovered);
  EXPECT_EQ((*answer)->position.offset, 7u);
  EXPECT_EQ(losses_.lost, 0);
}

TEST_F(HomeTest, DeliveriesThatDoNotCatchUpAreALossForTheOthersOnly) {
  set_page({}, 5);
  joined(positioned());
  receive();
  set_page({6, 7}, 7);
  Answer answer;
  join(from(5), &answer);
  advance(2 * os::kSecond);
  ASSERT_TRUE(answer && *answer);
  EXPECT_TRUE((*answer)->recovery.recovered);
  EXPECT_EQ(losses_.lost, 1);
  // The late message is stale now.
  receive();
  broker_.deliver(7);
  EXPECT_EQ(sent(), 0u);
  broker_.deliver(8);
  EXPECT_EQ(sent(), 1u);
}

// While it waits for what history had, the stream begins anew: what was read is not the newest.
struct StreamThatIsOver : HomeTest {
  void join_over_its_end(bool is_cache) {
    set_page({}, 5);
    joined(positioned());
    receive();
    set_page({6}, 6);
    JoinWish wish = from(5, "");
    wish.is_cache = is_cache;
    Answer answer;
    join(std::move(wish), &answer);
    ASSERT_FALSE(answer);
    broker_.deliver(6, "new");
    shard_.turn(0);
    ASSERT_TRUE(answer && *answer);
    EXPECT_FALSE((*answer)->recovery.recovered);
    EXPECT_EQ((*answer)->position, (StreamPosition{6, "new"}));
    EXPECT_EQ(losses_.lost, 1);
    sent();
    receive();
    broker_.deliver(7, "new");
    EXPECT_EQ(sent(), 1u) << "the joiner stands where the channel does";
    EXPECT_EQ(losses_.lost, 1);
  }
};

TEST_F(StreamThatIsOver, RecoversNothing) {
  join_over_its_end(false);
}
TEST_F(StreamThatIsOver, RecoversNoCache) {
  join_over_its_end(true);
}

TEST_F(HomeTest, AGapIsToldBeforeTheNextDelivery) {
  set_page({}, 5);
  joined(positioned());
  receive();
  broker_.deliver(7);
  EXPECT_EQ(losses_.lost, 1);
  EXPECT_EQ(sent(), 0u) << "it has been taken out";
}

TEST_F(HomeTest, AnotherEpochIsALossAndALowerOffsetIsNot) {
  set_page({}, 5);
  joined(positioned());
  receive();
  broker_.deliver(5);
  EXPECT_EQ(losses_.lost, 0);
  EXPECT_EQ(sent(), 0u);
  broker_.deliver(6, "new");
  EXPECT_EQ(losses_.lost, 1);
}

TEST_F(HomeTest, ABrokerThatIsDownIsAnErrorAndLeavesNothingBehind) {
  broker_.is_down = true;
  Answer answer;
  join(positioned(), &answer);
  ASSERT_TRUE(answer);
  EXPECT_FALSE(*answer);
  advance(2 * os::kSecond);
  EXPECT_EQ(homes_.size(), 0u);
}

TEST_F(HomeTest, WhatArrivesWhileTheFirstPositionIsAskedForCounts) {
  broker_.holds = true;
  Answer answer;
  join(from(4), &answer);
  set_page({5}, 5);
  broker_.deliver(6);
  broker_.release();
  ASSERT_TRUE(answer && *answer);
  EXPECT_EQ((*answer)->position.offset, 6u);
  EXPECT_EQ(offsets((*answer)->recovery.publications), (std::vector<uint64_t>{5, 6}));
  receive();
  broker_.deliver(7);
  EXPECT_EQ(sent(), 1u);
  EXPECT_EQ(losses_.lost, 0);
}

TEST_F(HomeTest, ArrivalsOfAnotherEpochDoNotCount) {
  broker_.holds = true;
  Answer answer;
  join(from(4), &answer);
  set_page({5}, 5);
  broker_.deliver(6, "old");
  broker_.release();
  ASSERT_TRUE(answer && *answer);
  EXPECT_EQ((*answer)->position.offset, 5u);
  EXPECT_TRUE((*answer)->recovery.recovered);
}

TEST_F(HomeTest, AJoinWhileTheBrokerUnsubscribesKeepsItsPosition) {
  joined(positioned());
  homes_.leave("c", shard_.id());
  broker_.holds_unsubscribes = true;
  advance(2 * os::kSecond);
  set_page({}, 3);
  joined(positioned());
  receive();
  // History runs ahead; the join waits for deliveries when the unsubscribe ends.
  set_page({4}, 4);
  Answer answer;
  join(from(3), &answer);
  broker_.release();
  EXPECT_FALSE(answer);
  broker_.deliver(4);
  shard_.turn(0);
  ASSERT_TRUE(answer && *answer);
  EXPECT_TRUE((*answer)->recovery.recovered);
  EXPECT_EQ(broker_.subscribes, 2);
}

TEST_F(HomeTest, LingersAfterTheLastLeave) {
  joined({});
  homes_.leave("c", shard_.id());
  advance(500 * os::kMillisecond);
  joined({});
  EXPECT_EQ(broker_.subscribes, 1) << "the subscription was still there";
  advance(5 * os::kSecond);
  EXPECT_EQ(homes_.size(), 1u);
  homes_.leave("c", shard_.id());
  advance(2 * os::kSecond);
  EXPECT_EQ(broker_.unsubscribes, 1);
  EXPECT_EQ(homes_.size(), 0u);
  EXPECT_TRUE(shard_.is_idle());
}

TEST_F(HomeTest, WhatIsTooLongOnItsWayIsALoss) {
  broker_.page.top = {5, "e"};
  Homes late(shard_, broker_, hubs_, nullptr, 2 * os::kSecond);
  Answer answer;
  shard_.tasks().spawn(keep(late.join("c", shard_.id(), positioned()), &answer));
  ASSERT_TRUE(answer && *answer);
  receive();
  advance(100 * os::kSecond);
  const auto sent_ago = [&](uint64_t offset, int64_t ms) {
    auto publication = make_ref<protocol::Publication>("1");
    publication->offset = offset;
    publication->time_ms = shard_.unix_milliseconds() - ms;
    late.on_publication("c", publication, "e");
  };
  sent_ago(6, 2000);
  EXPECT_EQ(losses_.lost, 0);
  sent_ago(7, 2001);
  EXPECT_EQ(losses_.lost, 1);
}

// The question may have reached the broker, and only the answer was lost.
TEST_F(HomeTest, WithdrawsASubscribeThatMayHaveFailed) {
  broker_.refuses = true;
  Answer answer;
  join({}, &answer);
  ASSERT_TRUE(answer && !*answer);
  advance(2 * os::kSecond);
  EXPECT_EQ(broker_.unsubscribes, 1);
  EXPECT_EQ(homes_.size(), 0u);
}

TEST_F(HomeTest, WhoComesAndGoesWhileTheBrokerUnsubscribesLeavesNothingBehind) {
  joined({});
  homes_.leave("c", shard_.id());
  broker_.holds_unsubscribes = true;
  advance(2 * os::kSecond);
  joined({});
  homes_.leave("c", shard_.id());
  broker_.release();
  advance(2 * os::kSecond);
  EXPECT_EQ(broker_.subscribes, 2);
  EXPECT_EQ(broker_.unsubscribes, 2);
  EXPECT_EQ(homes_.size(), 0u);
}

TEST_F(HomeTest, DeltasAreAgainstTheDirectPredecessor) {
  set_page({}, 5);
  joined({.positioned = true, .wants_delta = true});
  receive(Receiver::kPositioned | Receiver::kDelta | Receiver::kDeltaReady);
  EXPECT_FALSE(is_delta(6, true)) << "the home has not seen 5";
  EXPECT_TRUE(is_delta(7, true));
  EXPECT_FALSE(is_delta(8, false)) << "its author wants none";
  EXPECT_TRUE(is_delta(9, true));
  EXPECT_FALSE(is_delta(0, true)) << "history does not keep it";
  EXPECT_FALSE(is_delta(10, true)) << "subscribers would make it of the one before";
  EXPECT_TRUE(is_delta(11, true));
}

TEST_F(HomeTest, NothingOfAnotherStreamIsTheBaseOfADelta) {
  set_page({}, 0);
  joined({.positioned = true, .wants_delta = true});
  receive(Receiver::kPositioned | Receiver::kDelta | Receiver::kDeltaReady);
  EXPECT_FALSE(is_delta(1, true));
  broker_.page = {.publications = {}, .top = {1, "f"}};
  EXPECT_EQ(joined({.positioned = true, .wants_delta = true}).position, (StreamPosition{1, "f"}));
  EXPECT_EQ(losses_.lost, 1);
  receive(Receiver::kPositioned | Receiver::kDelta | Receiver::kDeltaReady);
  EXPECT_FALSE(is_delta(2, true, "f")) << "the home has not seen 1 of this stream";
  EXPECT_TRUE(is_delta(3, true, "f"));
}

// --- PositionCheck

class PositionCheckTest : public HomeTest {
 protected:
  PositionCheckTest() {
    set_page({}, 7);
    joined(positioned());
    receive();
  }
  void check() { advance(40 * os::kSecond + runtime::TimerWheel::kTick); }
  void grace() { advance(Homes::kCatchUpGrace + runtime::TimerWheel::kTick); }
  PositionCheck check_{shard_, homes_, 40 * os::kSecond};
};

TEST_F(PositionCheckTest, AgreementTellsNobody) {
  check();
  grace();
  EXPECT_EQ(losses_.lost, 0);
}

TEST_F(PositionCheckTest, AnotherEpochIsALoss) {
  broker_.page.top = {0, "new"};
  check();
  EXPECT_EQ(losses_.lost, 1);
}

TEST_F(PositionCheckTest, AStoreThatHasLostWritesIsALoss) {
  set_page({}, 5);
  check();
  EXPECT_EQ(losses_.lost, 1);
}

TEST_F(PositionCheckTest, WhatIsOnItsWayMayStillArrive) {
  set_page({}, 8);
  check();
  EXPECT_EQ(losses_.lost, 0);
  broker_.deliver(8);
  grace();
  EXPECT_EQ(losses_.lost, 0);
}

TEST_F(PositionCheckTest, ALostLastMessageIsTold) {
  set_page({}, 8);
  check();
  grace();
  EXPECT_EQ(losses_.lost, 1);
}

TEST_F(PositionCheckTest, AskingInVainChangesNothing) {
  broker_.is_down = true;
  check();
  grace();
  EXPECT_EQ(losses_.lost, 0);
  broker_.is_down = false;
  broker_.page.top = {0, "new"};
  check();
  EXPECT_EQ(losses_.lost, 1) << "the next check works again";
}

}  // namespace
}  // namespace gyre::hub
