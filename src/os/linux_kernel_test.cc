#include "os/linux_kernel.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace gyre::os {
namespace {

// Takes its time for every event.
class SlowSink final : public EventSink {
 public:
  SlowSink(Kernel& kernel, std::vector<Descriptor>& sockets) : kernel_(kernel), sockets_(sockets) {}

  Descriptor descriptor(Token socket) const override { return sockets_[socket]; }
  void on_connection(Token, Descriptor) override {}
  void on_bytes(Token socket, std::span<char> bytes) override {
    seen.push_back(socket);
    EXPECT_EQ(std::string(bytes.data(), bytes.size()), "x");
    const Nanos until = kernel_.monotonic() + took;
    while (kernel_.monotonic() < until) {
    }
  }
  void on_end(Token, bool) override {}
  void on_room(Token) override {}

  std::vector<Token> seen;
  Nanos took = kMillisecond;

 private:
  Kernel& kernel_;
  std::vector<Descriptor>& sockets_;
};

class LinuxKernelTest : public testing::Test {
 protected:
  LinuxKernelTest() {
    EXPECT_TRUE(kernel_->open());
    for (Token token = 0; token < 40; ++token) {
      int pair[2];
      EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
      sockets_.push_back(pair[0]);
      peers_.push_back(pair[1]);
      EXPECT_TRUE(kernel_->attach(pair[0], token));
      EXPECT_EQ(::write(pair[1], "x", 1), 1);
    }
  }
  ~LinuxKernelTest() override {
    for (const Descriptor socket : sockets_) ::close(socket);
    for (const Descriptor socket : peers_) ::close(socket);
  }
  void turn() {
    kernel_->wait(kernel_->monotonic() + 10 * kSecond);
    kernel_->dispatch(sink_, buffer_);
  }

  std::unique_ptr<LinuxKernel> kernel_ = LinuxKernel::create().value();
  std::vector<Descriptor> sockets_;
  std::vector<Descriptor> peers_;
  SlowSink sink_{*kernel_, sockets_};
  std::vector<char> buffer_ = std::vector<char>(1024);
};

TEST_F(LinuxKernelTest, MuchWorkIsSpreadOverTurnsAndNothingIsForgotten) {
  turn();
  EXPECT_EQ(sink_.seen.size(), 16u);
  EXPECT_EQ(::write(peers_[sink_.seen[0]], "x", 1), 1);
  turn();
  EXPECT_EQ(sink_.seen.size(), 32u);
  turn();
  ASSERT_EQ(sink_.seen.size(), 40u) << "what comes again is not in front of those that wait";
  const Token first = sink_.seen[0];
  EXPECT_EQ(std::ranges::count(sink_.seen, first), 1);
  turn();
  EXPECT_EQ(sink_.seen.back(), first);
}

TEST_F(LinuxKernelTest, AnEventOfAClosedSocketIsDropped) {
  turn();
  const std::vector<Token> seen = sink_.seen;
  for (Token token = 0; token < sockets_.size(); ++token) {
    if (std::ranges::find(seen, token) != seen.end()) continue;
    ::close(std::exchange(sockets_[token], kNoDescriptor));
  }
  turn();
  kernel_->wait(kernel_->monotonic());  // nothing is left that could end a longer one
  kernel_->dispatch(sink_, buffer_);
  EXPECT_EQ(sink_.seen, seen);
}

TEST_F(LinuxKernelTest, LittleWorkIsDoneAtOnce) {
  sink_.took = 0;
  turn();
  EXPECT_GE(sink_.seen.size(), 16u);
  while (sink_.seen.size() < 40) turn();
  kernel_->wait(kernel_->monotonic());
  kernel_->dispatch(sink_, buffer_);
  EXPECT_EQ(sink_.seen.size(), 40u);
}

struct NoEvents final : EventSink {
  Descriptor descriptor(Token) const override { return kNoDescriptor; }
  void on_connection(Token, Descriptor) override {}
  void on_bytes(Token, std::span<char>) override {}
  void on_end(Token, bool) override {}
  void on_room(Token) override {}
};

class LinuxKernelWaitTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(kernel_->open()); }
  void wait(Nanos deadline) {
    kernel_->wait(deadline);
    kernel_->dispatch(events_, buffer_);
  }
  void wait_until(Nanos when) {
    while (kernel_->monotonic() < when) wait(when);
  }

  std::unique_ptr<LinuxKernel> kernel_ = std::move(*LinuxKernel::create());
  NoEvents events_;
  std::string buffer_ = std::string(1024, '\0');
};

