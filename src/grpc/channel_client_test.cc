#include "grpc/channel_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "grpc/test_server.h"
#include "os/linux_kernel.h"
#include "outbound/test_certificate.h"
#include "runtime/call.h"
#include "runtime/test_support.h"

namespace gyre::grpc {
namespace {

using outbound::new_test_identity;
using outbound::TestIdentity;
using testing::Contains;
using testing::HasSubstr;
using testing::Pair;

constexpr os::Nanos kLong = 20 * os::kSecond;

TestServer::Answer answer_of(std::string message) {
  return {.status = ::grpc::Status::OK, .message = std::move(message)};
}

TestServer::Answer echo(const TestServer::Seen& seen) {
  return answer_of(seen.message);
}

class ChannelClientTest : public testing::Test {
 protected:
  ChannelClientTest() : kernel_(std::move(*os::LinuxKernel::create())) {
    EXPECT_TRUE(kernel_->open());
    shard_ = std::make_unique<runtime::Shard>(runtime::ShardId{0}, *kernel_, set_);
    shard_->attach(events_, output_);
    set_.shards.push_back(shard_.get());
    thread_ = std::jthread([this] { shard_->run(); });
  }
  ~ChannelClientTest() override {
    client_.reset();
    // What it has cancelled resumes before this.
    std::promise<void> reached;
    tell([&] { reached.set_value(); });
    reached.get_future().wait();
    shard_->stop();
    thread_.join();
    EXPECT_EQ(shard_->tasks().active(), 0u);
  }

  template <class Work>
  void tell(Work work) {
    shard_->post(*new runtime::Errand<Work>(std::move(work)));
  }
  static runtime::Task<void> ask(Client* client, Request request,
                                 std::promise<Result<std::string>>* answer) {
    answer->set_value(co_await client->call(std::move(request)));
  }
  // From the shard; the answer comes when it comes.
  std::future<Result<std::string>> begin(Request request) {
    promises_.push_back(std::make_unique<std::promise<Result<std::string>>>());
    auto* promise = promises_.back().get();
    tell([this, promise, request = std::move(request)]() mutable {
      shard_->tasks().spawn(ask(client_.get(), std::move(request), promise));
    });
    return promise->get_future();
  }
  Result<std::string> call(Request request) { return begin(std::move(request)).get(); }
  static std::shared_ptr<ChannelOptions> to(const std::string& address) {
    auto options = std::make_shared<ChannelOptions>();
    options->address = address;
    return options;
  }
  static Request request_to(std::shared_ptr<const ChannelOptions> channel,
                            std::string message = "m") {
    return {.channel = std::move(channel),
            .method = "/a.B/C",
            .metadata = {},
            .message = std::move(message),
            .timeout = kLong};
  }

