#include "api/encode.h"

#include <gtest/gtest.h>

#include <optional>

#include "net/sockets.h"
#include "os/manual_kernel.h"
#include "runtime/shard.h"

namespace gyre::api {
namespace {

class EncodeTest : public testing::Test {
 protected:
  EncodeTest() {
    set_.shards.push_back(&shard_);
    shard_.attach(sockets_, sockets_);
  }

  static runtime::Task<void> keep(runtime::Task<bool> task, std::optional<bool>* done) {
    *done = co_await std::move(task);
  }
  // Runs whenever others get a turn.
  static runtime::Task<void> count_pauses(const std::optional<bool>* done, int* pauses) {
    for (; !*done; ++*pauses) co_await runtime::Yield();
  }
  // Nothing if it could not be encoded.
  std::optional<std::string> finish(runtime::Task<bool> task, std::string* text) {
    std::optional<bool> done;
    {
      runtime::TurnScope scope(shard_);
      shard_.tasks().spawn(keep(std::move(task), &done));
    }
    pauses_ = 0;
    {
      runtime::TurnScope scope(shard_);
      shard_.tasks().spawn(count_pauses(&done, &pauses_));
    }
    while (!done) shard_.turn(0);
    shard_.turn(0);
    return *done ? std::optional(*text) : std::nullopt;
  }
  std::optional<std::string> encode(const Answer<AnyResult>& answer) {
    std::string text;
    return finish(append_answer(&text, &answer), &text);
  }
  std::optional<std::string> encode(const BatchResult& batch) {
    std::string text;
    return finish(append_batch(&text, &batch), &text);
  }
  static engine::MemberRef member(protocol::ClientInfo info) {
    return make_ref<const engine::Member>(std::move(info));
  }
  static HistoryResult history(std::string data) {
    HistoryResult result;
    auto publication = make_ref<protocol::Publication>(std::move(data));
    publication->offset = 1;
    result.page.publications.push_back(std::move(publication));
    result.page.top = {1, "e"};
    return result;
  }

  os::ManualKernel kernel_;
  runtime::ShardSet set_;
  runtime::Shard shard_{runtime::ShardId{0}, kernel_, set_};
  net::Sockets sockets_{shard_, {}};
  int pauses_ = 0;  // of the last encoding
};

TEST_F(EncodeTest, LeavesZeroValuesOut) {
  EXPECT_EQ(encode(AnyResult(EmptyResult())), R"("result":{})");
  EXPECT_EQ(encode(AnyResult(PublishResult())), R"("result":{})");
  EXPECT_EQ(encode(AnyResult(PublishResult{{.offset = 0, .epoch = "e"}})),
            R"("result":{"epoch":"e"})");
  EXPECT_EQ(encode(AnyResult(PublishResult{{.offset = UINT64_MAX, .epoch = "e"}})),
            R"("result":{"offset":18446744073709551615,"epoch":"e"})");
}

TEST_F(EncodeTest, WritesConnections) {
  EXPECT_EQ(encode(AnyResult(ConnectionsResult())), R"("result":{"connections":{}})");
  ConnectionsResult result;
  result.connections.push_back({.client = "c1", .transport = "websocket", .protocol = "json"});
  result.connections.push_back(
      {.client = "c2",
       .user = "ann",
       .transport = "websocket",
       .protocol = "protobuf",
       .introduction = {.app_name = "js", .app_version = "1", .connected_at = 5, .latency_ms = 6},
       .channels = {{"a\"", client::Source::server_api}, {"b", client::Source::unknown}},
       .token = client::TokenMark{.uid = "t", .issued_at = 7},
       .subscription_tokens = {{"b", {}}},
       .meta = R"({"m": 1})"});
  result.connections.push_back(
      {.client = "c3", .transport = "sse", .protocol = "json", .meta = "no JSON"});
  EXPECT_EQ(
      encode(AnyResult(std::move(result))),
      R"("result":{"connections":{"c1":{"transport":"websocket","protocol":"json","state":{}},)"
      R"("c2":{"app_name":"js","app_version":"1","transport":"websocket","protocol":"protobuf",)"
      R"("user":"ann","state":{"channels":{"a\"":{"source":10},"b":{}},)"
      R"("connection_token":{"uid":"t","issued_at":7},"subscription_tokens":{"b":{}},)"
      R"("meta":{"m":1}},"connected_at_ms":5,"ping_pong_latency_ms":6},)"
      R"("c3":{"transport":"sse","protocol":"json","state":{}}}})");
}

