#include "engine/read_sharing.h"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "runtime/test_support.h"

namespace gyre::engine {
namespace {

// Where calls to a slow engine wait for their answers.
class Line {
 public:
  auto wait() {
    struct Awaiter {
      Line& line;
      bool await_ready() const { return line.is_quick; }
      void await_suspend(std::coroutine_handle<> coroutine) { line.waiting.push_back(coroutine); }
      void await_resume() const {}
    };
    return Awaiter{*this};
  }
  bool is_quick = false;
  std::vector<std::coroutine_handle<>> waiting;
};

// Answers with what there was when it was called.
class SlowBroker final : public Broker {
 public:
  explicit SlowBroker(Line& line) : line_(line) {}
  void attach(BrokerEvents&) override {}
  runtime::Task<Result<void>> subscribe(std::string) override { co_return Result<void>(); }
  runtime::Task<Result<void>> unsubscribe(std::string) override { co_return Result<void>(); }
  runtime::Task<Result<PublishResult>> publish(PublishRequest) override {
    co_return PublishResult{.position = {.offset = ++top, .epoch = "e"}};
  }
  runtime::Task<Result<void>> announce(std::string, protocol::AnnouncementRef) override {
    co_return Result<void>();
  }
  runtime::Task<Result<HistoryPage>> history(std::string channel, HistoryQuery query) override {
    ++calls;
    const bool fails = is_down;
    HistoryPage page{.publications = {make_ref<protocol::Publication>(std::move(channel))},
                     .top = {.offset = top + static_cast<uint64_t>(query.limit), .epoch = "e"}};
    co_await line_.wait();
    if (fails) co_return fail(Errc::unavailable, "down");
    co_return page;
  }
  runtime::Task<Result<void>> remove_history(std::string) override { co_return Result<void>(); }

  int calls = 0;
  uint64_t top = 1;
  bool is_down = false;

 private:
  Line& line_;
};

class SlowPresence final : public PresenceStore {
 public:
  explicit SlowPresence(Line& line) : line_(line) {}
  bool forgets() const override { return true; }
  runtime::Task<Result<void>> add(std::string, protocol::ClientInfo info) override {
    members_.push_back(make_ref<const Member>(std::move(info)));
    co_return Result<void>();
  }
  runtime::Task<Result<void>> remove(std::string, std::string) override {
    members_.clear();
    co_return Result<void>();
  }
  runtime::Task<Result<MemberList>> list(std::string) override {
    ++lists;
    MemberList members = members_;
    co_await line_.wait();
    co_return members;
  }
  runtime::Task<Result<MemberPage>> page(std::string, std::string, size_t) override {
    co_return MemberPage{.members = members_, .cursor = ""};
  }
  runtime::Task<Result<PresenceStats>> stats(std::string) override {
    ++counts;
    const auto count = static_cast<uint32_t>(members_.size());
    co_await line_.wait();
    co_return PresenceStats{.clients = count, .users = count};
  }

  int lists = 0;
  int counts = 0;

 private:
  Line& line_;
  MemberList members_;
};

class ReadSharingTest : public runtime::UnconnectedShardTest {
 protected:
  template <class T>
  struct Asked {
    std::optional<Result<T>> answer;
    bool is_gone = false;  // whoever wanted to know
  };
  template <class T>
  std::shared_ptr<Asked<T>> ask(runtime::Task<Result<T>> task) {
    auto asked = std::make_shared<Asked<T>>();
    const runtime::TurnScope scope(shard_);
    shard_.tasks().spawn(keep(std::move(task), asked));
    return asked;
  }
  auto history(std::string channel = "c", HistoryQuery query = {}) {
    return ask(broker_.history(std::move(channel), std::move(query)));
  }
  // The engine answers the first of the calls that wait, and what comes of it.
  void answer() {
    ASSERT_FALSE(line_.waiting.empty());
    const std::coroutine_handle<> first = line_.waiting.front();
    line_.waiting.erase(line_.waiting.begin());
    {
      const runtime::TurnScope scope(shard_);
      first.resume();
    }
    settle();
  }
  void settle() {
    for (int i = 0; i < 4; ++i) shard_.turn(0);
  }
  template <class T>
  static uint64_t top_of(const std::shared_ptr<Asked<T>>& asked) {
    return asked->answer && *asked->answer ? (*asked->answer)->top.offset : 0;
  }

  Line line_;
  SlowBroker& engine_ = *new SlowBroker(line_);
  ReadSharingBroker broker_{shard_, std::unique_ptr<Broker>(&engine_)};
  SlowPresence& store_ = *new SlowPresence(line_);
  ReadSharingPresence presence_{shard_, std::unique_ptr<PresenceStore>(&store_)};

