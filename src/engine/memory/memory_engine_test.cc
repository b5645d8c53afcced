#include <fmt/format.h>
#include <gtest/gtest.h>
#include <simdjson.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <optional>
#include <set>

#include "engine/memory/memory_broker.h"
#include "engine/memory/memory_presence_store.h"
#include "runtime/test_support.h"

namespace gyre::engine::memory {
namespace {

using protocol::Publication;
using protocol::PublicationRef;

struct Delivery {
  std::string channel, data, epoch;
  uint64_t offset;
};

struct Deliveries final : BrokerEvents {
  void on_announcement(std::string_view, const protocol::AnnouncementRef&) override {}
  void on_publication(std::string_view channel, const PublicationRef& publication,
                      std::string_view epoch) override {
    all.push_back(
        {std::string(channel), publication->data, std::string(epoch), publication->offset});
  }
  std::vector<Delivery> all;
};

// A shard whose clock the test moves, with a broker on it.
class MemoryEngineTest : public runtime::UnconnectedShardTest {
 protected:
  MemoryEngineTest() { broker_.attach(deliveries_); }

  // The result of a task that does not wait.
  template <class T>
  T get(runtime::Task<T> task) {
    std::optional<T> result;
    start(std::move(task), &result);
    return std::move(*result);
  }
  // One that may wait.
  template <class T>
  void start(runtime::Task<T> task, std::optional<T>* result) {
    const runtime::TurnScope scope(shard_);
    shard_.tasks().spawn(store(std::move(task), result));
  }
  PublishRequest request(std::string data, int32_t size = 10, int64_t ttl = 60) {
    return {.channel = "c",
            .publication = make_ref<Publication>(std::move(data)),
            .history = {.size = size, .ttl = std::chrono::seconds(ttl), .meta_ttl = {}},
            .idempotency_key = ""};
  }
  PublishResult publish(std::string data, int32_t size = 10, int64_t ttl = 60) {
    return *get(broker_.publish(request(std::move(data), size, ttl)));
  }
  PublishResult publish_version(uint64_t version, std::string version_epoch = "") {
    PublishRequest versioned = request("v");
    versioned.publication->set_version(version);
    versioned.publication->set_version_epoch(std::move(version_epoch));
    return *get(broker_.publish(std::move(versioned)));
  }
  HistoryPage read(HistoryQuery query) { return *get(broker_.history("c", std::move(query))); }
  std::vector<uint64_t> offsets(HistoryQuery query) {
    std::vector<uint64_t> result;
    for (const PublicationRef& publication : read(std::move(query)).publications) {
      result.push_back(publication->offset);
    }
    return result;
  }
  static HistoryQuery since(uint64_t offset, int32_t limit, bool reverse = false) {
    return {.limit = limit,
            .since = protocol::StreamPosition{offset, ""},
            .reverse = reverse,
            .meta_ttl = {}};
  }
  static HistoryQuery first(int32_t limit, bool reverse = false) {
    return {.limit = limit, .since = std::nullopt, .reverse = reverse, .meta_ttl = {}};
  }
  // Time passes, one second after the other.
  void pass(int64_t seconds) {
    for (int64_t i = 0; i < seconds; ++i) advance(os::kSecond);
  }

  Deliveries deliveries_;
  MemoryBroker broker_{shard_, std::chrono::seconds(3600)};
  MemoryPresenceStore presence_;

