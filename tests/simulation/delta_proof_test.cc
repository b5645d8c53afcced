// Random edits of documents, which clients with deltas must have exactly, in both encodings,
// through reconnects and recovery: sessions and hubs as they are, and clients that keep what they
// got last for base whatever happens, so that a delta of anything else shows.
//
// GYRE_DELTA_EDITS=1000000 makes a long proof of it.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <atomic>
#include <charconv>
#include <cstdlib>
#include <deque>
#include <memory>
#include <mutex>
#include <random>
#include <thread>

#include "client/test_support.h"
#include "protocol/fossil_delta.h"
#include "tests/simulation/server_message.h"
#include "tests/simulation/slow_build.h"

namespace gyre::sim {
namespace {

using client::TestClient;
using client::TestNode;
using protocol::Encoding;

constexpr uint64_t kEdits = kIsSlowBuild ? 10'000 : 50'000;
constexpr uint64_t kEditsOfAWorld = 5'000;
constexpr int32_t kHistory = 8;
constexpr size_t kPayloadMax = 1 << 20;

// A document under edit: JSON, with characters of one to four bytes that differ in their last or in
// their first ones, or bytes of any kind.
class Document {
 public:
  Document(std::mt19937_64& random, bool is_json) : random_(random), is_json_(is_json) {}

  std::string edited() {
    const uint64_t edits = below(20) == 0 ? 30 : 1 + below(3);
    for (uint64_t i = 0; i < edits; ++i) edit();
    std::string text = is_json_ ? "{" : "";
    for (size_t i = 0; i < parts_.size(); ++i) {
      if (is_json_) text += fmt::format("{}\"{}\":\"", i > 0 ? "," : "", i);
      for (const std::string& one : parts_[i]) text += one;
      if (is_json_) text += '"';
    }
    return is_json_ ? text + "}" : text;
  }

 private:
  using Part = std::vector<std::string>;  // characters

  uint64_t below(uint64_t bound) { return random_() % bound; }
  std::string character() {
    constexpr std::string_view kCharacters[] = {"a",  "b", "e",  " ",  "x",   "é",
                                                "è",  "ê", "п",  "р",  "漢",  "漣",
                                                "字", "€", "😀", "😁", "\\n", "\\\\"};
    if (is_json_) return std::string(kCharacters[below(std::size(kCharacters))]);
    return {static_cast<char>(random_())};
  }
  Part some_part() {
    Part part;
    for (uint64_t i = below(60); i > 0; --i) part.push_back(character());
    return part;
  }
  void edit() {
    constexpr size_t kPartsMax = 24;
    if (parts_.empty()) return parts_.push_back(some_part());
    Part& part = parts_[below(parts_.size())];
    switch (below(12)) {
      case 0:
        if (parts_.size() < kPartsMax) parts_.push_back(some_part());
        return;
      case 1:
        parts_.erase(parts_.begin() + static_cast<ptrdiff_t>(below(parts_.size())));
        return;
      case 2:
        return std::swap(part, parts_[below(parts_.size())]);
      case 3:
        part = parts_[below(parts_.size())];
        return;
      case 4:
        part = some_part();
        return;
      case 5:
        if (below(20) == 0) parts_.clear();
        return;
      case 6:
      case 7:
        part.insert(part.begin() + static_cast<ptrdiff_t>(below(part.size() + 1)), character());
        return;
      case 8:
        if (!part.empty()) part.erase(part.begin() + static_cast<ptrdiff_t>(below(part.size())));
        return;
      default:
        if (!part.empty()) part[below(part.size())] = character();
    }
  }

  std::mt19937_64& random_;
  const bool is_json_;
  std::vector<Part> parts_;
};

// What has been published in one channel.
struct Stream {
  std::string channel;
  bool is_json = true;
  Document document;
  uint64_t top = 0;
  std::deque<std::string> kept;  // the newest behind; more than history has
  std::string aside;             // the last one that history does not keep

  const std::string* find(uint64_t offset) const {
    const uint64_t back = top - offset;
    return offset == 0 || offset > top || back >= kept.size() ? nullptr
                                                              : &kept[kept.size() - 1 - back];
  }
};

// A subscriber as SDKs are: the publication that it got last is the base, through everything.
struct Reader {
  Encoding encoding = Encoding::json;
  Stream* stream = nullptr;
  TestClient* client = nullptr;  // null: away
  bool is_subscribed = false;
  uint32_t next_id = 1;
  uint64_t offset = 0;
  std::string epoch;
  std::optional<std::string> base;
  uint32_t asides = 0;  // heard since the last look
};

struct Figures {
  uint64_t edits = 0;
  uint64_t read = 0;
  uint64_t deltas = 0;
  uint64_t recovered = 0;  // publications
  uint64_t nothing_missed = 0;
  uint64_t unrecovered = 0;
  std::vector<std::string> mistakes;