// Nobody reads what wakes it, so each wake-up must be an event of its own. Hangs if one is lost.
TEST_F(LinuxKernelWaitTest, EveryWakeUpEndsAWait) {
  for (int i = 0; i < 3; ++i) {
    kernel_->wake();
    wait(kForever);
  }
  kernel_->wake();
  kernel_->wake();
  wait(kForever);
}

// Hangs if the timer is not set for a deadline.
TEST_F(LinuxKernelWaitTest, DeadlinesEndWaitsInWhateverOrderTheyCome) {
  const Nanos start = kernel_->monotonic();
  kernel_->wake();
  wait(start + 30 * kMillisecond);  // ends early
  wait_until(start + 10 * kMillisecond);
  wait_until(start + 40 * kMillisecond);
  wait_until(start + 50 * kMillisecond);
  wait(start);  // has passed
}

TEST_F(LinuxKernelWaitTest, RandomBytesAreGivenOutOnce) {
  using Id = std::array<char, 16>;
  constexpr size_t kIds = 1000;
  std::set<Id> ids;
  for (size_t i = 0; i < kIds; ++i) {
    Id id{};
    kernel_->random(id.data(), id.size());
    ids.insert(id);
  }
  EXPECT_EQ(ids.size(), kIds);
  std::array<char, 1000> much{};
  kernel_->random(much.data(), much.size());
  EXPECT_NE(std::string(much.data() + much.size() - 16, 16), std::string(16, '\0'));
}

// With io_uring where the system has it, and without.
class LinuxKernelSendTest : public testing::TestWithParam<bool> {
 protected:
  static constexpr size_t kConnections = 300;  // more than a ring takes at once

  void SetUp() override {
    ASSERT_TRUE(kernel_->open(GetParam()));
    if (!GetParam()) ASSERT_FALSE(kernel_->has_ring());
    for (Token token = 0; token < kConnections; ++token) {
      int pair[2];
      ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
      ASSERT_TRUE(kernel_->attach(pair[0], token));
      events_.sockets.push_back(pair[0]);
      peers_.push_back(pair[1]);
      texts_.push_back("message " + std::to_string(token));
    }
  }
  ~LinuxKernelSendTest() override {
    for (const Descriptor socket : events_.sockets) ::close(socket);
    for (const Descriptor socket : peers_) ::close(socket);
  }
  // The results of one send to each of the first so many.
  std::vector<ptrdiff_t> send_each(size_t count) {
    std::vector<Sending> sendings;
    for (size_t i = 0; i < count; ++i) {
      sendings.push_back({.socket = events_.sockets[i], .token = i, .bytes = texts_[i]});
    }
    kernel_->send_each(sendings);
    std::vector<ptrdiff_t> results;
    for (const Sending& sending : sendings) results.push_back(sending.sent);
    return results;
  }
  std::string read(size_t peer) {
    std::string buffer(1 << 20, '\0');
    const ssize_t got = ::read(peers_[peer], buffer.data(), buffer.size());
    return buffer.substr(0, static_cast<size_t>(std::max<ssize_t>(got, 0)));
  }

  struct Rooms final : EventSink {
    Descriptor descriptor(Token token) const override { return sockets[token]; }
    void on_connection(Token, Descriptor) override {}
    void on_bytes(Token, std::span<char>) override {}
    void on_end(Token token, bool) override { ended.insert(token); }
    void on_room(Token token) override { roomy.insert(token); }
    std::vector<Descriptor> sockets;
    std::set<Token> roomy;
    std::set<Token> ended;
  };
  std::unique_ptr<LinuxKernel> kernel_ = std::move(*LinuxKernel::create());
  Rooms events_;
  std::vector<Descriptor> peers_;
  std::vector<std::string> texts_;
};
INSTANTIATE_TEST_SUITE_P(Ring, LinuxKernelSendTest, testing::Bool());

TEST_P(LinuxKernelSendTest, EachGetsItsOwn) {
  for (size_t count : {size_t{1}, size_t{3}, size_t{4}, kConnections}) {
    const std::vector<ptrdiff_t> results = send_each(count);
    for (size_t i = 0; i < count; ++i) {
      ASSERT_EQ(results[i], static_cast<ptrdiff_t>(texts_[i].size()));
      ASSERT_EQ(read(i), texts_[i]);
    }
  }
}

