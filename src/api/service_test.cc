#include "api/service.h"

#include <gtest/gtest.h>

#include <optional>

#include "api/test_support.h"
#include "net/sockets.h"
#include "os/manual_kernel.h"

namespace gyre::api {
namespace {

class ServiceTest : public testing::Test {
 protected:
  ServiceTest() {
    set_.shards.push_back(&shard_);
    shard_.attach(sockets_, sockets_);
    runtime::TurnScope scope(shard_);
    node_.emplace(shard_, sockets_);
  }
  ~ServiceTest() override {
    runtime::TurnScope scope(shard_);
    node_.reset();
  }

  template <class T>
  static runtime::Task<void> keep(runtime::Task<T> task, std::optional<T>* result) {
    result->emplace(co_await std::move(task));
  }
  // Runs whenever others get a turn.
  template <class T>
  static runtime::Task<void> count_pauses(const std::optional<T>* result, int* pauses) {
    for (; !*result; ++*pauses) co_await runtime::Yield();
  }
  // The result of what `make` returns, however many turns that takes.
  template <class Make>
  auto run(Make make) {
    decltype(run_type(make(node_->service))) result;
    {
      runtime::TurnScope scope(shard_);
      shard_.tasks().spawn(keep(make(node_->service), &result));
    }
    pauses_ = 0;
    {
      runtime::TurnScope scope(shard_);
      shard_.tasks().spawn(count_pauses(&result, &pauses_));
    }
    for (int turns = 0; !result && turns < 100'000; ++turns) shard_.turn(0);
    EXPECT_TRUE(result);
    shard_.turn(0);
    return std::move(*result);
  }
  template <class T>
  static std::optional<T> run_type(runtime::Task<T>);

  Answer<PublishResult> publish(PublishRequest request) {
    return run([&](Service& service) { return service.publish(request); });
  }
  static PublishRequest publication(std::string channel, std::string data = "{}") {
    PublishRequest request;
    request.channel = std::move(channel);
    request.data = {.bytes = std::move(data), .is_json = true};
    return request;
  }
  Answer<HistoryResult> history(std::string channel, int32_t limit = -1) {
    return run([&](Service& service) {
      HistoryRequest request;
      request.channel = channel;
      request.limit = limit;
      return service.history(std::move(request));
    });
  }
  template <class T>
  static uint32_t code(const Answer<T>& answer) {
    return answer ? 0 : answer.error().code;
  }

  os::ManualKernel kernel_;
  runtime::ShardSet set_;
  runtime::Shard shard_{runtime::ShardId{0}, kernel_, set_};
  net::Sockets sockets_{shard_, {}};
  std::optional<TestNode> node_;
  int pauses_ = 0;  // of the last run
};

// The reference refuses such names where its broker gives them a meaning.
TEST_F(ServiceTest, WildcardsAreNoChannels) {
  auto all = channel::Namespaces::compile({}, {}, {});
  auto rules = channel::WildcardRules::compile({}, {{"news.>", ""}});
  ASSERT_TRUE(all->add_wildcards(std::move(rules).value()));
  EXPECT_EQ(code(publish(publication("news.*"))), 0u);
  node_->service.use(std::make_shared<const channel::Namespaces>(std::move(*all)));
  const auto presence_code = [this](const std::string& channel) {
    return code(run([&](Service& service) {
      PresenceRequest request;
      request.channel = channel;
      return service.presence(std::move(request));
    }));
  };
  const auto subscribe_code = [this](const std::string& channel) {
    return code(run([&](Service& service) {
      SubscribeRequest request;
      request.channel = channel;
      return service.subscribe(std::move(request));
    }));
  };
  const auto unsubscribe_code = [this](const std::string& channel) {
    return code(run([&](Service& service) {
      UnsubscribeRequest request;
      request.channel = channel;
      return service.unsubscribe(std::move(request));
    }));
  };
  for (const char* name : {"news.*", "other.>", "a.>.b"}) {
    EXPECT_EQ(code(publish(publication(name))), 107u) << name;
    EXPECT_EQ(code(history(name)), 107u) << name;
    EXPECT_EQ(presence_code(name), 107u) << name;
  }
  EXPECT_EQ(code(publish(publication("news.a"))), 0u);
  EXPECT_EQ(subscribe_code("news.*"), 0u);
  EXPECT_EQ(subscribe_code("other.*"), 107u) << "no rule allows it";
  EXPECT_EQ(subscribe_code("a.>.b"), 107u);
  EXPECT_EQ(subscribe_code("nope:*"), 102u);
  EXPECT_EQ(unsubscribe_code("other.*"), 0u);
  EXPECT_EQ(unsubscribe_code("a.>.b"), 107u);
}

TEST_F(ServiceTest, PublishesIntoTheHistoryOfTheNamespace) {
  PublishRequest request = publication("news", R"({"a": 1})");
  request.tags = {{"k", "v"}};
  const auto first = publish(request);
  ASSERT_TRUE(first);
  EXPECT_EQ(first->position.offset, 1u);
  EXPECT_EQ(publish(publication("news"))->position.offset, 2u);
  const auto page = history("news");
  ASSERT_TRUE(page);
  EXPECT_EQ(page->page.top.epoch, first->position.epoch);
  ASSERT_EQ(page->page.publications.size(), 2u);
  EXPECT_EQ(page->page.publications[0]->data, R"({"a": 1})");
  EXPECT_EQ(page->page.publications[0]->tags().size(), 1u);
  for (int i = 0; i < 20; ++i) static_cast<void>(publish(publication("news")));
  EXPECT_EQ(history("news")->page.publications.size(), 10u) << "the namespace's history_size";
}

TEST_F(ServiceTest, HasNoPositionWithoutHistory) {
  EXPECT_EQ(publish(publication("plain:x"))->position, protocol::StreamPosition());
  PublishRequest skipping = publication("news");
  skipping.skip_history = true;
  EXPECT_EQ(publish(skipping)->position, protocol::StreamPosition());
  EXPECT_EQ(history("news")->page.publications.size(), 0u);
}

TEST_F(ServiceTest, ChecksAPublishInOrder) {
  PublishRequest request = publication("");
  EXPECT_EQ(code(publish(request)), 107u);
  request.channel = "nope:x";
  request.b64data = "***";
  EXPECT_EQ(code(publish(request)), 107u) << "base64 comes before the namespace";
  request.b64data = "";
  EXPECT_EQ(code(publish(request)), 102u);
  EXPECT_EQ(code(publish(publication("news", ""))), 107u);
  EXPECT_EQ(code(publish(publication("bin:x", ""))), 0u);
  EXPECT_EQ(code(publish(publication("obj:x", "[1]"))), 107u);
  EXPECT_EQ(code(publish(publication("obj:x", "{}"))), 0u);
  EXPECT_EQ(code(publish(publication("$plain:x"))), 0u);
}

TEST_F(ServiceTest, ChecksTheFormatOfBinaryPayloads) {
  PublishRequest request = publication("json:x");
  request.b64data = "bm90IGpzb24=";  // not json
  EXPECT_EQ(code(publish(request)), 107u);
  request.channel = "obj:x";
  request.b64data = "WzFd";  // [1]
  EXPECT_EQ(code(publish(request)), 107u);
  request.b64data = "e30=";  // {}
  EXPECT_EQ(code(publish(request)), 0u);
  request.channel = "news";
  request.b64data = "AAEC/w==";
  EXPECT_EQ(code(publish(request)), 0u);
  EXPECT_FALSE(history("news")->page.publications[0]->data_is_json());
}

TEST_F(ServiceTest, AnIdempotencyKeyRepeatsTheResult) {
  PublishRequest request = publication("news");
  request.idempotency_key = "k";
  EXPECT_EQ(publish(request)->position.offset, 1u);
  EXPECT_EQ(publish(request)->position.offset, 1u);
  EXPECT_EQ(publish(publication("news"))->position.offset, 2u);
}

TEST_F(ServiceTest, AnOldVersionIsNotPublished) {
  PublishRequest request = publication("news");
  request.version = 5;
  request.version_epoch = "a";
  EXPECT_EQ(publish(request)->position.offset, 1u);
  request.version = 4;
  EXPECT_EQ(publish(request)->position.offset, 1u);
  request.version_epoch = "b";
  EXPECT_EQ(publish(request)->position.offset, 2u);
}

TEST_F(ServiceTest, ABroadcastAnswersForEachChannelInOrder) {
  BroadcastRequest request;
  request.channels = {"a", "nope:x", "", "obj:z", "plain:b", "a"};
  request.data = {.bytes = "[1]", .is_json = true};
  const auto result = run([&](Service& service) { return service.broadcast(std::move(request)); });
  ASSERT_TRUE(result);
  ASSERT_EQ(result->responses.size(), 6u);
  EXPECT_EQ(result->responses[0]->position.offset, 1u);
  EXPECT_EQ(code(result->responses[1]), 102u);
  EXPECT_EQ(code(result->responses[2]), 107u);
  EXPECT_EQ(code(result->responses[3]), 107u);
  EXPECT_EQ(result->responses[4]->position.offset, 0u);
  EXPECT_EQ(result->responses[5]->position.offset, 2u);
  for (const auto& publication : history("a")->page.publications) {
    EXPECT_EQ(publication->data, "[1]");
  }
}

TEST_F(ServiceTest, ABroadcastIsKeptApartInEachHistory) {
  BroadcastRequest request;
  request.channels = {"plain:1", "a", "plain:2", "b", "a"};
  request.data = {.bytes = "1", .is_json = true};
  request.tags = {{"t", "v"}};
  ASSERT_TRUE(run([&](Service& service) { return service.broadcast(std::move(request)); }));
  const auto in_a = history("a")->page.publications;
  const auto in_b = history("b")->page.publications;
  ASSERT_EQ(in_a.size(), 2u);
  ASSERT_EQ(in_b.size(), 1u);
  EXPECT_EQ(in_a[0]->offset, 1u);
  EXPECT_EQ(in_a[1]->offset, 2u);
  EXPECT_EQ(in_b[0]->offset, 1u);
  for (const auto& publication : {in_a[0], in_a[1], in_b[0]}) {
    EXPECT_EQ(publication->data, "1");
    EXPECT_EQ(publication->tags().size(), 1u);
  }
}

TEST_F(ServiceTest, ABroadcastNeedsChannelsAndGoodBase64) {
  EXPECT_EQ(code(run([](Service& service) { return service.broadcast({}); })), 107u);
  BroadcastRequest request;
  request.channels = {"a"};
  request.b64data = "!";
  EXPECT_EQ(code(run([&](Service& service) { return service.broadcast(request); })), 107u);
}

TEST_F(ServiceTest, AWideBroadcastLeavesTurnsToOthers) {
  BroadcastRequest request;
  for (int i = 0; i < 5000; ++i) request.channels.push_back("plain:" + std::to_string(i));
  request.data = {.bytes = "1", .is_json = true};
  const auto result = run([&](Service& service) { return service.broadcast(std::move(request)); });
  EXPECT_EQ(result->responses.size(), 5000u);
  EXPECT_GT(pauses_, 70);
  EXPECT_TRUE(
      std::ranges::all_of(result->responses, [](const auto& one) { return one.has_value(); }));
}

TEST_F(ServiceTest, HistoryTellsAPositionAndRefusesWrongEpochs) {
  const auto epoch = history("fresh")->page.top.epoch;
  EXPECT_FALSE(epoch.empty()) << "reading makes the stream";
  EXPECT_EQ(history("fresh", 0)->page.top.epoch, epoch);
  HistoryRequest request;
  request.channel = "fresh";
  request.since = Position{.offset = 1, .epoch = "other"};
  EXPECT_EQ(code(run([&](Service& service) { return service.history(request); })), 112u);
  EXPECT_EQ(code(history("")), 107u);
  EXPECT_EQ(code(history("nope:x")), 102u);
  EXPECT_EQ(code(history("plain:x")), 108u);
}

TEST_F(ServiceTest, HistoryRemoveKeepsThePosition) {
  static_cast<void>(publish(publication("news")));
  const auto remove = [&](std::string channel) {
    return code(run([&](Service& service) { return service.history_remove({channel}); }));
  };
  EXPECT_EQ(remove("news"), 0u);
  EXPECT_TRUE(history("news")->page.publications.empty());
  EXPECT_EQ(history("news")->page.top.offset, 1u);
  EXPECT_EQ(remove(""), 107u);
  EXPECT_EQ(remove("nope:x"), 102u);
  EXPECT_EQ(remove("plain:x"), 108u);
}

TEST_F(ServiceTest, PresenceIsSortedByClient) {
  for (std::string client : {"b", "c", "a"}) {
    EXPECT_TRUE(run([&](Service&) {
      return node_->presence.add("news",
                                 {.user = "u", .client = client, .conn_info = "", .chan_info = ""});
    }));
  }
  const auto presence = run([](Service& service) { return service.presence({"news"}); });
  ASSERT_EQ(presence->members.size(), 3u);
  EXPECT_EQ(presence->members[0]->info.client, "a");
  EXPECT_EQ(presence->members[2]->info.client, "c");
  const auto stats = run([](Service& service) { return service.presence_stats({"news"}); });
  EXPECT_EQ(stats->stats.clients, 3u);
  EXPECT_EQ(stats->stats.users, 1u);
  EXPECT_EQ(code(run([](Service& service) { return service.presence({"plain:x"}); })), 108u);
  EXPECT_EQ(code(run([](Service& service) { return service.presence_stats({"nope:x"}); })), 102u);
  EXPECT_EQ(code(run([](Service& service) { return service.presence({""}); })), 107u);
}

TEST_F(ServiceTest, PresenceIsReadInPages) {
  const auto add = [this](std::string client) {
    EXPECT_TRUE(run([&](Service&) {
      return node_->presence.add("news",
                                 {.user = "u", .client = client, .conn_info = "", .chan_info = ""});
    }));
  };
  const auto page = [this](std::string cursor, int32_t limit = 2) {
    return run([&](Service& service) {
      return service.presence({.channel = "news", .limit = limit, .cursor = cursor});
    });
  };
  const auto clients = [](const Answer<PresenceResult>& answer) {
    std::string text;
    for (const engine::MemberRef& member : answer->members) text += member->info.client + " ";
    return text;
  };
  for (const char* client : {"e", "b", "d", "a", "c"}) add(client);
  const auto first = page("");
  EXPECT_EQ(clients(first), "a b ");
  EXPECT_TRUE(run([this](Service&) { return node_->presence.remove("news", "b"); }));
  add("bb");
  const auto second = page(first->cursor);
  EXPECT_EQ(clients(second), "bb c ") << "who was there throughout comes once";
  const auto last = page(second->cursor);
  EXPECT_EQ(clients(last), "d e ");
  EXPECT_EQ(last->cursor, "") << "nobody follows";
  EXPECT_EQ(clients(page("zzz")), "");
  EXPECT_EQ(clients(page("", INT32_MAX)), "a bb c d e ");
  EXPECT_EQ(code(page("", -1)), 107u);
  EXPECT_EQ(code(page("a", 0)), 107u) << "a cursor is of a page";
}

TEST_F(ServiceTest, APageOfPresenceHasABound) {
  for (int i = 0; i < 10'500; ++i) {
    EXPECT_TRUE(run([&](Service&) {
      return node_->presence.add(
          "news", {.user = "u", .client = std::to_string(i), .conn_info = "", .chan_info = ""});
    }));
  }
  const auto page = run([](Service& service) {
    return service.presence({.channel = "news", .limit = 1'000'000, .cursor = ""});
  });
  EXPECT_EQ(page->members.size(), 10'000u);
  EXPECT_NE(page->cursor, "");
  EXPECT_GE(pauses_, 9) << "a turn takes a thousand or so";
}

TEST_F(ServiceTest, ChecksOperationsOnConnections) {
  SubscribeRequest subscribe;
  const auto subscribing = [&] {
    return code(run([&](Service& service) { return service.subscribe(subscribe); }));
  };
  EXPECT_EQ(subscribing(), 107u);
  subscribe.channel = "nope:x";
  subscribe.b64info = "!";
  EXPECT_EQ(subscribing(), 102u) << "the channel comes before base64";
  subscribe.channel = "news";
  EXPECT_EQ(subscribing(), 107u);
  subscribe.b64info = "";
  subscribe.b64data = "!";
  EXPECT_EQ(subscribing(), 107u);
  subscribe.b64data = "e30=";
  EXPECT_EQ(subscribing(), 0u) << "matching nobody is no error";

  UnsubscribeRequest unsubscribe;
  const auto unsubscribing = [&] {
    return code(run([&](Service& service) { return service.unsubscribe(unsubscribe); }));
  };
  EXPECT_EQ(unsubscribing(), 0u) << "a channel is not required";
  unsubscribe.channel = "nope:x";
  EXPECT_EQ(unsubscribing(), 102u);
  EXPECT_EQ(code(run([](Service& service) { return service.disconnect({}); })), 0u);
  EXPECT_EQ(code(run([](Service& service) { return service.refresh({}); })), 0u);
}

TEST_F(ServiceTest, RefusesBrokenAndBoundlessPatterns) {
  const auto channels = [&](std::string pattern) {
    return code(run([&](Service& service) { return service.channels({pattern}); }));
  };
  EXPECT_EQ(channels(""), 0u);
  EXPECT_EQ(channels("a*"), 0u);
  EXPECT_EQ(channels("[a"), 100u);
  EXPECT_EQ(channels(std::string(5000, '?')), 100u);
}

TEST_F(ServiceTest, InfoTellsOfThisNode) {
  kernel_.now += 75 * os::kSecond;
  shard_.turn(0);
  const auto info = run([](Service& service) { return service.info({}); });
  ASSERT_EQ(info->nodes.size(), 1u);
  EXPECT_EQ(info->nodes[0].uid, "u-1");
  EXPECT_GE(info->nodes[0].uptime, 75);
}

TEST_F(ServiceTest, MethodsForOtherChannelsRefuse) {
  const auto execute = [&](AnyRequest request) {
    return code(run([&](Service& service) { return service.execute(request, {}); }));
  };
  EXPECT_EQ(execute(RpcRequest()), 107u);
  EXPECT_EQ(execute(RpcRequest{.method = "x", .params = {}}), 104u);
  MapPublishRequest publish{.channel = "nope:x"};
  EXPECT_EQ(execute(publish), 107u) << "the key is missing";
  publish.key = "k";
  EXPECT_EQ(execute(publish), 102u);
  publish.channel = "plain:x";
  EXPECT_EQ(execute(publish), 107u);
  EXPECT_EQ(execute(MapRemoveRequest{.channel = "nope:x", .key = "k"}), 102u);
  EXPECT_EQ(execute(MapReadStateRequest{.channel = "nope:x"}), 102u);
  EXPECT_EQ(execute(MapReadStreamRequest{.channel = "plain:x"}), 107u);
  EXPECT_EQ(execute(MapStatsRequest{.channel = "nope:x"}), 102u);
  EXPECT_EQ(execute(MapClearRequest()), 107u);
  SharedPollPublishRequest poll{.channel = "nope:x", .key = "k"};
  EXPECT_EQ(execute(poll), 107u) << "the version is missing";
  poll.version = 1;
  EXPECT_EQ(execute(poll), 102u);
  poll.channel = "plain:x";
  EXPECT_EQ(execute(poll), 107u);
}

TEST_F(ServiceTest, ABatchGoesOnAfterErrors) {
  for (bool parallel : {false, true}) {
    BatchRequest request;
    request.parallel = parallel;
    request.commands.emplace_back(publication("batch"));
    request.commands.emplace_back(refuse(errors::kNotFound));
    request.commands.emplace_back(publication("nope:x"));
    request.commands.emplace_back(HistoryRequest{.channel = "batch", .limit = 1});
    TestObserver observer;
    const BatchResult result = run([&](Service& service) {
      return service.batch(std::move(request), {.observer = &observer});
    });
    ASSERT_EQ(result.replies.size(), 4u);
    EXPECT_EQ(result.replies[0].method, Method::publish);
    EXPECT_TRUE(result.replies[0].answer);
    EXPECT_EQ(code(result.replies[1].answer), 104u);
    EXPECT_EQ(code(result.replies[2].answer), 102u);
    EXPECT_TRUE(result.replies[3].answer);
    EXPECT_EQ(observer.told, (std::vector<std::string>{"publish", "unknown 104", "publish",
                                                       "publish 102", "history"}));
  }
}

TEST_F(ServiceTest, TellsWhatItDoes) {
  TestObserver observer;
  BroadcastRequest broadcast;
  broadcast.channels = {"a", "nope:x"};
  broadcast.data = {.bytes = "1", .is_json = true};
  for (bool counts_errors : {true, false}) {
    static_cast<void>(run([&](Service& service) {
      return service.execute(broadcast, {.observer = &observer, .counts_errors = counts_errors});
    }));
    static_cast<void>(run([&](Service& service) {
      return service.execute(RpcRequest(), {.observer = &observer, .counts_errors = counts_errors});
    }));
  }
  EXPECT_EQ(observer.told,
            (std::vector<std::string>{"broadcast", "broadcast_publish 102", "rpc", "rpc 107",
                                      "broadcast", "broadcast_publish 102", "rpc"}));
}

TEST_F(ServiceTest, TakesNewNamespaces) {
  EXPECT_EQ(code(publish(publication("later:x"))), 102u);
  node_->service.use(std::make_shared<const channel::Namespaces>(
      std::move(*channel::Namespaces::compile({}, {}, {{"later", {}}}))));
  EXPECT_EQ(code(publish(publication("later:x"))), 0u);
  EXPECT_EQ(code(history("news")), 108u);
}

TEST_F(ServiceTest, BlocksUsers) {
  const auto block = [&](std::string user, int64_t expire_at = 0) {
    return run([&](Service& service) {
      return service.block_user({.expire_at = expire_at, .user = user});
    });
  };
  const int64_t now = shard_.unix_seconds();
  EXPECT_EQ(block("").error().code, errors::kBadRequest.code);
  EXPECT_EQ(block(std::string(1025, 'u')).error().code, errors::kBadRequest.code);
  EXPECT_EQ(block("ann", now).error().code, errors::kBadRequest.code) << "has ended already";
  EXPECT_EQ(block("ann", -1).error().code, errors::kBadRequest.code);
  EXPECT_FALSE(node_->moderation.is_blocked("ann", now));
  EXPECT_TRUE(block("ann", now + 1));
  EXPECT_TRUE(node_->moderation.is_blocked("ann", now));
  EXPECT_TRUE(block("bob"));
  EXPECT_EQ(block("cid").error().code, errors::kLimitExceeded.code);
  EXPECT_EQ(run([](Service& service) { return service.unblock_user({}); }).error().code,
            errors::kBadRequest.code);
  EXPECT_TRUE(run([](Service& service) { return service.unblock_user({.user = "bob"}); }));
  EXPECT_TRUE(block("cid"));
}

TEST_F(ServiceTest, ConnectionsAreNotFilteredByWhatItDoesNotKnow) {
  const auto ask = [&](ConnectionsRequest request) {
    return run([&](Service& service) { return service.connections(request); });
  };
  EXPECT_TRUE(ask({}));
  EXPECT_TRUE(ask({.user = "ann"}));
  EXPECT_EQ(ask({.expression = "true"}).error().code, errors::kNotAvailable.code);
  EXPECT_EQ(ask({.label_filter = IgnoredObject()}).error().code, errors::kNotAvailable.code);
  EXPECT_EQ(ask({.user = std::string(1025, 'u')}).error().code, errors::kBadRequest.code);
}

TEST_F(ServiceTest, StatusesAreThoseOfTheUsersThatWereNamed) {
  const int64_t now = shard_.unix_seconds();
  const auto update = [&](UpdateUserStatusRequest request) {
    return run([&](Service& service) { return service.update_user_status(request); });
  };
  const auto get = [&](std::vector<std::string> users) {
    return run([&](Service& service) { return service.get_user_status({.users = users}); });
  };
  EXPECT_TRUE(update({.users = {"ann", "bob"}, .state = "away"}));
  const auto answer = get({"cid", "bob"});
  ASSERT_TRUE(answer && answer->statuses.size() == 2);
  EXPECT_EQ(answer->statuses[0].user, "cid");
  EXPECT_EQ(answer->statuses[0].active, 0);
  EXPECT_EQ(answer->statuses[1].user, "bob");
  EXPECT_EQ(answer->statuses[1].active, now);
  EXPECT_EQ(answer->statuses[1].state, "away");
  EXPECT_TRUE(run([](Service& service) { return service.delete_user_status({.users = {"bob"}}); }));
  EXPECT_EQ(get({"bob"})->statuses[0].active, 0);
  EXPECT_EQ(get({"ann"})->statuses[0].active, now);
}

TEST_F(ServiceTest, StatusesOfTooManyOrOfNobodyAreRefused) {
  const auto get = [&](std::vector<std::string> users) {
    return run([&](Service& service) { return service.get_user_status({.users = users}); });
  };
  for (const std::vector<std::string>& users :
       {std::vector<std::string>{}, {""}, {"a", std::string(1025, 'u')}}) {
    EXPECT_EQ(get(users).error().code, errors::kBadRequest.code);
  }
  EXPECT_TRUE(get(std::vector<std::string>(10'000, "u")));
  EXPECT_GT(pauses_, 5) << "in slices";
  EXPECT_EQ(get(std::vector<std::string>(10'001, "u")).error().code, errors::kLimitExceeded.code);
  EXPECT_EQ(run([](Service& service) {
              return service.update_user_status({.users = {"u"}, .state = std::string(1025, 's')});
            })
                .error()
                .code,
            errors::kBadRequest.code);
}

TEST_F(ServiceTest, RevokesTokens) {
  const int64_t now = shard_.unix_seconds();
  const client::TokenMark token{.uid = "t", .issued_at = now - 1};
  const auto is_revoked = [&](std::string_view channel) {
    return node_->moderation.is_revoked(token, "ann", channel, now);
  };
  EXPECT_EQ(run([](Service& service) { return service.revoke_token({}); }).error().code,
            errors::kBadRequest.code);
  EXPECT_TRUE(run([](Service& service) { return service.revoke_token({.uid = "other"}); }));
  const auto invalidate = [&](InvalidateUserTokensRequest request) {
    return run([&](Service& service) { return service.invalidate_user_tokens(request); });
  };
  EXPECT_EQ(invalidate({}).error().code, errors::kBadRequest.code);
  EXPECT_EQ(invalidate({.user = "ann", .issued_before = -1}).error().code,
            errors::kBadRequest.code);
  EXPECT_EQ(invalidate({.user = "ann", .channel = std::string(1025, 'c')}).error().code,
            errors::kBadRequest.code);
  EXPECT_TRUE(invalidate({.user = "ann", .issued_before = now - 1, .channel = "chat"}));
  EXPECT_FALSE(is_revoked("chat")) << "was issued in that second";
  EXPECT_TRUE(invalidate({.user = "ann", .channel = "chat"}));
  EXPECT_TRUE(is_revoked("chat")) << "without a time, all until now";
  EXPECT_FALSE(is_revoked(""));
  EXPECT_EQ(run([](Service& service) { return service.revoke_token({.uid = "t"}); }).error().code,
            errors::kLimitExceeded.code);
}

}  // namespace
}  // namespace gyre::api
