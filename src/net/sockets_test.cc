#include "net/sockets.h"

#include <gtest/gtest.h>

#include <functional>

#include "runtime/test_support.h"

namespace gyre::net {
namespace {

struct Seen {
  std::vector<EndReason> ends;
  std::string bytes;
  int flushed = 0;
  std::function<void()> when_flushed;  // what being told so brings about
  std::function<void()> when_ended;
};

struct Watcher final : Handler {
  explicit Watcher(Seen& log) : seen(log) {}
  void on_bytes(std::span<char> bytes) override { seen.bytes.append(bytes.data(), bytes.size()); }
  void on_end(EndReason reason) override {
    seen.ends.push_back(reason);
    if (seen.when_ended) seen.when_ended();
  }
  void on_flushed() override {
    ++seen.flushed;
    if (seen.when_flushed) seen.when_flushed();
  }
  Seen& seen;
};

struct OneAcceptor final : Acceptor {
  explicit OneAcceptor(Seen& log) : seen(log) {}
  std::unique_ptr<Handler> accept(SocketHandle accepted) override {
    socket = accepted;
    return std::make_unique<Watcher>(seen);
  }
  Seen& seen;
  SocketHandle socket;
};

// One WebSocket connection with the descriptor 10.
class SocketsTest : public runtime::ShardTest<> {
 protected:
  SocketsTest() {
    shard_.attach(sockets_, sockets_);
    EXPECT_TRUE(sockets_.listen({}, acceptor_));
    sockets_.on_connection(kernel_.listener, 10);
    sockets_.set_framing(socket(), Framing::websocket_text);
  }
  SocketHandle socket() const { return acceptor_.socket; }
  os::Token token() const { return (os::Token{socket().generation} << 32) | socket().slot; }
  void send(std::string_view message) { sockets_.send(socket(), Frame::make(message)); }
  void end_turn() {
    do sockets_.flush();
    while (sockets_.waiting() > 0);
    sockets_.settle();
  }
  // The kernel has room for so many bytes more.
  void give_room(size_t bytes) {
    kernel_.room = bytes;
    sockets_.on_room(token());
    end_turn();
  }
  std::string sent() { return std::exchange(kernel_.sent[10], {}); }
  static std::string framed(const std::string& message) {
    char header[kHeaderMax];
    const size_t size = write_websocket_header(header, 0x81, message.size());
    return std::string(header, size) + message;
  }