  std::unique_ptr<os::LinuxKernel> kernel_;
  runtime::NoEvents events_;
  runtime::NoOutput output_;
  runtime::ShardSet set_;
  std::unique_ptr<runtime::Shard> shard_;
  std::vector<std::unique_ptr<std::promise<Result<std::string>>>> promises_;
  std::unique_ptr<ChannelClient> client_ = std::make_unique<ChannelClient>();
  std::jthread thread_;
};

TEST_F(ChannelClientTest, CallsAndReadsTheAnswer) {
  TestServer::Seen seen;
  TestServer server([&](const TestServer::Seen& call) {
    seen = call;
    return answer_of(std::string("an\0swer", 7));
  });
  Request request = request_to(to(server.address()), std::string("mes\0sage", 8));
  request.metadata = {{"x-a", "1"}, {"x-a", "2"}, {"x-bytes-bin", "\x01\xff"}, {"cookie", "a=b"}};
  request.timeout = 10 * os::kSecond;
  const auto answer = call(std::move(request));
  ASSERT_TRUE(answer) << answer.error().context;
  EXPECT_EQ(*answer, std::string("an\0swer", 7));
  EXPECT_EQ(seen.method, "/a.B/C");
  EXPECT_EQ(seen.message, std::string("mes\0sage", 8));
  EXPECT_THAT(seen.metadata, Contains(Pair("x-a", "1")));
  EXPECT_THAT(seen.metadata, Contains(Pair("x-a", "2")));
  EXPECT_THAT(seen.metadata, Contains(Pair("x-bytes-bin", "\x01\xff")));
  EXPECT_THAT(seen.metadata, Contains(Pair("cookie", "a=b")));
  EXPECT_GT(seen.left, std::chrono::seconds(1));
  EXPECT_LT(seen.left, std::chrono::seconds(11));  // is rounded up on the way
  EXPECT_EQ(client_->figures().calls, 0u);
}

TEST_F(ChannelClientTest, HasManyCallsUnderWayAtOnce) {
  TestServer server(echo);
  const auto channel = to(server.address());
  std::vector<std::future<Result<std::string>>> answers;
  for (int i = 0; i < 200; ++i) answers.push_back(begin(request_to(channel, std::to_string(i))));
  for (size_t i = 0; i < answers.size(); ++i) {
    const auto answer = answers[i].get();
    ASSERT_TRUE(answer) << answer.error().context;
    EXPECT_EQ(*answer, std::to_string(i));
  }
}

TEST_F(ChannelClientTest, CompressesIfItIsToldTo) {
  const std::string large(10'000, 'x');
  bool is_compressed = false;
  TestServer server([&](const TestServer::Seen& seen) {
    is_compressed = seen.is_compressed;
    return echo(seen);
  });
  for (const bool compresses : {false, true}) {
    auto channel = to(server.address());
    channel->compresses = compresses;
    EXPECT_EQ(call(request_to(channel, large)).value_or("nothing"), large);
    EXPECT_EQ(is_compressed, compresses);
  }
}

TEST_F(ChannelClientTest, TellsWhatIsWrongWithTheServer) {
  TestServer refuses([](const TestServer::Seen&) {
    return TestServer::Answer{.status = {::grpc::StatusCode::PERMISSION_DENIED, "go away"},
                              .message = {}};
  });
  const auto refused = call(request_to(to(refuses.address())));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::unavailable);
  EXPECT_EQ(refused.error().context, "GRPC status PERMISSION_DENIED: go away");
  TestServer large([](const TestServer::Seen&) { return answer_of(std::string(1'001, 'x')); });
  auto bounded = to(large.address());
  bounded->message_max = 1'000;
  EXPECT_THAT(call(request_to(bounded)).error().context, HasSubstr("RESOURCE_EXHAUSTED"));
  // The port of a server that is no more, and an address that the library knows not.
  std::string nobody;
  {
    TestServer gone(echo);
    nobody = gone.address();
  }
  for (const std::string& address : {nobody, std::string("x:///y")}) {
    EXPECT_EQ(call(request_to(to(address))).error().code, Errc::unavailable) << address;
  }
}

TEST_F(ChannelClientTest, GivesUpWhenTheTimeIsOver) {
  TestServer server([](const TestServer::Seen&) { return std::nullopt; });
  Request request = request_to(to(server.address()));
  request.timeout = 50 * os::kMillisecond;
  const auto answer = call(std::move(request));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Errc::timed_out);
}

TEST_F(ChannelClientTest, FindsAServerThatHasComeBack) {
  auto server = std::make_unique<TestServer>(echo);
  const auto channel = to(server->address());
  EXPECT_TRUE(call(request_to(channel)));
  const int port = server->port();
  server.reset();
  EXPECT_FALSE(call(request_to(channel)));
  server = std::make_unique<TestServer>(echo, ::grpc::InsecureServerCredentials(), port);
  // Its pauses between attempts are bounded.
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  Result<std::string> answer = std::string();
  do {
    answer = call(request_to(channel, "again"));
  } while (!answer && std::chrono::steady_clock::now() < deadline);
  EXPECT_EQ(answer.value_or("nothing"), "again");
}

TEST_F(ChannelClientTest, RefusesMetadataThatCannotBeSent) {
  std::atomic<int> calls = 0;
  TestServer server([&](const TestServer::Seen& seen) {
    ++calls;
    return echo(seen);
  });
  const auto channel = to(server.address());
  for (const auto& [name, value] :
       std::vector<std::pair<std::string, std::string>>{{"x-a", "1\r\nx-b: 2"},
                                                        {"x-a", "\xff"},
                                                        {"X-A", "1"},
                                                        {"x a", "1"},
                                                        {"", "1"},
                                                        {":path", "/x"},
                                                        {"x-a", std::string(1, '\0')}}) {
    Request request = request_to(channel);
    request.metadata = {{name, value}};
    EXPECT_EQ(call(std::move(request)).error().code, Errc::invalid) << name << ": " << value;
  }
  EXPECT_EQ(calls, 0);
  EXPECT_TRUE(call(request_to(channel)));
}

TEST_F(ChannelClientTest, RefusesMoreThanMayBeUnderWay) {
  client_ = std::make_unique<ChannelClient>(ChannelClientOptions{.calls_max = 2});
  std::promise<void> over;
  std::shared_future<void> is_over = over.get_future().share();
  TestServer server([&](const TestServer::Seen& seen) {
    is_over.wait();
    return echo(seen);
  });
  const auto channel = to(server.address());
  auto first = begin(request_to(channel));
  auto second = begin(request_to(channel));
  EXPECT_EQ(call(request_to(channel)).error().code, Errc::unavailable);
  EXPECT_EQ(client_->figures().refused, 1u);
  EXPECT_EQ(client_->figures().calls, 2u);
  over.set_value();
  EXPECT_TRUE(first.get());
  EXPECT_TRUE(second.get());
}

TEST_F(ChannelClientTest, CancelsAtItsEnd) {
  std::promise<void> asked;
  TestServer server([&](const TestServer::Seen&) -> std::optional<TestServer::Answer> {
    asked.set_value();
    return std::nullopt;
  });
  auto answer = begin(request_to(to(server.address())));
  asked.get_future().wait();
  client_.reset();
  const auto cancelled = answer.get();
  ASSERT_FALSE(cancelled);
  EXPECT_EQ(cancelled.error().code, Errc::cancelled);
}

class StreamTest : public ChannelClientTest {
 protected:
  // Opens a stream, takes as many messages as it is told to, and tells how it has ended when it is
  // cancelled after them; of -1, at its own end.
  struct Heard {
    std::vector<std::string> messages;
    Error end;
  };
  static runtime::Task<void> follow(Client* client, Request request, std::vector<std::string> says,
                                    int most, std::promise<Heard>* promise) {
    Heard heard;
    std::unique_ptr<Stream> stream = client->open(std::move(request), says.empty());
    if (!stream) {
      heard.end = {Errc::too_large, "refused"};
      promise->set_value(std::move(heard));
      co_return;
    }
    for (std::string& message : says) EXPECT_TRUE(stream->write(std::move(message)));
    for (;;) {
      if (most == 0) stream->cancel();
      if (most >= 0) --most;
      Result<std::string> message = co_await stream->next();
      if (!message) {
        heard.end = std::move(message).error();
        break;
      }
      heard.messages.push_back(std::move(*message));
    }
    stream.reset();
    promise->set_value(std::move(heard));
  }
  std::future<Heard> begin_stream(Request request, std::vector<std::string> says = {},
                                  int most = -1) {
    heard_.push_back(std::make_unique<std::promise<Heard>>());
    auto* promise = heard_.back().get();
    tell([this, promise, most, request = std::move(request), says = std::move(says)]() mutable {
      shard_->tasks().spawn(
          follow(client_.get(), std::move(request), std::move(says), most, promise));
    });
    return promise->get_future();
  }
  std::vector<std::unique_ptr<std::promise<Heard>>> heard_;
};

TEST_F(StreamTest, BringsWhatTheServerSaysUntilItEnds) {
  TestServer server([](const TestServer::Seen& seen) {
    return TestServer::Answer{.status = {}, .message = seen.message, .times = 100};
  });
  const auto heard = begin_stream(request_to(to(server.address()), "m")).get();
  EXPECT_EQ(heard.messages, std::vector<std::string>(100, "m"));
  EXPECT_EQ(heard.end.code, Errc::closed);
  EXPECT_EQ(client_->figures().calls, 0u);
}

TEST_F(StreamTest, TakesWhatTheClientSays) {
  TestServer server([](const TestServer::Seen& seen) {
    return TestServer::Answer{
        .status = {}, .message = seen.message, .is_last = seen.message == "end"};
  });
  const auto heard =
      begin_stream(request_to(to(server.address()), "first"), {"a", "b", "end"}).get();
  EXPECT_EQ(heard.messages, (std::vector<std::string>{"first", "a", "b", "end"}));
  EXPECT_EQ(heard.end.code, Errc::closed);
}

TEST_F(StreamTest, TellsHowItHasFailed) {
  TestServer server([](const TestServer::Seen&) {
    return TestServer::Answer{.status = {::grpc::StatusCode::ABORTED, "no more"}, .message = {}};
  });
  const auto heard = begin_stream(request_to(to(server.address()))).get();
  EXPECT_EQ(heard.end.code, Errc::unavailable);
  EXPECT_EQ(heard.end.context, "GRPC status ABORTED: no more");
  EXPECT_EQ(begin_stream(request_to(to("x:///y"))).get().end.code, Errc::unavailable);
  Request unsayable = request_to(to(server.address()));
  unsayable.metadata = {{"x-a", "\n"}};
  EXPECT_EQ(begin_stream(std::move(unsayable)).get().end.code, Errc::invalid);
}

TEST_F(StreamTest, EndsWhenItIsCancelled) {
  std::promise<void> asked;
  TestServer server([&](const TestServer::Seen& seen) {
    if (seen.message == "last") asked.set_value();
    return TestServer::Answer{.status = {}, .message = seen.message, .is_last = false};
  });
  for (const int after : {0, 1}) {
    const auto heard =
        begin_stream(request_to(to(server.address())), {"more", "and more"}, after).get();
    EXPECT_EQ(heard.messages.size(), static_cast<size_t>(after));
    EXPECT_EQ(heard.end.code, Errc::cancelled);
  }
  auto open = begin_stream(request_to(to(server.address())), {"last"});
  asked.get_future().wait();
  client_.reset();
  EXPECT_EQ(open.get().end.code, Errc::cancelled);
}

// Many times what may wait: it comes as it is taken.
TEST_F(StreamTest, BringsMoreThanMayWait) {
  const std::string large(10'000, 'x');
  TestServer server([&](const TestServer::Seen&) {
    return TestServer::Answer{.status = {}, .message = large, .times = 1'000};
  });
  // A cancelled one that was never read ends as well.
  const auto unread = begin_stream(request_to(to(server.address())), {"more"}, 3).get();
  EXPECT_EQ(unread.messages.size(), 3u);
  EXPECT_EQ(unread.end.code, Errc::cancelled);
  const auto read = begin_stream(request_to(to(server.address()))).get();
  EXPECT_EQ(read.messages.size(), 1'000u);
}

TEST_F(StreamTest, HasABoundOfItsOwn) {
  client_ = std::make_unique<ChannelClient>(ChannelClientOptions{.streams_max = 0});
  TestServer server([](const TestServer::Seen& seen) { return echo(seen); });
  const auto channel = to(server.address());
  EXPECT_EQ(begin_stream(request_to(channel)).get().end.context, "refused");
  EXPECT_TRUE(call(request_to(channel))) << "open streams must not leave calls without room";
}

class EncryptedTest : public ChannelClientTest {
 protected:
  // With a certificate of the client's if `wants_client`, which the same must have signed.
  static std::shared_ptr<::grpc::ServerCredentials> credentials(const TestIdentity& identity,
                                                                bool wants_client = false) {
    ::grpc::SslServerCredentialsOptions options;
    options.pem_key_cert_pairs.push_back({identity.key, identity.certificate});
    if (wants_client) {
      options.pem_root_certs = identity.certificate;
      options.client_certificate_request =
          GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY;
    }
    return ::grpc::SslServerCredentials(options);
  }
  Result<std::string> call_with(const TestServer& server, outbound::TlsOptions tls) {
    auto channel = to(server.address());
    channel->tls = std::make_shared<const outbound::TlsOptions>(std::move(tls));
    return call(request_to(channel));
  }
};

TEST_F(EncryptedTest, HoldsTheServerToItsNameAndAuthorities) {
  const TestIdentity identity = new_test_identity();
  TestServer server(echo, credentials(identity));
  EXPECT_TRUE(call_with(server, {.authorities = identity.certificate, .server_name = "backend"}));
  EXPECT_FALSE(call_with(server, {.authorities = identity.certificate, .server_name = "other"}));
  EXPECT_FALSE(call_with(server, {.authorities = identity.certificate}));
  EXPECT_FALSE(call_with(server, {.server_name = "backend"}));
  EXPECT_FALSE(call_with(
      server, {.authorities = new_test_identity().certificate, .server_name = "backend"}));
  EXPECT_FALSE(call(request_to(to(server.address()))));  // plaintext
}

TEST_F(EncryptedTest, HoldsItToNothingIfItIsToldTo) {
  TestServer server(echo, credentials(new_test_identity()));
  const auto answer = call_with(server, {.insecure_skip_verify = true});
  EXPECT_TRUE(answer) << answer.error().context;
}

TEST_F(EncryptedTest, ShowsACertificateToWhoAsksForIt) {
  const TestIdentity identity = new_test_identity();
  TestServer server(echo, credentials(identity, true));
  EXPECT_FALSE(call_with(server, {.authorities = identity.certificate, .server_name = "backend"}));
  for (const bool skips : {false, true}) {
    const auto answer = call_with(server, {.authorities = identity.certificate,
                                           .certificate = identity.certificate,
                                           .key = identity.key,
                                           .server_name = "backend",
                                           .insecure_skip_verify = skips});
    EXPECT_TRUE(answer) << skips << answer.error().context;
  }
}

TEST_F(EncryptedTest, FailsWithACertificateThatIsNone) {
  TestServer server(echo, credentials(new_test_identity()));
  EXPECT_FALSE(call_with(server, {.certificate = "no certificate", .key = "no key"}));
  EXPECT_FALSE(call_with(server, {.authorities = "no certificate"}));
}

}  // namespace
}  // namespace gyre::grpc