TEST_F(EncodeTest, WritesStatusesOfUsers) {
  EXPECT_EQ(encode(AnyResult(UserStatusesResult())), R"("result":{"statuses":[]})");
  EXPECT_EQ(
      encode(AnyResult(UserStatusesResult{
          {{.user = "a", .active = 1, .online = 2, .state = "s"}, {.user = "b", .state = {}}}})),
      R"("result":{"statuses":[{"user":"a","active":1,"online":2,"state":"s"},)"
      R"({"user":"b"}]})");
}

TEST_F(EncodeTest, WritesWhatIsAlwaysThere) {
  EXPECT_EQ(encode(AnyResult(HistoryResult())),
            R"("result":{"publications":[],"epoch":"","offset":0})");
  EXPECT_EQ(encode(AnyResult(PresenceResult())), R"("result":{"presence":{}})");
  EXPECT_EQ(encode(AnyResult(PresenceStatsResult())),
            R"("result":{"num_clients":0,"num_users":0})");
  EXPECT_EQ(encode(AnyResult(ChannelsResult())), R"("result":{"channels":{}})");
  EXPECT_EQ(encode(AnyResult(InfoResult{{NodeResult()}})),
            R"("result":{"nodes":[{"uid":"","name":"","version":"","num_clients":0,"num_users":0,)"
            R"("num_channels":0,"num_subs":0}]})");
}

TEST_F(EncodeTest, WritesErrors) {
  EXPECT_EQ(encode(refuse(errors::kNotFound)), R"("error":{"code":104,"message":"not found"})");
  BroadcastResult broadcast;
  broadcast.responses.emplace_back(PublishResult{{.offset = 1, .epoch = "e"}});
  broadcast.responses.emplace_back(refuse(errors::kUnknownChannel));
  EXPECT_EQ(encode(AnyResult(broadcast)),
            R"("result":{"responses":[{"result":{"offset":1,"epoch":"e"}},)"
            R"({"error":{"code":102,"message":"unknown channel"}}]})");
}

TEST_F(EncodeTest, WritesPublications) {
  HistoryResult result;
  auto publication = make_ref<protocol::Publication>("{ \"t\" : \"<a>&\xe2\x80\xa8\" }");
  publication->offset = 3;
  publication->set_tags({{"k<", "v"}});
  publication->info = std::make_unique<const protocol::ClientInfo>(
      protocol::ClientInfo{.user = "", .client = "c", .conn_info = "{ }", .chan_info = ""});
  result.page.publications.push_back(std::move(publication));
  result.page.publications.push_back(make_ref<const protocol::Publication>());
  result.page.top = {9, "\"e\""};
  EXPECT_EQ(
      encode(AnyResult(result)),
      R"("result":{"publications":[{"data":{"t":"\u003ca\u003e\u0026\u2028"},)"
      R"("info":{"user":"","client":"c","conn_info":{}},"offset":3,"tags":{"k\u003c":"v"}},{}],)"
      R"("epoch":"\"e\"","offset":9})");
}

TEST_F(EncodeTest, KeepsNumbersAndEscapesAsTheyAre) {
  EXPECT_EQ(encode(AnyResult(history(R"({"n":12345678901234567890.10,"e":1E5,"s":"\u00e9\/"})"))),
            R"("result":{"publications":[{"data":{"n":12345678901234567890.10,"e":1E5,)"
            R"("s":"\u00e9\/"},"offset":1}],"epoch":"e","offset":1})");
}

TEST_F(EncodeTest, WritesPresenceAndChannels) {
  PresenceResult presence;
  presence.members = {member({.user = "u", .client = "a", .conn_info = "", .chan_info = "[1, 2]"}),
                      member({.user = "", .client = "b", .conn_info = "null", .chan_info = ""})};
  const std::string members = R"({"a":{"user":"u","client":"a","chan_info":[1,2]},)"
                              R"("b":{"user":"","client":"b","conn_info":null}})";
  EXPECT_EQ(encode(AnyResult(presence)), R"("result":{"presence":)" + members + "}");
  presence.cursor = "b\"";
  EXPECT_EQ(encode(AnyResult(presence)),
            R"("result":{"presence":)" + members + R"(,"cursor":"b\""})");
  EXPECT_EQ(encode(AnyResult(ChannelsResult{{{"a", 1}, {"b", 2}}})),
            R"("result":{"channels":{"a":{"num_clients":1},"b":{"num_clients":2}}})");
}