 private:
  template <class T>
  static runtime::Task<void> keep(runtime::Task<Result<T>> task, std::shared_ptr<Asked<T>> asked) {
    Result<T> answer = co_await std::move(task);
    if (!asked->is_gone) asked->answer.emplace(std::move(answer));
  }
  void TearDown() override { EXPECT_EQ(shard_.tasks().active(), 0u); }
};

TEST_F(ReadSharingTest, EqualQuestionsShareTheNextCall) {
  const auto first = history();
  std::vector<decltype(history())> rest;
  for (int i = 0; i < 100; ++i) rest.push_back(history());
  EXPECT_EQ(engine_.calls, 1);
  answer();
  EXPECT_EQ(top_of(first), 1u);
  EXPECT_EQ(engine_.calls, 2);
  EXPECT_FALSE(rest[0]->answer);
  answer();
  for (const auto& one : rest) EXPECT_EQ(top_of(one), 1u);
  EXPECT_EQ(engine_.calls, 2);
  EXPECT_EQ((*rest[7]->answer)->publications.at(0)->data, "c");
}

// Whoever has published, and then asks, sees it: no answer is older than its question.
TEST_F(ReadSharingTest, NobodyGetsAnAnswerThatWasOnItsWayBeforeTheQuestion) {
  const auto first = history();
  ask(broker_.publish({}));
  const auto second = history();
  answer();
  EXPECT_EQ(top_of(first), 1u);
  ask(broker_.publish({}));
  const auto third = history();
  answer();
  EXPECT_EQ(top_of(second), 2u);
  EXPECT_FALSE(third->answer);
  answer();
  EXPECT_EQ(top_of(third), 3u);
  EXPECT_EQ(engine_.calls, 3);
}

TEST_F(ReadSharingTest, EachQuestionIsACallOfItsOwn) {
  std::vector<HistoryQuery> queries(7);
  queries[1].limit = 5;
  queries[2].since.emplace();
  queries[3].since = {.offset = 1, .epoch = ""};
  queries[4].since = {.offset = 1, .epoch = "e"};
  queries[5].reverse = true;
  queries[6].meta_ttl = std::chrono::seconds(5);
  for (const HistoryQuery& query : queries) history("c", query);
  history("d");
  EXPECT_EQ(engine_.calls, static_cast<int>(queries.size()) + 1);
  for (const HistoryQuery& query : queries) history("c", query);
  EXPECT_EQ(engine_.calls, static_cast<int>(queries.size()) + 1) << "they wait";
  while (!line_.waiting.empty()) answer();
  EXPECT_EQ(engine_.calls, 2 * static_cast<int>(queries.size()) + 1);
}

TEST_F(ReadSharingTest, AFailureIsEverybodysAnswerAndOverWithIt) {
  const auto first = history();
  engine_.is_down = true;
  const auto second = history();
  const auto third = history();
  answer();
  EXPECT_EQ(top_of(first), 1u);
  engine_.is_down = false;
  const auto fourth = history();
  answer();
  for (const auto& one : {second, third}) {
    ASSERT_TRUE(one->answer);
    ASSERT_FALSE(one->answer->has_value());
    EXPECT_EQ(one->answer->error().code, Errc::unavailable);
  }
  answer();
  EXPECT_EQ(top_of(fourth), 1u);
}

TEST_F(ReadSharingTest, WhoIsGoneBeforeTheAnswerKeepsNobodyFromIt) {
  const auto first = history();
  const auto leads = history();
  const auto follows = history();
  const auto stays = history();
  first->is_gone = leads->is_gone = follows->is_gone = true;
  answer();
  answer();
  EXPECT_EQ(top_of(stays), 1u);
  EXPECT_FALSE(leads->answer);
}

TEST_F(ReadSharingTest, AnEngineThatAnswersAtOnceIsAskedEveryTime) {
  line_.is_quick = true;
  EXPECT_EQ(top_of(history()), 1u);
  EXPECT_EQ(top_of(history()), 1u);
  EXPECT_EQ(engine_.calls, 2);
}

TEST_F(ReadSharingTest, PresenceIsSharedAsListAndAsCounts) {
  const auto first = ask(presence_.list("c"));
  const auto count = ask(presence_.stats("c"));
  ask(presence_.add("c", {.user = "u", .client = "i", .conn_info = "", .chan_info = ""}));
  const auto second = ask(presence_.list("c"));
  const auto third = ask(presence_.list("c"));
  const auto later = ask(presence_.stats("c"));
  while (!line_.waiting.empty()) answer();
  EXPECT_EQ((*first->answer)->size(), 0u);
  EXPECT_EQ((*count->answer)->clients, 0u);
  EXPECT_EQ((*second->answer)->size(), 1u);
  EXPECT_EQ((*third->answer)->size(), 1u);
  EXPECT_EQ((*later->answer)->clients, 1u);
  EXPECT_EQ(store_.lists, 2);
  EXPECT_EQ(store_.counts, 2);
  EXPECT_EQ((*ask(presence_.page("c", "", 1))->answer)->members.size(), 1u);
}

TEST_F(ReadSharingTest, NothingIsLeftOfWhatHasBeenAnswered) {
  SharedCalls<std::string, int> calls(shard_);
  const auto make = [this]() {
    return [](Line& line) -> runtime::Task<Result<int>> {
      co_await line.wait();
      co_return 7;
    }(line_);
  };
  const auto one = ask(calls.ask("a", make));
  const auto two = ask(calls.ask("a", make));
  const auto other = ask(calls.ask("b", make));
  EXPECT_EQ(calls.size(), 2u);
  while (!line_.waiting.empty()) answer();
  EXPECT_EQ(calls.size(), 0u);
  EXPECT_EQ(**one->answer + **two->answer + **other->answer, 21);
}

}  // namespace
}  // namespace gyre::engine
