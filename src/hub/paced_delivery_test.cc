// Channels with a delivery rule: batches, and receivers that are behind.
#include <array>

#include "hub/test_support.h"

namespace gyre::hub {
namespace {

using channel::DeliveryRule;
using channel::SlowConsumer;
using std::chrono::milliseconds;

// More than the bound of the rules below.
const std::string kLong = '"' + std::string(120, 'x') + '"';
constexpr size_t kGood = 0;
constexpr size_t kDeaf = 1;

// What a connection was told, in order: data of publications, "+" for a join, "-" for a leave.
std::string heard(std::string_view bytes) {
  std::string text;
  for (size_t at = 0; (at = bytes.find(R"({"push":)", at)) != std::string_view::npos; ++at) {
    const std::string_view push = bytes.substr(at, bytes.find(R"({"push":)", at + 1) - at);
    const size_t data = push.find(R"("data":)");
    if (!text.empty()) text += ' ';
    if (data == std::string_view::npos) {
      text += push.contains(R"("join":{)") ? '+' : '-';
    } else {
      text += push.substr(data + 7, push.find_first_of(",}", data) - data - 7);
    }
  }
  return text;
}

class PacedDeliveryTest : public HubTest {
 protected:
  void use(const DeliveryRule& rule) { rule_ = std::make_shared<const DeliveryRule>(rule); }
  size_t publish(std::string data, Verdict verdict = Verdict::next) {
    return hub_.deliver("c", publication(std::move(data)), verdict);
  }
  void pass(milliseconds time) {
    kernel_.now += std::chrono::nanoseconds(time).count();
    flush();
  }
  std::string heard_by(size_t connection) { return heard(sent_to(connection)); }
  uint64_t skipped(metrics::Skip reason) { return metrics_.skipped_publications[reason].value(); }

