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