TEST_F(EncodeTest, WritesNodes) {
  NodeResult node{.uid = "u", .name = "n", .version = "v", .clients = 1, .users = 2};
  node.channels = 3;
  node.subscriptions = 4;
  node.uptime = 5;
  EXPECT_EQ(encode(AnyResult(InfoResult{{node}})),
            R"("result":{"nodes":[{"uid":"u","name":"n","version":"v","num_clients":1,)"
            R"("num_users":2,"num_channels":3,"uptime":5,"num_subs":4}]})");
}

TEST_F(EncodeTest, WritesTheFiguresOfNodes) {
  NodeResult node{.uid = "u", .name = "n", .version = "v"};
  node.metrics = std::make_shared<const NodeMetrics>(
      NodeMetrics{.interval = 60, .items = {{"a.b.c", 1}, {"a.b.d", 7.354e-05}}});
  EXPECT_EQ(encode(AnyResult(InfoResult{{node}})),
            R"("result":{"nodes":[{"uid":"u","name":"n","version":"v","num_clients":0,)"
            R"("num_users":0,"num_channels":0,"metrics":{"interval":60,)"
            R"("items":{"a.b.c":1,"a.b.d":7.354e-05}},"num_subs":0}]})");
}

TEST_F(EncodeTest, FailsForPayloadsThatAreNoJson) {
  EXPECT_FALSE(encode(AnyResult(history(std::string("\0\1", 2)))));
  EXPECT_FALSE(encode(AnyResult(history("{}x"))));
  PresenceResult presence;
  presence.members = {member({.user = "u", .client = "c", .conn_info = "\xff", .chan_info = ""})};
  EXPECT_FALSE(encode(AnyResult(presence)));
  BatchResult batch;
  batch.replies.push_back({.method = Method::history, .answer = AnyResult(history("{"))});
  EXPECT_FALSE(encode(batch));
}

TEST_F(EncodeTest, WritesBatches) {
  EXPECT_EQ(encode(BatchResult()), "{}");
  BatchResult batch;
  batch.replies.push_back({.method = Method::refresh, .answer = AnyResult(EmptyResult())});
  batch.replies.push_back({.method = Method::publish, .answer = refuse(errors::kBadRequest)});
  batch.replies.push_back(
      {.method = Method::publish, .answer = AnyResult(PublishResult{{.offset = 2, .epoch = "e"}})});
  EXPECT_EQ(encode(batch),
            R"({"replies":[{"refresh":{}},{"error":{"code":107,"message":"bad request"}},)"
            R"({"publish":{"offset":2,"epoch":"e"}}]})");
}

TEST_F(EncodeTest, ALongResultLeavesTurnsToOthers) {
  HistoryResult result;
  for (uint64_t i = 0; i < 100; ++i) {
    result.page.publications.push_back(
        history('"' + std::string(20'000, 'x') + '"').page.publications[0]);
  }
  const auto text = encode(AnyResult(result));
  ASSERT_TRUE(text);
  EXPECT_GT(text->size(), 2'000'000u);
  EXPECT_GE(pauses_, 10);
}

TEST_F(EncodeTest, AVeryLargeChannelIsWrittenInSlices) {
  PresenceResult presence;
  for (int i = 0; i < 100'000; ++i) {
    presence.members.push_back(member({.user = "u" + std::to_string(i),
                                       .client = "b9a3c2f0-9d1d-4f0c-8a35-" + std::to_string(i),
                                       .conn_info = R"({"name":"somebody"})",
                                       .chan_info = ""}));
  }
  const auto text = encode(AnyResult(std::move(presence)));
  ASSERT_TRUE(text);
  EXPECT_GE(static_cast<size_t>(pauses_), text->size() / (128 * 1024 + 200) - 1)
      << "a turn writes 128 KB and one member";
}

TEST(ApiError, HasAStatusForEveryCode) {
  EXPECT_EQ(http_status_of(errors::kInternal), 500);
  EXPECT_EQ(http_status_of(errors::kUnknownChannel), 404);
  EXPECT_EQ(http_status_of(errors::kNotFound), 404);
  EXPECT_EQ(http_status_of(errors::kBadRequest), 400);
  EXPECT_EQ(http_status_of(errors::kNotAvailable), 400);
  EXPECT_EQ(http_status_of(errors::kTooManyRequests), 429);
  EXPECT_EQ(http_status_of(errors::kUnrecoverablePosition), 416);
  EXPECT_EQ(http_status_of({113, "conflict"}), 409);
  EXPECT_EQ(http_status_of({999, ""}), 500);
}

}  // namespace
}  // namespace gyre::api