  Seen seen_;
  OneAcceptor acceptor_{seen_};
  Sockets sockets_{shard_, {.queue_bytes_max = 1000, .write_timeout = os::kSecond}};
};

TEST_F(SocketsTest, AMessageLeavesAtTheEndOfTheTurn) {
  send("{}");
  EXPECT_EQ(sent(), "");
  end_turn();
  EXPECT_EQ(sent(), framed("{}"));
  EXPECT_EQ(sockets_.queued_bytes(socket()), 0u);
}

TEST_F(SocketsTest, BatchesAtMostSixteenMessagesIntoOne) {
  std::string first;
  for (int i = 0; i < 20; ++i) {
    send(std::to_string(i));
    if (i < 16) first += std::to_string(i) + (i < 15 ? "\n" : "");
  }
  end_turn();
  EXPECT_EQ(kernel_.sends, 1);
  EXPECT_EQ(sent(), framed(first) + framed("16\n17\n18\n19"));
}

TEST_F(SocketsTest, ControlFramesKeepTheirPlaceAndTheirBytes) {
  send("1");
  sockets_.send(socket(), Frame::make_raw("\x8a\x01p"));
  send("2");
  send("3");
  end_turn();
  EXPECT_EQ(sent(), framed("1") + "\x8a\x01p" + framed("2\n3"));
}

TEST_F(SocketsTest, IsBehindOnceMoreWaitsThanTheSocketTakes) {
  const uint32_t slot = socket().slot;
  send(std::string(200, 'a'));
  EXPECT_FALSE(sockets_.is_behind(slot, 200));
  EXPECT_FALSE(sockets_.is_behind(slot, 100)) << "the socket takes all that this turn has made";
  EXPECT_EQ(sockets_.queued_bytes(socket()), 0u);
  kernel_.room = 0;
  send(std::string(200, 'b'));
  end_turn();
  EXPECT_TRUE(sockets_.is_behind(slot, 199));
  EXPECT_FALSE(sockets_.is_behind(slot, 200));
  sockets_.notify_when_flushed(slot);
  EXPECT_EQ(seen_.flushed, 0);
  give_room(SIZE_MAX / 2);
  EXPECT_EQ(seen_.flushed, 1);
  EXPECT_FALSE(sockets_.is_behind(slot, 0));
  EXPECT_EQ(sent(), framed(std::string(200, 'a')) + framed(std::string(200, 'b')));
}

TEST_F(SocketsTest, WhoseConnectionBreaksIsBehind) {
  send(std::string(200, 'a'));
  kernel_.is_broken = true;
  EXPECT_TRUE(sockets_.is_behind(socket().slot, 100));
  EXPECT_TRUE(seen_.ends.empty()) << "not within the call";
  end_turn();
  EXPECT_EQ(seen_.ends, std::vector{EndReason::broken});
}

// Wherever the kernel cuts, the peer gets the same bytes.
TEST_F(SocketsTest, ASendCutAtAnyByteGoesOnWhereItStopped) {
  const std::string wanted = framed("one\ntwo\nthree") + framed("four");
  for (size_t cut = 0; cut <= wanted.size(); ++cut) {
    for (size_t second = 0; cut + second <= wanted.size(); second += 3) {
      for (const char* message : {"one", "two", "three"}) send(message);
      kernel_.room = cut;
      end_turn();
      send("four");
      end_turn();
      give_room(second);
      give_room(SIZE_MAX / 2);
      const std::string all = sent();
      // "four" joins the others when nothing of them had left.
      if (all != framed("one\ntwo\nthree\nfour")) ASSERT_EQ(all, wanted) << cut << " " << second;
      ASSERT_EQ(sockets_.queued_bytes(socket()), 0u);
    }
  }
  EXPECT_TRUE(seen_.ends.empty());
}

TEST_F(SocketsTest, ACutSendOfBinaryMessagesGoesOnToo) {
  sockets_.set_framing(socket(), Framing::websocket_binary);
  const std::string wanted = "\x82\x0bonetwothree";
  for (size_t cut = 1; cut <= wanted.size(); ++cut) {
    for (const char* message : {"one", "two", "three"}) send(message);
    kernel_.room = cut;
    end_turn();
    give_room(SIZE_MAX / 2);
    ASSERT_EQ(sent(), wanted) << cut;
  }
}

TEST_F(SocketsTest, AnHttpAnswerMayTakeLonger) {
  sockets_.set_framing(socket(), Framing::raw);
  kernel_.room = 1;
  send("hello");
  end_turn();
  advance(9 * os::kSecond);
  EXPECT_TRUE(seen_.ends.empty());
  advance(2 * os::kSecond);
  EXPECT_EQ(seen_.ends, std::vector{EndReason::stalled});
}

TEST_F(SocketsTest, WhatIsHeldLeavesBehindTheFrameThatReleasesIt) {
  sockets_.hold(socket());
  send("second");
  send("third");
  end_turn();
  EXPECT_EQ(sent(), "");
  sockets_.release(socket(), Frame::make("first"));
  end_turn();
  EXPECT_EQ(sent(), framed("first\nsecond\nthird"));
}

TEST_F(SocketsTest, HeldOutputCountsAgainstTheBound) {
  sockets_.hold(socket());
  send(std::string(1001, 'x'));
  end_turn();
  EXPECT_EQ(seen_.ends, std::vector{EndReason::slow});
}

TEST_F(SocketsTest, AWriteWithoutProgressStalls) {
  kernel_.room = 1;
  send("hello");
  end_turn();
  advance(500 * os::kMillisecond);
  EXPECT_TRUE(seen_.ends.empty());
  advance(os::kSecond);
  EXPECT_EQ(seen_.ends, std::vector{EndReason::stalled});
}

TEST_F(SocketsTest, ProgressProlongsTheDeadline) {
  kernel_.room = 1;
  send("hello");
  end_turn();
  for (int i = 0; i < 4; ++i) {
    kernel_.now += 800 * os::kMillisecond;
    give_room(1);
    shard_.turn(0);
  }
  EXPECT_TRUE(seen_.ends.empty());
}

TEST_F(SocketsTest, ATurnMayProduceMoreThanMayWait) {
  for (int i = 0; i < 30; ++i) send(std::string(100, 'x'));
  end_turn();
  EXPECT_TRUE(seen_.ends.empty()) << "the socket takes it";
  const std::string bytes = sent();
  EXPECT_EQ(std::count(bytes.begin(), bytes.end(), 'x'), 3000);
}

TEST_F(SocketsTest, AMessageOverTheBoundIsSlowWhateverTheSocketTakes) {
  send(std::string(1001, 'x'));
  end_turn();
  EXPECT_EQ(seen_.ends, std::vector{EndReason::slow});
  EXPECT_EQ(sent(), "");
}

TEST_F(SocketsTest, TooMuchWaitingIsSlowOnceAndOnlyLastWordsGoOut) {
  kernel_.room = 0;
  for (int i = 0; i < 30; ++i) send(std::string(100, 'x'));
  end_turn();
  EXPECT_EQ(seen_.ends, std::vector{EndReason::slow});
  EXPECT_EQ(sent(), "");
  sockets_.abandon_output(socket());
  give_room(1000);
  sockets_.send(socket(), Frame::make_raw("bye"));
  sockets_.close_when_flushed(socket());
  end_turn();
  EXPECT_EQ(sent(), "bye");
  EXPECT_EQ(kernel_.closed, std::vector<os::Descriptor>{10});
}

TEST_F(SocketsTest, LastWordsThatNobodyTakesEndInTimeAndWithAReset) {
  kernel_.room = 0;
  send("x");
  end_turn();  // from here on nothing moves
  advance(800 * os::kMillisecond);
  for (int i = 0; i < 30; ++i) send(std::string(100, 'x'));
  end_turn();
  ASSERT_EQ(seen_.ends, std::vector{EndReason::slow});
  sockets_.abandon_output(socket());
  sockets_.send(socket(), Frame::make_raw("bye"));
  advance(300 * os::kMillisecond);
  EXPECT_FALSE(sockets_.is_open(socket()));
  EXPECT_EQ(kernel_.resets, std::vector<os::Descriptor>{10});
}

TEST_F(SocketsTest, TheSlowestAreThoseWithTheMostWaiting) {
  std::vector<std::unique_ptr<Seen>> seen;
  std::vector<SocketHandle> sockets;
  for (os::Descriptor descriptor = 20; descriptor < 24; ++descriptor) {
    seen.push_back(std::make_unique<Seen>());
    sockets_.on_connection(kernel_.listener, descriptor);
    sockets_.set_handler(socket(), std::make_unique<Watcher>(*seen.back()));
    sockets.push_back(socket());
  }
  for (size_t i = 0; i < 3; ++i) sockets_.send(sockets[i], Frame::make(std::string(i * 10, 'x')));
  kernel_.room = 0;
  end_turn();
  sockets_.send(sockets[3], Frame::make(std::string(900, 'x')));  // only this turn's
  EXPECT_EQ(sockets_.cut_slowest(1), 1u);
  sockets_.settle();
  EXPECT_TRUE(seen[1]->ends.empty());
  EXPECT_EQ(seen[2]->ends, std::vector{EndReason::slow});
  EXPECT_EQ(sockets_.cut_slowest(100), 2u) << "by now the last one is stuck, too";
  sockets_.settle();
  EXPECT_TRUE(seen[0]->ends.empty()) << "an empty message is nothing to wait for";
  EXPECT_EQ(seen[1]->ends, std::vector{EndReason::slow});
  EXPECT_EQ(seen[2]->ends.size(), 1u);
}

TEST_F(SocketsTest, AConnectionThatHasTakenEverythingIsNotReset) {
  send("x");
  end_turn();
  sockets_.close(socket());
  EXPECT_EQ(kernel_.closed, std::vector<os::Descriptor>{10});
  EXPECT_TRUE(kernel_.resets.empty());
}

TEST_F(SocketsTest, WhatWaitsIsSharedEvenWhenItWasCut) {
  const FrameRef frame = Frame::make(std::string(100, 'x'));
  for (int i = 0; i < 3; ++i) sockets_.send(socket(), frame);
  kernel_.room = 50;
  end_turn();
  EXPECT_TRUE(frame->is_shared());
  EXPECT_EQ(sockets_.queued_bytes(socket()), 254u) << "46 of 300 are out";
  sockets_.abandon_output(socket());
  EXPECT_TRUE(frame->is_shared()) << "they are one message, which must be finished";
  give_room(SIZE_MAX / 2);
  EXPECT_FALSE(frame->is_shared());
  const std::string one(100, 'x');
  EXPECT_EQ(sent(), framed(one + '\n' + one + '\n' + one));
}

// Who has waited for its turn in a mass delivery may have something to answer then.
TEST_F(SocketsTest, WhatIsAnsweredWhileTheBulkLeavesIsNotForgotten) {
  sockets_.send_bulk(socket().slot, Frame::make("1"));
  sockets_.notify_when_flushed(socket());
  seen_.when_flushed = [this] { send("2"); };
  shard_.turn(0);
  EXPECT_EQ(seen_.flushed, 1);
  EXPECT_EQ(shard_.asleep_until(), 0) << "there is something to send";
  shard_.turn(0);
  EXPECT_EQ(sent(), framed("1") + framed("2"));
  EXPECT_NE(shard_.asleep_until(), 0);
}

TEST_F(SocketsTest, WhoBreaksWithItsLastWordsIsToldInTheSameTurn) {
  kernel_.room = 0;
  send("a");
  shard_.turn(0);
  send(std::string(2000, 'b'));  // too much waits
  seen_.when_ended = [this] {
    if (seen_.ends.size() > 1) return;
    sockets_.abandon_output(socket());
    send("c");
    kernel_.is_broken = true;
    sockets_.on_room(token());
  };
  shard_.turn(0);
  EXPECT_EQ(seen_.ends, std::vector{EndReason::slow});
  EXPECT_FALSE(sockets_.is_open(socket()));
}

TEST_F(SocketsTest, TheKernelIsNotGivenAWholeBacklogAtOnce) {
  Sockets roomy(shard_, {.queue_bytes_max = 1 << 20});
  ASSERT_TRUE(roomy.listen({}, acceptor_));
  roomy.on_connection(kernel_.listener, 11);
  roomy.set_framing(socket(), Framing::websocket_text);
  for (int i = 0; i < 64; ++i) roomy.send(socket(), Frame::make(std::string(1000, 'x')));
  kernel_.sends = 0;
  roomy.flush();
  EXPECT_EQ(kernel_.sends, 4);
  EXPECT_EQ(std::ranges::count(kernel_.sent[11], 'x'), 64'000);
}

TEST_F(SocketsTest, ABrokenConnectionIsToldOnceAndTakesNoMore) {
  kernel_.is_broken = true;
  send("x");
  end_turn();
  send("y");
  end_turn();
  EXPECT_EQ(seen_.ends, std::vector{EndReason::broken});
  EXPECT_EQ(sockets_.queued_bytes(socket()), 0u);
}

TEST_F(SocketsTest, TheHandlerLearnsWhenEverythingHasLeft) {
  kernel_.room = 1;
  send("hello");
  sockets_.notify_when_flushed(socket());
  end_turn();
  EXPECT_EQ(seen_.flushed, 0);
  give_room(SIZE_MAX / 2);
  EXPECT_EQ(seen_.flushed, 1);
}

TEST_F(SocketsTest, AHandleOfAClosedConnectionNamesNobody) {
  const SocketHandle old = socket();
  const os::Token old_token = token();
  sockets_.close(old);
  sockets_.on_connection(kernel_.listener, 11);
  EXPECT_EQ(socket().slot, old.slot);
  EXPECT_FALSE(sockets_.is_open(old));
  EXPECT_EQ(sockets_.descriptor(old_token), os::kNoDescriptor);
  std::string text = "late";
  sockets_.on_bytes(old_token, text);
  sockets_.send(old, Frame::make("x"));
  end_turn();
  EXPECT_EQ(seen_.bytes, "");
  EXPECT_EQ(kernel_.sent[11], "");
}

TEST_F(SocketsTest, AClosedConnectionLeavesItsSuccessorAloneInTheDirtyList) {
  send("x");
  sockets_.close(socket());
  sockets_.on_connection(kernel_.listener, 11);
  end_turn();
  EXPECT_EQ(kernel_.sends, 0);
}

// Ends another connection as soon as its own output has left.
struct Avenger final : Handler {
  Avenger(Sockets& all, SocketHandle other) : sockets(all), victim(other) {}
  void on_bytes(std::span<char>) override {}
  void on_end(EndReason) override {}
  void on_flushed() override { sockets.close(victim); }
  Sockets& sockets;
  SocketHandle victim;
};

// Lone frames leave in batches; what a handler does then must find the books of all in order.
TEST_F(SocketsTest, AHandlerMayCloseWhoeverWasSentToBesideIt) {
  std::vector<SocketHandle> all{socket()};
  for (os::Descriptor next = 11; next < 11 + 300; ++next) {
    sockets_.on_connection(kernel_.listener, next);
    sockets_.set_framing(socket(), Framing::websocket_text);
    all.push_back(socket());
  }
  for (size_t i = 0; i + 1 < all.size(); i += 2) {
    sockets_.set_handler(all[i], std::make_unique<Avenger>(sockets_, all[i + 1]));
    sockets_.notify_when_flushed(all[i]);
  }
  const FrameRef frame = Frame::make("{}");
  for (const SocketHandle& each : all) sockets_.send(each, frame);
  end_turn();
  size_t reached = 0;
  for (const auto& [descriptor, bytes] : kernel_.sent) reached += bytes == framed("{}");
  EXPECT_GE(reached, all.size() / 2);
  EXPECT_EQ(sockets_.open_sockets(), all.size() - all.size() / 2);
  for (size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(sockets_.is_open(all[i]), i % 2 == 0);
    EXPECT_EQ(sockets_.queued_bytes(all[i]), 0u);
  }
}

TEST_F(SocketsTest, OfABatchThatIsCutEachGoesOnWhereItStopped) {
  std::vector<SocketHandle> all{socket()};
  for (os::Descriptor next = 11; next < 20; ++next) {
    sockets_.on_connection(kernel_.listener, next);
    sockets_.set_framing(socket(), Framing::websocket_text);
    all.push_back(socket());
  }
  const std::string wanted = framed("hello");
  for (size_t room = 0; room <= wanted.size() * all.size(); ++room) {
    for (const SocketHandle& each : all) sockets_.send(each, Frame::make("hello"));
    kernel_.room = room;
    end_turn();
    kernel_.room = SIZE_MAX / 2;
    for (const SocketHandle& each : all) {
      sockets_.on_room((os::Token{each.generation} << 32) | each.slot);
    }
    end_turn();
    for (auto& [descriptor, bytes] : kernel_.sent) ASSERT_EQ(std::exchange(bytes, {}), wanted);
  }
}

}  // namespace
}  // namespace gyre::net