  // --- Connections that do not read
  static os::Descriptor descriptor(size_t connection) {
    return static_cast<os::Descriptor>(10 + connection);
  }
  // kGood, and kDeaf, which has been sent more than the rule's bound and has taken nothing.
  ChannelSlot open_deaf(SlowConsumer slow_consumer, uint8_t flags = 0) {
    use({.slow_consumer = slow_consumer, .slow_consumer_bytes = 100});
    open(2);
    join("c", kGood);
    const ChannelSlot slot = join("c", kDeaf, flags);
    accepted_.on_flushed = [this, slot](uint32_t outlet) {
      hub_.catch_up(slot, events_.places[outlet]);
    };
    kernel_.deaf.insert(descriptor(kDeaf));
    publish(kLong);
    flush();
    sent_to(kGood);
    return slot;
  }
  void let_read(size_t connection) {
    kernel_.deaf.erase(descriptor(connection));
    const net::SocketHandle socket = accepted_.sockets[connection];
    sockets_.on_room((os::Token{socket.generation} << 32) | socket.slot);
    flush();
  }
};

TEST_F(PacedDeliveryTest, ABatchLeavesInOrderWhenItsTimeHasCome) {
  use({.batch_max_size = 10, .batch_max_delay = milliseconds(300)});
  open(2);
  join("c", 0);
  join("c", 1);
  for (const char* data : {"1", "2", "3"}) EXPECT_EQ(publish(data), 0u);
  pass(milliseconds(200));
  EXPECT_EQ(heard_by(0), "");
  pass(milliseconds(100));
  EXPECT_EQ(heard_by(0), "1 2 3");
  EXPECT_EQ(heard_by(1), "1 2 3");
  // The next one begins a batch of its own, which waits for no longer than it may.
  kernel_.now += 50 * os::kMillisecond;
  flush();
  publish("4");
  pass(milliseconds(300));
  EXPECT_EQ(heard_by(0), "4");
  EXPECT_EQ(metrics_.batched_publications.value(), 4u);
  EXPECT_EQ(skipped(metrics::Skip::batch), 0u);
}

TEST_F(PacedDeliveryTest, AFullBatchLeavesAtOnce) {
  use({.batch_max_size = 3, .batch_max_delay = milliseconds(300)});
  open(2);
  join("c", 0);
  join("c", 1);
  publish("1");
  publish("2");
  EXPECT_EQ(publish("3"), 6u);
  publish("4");
  flush();
  EXPECT_EQ(heard_by(0), "1 2 3");
  pass(milliseconds(300));
  EXPECT_EQ(heard_by(0), "4");
}

TEST_F(PacedDeliveryTest, ABatchDoesNotGrowBeyondWhatMayWait) {
  use({.batch_max_size = 10'000, .batch_max_delay = milliseconds(300)});
  open(1);
  join("c", 0);
  size_t count = 0;
  while (publish('"' + std::string(10'000, 'x') + '"') == 0) ASSERT_LT(++count, 100u);
  EXPECT_EQ(count, 26u) << "256 KiB";
}

TEST_F(PacedDeliveryTest, OfABatchTheNewestAlone) {
  use({.batch_flush_latest = true, .batch_max_size = 10, .batch_max_delay = milliseconds(100)});
  open(2);
  join("c", 0);
  join("c", 1);
  for (const char* data : {"1", "2", "3"}) publish(data);
  publish("0", Verdict::stale);
  pass(milliseconds(100));
  EXPECT_EQ(heard_by(0), "3") << "and not what came once more";
  EXPECT_EQ(heard_by(1), "3");
  EXPECT_EQ(skipped(metrics::Skip::batch), 6u);
  pass(milliseconds(500));
  EXPECT_EQ(heard_by(0), "");
  // However large they are, as only one of them is there.
  for (int i = 0; i < 9; ++i) EXPECT_EQ(publish('"' + std::string(100'000, 'x') + '"'), 0u);
  EXPECT_EQ(publish("4"), 2u) << "the tenth";
}

// Whoever counts on every publication gets each of them at once.
TEST_F(PacedDeliveryTest, NobodyWhoWantsAllIsLeftOutOfABatch) {
  use({.batch_flush_latest = true, .batch_max_size = 10, .batch_max_delay = milliseconds(100)});
  open(4);
  join("c", 0);
  join("c", 1, Receiver::kPositioned);
  join("c", 2, Receiver::kDelta);
  protocol::FilterNode node;
  node.key = "color";
  node.cmp = "eq";
  node.val = "red";
  const auto filter = protocol::TagsFilter::compile(node);
  const ChannelSlot slot = hub_.reserve("c");
  const uint32_t outlet = accepted_.sockets[3].slot;
  hub_.set_rule(slot, rule_);
  events_.places[outlet] = hub_.add(slot, {.outlet = outlet}, &*filter);
  hub_.release(slot);
  auto red = make_ref<protocol::Publication>("1");
  red->set_tags({{"color", "red"}});
  EXPECT_EQ(hub_.deliver("c", protocol::PublicationRef(std::move(red)), Verdict::next), 3u);
  EXPECT_EQ(publish("2"), 2u);
  flush();
  EXPECT_EQ(heard_by(0), "");
  EXPECT_EQ(heard_by(1), "1 2");
  EXPECT_EQ(heard_by(3), "1");
  sent_to(2);
  hub_.drop(slot, place(2));
  pass(milliseconds(100));
  EXPECT_EQ(heard_by(0), "2");
  for (const size_t connection : {1u, 2u, 3u}) EXPECT_EQ(sent_to(connection), "") << connection;
  hub_.remove(slot, place(1));
  hub_.remove(slot, place(3));
  EXPECT_EQ(publish("3"), 0u) << "nobody is left who wants it at once";
}

TEST_F(PacedDeliveryTest, ANewcomerGetsWhatComesAfterIt) {
  use({.batch_max_size = 10, .batch_max_delay = milliseconds(100)});
  open(2);
  join("c", 0, Receiver::kPositioned);
  publish("1");
  join("c", 1, Receiver::kPositioned);
  publish("2");
  pass(milliseconds(100));
  EXPECT_EQ(heard_by(0), "1 2");
  EXPECT_EQ(heard_by(1), "2") << "which has come with its position";
}

TEST_F(PacedDeliveryTest, WhoLeavesGetsWhatIsHeldUnlessItsConnectionEnds) {
  use({.batch_max_size = 10, .batch_max_delay = milliseconds(100)});
  open(3);
  ChannelSlot slot;
  for (size_t i = 0; i < 3; ++i) slot = join("c", i);
  publish("1");
  publish("2");
  hub_.remove(slot, place(1));
  hub_.drop(slot, place(2));
  publish("3");
  pass(milliseconds(100));
  EXPECT_EQ(heard_by(0), "1 2 3");
  EXPECT_EQ(heard_by(1), "1 2");
  EXPECT_EQ(heard_by(2), "");
}

TEST_F(PacedDeliveryTest, ALeaverIsNotGivenTwiceWhatItHas) {
  use({.batch_flush_latest = true, .batch_max_size = 10, .batch_max_delay = milliseconds(100)});
  open(2);
  const ChannelSlot slot = join("c", 0);
  join("c", 1, Receiver::kPositioned);
  publish("1");
  hub_.remove(slot, place(1));
  hub_.remove(slot, place(0));
  flush();
  EXPECT_EQ(heard_by(0), "1");
  EXPECT_EQ(heard_by(1), "1");
}

TEST_F(PacedDeliveryTest, AnnouncementsKeepTheirPlaceAmongPublications) {
  use({.batch_max_size = 10, .batch_max_delay = milliseconds(300)});
  open(2);
  join("c", 0, Receiver::kAnnouncements);
  join("c", 1);
  publish("1");
  announce(true, "a");
  publish("2");
  flush();
  EXPECT_EQ(heard_by(0), "1 +");
  announce(false, "a");
  flush();
  EXPECT_EQ(heard_by(0), "2 -");
  EXPECT_EQ(heard_by(1), "1 2");
}

TEST_F(PacedDeliveryTest, ALossIsToldBehindWhatIsHeld) {
  use({.batch_max_size = 10, .batch_max_delay = milliseconds(100)});
  open(2);
  join("c", 0, Receiver::kPositioned);
  join("c", 1);
  publish("1");
  hub_.lose("c");
  EXPECT_EQ(events_.lost, std::set{accepted_.sockets[0].slot});
  publish("2");
  pass(milliseconds(100));
  EXPECT_EQ(heard_by(0), "1");
  EXPECT_EQ(heard_by(1), "1 2");
}

TEST_F(PacedDeliveryTest, DeltasAreOfThePublicationBefore) {
  use({.batch_max_size = 10, .batch_max_delay = milliseconds(100)});
  open(1);
  join("c", 0, Receiver::kPositioned | Receiver::kDelta | Receiver::kDeltaReady);
  const auto text = [](int i) {
    return publication("\"The quick brown fox jumps over the lazy dog " + std::to_string(i) + '"');
  };
  hub_.deliver("c", text(2), Verdict::next, text(1));
  hub_.deliver("c", text(3), Verdict::next, text(2));
  pass(milliseconds(100));
  const std::string sent = sent_to(0);
  const size_t first = sent.find(R"("delta":true)");
  ASSERT_NE(first, std::string::npos);
  EXPECT_NE(sent.find(R"("delta":true)", first + 1), std::string::npos);
}

TEST_F(PacedDeliveryTest, ABatchEndsWithItsChannel) {
  use({.batch_max_size = 10, .batch_max_delay = milliseconds(100)});
  open(2);
  const ChannelSlot slot = join("c", 0);
  publish("1");
  hub_.drop(slot, place(0));
  EXPECT_EQ(hub_.channels(), 0u);
  EXPECT_EQ(shard_.timers().armed(), 0u);
  join("c", 1);
  pass(milliseconds(100));
  EXPECT_EQ(sent_to(1), "");
}

TEST_F(PacedDeliveryTest, NothingIsHeldBackFromTheEndOfTheNode) {
  use({.batch_max_size = 10, .batch_max_delay = milliseconds(100)});
  open(2);
  join("c", 0);
  join("d", 1);
  publish("1");
  hub_.deliver("d", publication("2"), Verdict::next);
  hub_.stop_batches();
  flush();
  EXPECT_EQ(heard_by(0), "1");
  EXPECT_EQ(heard_by(1), "2");
  EXPECT_EQ(publish("3"), 1u);
  EXPECT_EQ(shard_.timers().armed(), 0u);
}

TEST_F(PacedDeliveryTest, TheNewestSubscriberBringsTheRule) {
  use({.batch_max_size = 10, .batch_max_delay = milliseconds(100)});
  open(3);
  join("c", 0);
  publish("1");
  rule_ = nullptr;
  join("c", 1);
  EXPECT_EQ(publish("2"), 2u);
  flush();
  EXPECT_EQ(heard_by(0), "1 2");
  EXPECT_EQ(heard_by(1), "2");
  use({.batch_flush_latest = true, .batch_max_size = 10, .batch_max_delay = milliseconds(100)});
  join("c", 2);
  publish("3");
  publish("4");
  pass(milliseconds(100));
  for (const size_t connection : {0u, 1u, 2u}) EXPECT_EQ(heard_by(connection), "4") << connection;
}

// Whatever comes and goes meanwhile, each gets in order what was published while it was there.
TEST_F(PacedDeliveryTest, EveryoneGetsAllInOrder) {
  constexpr size_t kConnections = 12;
  use({.batch_max_size = 5, .batch_max_delay = milliseconds(200)});
  open(kConnections);
  std::array<bool, kConnections> is_there{};
  std::array<std::string, kConnections> expected;
  std::array<std::string, kConnections> got;
  ChannelSlot slot;
  int number = 0;
  uint32_t random = 11;
  const auto collect = [&](size_t i) {
    const std::string more = heard_by(i);
    if (!more.empty()) got[i] += more + ' ';
  };
  for (int step = 0; step < 5000; ++step) {
    random = random * 1'664'525 + 1'013'904'223;
    const size_t i = (random >> 20) % kConnections;
    switch (random >> 29) {
      case 0:
      case 1:
        if (std::exchange(is_there[i], !is_there[i])) {
          hub_.remove(slot, place(i));
        } else {
          slot = join("c", i, i % 3 == 0 ? Receiver::kPositioned : 0);
        }
        break;
      case 2:
        pass(milliseconds(100));
        break;
      default:
        ++number;
        for (size_t one = 0; one < kConnections; ++one) {
          if (is_there[one]) expected[one] += std::to_string(number) + ' ';
        }
        publish(std::to_string(number));
    }
  }
  pass(milliseconds(200));
  for (size_t i = 0; i < kConnections; ++i) {
    collect(i);
    EXPECT_GT(got[i].size(), 100u);
    EXPECT_EQ(got[i], expected[i]) << i;
  }
}

// --- Receivers that are behind

TEST_F(PacedDeliveryTest, WhoIsBehindGetsTheNewestWhenItHasCaughtUp) {
  open_deaf(SlowConsumer::keep_latest);
  for (const char* data : {"2", "3", "4"}) EXPECT_EQ(publish(data), 1u);
  publish("0", Verdict::stale);
  flush();
  EXPECT_EQ(heard_by(kGood), "2 3 4 0");
  EXPECT_TRUE(hub_.has_kept());
  const size_t queued = sockets_.queued_bytes(accepted_.sockets[kDeaf]);
  EXPECT_LT(queued, 200u) << "nothing was added";
  let_read(kDeaf);
  EXPECT_EQ(heard_by(kDeaf), kLong + " 4");
  EXPECT_FALSE(hub_.has_kept());
  EXPECT_EQ(skipped(metrics::Skip::slow), 3u);
  publish("5");
  flush();
  EXPECT_EQ(heard_by(kDeaf), "5");
}

// The queue of a single turn says nothing about who reads it.
TEST_F(PacedDeliveryTest, WhoReadsIsNotBehindHoweverMuchComesAtOnce) {
  for (const SlowConsumer slow : {SlowConsumer::keep_latest, SlowConsumer::resubscribe}) {
    use({.slow_consumer = slow, .slow_consumer_bytes = 100});
    open(1);
    const size_t connection = accepted_.sockets.size() - 1;
    const ChannelSlot slot = join("c", connection);
    std::string all = kLong;
    publish(kLong);
    for (int i = 0; i < 20; ++i) {
      publish(std::to_string(i));
      all += ' ' + std::to_string(i);
    }
    flush();
    EXPECT_EQ(heard_by(connection), all);
    EXPECT_FALSE(hub_.has_kept());
    EXPECT_TRUE(events_.lost.empty());
    hub_.drop(slot, place(connection));
  }
}

TEST_F(PacedDeliveryTest, ALateNewestDoesNotComeBeforeTheOlder) {
  open_deaf(SlowConsumer::keep_latest);
  publish("2");
  // Its output goes in the middle of a turn, before it is told that it has gone.
  kernel_.deaf.clear();
  const net::SocketHandle socket = accepted_.sockets[kDeaf];
  sockets_.on_room((os::Token{socket.generation} << 32) | socket.slot);
  publish("3");
  flush();
  EXPECT_EQ(heard_by(kDeaf), kLong + " 3");
}

TEST_F(PacedDeliveryTest, NothingIsLeftOutOfAStreamOrOfDeltas) {
  for (const uint8_t flags : {Receiver::kPositioned, Receiver::kDelta}) {
    SCOPED_TRACE(int{flags});
    use({.slow_consumer = SlowConsumer::keep_latest, .slow_consumer_bytes = 100});
    open(1);
    const size_t connection = accepted_.sockets.size() - 1;
    const ChannelSlot slot = join("c", connection, flags);
    kernel_.deaf.insert(descriptor(connection));
    publish(kLong);
    flush();
    publish("2");
    publish("3");
    flush();
    let_read(connection);
    const std::string sent = sent_to(connection);
    EXPECT_TRUE(sent.contains(R"("data":2)") || sent.contains(R"("data":"2")"));
    EXPECT_TRUE(sent.contains(R"("data":3)") || sent.contains(R"("data":"3")"));
    hub_.drop(slot, place(connection));
  }
}

TEST_F(PacedDeliveryTest, WhatIsKeptGoesWithItsReceiver) {
  const ChannelSlot slot = open_deaf(SlowConsumer::keep_latest);
  publish("2");
  EXPECT_TRUE(hub_.has_kept());
  hub_.remove(slot, place(kDeaf));
  EXPECT_FALSE(hub_.has_kept());
  accepted_.on_flushed = nullptr;
  let_read(kDeaf);
  EXPECT_EQ(heard_by(kDeaf), kLong);
}

TEST_F(PacedDeliveryTest, ABatchOfOneThatIsBehindIsItsNewest) {
  use({.slow_consumer = SlowConsumer::keep_latest,
       .slow_consumer_bytes = 100,
       .batch_max_size = 2,
       .batch_max_delay = milliseconds(100)});
  open(1);
  const ChannelSlot slot = join("c", 0);
  accepted_.on_flushed = [this, slot](uint32_t outlet) {
    hub_.catch_up(slot, events_.places[outlet]);
  };
  kernel_.deaf.insert(descriptor(0));
  publish(kLong);
  pass(milliseconds(100));
  for (const char* data : {"2", "3", "4", "5"}) publish(data);
  publish("6");
  let_read(0);
  EXPECT_EQ(heard_by(0), kLong + " 5");
  pass(milliseconds(100));
  EXPECT_EQ(heard_by(0), "6");
}

TEST_F(PacedDeliveryTest, WhoIsBehindIsTakenOutAndToldOnce) {
  open_deaf(SlowConsumer::resubscribe);
  for (const char* data : {"2", "3"}) EXPECT_EQ(publish(data), 1u);
  EXPECT_TRUE(events_.lost.empty()) << "not in the middle of a delivery";
  flush();
  EXPECT_EQ(events_.lost, std::set{accepted_.sockets[kDeaf].slot});
  EXPECT_EQ(publish("4"), 1u);
  flush();
  EXPECT_EQ(heard_by(kGood), "2 3 4");
  EXPECT_EQ(metrics_.cut_subscriptions.value(), 1u);
  EXPECT_EQ(skipped(metrics::Skip::slow), 2u);
  let_read(kDeaf);
  EXPECT_EQ(heard_by(kDeaf), kLong) << "nothing behind the gap";
}

TEST_F(PacedDeliveryTest, WhoIsCutWhileOthersAreToldIsToldToo) {
  use({.slow_consumer = SlowConsumer::resubscribe, .slow_consumer_bytes = 100});
  open(3);
  for (size_t one : {0, 1, 2}) kernel_.deaf.insert(descriptor(one));
  for (size_t one : {0, 1}) join("c", one);
  join("other", 2);
  publish(kLong);
  hub_.deliver("other", publication(kLong), Verdict::next);
  flush();
  publish("2");  // cuts the first two
  join("c", 2);  // behind as well, and looked at first
  events_.on_loss = [this] {
    events_.on_loss = nullptr;
    publish("3");
  };
  flush();
  flush();
  EXPECT_EQ(events_.lost.size(), 3u);
}

TEST_F(PacedDeliveryTest, WhoHasLeftByThenIsNotTold) {
  const ChannelSlot slot = open_deaf(SlowConsumer::resubscribe);
  publish("2");
  hub_.drop(slot, place(kDeaf));
  flush();
  EXPECT_TRUE(events_.lost.empty());
  EXPECT_EQ(metrics_.cut_subscriptions.value(), 0u);
}

TEST_F(PacedDeliveryTest, TheLastReceiverThatIsCutFreesTheChannel) {
  const ChannelSlot slot = open_deaf(SlowConsumer::resubscribe, Receiver::kPositioned);
  hub_.drop(slot, place(kGood));
  publish("2");
  flush();
  EXPECT_EQ(events_.unused, std::vector<std::string>{"c"});
  EXPECT_EQ(hub_.subscriptions(), 0u);
}

}  // namespace
}  // namespace gyre::hub