  void add(const Figures& other) {
    edits += other.edits;
    read += other.read;
    deltas += other.deltas;
    recovered += other.recovered;
    nothing_missed += other.nothing_missed;
    unrecovered += other.unrecovered;
    mistakes.insert(mistakes.end(), other.mistakes.begin(), other.mistakes.end());
  }
};

std::shared_ptr<client::Settings> settings() {
  channel::ChannelOptions options = client::open_options();
  options.history_size = kHistory;
  options.history_ttl = std::chrono::seconds(100'000);
  options.force_recovery = options.allows_fossil_delta = options.delta_publish = true;
  auto namespaces = channel::Namespaces::compile({}, {}, {{"doc", options}});
  auto result = std::make_shared<client::Settings>();
  result->namespaces = std::make_shared<const channel::Namespaces>(std::move(*namespaces));
  result->allow_anonymous_connect_without_token = true;
  result->ping_interval = 0;
  return result;
}

// Two shards, a document of JSON and one of bytes, and readers of both.
class World {
 public:
  explicit World(uint64_t seed) : random_(seed), node_(2, settings()) {
    for (const bool is_json : {true, false}) {
      streams_.push_back(
          std::make_unique<Stream>(Stream{.channel = is_json ? "doc:json" : "doc:bytes",
                                          .is_json = is_json,
                                          .document = Document(random_, is_json),
                                          .kept = {},
                                          .aside = {}}));
    }
    for (int i = 0; i < 6; ++i) {
      Stream& stream = *streams_[i < 4 ? 0 : 1];
      readers_.push_back(
          {.encoding = i % 2 == 0 && stream.is_json ? Encoding::json : Encoding::protobuf,
           .stream = &stream});
    }
  }

  Figures run(uint64_t edits) {
    while (figures_.edits < edits && figures_.mistakes.empty()) act();
    for (Reader& reader : readers_) {
      if (reader.client) leave(reader);
    }
    return std::move(figures_);
  }

 private:
  uint64_t below(uint64_t bound) { return random_() % bound; }

  void act() {
    Reader& reader = readers_[below(readers_.size())];
    const uint64_t choice = below(100);
    if (choice < 84) return publish(*streams_[below(2)]);
    if (choice < 86) return publish_aside(*streams_[below(2)]);
    if (choice == 86) return node_.pass(3 * os::kSecond);  // homes without subscribers retire
    if (!reader.client) return connect(reader);
    if (choice < 90) return leave(reader);
    if (!reader.is_subscribed) return subscribe(reader);
    if (choice < 93) unsubscribe(reader);
  }

  void publish(Stream& stream) {
    const std::string text = stream.document.edited();
    ++stream.top;
    stream.kept.push_back(text);
    if (stream.kept.size() > 2 * kHistory) stream.kept.pop_front();
    send(stream, text, {.size = kHistory, .ttl = std::chrono::seconds(100'000), .meta_ttl = {}});
    ++figures_.edits;
    for (Reader& reader : readers_) {
      if (reader.stream != &stream || !reader.is_subscribed) continue;
      hear(reader);
      if (reader.offset != stream.top) mistake(reader, "has not heard of the last");
    }
  }

  void publish_aside(Stream& stream) {
    stream.aside = stream.document.edited();
    send(stream, stream.aside, {});
    for (Reader& reader : readers_) {
      if (reader.stream != &stream || !reader.is_subscribed) continue;
      hear(reader);
      if (std::exchange(reader.asides, 0) != 1) mistake(reader, "has not heard what is aside");
    }
  }

  void send(const Stream& stream, const std::string& text, engine::HistoryOptions history) {
    auto publication = make_ref<protocol::Publication>(text);
    if (stream.is_json) publication->mark_data_as_json();
    publication->wants_delta = below(30) > 0;
    node_.publish(stream.channel, std::move(publication), history);
  }

  void ask(Reader& reader, const protocol::Request& request) {
    std::string command;
    protocol::encode_command(reader.encoding, reader.next_id++, request, command);
    take(reader, reader.client->say(command));
  }

  void connect(Reader& reader) {
    reader.client = &node_.client(below(2), {}, {.encoding = reader.encoding});
    reader.next_id = 1;
    std::string command;
    protocol::encode_command(reader.encoding, reader.next_id++, protocol::ConnectRequest(),
                             command);
    reader.client->say(command);
    subscribe(reader);
  }

  void leave(Reader& reader) {
    reader.client->leave();
    std::erase_if(node_.clients, [&](const auto& one) { return one.get() == reader.client; });
    reader.client = nullptr;
    reader.is_subscribed = false;
  }

  void subscribe(Reader& reader) {
    protocol::SubscribeRequest request;
    request.channel = reader.stream->channel;
    request.delta = "fossil";
    // Some begin anew, and are given deltas no sooner for what they still have.
    if (!reader.epoch.empty() && below(10) > 0) {
      request.recover = true;
      request.offset = reader.offset;
      request.epoch = reader.epoch;
    }
    ask(reader, request);
    if (!reader.is_subscribed) mistake(reader, "is not subscribed");
  }

  void unsubscribe(Reader& reader) {
    reader.is_subscribed = false;
    ask(reader, protocol::UnsubscribeRequest{.channel = reader.stream->channel});
  }

  void hear(Reader& reader) { take(reader, reader.client->heard()); }

  void take(Reader& reader, const std::vector<std::string>& frames) {
    for (const std::string& frame : frames) {
      const auto messages = read_messages(reader.encoding, frame);
      if (!messages) return mistake(reader, "cannot read " + frame);
      for (const ServerMessage& one : *messages) take(reader, one);
    }
  }

  void take(Reader& reader, const ServerMessage& message) {
    switch (message.kind) {
      case ServerMessage::Kind::subscribe:
        return begin(reader, message);
      case ServerMessage::Kind::push_publication:
        return read(reader, message.publications.front());
      case ServerMessage::Kind::unsubscribe:
        return;
      default:
        return mistake(reader, fmt::format("hears of {}", static_cast<int>(message.kind)));
    }
  }

  void begin(Reader& reader, const ServerMessage& message) {
    if (!message.has_delta) mistake(reader, "gets no deltas");
    const uint64_t missed = reader.stream->top - reader.offset;
    const bool is_kept = reader.epoch == message.epoch && missed <= uint64_t{kHistory};
    if (message.was_recovering && message.recovered != is_kept) {
      mistake(reader, fmt::format("missed {}, recovered: {}", missed, message.recovered));
    }
    reader.is_subscribed = true;
    reader.epoch = message.epoch;
    if (!message.recovered) {
      if (message.was_recovering) ++figures_.unrecovered;
      reader.offset = message.offset;
    }
    if (message.recovered && message.publications.empty()) ++figures_.nothing_missed;
    figures_.recovered += message.publications.size();
    for (const ReadPublication& one : message.publications) read(reader, one);
    if (reader.offset != reader.stream->top) mistake(reader, "does not begin at the top");
  }

  void read(Reader& reader, const ReadPublication& publication) {
    ++figures_.read;
    std::string whole = publication.text;
    if (publication.is_delta) {
      ++figures_.deltas;
      auto made = reader.base
                      ? protocol::apply_fossil_delta(*reader.base, publication.text, kPayloadMax)
                      : std::nullopt;
      if (!made) return mistake(reader, "got a delta of something else");
      whole = std::move(*made);
    }
    reader.base = whole;
    if (publication.offset == 0) {
      ++reader.asides;
      if (whole != reader.stream->aside) mistake(reader, "has not what is aside");
      return;
    }
    if (publication.offset != reader.offset + 1) mistake(reader, "has missed one");
    reader.offset = publication.offset;
    const std::string* expected = reader.stream->find(publication.offset);
    if (!expected || *expected != whole) mistake(reader, "has another document");
  }

  void mistake(const Reader& reader, std::string_view what) {
    figures_.mistakes.push_back(fmt::format(
        "edit {}: reader {} of {} at {} of {} {}", figures_.edits, &reader - readers_.data(),
        reader.stream->channel, reader.offset, reader.stream->top, what));
  }

  std::mt19937_64 random_;
  TestNode node_;
  std::vector<std::unique_ptr<Stream>> streams_;
  std::vector<Reader> readers_;
  Figures figures_;
};

uint64_t edits_wanted() {
  const char* text = std::getenv("GYRE_DELTA_EDITS");
  uint64_t edits = 0;
  if (!text) return kEdits;
  const std::string_view digits(text);
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), edits);
  return error == std::errc() && end == digits.data() + digits.size() ? edits : kEdits;
}

TEST(DeltaProof, EveryEditArrivesExactly) {
  const uint64_t worlds = (edits_wanted() + kEditsOfAWorld - 1) / kEditsOfAWorld;
  std::atomic<uint64_t> next{0};
  std::mutex mutex;
  Figures sum;
  const auto work = [&] {
    for (uint64_t seed = next++; seed < worlds; seed = next++) {
      Figures figures = World(seed + 1).run(kEditsOfAWorld);
      for (std::string& one : figures.mistakes) one = fmt::format("world {}, {}", seed + 1, one);
      const std::lock_guard lock(mutex);
      sum.add(figures);
    }
  };
  std::vector<std::jthread> threads;
  for (unsigned i = 1; i < std::thread::hardware_concurrency(); ++i) threads.emplace_back(work);
  work();
  threads.clear();
  for (const std::string& one : sum.mistakes) ADD_FAILURE() << one;
  fmt::print(
      "{} edits: {} publications read, {} of them deltas, {} recovered; {} times nothing "
      "was missed, {} times too much\n",
      sum.edits, sum.read, sum.deltas, sum.recovered, sum.nothing_missed, sum.unrecovered);
  EXPECT_EQ(sum.edits, worlds * kEditsOfAWorld);
  // It must not have become harmless.
  EXPECT_GT(sum.deltas, sum.edits);
  EXPECT_GT(sum.recovered, sum.edits / 50);
  EXPECT_GT(sum.nothing_missed, sum.edits / 1000);
  EXPECT_GT(sum.unrecovered, sum.edits / 500);
}

}  // namespace
}  // namespace gyre::sim