// What is wrong with some is nothing to the others.
TEST_P(LinuxKernelSendTest, TellsWhoIsBrokenAndWhoHasNoRoom) {
  constexpr size_t kBroken = 5;
  constexpr size_t kFull = 150;
  constexpr size_t kNearlyFull = 200;
  ::close(std::exchange(peers_[kBroken], ::dup(0)));
  const std::string much(1 << 20, 'x');
  while (::write(events_.sockets[kFull], much.data(), much.size()) > 0) {
  }
  texts_[kNearlyFull] = std::string(64 << 20, 'y');

  const std::vector<ptrdiff_t> results = send_each(kConnections);
  for (size_t i = 0; i < kConnections; ++i) {
    if (i == kBroken) {
      EXPECT_EQ(results[i], -1);
    } else if (i == kFull) {
      EXPECT_EQ(results[i], 0);
    } else if (i == kNearlyFull) {
      EXPECT_GT(results[i], 0);
      EXPECT_LT(results[i], static_cast<ptrdiff_t>(texts_[i].size()));
    } else {
      EXPECT_EQ(read(i), texts_[i]);
    }
  }
  const auto drain = [this](size_t peer) {
    while (!read(peer).empty()) {
    }
  };
  drain(kFull);
  drain(kNearlyFull);
  std::string buffer(1024, '\0');
  kernel_->wait(kernel_->monotonic());
  kernel_->dispatch(events_, buffer);
  EXPECT_EQ(events_.roomy, (std::set<Token>{kFull, kNearlyFull}));
}

struct AcceptedSockets final : EventSink {
  ~AcceptedSockets() override {
    for (const Descriptor socket : sockets) ::close(socket);
  }
  Descriptor descriptor(Token) const override { return kNoDescriptor; }
  void on_connection(Token, Descriptor socket) override { sockets.push_back(socket); }
  void on_bytes(Token, std::span<char>) override {}
  void on_end(Token, bool) override {}
  void on_room(Token) override {}
  std::vector<Descriptor> sockets;
};

// No new descriptor has a number from here on.
// Sanitizers look at objects through a pipe at times: within the limit nothing of a test is
// touched.
class DescriptorLimit {
 public:
  explicit DescriptorLimit(rlim_t most) {
    getrlimit(RLIMIT_NOFILE, &before_);
    rlimit limit = before_;
    limit.rlim_cur = most;
    setrlimit(RLIMIT_NOFILE, &limit);
  }
  ~DescriptorLimit() { setrlimit(RLIMIT_NOFILE, &before_); }
  DescriptorLimit(const DescriptorLimit&) = delete;

 private:
  rlimit before_{};
};

class LinuxKernelAcceptTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(kernel_->open());
    const auto listener = kernel_->listen({.address = "127.0.0.1"}, 7);
    ASSERT_TRUE(listener);
    listener_ = *listener;
  }
  ~LinuxKernelAcceptTest() override {
    for (const Descriptor socket : clients_) ::close(socket);
    kernel_->close(listener_);
  }
  Descriptor connect() {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(kernel_->local_port(listener_));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    clients_.push_back(::socket(AF_INET, SOCK_STREAM, 0));
    EXPECT_EQ(
        ::connect(clients_.back(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)),
        0);
    return clients_.back();
  }
  void turn(Nanos deadline) {
    kernel_->wait(deadline);
    kernel_->dispatch(accepted_, buffer_);
  }

  std::unique_ptr<LinuxKernel> kernel_ = std::move(*LinuxKernel::create());
  Descriptor listener_ = kNoDescriptor;
  std::vector<Descriptor> clients_;
  AcceptedSockets accepted_;
  std::string buffer_ = std::string(1024, '\0');
};

// Hangs if the connection is neither accepted nor refused.
TEST_F(LinuxKernelAcceptTest, RefusesWhatThereIsNoDescriptorFor) {
  const Descriptor client = connect();
  const Descriptor next = ::dup(0);  // the lowest that is free; the reserve is below it
  ASSERT_GE(next, 0);
  ::close(next);
  {
    const DescriptorLimit limit(static_cast<rlim_t>(next));
    turn(kernel_->monotonic());
  }
  char byte = 0;
  EXPECT_EQ(::recv(client, &byte, 1, 0), 0);
  EXPECT_TRUE(accepted_.sockets.empty());
}

// Another thread takes the reserve in the moment in which it is given up: here nobody gets it back.
TEST_F(LinuxKernelAcceptTest, DoesNotSpinWhenItCannotEvenRefuse) {
  for (int i = 0; i < 3; ++i) connect();
  {
    const DescriptorLimit limit(3);
    const Nanos end = kernel_->monotonic() + 300 * kMillisecond;
    int turns = 0;
    for (; kernel_->monotonic() < end; ++turns) turn(end);
    EXPECT_LE(turns, 10);
  }
  EXPECT_TRUE(accepted_.sockets.empty());
  while (accepted_.sockets.size() < 3) turn(kernel_->monotonic() + kSecond);
}

}  // namespace
}  // namespace gyre::os