 private:
  template <class T>
  static runtime::Task<void> store(runtime::Task<T> task, std::optional<T>* result) {
    result->emplace(co_await std::move(task));
  }
};

TEST_F(MemoryEngineTest, NumbersPublicationsAndDeliversThemInTheSameEvent) {
  const PublishResult one = publish("1");
  const PublishResult two = publish("2");
  EXPECT_EQ(one.position.offset, 1u);
  EXPECT_EQ(two.position.offset, 2u);
  EXPECT_EQ(one.position.epoch.size(), 8u);
  EXPECT_EQ(one.position.epoch, two.position.epoch);
  ASSERT_EQ(deliveries_.all.size(), 2u);
  EXPECT_EQ(deliveries_.all[1].offset, 2u);
  EXPECT_EQ(deliveries_.all[1].epoch, two.position.epoch);
}

TEST_F(MemoryEngineTest, OnlyTheFirstPublicationOfAStreamCarriesItsEpoch) {
  publish("1");
  publish("2");
  const HistoryPage page = read(first(-1));
  EXPECT_EQ(page.publications[0]->epoch(), page.top.epoch);
  EXPECT_EQ(page.publications[1]->epoch(), "");
}

TEST_F(MemoryEngineTest, WithoutHistoryThereIsDeliveryAndNoPosition) {
  const PublishResult result = publish("1", 0, 0);
  EXPECT_EQ(result.position, protocol::StreamPosition());
  ASSERT_EQ(deliveries_.all.size(), 1u);
  EXPECT_EQ(deliveries_.all[0].offset, 0u);
  EXPECT_EQ(broker_.streams(), 0u);
}

// The table of spec subscriptions.md, 4.2: the stream holds offsets 3 to 7.
TEST_F(MemoryEngineTest, PagesAsTheSpecificationTabulates) {
  for (int i = 1; i <= 7; ++i) publish(std::to_string(i), 5);
  using Offsets = std::vector<uint64_t>;
  EXPECT_EQ(offsets(first(0)), Offsets());
  EXPECT_EQ(offsets(first(2)), (Offsets{3, 4}));
  EXPECT_EQ(offsets(since(4, 2)), (Offsets{5, 6}));
  EXPECT_EQ(offsets(since(0, -1)), (Offsets{3, 4, 5, 6, 7}));
  EXPECT_EQ(offsets(since(7, 2)), Offsets());
  EXPECT_EQ(offsets(since(100, 2)), Offsets());
  EXPECT_EQ(offsets(first(2, true)), (Offsets{7, 6}));
  EXPECT_EQ(offsets(since(6, -1, true)), (Offsets{5, 4, 3}));
  EXPECT_EQ(offsets(since(6, 2, true)), (Offsets{5, 4}));
  EXPECT_EQ(offsets(since(3, 2, true)), Offsets());
  EXPECT_EQ(offsets(since(100, 2, true)), Offsets());
  EXPECT_EQ(read(first(0)).top.offset, 7u);
}

TEST_F(MemoryEngineTest, AnotherEpochIsUnrecoverableAndAnEmptyOneIsNotCompared) {
  publish("1");
  HistoryQuery query = first(-1);
  query.since = protocol::StreamPosition{0, "other"};
  const auto page = get(broker_.history("c", query));
  ASSERT_FALSE(page);
  EXPECT_EQ(page.error().code, Errc::unrecoverable);
  query.since->epoch = "";
  EXPECT_TRUE(get(broker_.history("c", query)));
}

TEST_F(MemoryEngineTest, ReadingAnUnknownStreamMakesItsEpoch) {
  const HistoryPage page = read(first(0));
  EXPECT_EQ(page.top.offset, 0u);
  EXPECT_EQ(publish("1").position.epoch, page.top.epoch);
}

// Spec memory.md, 8.
TEST_F(MemoryEngineTest, HistoryTtlClearsThePublicationsAndKeepsThePosition) {
  const PublishResult before = publish("1", 10, 5);
  pass(4);
  EXPECT_EQ(offsets(first(-1)).size(), 1u);
  pass(2);
  EXPECT_EQ(offsets(first(-1)).size(), 0u);
  const PublishResult after = publish("2", 10, 5);
  EXPECT_EQ(after.position.offset, 2u);
  EXPECT_EQ(after.position.epoch, before.position.epoch);
}

TEST_F(MemoryEngineTest, EachPublishProlongsTheLifeOfAll) {
  publish("1", 10, 5);
  pass(4);
  publish("2", 10, 5);
  pass(4);
  EXPECT_EQ(offsets(first(-1)).size(), 2u);
}

TEST_F(MemoryEngineTest, RemovingHistoryKeepsThePosition) {
  const PublishResult before = publish("1");
  ASSERT_TRUE(get(broker_.remove_history("c")));
  EXPECT_EQ(offsets(first(-1)).size(), 0u);
  EXPECT_EQ(read(first(0)).top, before.position);
}

TEST_F(MemoryEngineTest, MetaTtlForgetsTheStream) {
  const PublishResult before = publish("1");
  pass(3601);
  EXPECT_EQ(broker_.streams(), 0u);
  const PublishResult after = publish("2");
  EXPECT_EQ(after.position.offset, 1u);
  EXPECT_NE(after.position.epoch, before.position.epoch);
}

TEST_F(MemoryEngineTest, AReadProlongsTheLifeOfTheStream) {
  publish("1");
  pass(3000);
  const protocol::StreamPosition top = read(first(0)).top;
  pass(3000);
  EXPECT_EQ(read(first(0)).top, top);
}

TEST_F(MemoryEngineTest, ARepeatedKeyReturnsTheFirstResultForFiveMinutes) {
  const auto publish_with_key = [this] {
    PublishRequest keyed = request("x");
    keyed.idempotency_key = "k";
    return *get(broker_.publish(std::move(keyed)));
  };
  EXPECT_EQ(publish_with_key().suppressed, Suppressed::no);
  pass(299);
  const PublishResult second = publish_with_key();
  EXPECT_EQ(second.suppressed, Suppressed::by_idempotency);
  EXPECT_EQ(second.position.offset, 1u);
  EXPECT_EQ(deliveries_.all.size(), 1u);
  pass(1);
  EXPECT_EQ(publish_with_key().position.offset, 2u);
}

TEST_F(MemoryEngineTest, AnOldVersionIsKeptOut) {
  EXPECT_EQ(publish_version(5).suppressed, Suppressed::no);
  EXPECT_EQ(publish_version(5).suppressed, Suppressed::by_version);
  EXPECT_EQ(publish_version(4).position.offset, 1u);
  EXPECT_EQ(publish_version(6).position.offset, 2u);
  EXPECT_EQ(publish_version(1, "new scope").suppressed, Suppressed::no);
  EXPECT_EQ(deliveries_.all.size(), 3u);
}

TEST_F(MemoryEngineTest, APublishWithoutVersionResetsIt) {
  publish_version(5);
  publish("plain");
  EXPECT_EQ(publish_version(1).suppressed, Suppressed::no);
}

TEST_F(MemoryEngineTest, AShortHistoryInALongLivedStreamIsFreedUnasked) {
  read(first(0));  // a subscriber's: the stream is to live for the whole meta TTL
  publish("1", 10, 5);
  const PublicationRef kept = read(first(-1)).publications.at(0);
  deliveries_.all.clear();
  EXPECT_TRUE(kept->is_shared());
  pass(6);
  EXPECT_FALSE(kept->is_shared());
}

TEST_F(MemoryEngineTest, AShorterMetaTtlTakesEffectUnasked) {
  publish("1");
  HistoryQuery query = first(0);
  query.meta_ttl = std::chrono::seconds(10);
  read(query);
  pass(11);
  EXPECT_EQ(broker_.streams(), 0u);
}

TEST_F(MemoryEngineTest, ARestartForgetsEverything) {
  const PublishResult before = publish("1");
  MemoryBroker restarted(shard_, std::chrono::seconds(3600));
  const HistoryPage page = *get(restarted.history("c", first(-1)));
  EXPECT_TRUE(page.publications.empty());
  EXPECT_EQ(page.top.offset, 0u);
  EXPECT_NE(page.top.epoch, before.position.epoch);
}

TEST_F(MemoryEngineTest, AnEpochIsEightLetters) {
  for (int i = 0; i < 100; ++i) {
    const std::string epoch = get(broker_.history(std::to_string(i), first(0)))->top.epoch;
    EXPECT_EQ(epoch.size(), 8u);
    EXPECT_TRUE(std::ranges::all_of(epoch, [](unsigned char c) { return std::isalpha(c); }));
  }
}

TEST_F(MemoryEngineTest, PagesWhatIsLeftAfterARemovalFromTheOldest) {
  for (int i = 1; i <= 4; ++i) publish(std::to_string(i));
  ASSERT_TRUE(get(broker_.remove_history("c")));
  EXPECT_EQ(offsets(since(2, -1)), std::vector<uint64_t>());
  EXPECT_EQ(offsets(since(3, -1, true)), std::vector<uint64_t>());
  publish("5");
  publish("6");
  EXPECT_EQ(offsets(since(2, -1)), (std::vector<uint64_t>{5, 6}));
  EXPECT_EQ(offsets(since(0, 1)), (std::vector<uint64_t>{5}));
  EXPECT_EQ(offsets(since(4, -1, true)), std::vector<uint64_t>());
  EXPECT_EQ(offsets(since(0, -1, true)), std::vector<uint64_t>());
  EXPECT_EQ(offsets(since(7, -1, true)), (std::vector<uint64_t>{6, 5}));
  EXPECT_EQ(offsets(since(UINT64_MAX, -1)), std::vector<uint64_t>());
  EXPECT_EQ(offsets(since(UINT64_MAX, -1, true)), std::vector<uint64_t>());
}

TEST_F(MemoryEngineTest, ASmallerSizeTrimsAtOnce) {
  for (int i = 1; i <= 4; ++i) publish(std::to_string(i));
  publish("5", 2);
  EXPECT_EQ(offsets(first(-1)), (std::vector<uint64_t>{4, 5}));
}

TEST_F(MemoryEngineTest, APublishKeptOutByItsVersionRefreshesBothLifetimes) {
  publish_version(5);
  pass(59);
  EXPECT_EQ(publish_version(5).suppressed, Suppressed::by_version);
  pass(59);
  EXPECT_EQ(offsets(first(-1)), (std::vector<uint64_t>{1}));
}

TEST_F(MemoryEngineTest, AnExpiredHistoryKeepsTheVersionAndTheMetaTtlForgetsIt) {
  publish_version(5);
  pass(61);
  EXPECT_EQ(publish_version(5).suppressed, Suppressed::by_version);
  pass(3601);
  EXPECT_EQ(publish_version(5).suppressed, Suppressed::no);
}

TEST_F(MemoryEngineTest, TheKeyIsLookedAtBeforeTheVersionAndKeptOnlyByAnAcceptedPublish) {
  const auto publish_keyed = [this](uint64_t version, std::string key) {
    PublishRequest keyed = request("v");
    keyed.publication->set_version(version);
    keyed.idempotency_key = std::move(key);
    return *get(broker_.publish(std::move(keyed)));
  };
  publish_keyed(5, "a");
  EXPECT_EQ(publish_keyed(4, "b").suppressed, Suppressed::by_version);
  EXPECT_EQ(publish_keyed(6, "b").position.offset, 2u);
  const PublishResult repeated = publish_keyed(1, "a");
  EXPECT_EQ(repeated.suppressed, Suppressed::by_idempotency);
  EXPECT_EQ(repeated.position.offset, 1u);
}

TEST_F(MemoryEngineTest, AKeyWorksWithoutHistoryAndItsResultIsFreedUnasked) {
  for (int i = 0; i < 2; ++i) {
    PublishRequest keyed = request("x", 0, 0);
    keyed.idempotency_key = "k";
    const PublishResult result = *get(broker_.publish(std::move(keyed)));
    EXPECT_EQ(result.position, protocol::StreamPosition());
    EXPECT_EQ(result.suppressed, i == 0 ? Suppressed::no : Suppressed::by_idempotency);
  }
  EXPECT_EQ(deliveries_.all.size(), 1u);
  pass(301);
  EXPECT_EQ(broker_.remembered_results(), 0u);
}

TEST_F(MemoryEngineTest, APublicationKnowsWhenItWasPublished) {
  publish("1");
  EXPECT_EQ(read(first(-1)).publications.at(0)->time_ms, shard_.unix_milliseconds());
}

// So channels on different shards can be given the same one.
TEST_F(MemoryEngineTest, APublicationWithATimeAndWithoutHistoryStaysAsItIs) {
  PublishRequest plain = request("1", 0, 0);
  plain.publication->time_ms = 1;
  const PublicationRef before = plain.publication;
  EXPECT_EQ(get(broker_.publish(std::move(plain)))->position.offset, 0u);
  EXPECT_EQ(before->time_ms, 1);
  EXPECT_EQ(before->offset, 0u);
  EXPECT_EQ(deliveries_.all.size(), 1u);
}

TEST_F(MemoryEngineTest, TellsTheTopsOfManyStreamsAndKeepsThemAlive) {
  const protocol::StreamPosition known = publish("1").position;
  pass(3000);
  auto tops = *get(broker_.tops({{.channel = "unknown"}, {.channel = "c"}}));
  ASSERT_EQ(tops.size(), 2u);
  EXPECT_EQ(tops[0].offset, 0u);
  EXPECT_EQ(tops[0].epoch.size(), 8u);
  EXPECT_EQ(tops[1], known);
  pass(3000);
  EXPECT_EQ(get(broker_.tops({{.channel = "c"}}))->at(0), known);
}

// One stream has many lives: what is queued for it never outlives it.
TEST_F(MemoryEngineTest, StreamsComeAndGoInAnyOrderOfDeadlines) {
  for (int round = 0; round < 50; ++round) {
    for (int i = 0; i < 20; ++i) {
      PublishRequest some = request("x", 3, 1 + (i * 7 + round) % 5);
      some.channel = std::to_string(i);
      some.history.meta_ttl = std::chrono::seconds(1 + (i * 3 + round) % 4);
      ASSERT_TRUE(get(broker_.publish(std::move(some))));
    }
    pass(round % 3);
  }
  pass(6);
  EXPECT_EQ(broker_.streams(), 0u);
}

// What the reference server answered to the same calls, at the same times. Epochs are bound: the
// same recorded one always stands for the same one here, and another for another. Calls of maps are
// left out, as there are none yet.
class RecordedEngineTest : public MemoryEngineTest {
 protected:
  using Element = simdjson::dom::element;

  void replay(Element step) {
    wait_as_told(std::string_view(step["step"]));
    const std::string_view call = step["api"];
    const Element params = step["params"];
    const Element result = step["reply"]["result"];
    const std::string channel{std::string_view(params["channel"])};
    if (call == "publish") {
      expect(get(broker_.publish(request_of(channel, params)))->position, result);
    } else if (call == "history") {
      const auto limit = static_cast<int32_t>(int64_t(params["limit"]));
      expect(*get(broker_.history(channel, with_meta_ttl(first(limit), channel))), result);
    } else if (call == "history_remove") {
      EXPECT_TRUE(get(broker_.remove_history(channel)));
    } else {
      return;
    }
    ++replayed_;
  }
  int replayed_ = 0;

 private:
  static HistoryOptions options_of(const std::string& channel) {
    using std::chrono::seconds;
    if (channel.starts_with("short:")) {
      return {.size = 3, .ttl = seconds(2), .meta_ttl = seconds(5)};
    }
    return {.size = 10, .ttl = seconds(60), .meta_ttl = {}};
  }
  static HistoryQuery with_meta_ttl(HistoryQuery query, const std::string& channel) {
    query.meta_ttl = options_of(channel).meta_ttl;
    return query;
  }
  static PublishRequest request_of(const std::string& channel, Element params) {
    PublishRequest request{.channel = channel,
                           .publication = make_ref<Publication>(simdjson::minify(params["data"])),
                           .history = options_of(channel),
                           .idempotency_key = ""};
    std::string_view key;
    if (!params["idempotency_key"].get(key)) request.idempotency_key = key;
    uint64_t version = 0;
    if (!params["version"].get(version)) request.publication->set_version(version);
    return request;
  }
  // "3.5s later …": time passes before the call.
  void wait_as_told(std::string_view step) {
    const size_t unit = step.find("s later");
    if (unit == std::string_view::npos) return;
    const double seconds = std::stod(std::string(step.substr(0, unit)));
    for (int half = 0; half < static_cast<int>(seconds * 2); ++half) {
      advance(os::kSecond / 2);
    }
  }
  void expect(const protocol::StreamPosition& position, Element result) {
    uint64_t offset = 0;
    static_cast<void>(result["offset"].get(offset));  // 0 is left out
    EXPECT_EQ(position.offset, offset);
    const std::string recorded{std::string_view(result["epoch"])};
    EXPECT_EQ(ours_.try_emplace(recorded, position.epoch).first->second, position.epoch);
    EXPECT_EQ(theirs_.try_emplace(position.epoch, recorded).first->second, recorded);
  }
  void expect(const HistoryPage& page, Element result) {
    expect(page.top, result);
    const simdjson::dom::array recorded = result["publications"];
    ASSERT_EQ(page.publications.size(), recorded.size());
    size_t i = 0;
    for (Element publication : recorded) {
      EXPECT_EQ(page.publications[i]->offset, uint64_t(publication["offset"]));
      EXPECT_EQ(page.publications[i]->data, simdjson::minify(publication["data"]));
      ++i;
    }
  }
  std::map<std::string, std::string> ours_;
  std::map<std::string, std::string> theirs_;
};

TEST_F(RecordedEngineTest, AgreesWithTheReferenceServer) {
  simdjson::dom::parser parser;
  simdjson::dom::array steps;
  ASSERT_FALSE(parser.load(GYRE_SOURCE_DIR "/tests/golden/cluster/memory.json").get(steps));
  for (Element step : steps) {
    SCOPED_TRACE(std::string_view(step["step"]));
    replay(step);
  }
  EXPECT_EQ(replayed_, 16);
}

TEST_F(MemoryEngineTest, PresenceCountsClientsAndDistinctUsers) {
  const auto add = [this](const std::string& user, const std::string& client) {
    ASSERT_TRUE(get(
        presence_.add("c", {.user = user, .client = client, .conn_info = "", .chan_info = ""})));
  };
  add("1", "a");
  add("1", "b");
  add("2", "c");
  add("3", "c");  // the same client again, as somebody else
  PresenceStats stats = *get(presence_.stats("c"));
  EXPECT_EQ(stats.clients, 3u);
  EXPECT_EQ(stats.users, 2u);
  ASSERT_TRUE(get(presence_.remove("c", "a")));
  ASSERT_TRUE(get(presence_.remove("c", "nobody")));
  stats = *get(presence_.stats("c"));
  EXPECT_EQ(stats.clients, 2u);
  EXPECT_EQ(stats.users, 2u);
  ASSERT_TRUE(get(presence_.remove("c", "b")));
  ASSERT_TRUE(get(presence_.remove("c", "c")));
  EXPECT_TRUE(get(presence_.list("c"))->empty());
  EXPECT_EQ(presence_.channels(), 0u);
}

class ManyMembers : public MemoryEngineTest {
 protected:
  static std::string client(size_t i) { return fmt::format("{:08x}", i * 2'654'435'761u % kAll); }
  void add(std::string client) {
    ASSERT_TRUE(get(presence_.add(
        "c", {.user = "u", .client = std::move(client), .conn_info = "", .chan_info = ""})));
  }
  void fill() {
    for (size_t i = 0; i < kAll; ++i) add(client(i));
    ASSERT_EQ(get(presence_.stats("c"))->clients, kAll);
  }
  static constexpr uint32_t kAll = 100'000;
};

TEST_F(ManyMembers, JoiningAndCountingLooksAtNobody) {
  fill();
  add("newcomer");
  const PresenceStats stats = *get(presence_.stats("c"));
  EXPECT_EQ(stats.clients, kAll + 1);
  EXPECT_EQ(stats.users, 1u);
  ASSERT_TRUE(get(presence_.remove("c", "newcomer")));
  EXPECT_EQ(presence_.visited(), 0u);
}

TEST_F(ManyMembers, APageLooksAtItsOwnMembersOnly) {
  fill();
  const MemberPage first = *get(presence_.page("c", "", 1000));
  EXPECT_EQ(first.members.size(), 1000u);
  EXPECT_EQ(presence_.visited(), 1000u);
  const MemberPage second = *get(presence_.page("c", first.cursor, 1000));
  EXPECT_EQ(presence_.visited(), 2000u);
  EXPECT_LT(first.members.back()->info.client, second.members.front()->info.client);
}

// While the list is made one comes and one goes at each turn; those who were there throughout stand
// in it once.
TEST_F(ManyMembers, AListIsMadeInSlicesWhileMembersComeAndGo) {
  fill();
  std::optional<Result<MemberList>> all;
  start(presence_.list("c"), &all);
  size_t turns = 0;
  size_t gone = 0;
  uint64_t seen = presence_.visited();
  EXPECT_LE(seen, MemoryPresenceStore::kMembersPerSlice);
  for (; !all; ++turns) {
    ASSERT_TRUE(get(presence_.remove("c", client(gone++))));
    add(fmt::format("{:08x}+", gone * 77 % kAll));
    shard_.turn(0);
    EXPECT_LE(presence_.visited() - seen, MemoryPresenceStore::kMembersPerSlice);
    seen = presence_.visited();
  }
  EXPECT_GE(turns, kAll / MemoryPresenceStore::kMembersPerSlice);
  std::set<std::string> clients;
  for (const MemberRef& member : **all) clients.insert(member->info.client);
  EXPECT_EQ(clients.size(), (*all)->size()) << "nobody twice";
  for (size_t i = gone; i < kAll; ++i) ASSERT_TRUE(clients.contains(client(i))) << i;
}

TEST_F(MemoryEngineTest, PresenceKeepsWhatWasSaidLast) {
  const auto add = [this](const std::string& info) {
    ASSERT_TRUE(
        get(presence_.add("c", {.user = "1", .client = "a", .conn_info = info, .chan_info = ""})));
  };
  add("1");
  const MemberList before = *get(presence_.list("c"));
  add("2");
  const MemberList after = *get(presence_.list("c"));
  ASSERT_EQ(after.size(), 1u);
  EXPECT_EQ(after[0]->info.conn_info, "2");
  EXPECT_EQ(before[0]->info.conn_info, "1") << "an answer on its way is not changed";
}

}  // namespace
}  // namespace gyre::engine::memory
