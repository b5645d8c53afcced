// Our Protobuf codec against protoc's classes: what one writes the other reads, with random
// contents. All fields are visited by reflection, so one that is missing on either side, or has
// another number or type there, shows.

#include <client.pb.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include <deque>
#include <random>

#include "protocol/command_reader.h"
#include "protocol/encoder.h"

namespace gyre::protocol {
namespace {

namespace pb = centrifugal::centrifuge::protocol;
using google::protobuf::FieldDescriptor;
using google::protobuf::util::MessageDifferencer;

// Fills messages with random values, each field with a probability of one half.
class RandomMessages {
 public:
  explicit RandomMessages(uint32_t seed) : random_(seed) {}

  bool chance() { return random_() % 2 == 0; }
  uint64_t number() {
    // All magnitudes alike, since varints differ by them.
    return random_() >> random_() % 64;
  }
  std::string text() {
    std::string text(random_() % 4 == 0 ? random_() % 300 : random_() % 10, '\0');
    for (char& byte : text) byte = static_cast<char>(random_() % 128);
    return text;
  }

  void fill(google::protobuf::Message& message, int depth = 0) {
    const auto* descriptor = message.GetDescriptor();
    for (int i = 0; i < descriptor->field_count(); ++i) {
      const FieldDescriptor* field = descriptor->field(i);
      if (!chance()) continue;
      if (field->is_repeated()) {
        const uint64_t count = random_() % 4;
        for (uint64_t n = 0; n < count; ++n) add(message, *field, depth);
      } else {
        set(message, *field, depth);
      }
    }
  }

 private:
  void add(google::protobuf::Message& message, const FieldDescriptor& field, int depth) {
    const auto* reflection = message.GetReflection();
    if (field.cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
      reflection->AddString(&message, &field, text());
    } else if (depth < 4) {
      fill(*reflection->AddMessage(&message, &field), depth + 1);
    }
  }

  void set(google::protobuf::Message& message, const FieldDescriptor& field, int depth) {
    const auto* reflection = message.GetReflection();
    switch (field.cpp_type()) {
      case FieldDescriptor::CPPTYPE_BOOL:
        return reflection->SetBool(&message, &field, true);
      case FieldDescriptor::CPPTYPE_UINT32:
        return reflection->SetUInt32(&message, &field, static_cast<uint32_t>(number()));
      case FieldDescriptor::CPPTYPE_INT32:
        return reflection->SetInt32(&message, &field, static_cast<int32_t>(number()));
      case FieldDescriptor::CPPTYPE_UINT64:
        return reflection->SetUInt64(&message, &field, number());
      case FieldDescriptor::CPPTYPE_INT64:
        return reflection->SetInt64(&message, &field, static_cast<int64_t>(number()));
      case FieldDescriptor::CPPTYPE_STRING:
        return reflection->SetString(&message, &field, text());
      default:
        if (depth < 4) fill(*reflection->MutableMessage(&message, &field), depth + 1);
    }
  }

  std::mt19937_64 random_;
};

// The single length-prefixed message in `bytes`.
template <class Message>
Message parse_frame(std::string_view bytes) {
  google::protobuf::io::CodedInputStream input(reinterpret_cast<const uint8_t*>(bytes.data()),
                                               static_cast<int>(bytes.size()));
  uint32_t length = 0;
  EXPECT_TRUE(input.ReadVarint32(&length));
  EXPECT_EQ(static_cast<size_t>(input.CurrentPosition()) + length, bytes.size());
  Message message;
  EXPECT_TRUE(
      message.ParseFromArray(bytes.data() + input.CurrentPosition(), static_cast<int>(length)));
  return message;
}

std::string frame_of(const google::protobuf::Message& message) {
  std::string body = message.SerializeAsString();
  std::string frame;
  {
    google::protobuf::io::StringOutputStream stream(&frame);
    google::protobuf::io::CodedOutputStream output(&stream);
    output.WriteVarint32(static_cast<uint32_t>(body.size()));
  }
  return frame + body;
}

// Of the subscriptions in a connect request we read what counts there.
void keep_wish(pb::SubscribeRequest& request) {
  pb::SubscribeRequest wish;
  wish.set_recover(request.recover());
  wish.set_epoch(request.epoch());
  wish.set_offset(request.offset());
  wish.set_delta(request.delta());
  request = wish;
}

TEST(ProtobufOracle, CommandsAreReadAndWrittenAlike) {
  RandomMessages random(1);
  // Only the request of the highest priority survives our decoder, so commands have one each.
  const auto* descriptor = pb::Command::descriptor();
  for (int round = 0; round < 300; ++round) {
    for (int i = 0; i < descriptor->field_count(); ++i) {
      if (descriptor->field(i)->name() == "id") continue;
      pb::Command theirs;
      theirs.set_id(static_cast<uint32_t>(random.number()));
      random.fill(*theirs.GetReflection()->MutableMessage(&theirs, descriptor->field(i)));
      const std::string bytes = frame_of(theirs);
      if (theirs.has_connect()) {
        for (auto& [channel, request] : *theirs.mutable_connect()->mutable_subs())
          keep_wish(request);
      }
      CommandReader reader(Encoding::protobuf, bytes);
      Command ours;
      ASSERT_EQ(reader.next(ours), CommandReader::Next::command) << theirs.DebugString();
      std::string again;
      encode_command(Encoding::protobuf, ours.id, ours.request, again);
      ASSERT_TRUE(MessageDifferencer::Equals(parse_frame<pb::Command>(again), theirs))
          << theirs.DebugString();
    }
  }
}

// Our results, filled from random values of theirs; what the server never sends is not there to
// fill.
class Results {
 public:
  explicit Results(uint32_t seed) : random_(seed) {}

  bool flag() { return random_.chance(); }
  template <class T>
  void set(T& number) {
    if (random_.chance()) number = static_cast<T>(random_.number());
  }
  void set(bool& value) { value = random_.chance(); }
  void set(std::string& text) {
    if (random_.chance()) text = random_.text();
  }
  ClientInfo info() {
    ClientInfo info;
    set(info.user), set(info.client), set(info.conn_info), set(info.chan_info);
    return info;
  }
  PublicationRef publication() {
    auto made = make_ref<Publication>();
    set(made->data), set(made->offset), set(made->removed), set(made->delta);
    if (flag()) made->info = std::make_unique<const ClientInfo>(info());
    if (flag()) made->set_tags({{random_.text() + "a", random_.text()}, {"", ""}});
    if (flag()) made->set_epoch(random_.text());
    if (flag()) made->set_key(random_.text());
    if (flag()) made->set_version(random_.number());
    if (flag()) made->set_score(static_cast<int64_t>(random_.number()));
    return made;
  }

 private:
  RandomMessages random_;
};

pb::ClientInfo expected(const ClientInfo& info) {
  pb::ClientInfo out;
  out.set_user(info.user);
  out.set_client(info.client);
  out.set_conn_info(info.conn_info);
  out.set_chan_info(info.chan_info);
  return out;
}

pb::Publication expected(const Publication& publication) {
  pb::Publication out;
  out.set_data(publication.data);
  if (publication.info) *out.mutable_info() = expected(*publication.info);
  out.set_offset(publication.offset);
  for (const auto& [key, value] : publication.tags()) (*out.mutable_tags())[key] = value;
  out.set_delta(publication.delta);
  out.set_key(std::string(publication.key()));
  out.set_removed(publication.removed);
  out.set_score(publication.score());
  out.set_epoch(std::string(publication.epoch()));
  out.set_version(publication.version());
  return out;
}

TEST(ProtobufOracle, PublicationPushesAreUnderstood) {
  Results results(2);
  for (int round = 0; round < 3000; ++round) {
    const PublicationRef publication = results.publication();
    std::string channel;
    results.set(channel);
    std::string bytes;
    ASSERT_TRUE(encode_push(Encoding::protobuf, Envelope::reply, channel, *publication, bytes));
    pb::Reply theirs;
    theirs.mutable_push()->set_channel(channel);
    *theirs.mutable_push()->mutable_pub() = expected(*publication);
    ASSERT_TRUE(MessageDifferencer::Equals(parse_frame<pb::Reply>(bytes), theirs))
        << theirs.DebugString();
    bytes.clear();
    ASSERT_TRUE(encode_push(Encoding::protobuf, Envelope::push, channel, *publication, bytes));
    ASSERT_TRUE(MessageDifferencer::Equals(parse_frame<pb::Push>(bytes), theirs.push()));
    std::string source;
    results.set(source);
    bytes.clear();
    ASSERT_TRUE(
        encode_push(Encoding::protobuf, Envelope::push, channel, source, *publication, bytes));
    theirs.mutable_push()->mutable_pub()->set_channel(source);
    ASSERT_TRUE(MessageDifferencer::Equals(parse_frame<pb::Push>(bytes), theirs.push()));
    theirs.mutable_push()->mutable_pub()->clear_channel();
    bytes.clear();
    const PushChannel numbered(channel, int64_t{1} << round % 63);
    ASSERT_TRUE(encode_push(Encoding::protobuf, Envelope::reply, numbered, *publication, bytes));
    theirs.mutable_push()->clear_channel();
    theirs.mutable_push()->set_id(numbered.id);
    ASSERT_TRUE(MessageDifferencer::Equals(parse_frame<pb::Reply>(bytes), theirs));
  }
}

TEST(ProtobufOracle, JoinsAndPresenceAreUnderstood) {
  Results results(3);
  for (int round = 0; round < 1000; ++round) {
    const ClientInfo info = results.info();
    std::string bytes;
    ASSERT_TRUE(encode_push(Encoding::protobuf, Envelope::push, "c", JoinPush{info}, bytes));
    ASSERT_TRUE(
        MessageDifferencer::Equals(parse_frame<pb::Push>(bytes).join().info(), expected(info)));
    bytes.clear();
    ASSERT_TRUE(encode_push(Encoding::protobuf, Envelope::push, "c", LeavePush{info}, bytes));
    ASSERT_TRUE(
        MessageDifferencer::Equals(parse_frame<pb::Push>(bytes).leave().info(), expected(info)));
    bytes.clear();
    const PresenceResult presence{.presence = {{"a", info}, {"", {}}}};
    ASSERT_TRUE(encode_reply(Encoding::protobuf, 1, presence, bytes));
    pb::Reply theirs;
    theirs.set_id(1);
    (*theirs.mutable_presence()->mutable_presence())["a"] = expected(info);
    (*theirs.mutable_presence()->mutable_presence())[""];
    ASSERT_TRUE(MessageDifferencer::Equals(parse_frame<pb::Reply>(bytes), theirs));
  }
}

// Fills our described struct with random values and theirs with the same ones, matched by field
// number: the numbers of the one are held against the names of the other.
class Twin {
 public:
  explicit Twin(uint32_t seed) : results_(seed), random_(seed + 1) {}

  template <Described T>
  void fill(T& ours, google::protobuf::Message& theirs) {
    for_each_field<T>([&](const auto& described) {
      const FieldDescriptor* field = theirs.GetDescriptor()->FindFieldByNumber(described.kNumber);
      ASSERT_NE(field, nullptr) << described.name;
      ASSERT_EQ(field->name(), described.name);
      if (random_.chance()) set(ours.*described.member, theirs, *field);
    });
  }

 private:
  using Message = google::protobuf::Message;

  std::string_view keep(std::string text) { return kept_.emplace_back(std::move(text)); }

  void set(std::string_view& ours, Message& theirs, const FieldDescriptor& field) {
    ours = keep(random_.text());
    theirs.GetReflection()->SetString(&theirs, &field, std::string(ours));
  }
  void set(RawView& ours, Message& theirs, const FieldDescriptor& field) {
    EXPECT_EQ(field.type(), FieldDescriptor::TYPE_BYTES) << field.name();
    set(ours.bytes, theirs, field);
  }
  void set(bool& ours, Message& theirs, const FieldDescriptor& field) {
    theirs.GetReflection()->SetBool(&theirs, &field, ours = true);
  }
  void set(uint32_t& ours, Message& theirs, const FieldDescriptor& field) {
    ours = static_cast<uint32_t>(random_.number());
    theirs.GetReflection()->SetUInt32(&theirs, &field, ours);
  }
  void set(int32_t& ours, Message& theirs, const FieldDescriptor& field) {
    ours = static_cast<int32_t>(random_.number());
    theirs.GetReflection()->SetInt32(&theirs, &field, ours);
  }
  void set(uint64_t& ours, Message& theirs, const FieldDescriptor& field) {
    ours = random_.number();
    theirs.GetReflection()->SetUInt64(&theirs, &field, ours);
  }
  void set(int64_t& ours, Message& theirs, const FieldDescriptor& field) {
    ours = static_cast<int64_t>(random_.number());
    theirs.GetReflection()->SetInt64(&theirs, &field, ours);
  }
  void set(std::vector<PublicationRef>& ours, Message& theirs, const FieldDescriptor& field) {
    for (int i = 0; i < 3; ++i) {
      ours.push_back(results_.publication());
      theirs.GetReflection()->AddMessage(&theirs, &field)->CopyFrom(expected(*ours.back()));
    }
  }
  void set(MapOf<SubscribeResult>& ours, Message& theirs, const FieldDescriptor& field) {
    for (const char* key : {"a", "b", ""}) {
      ours.emplace_back(key, SubscribeResult());
      auto* entry = theirs.GetReflection()->AddMessage(&theirs, &field);
      entry->GetReflection()->SetString(entry, field.message_type()->map_key(), key);
      fill(ours.back().second,
           *entry->GetReflection()->MutableMessage(entry, field.message_type()->map_value()));
    }
  }

  Results results_;
  RandomMessages random_;
  std::deque<std::string> kept_;
};

template <class Result>
void expect_understood(const char* name, uint32_t seed) {
  for (uint32_t round = 0; round < 300; ++round) {
    Twin twin(seed + round);
    Result ours;
    pb::Reply theirs;
    theirs.set_id(7);
    const FieldDescriptor* field = pb::Reply::descriptor()->FindFieldByName(name);
    twin.fill(ours, *theirs.GetReflection()->MutableMessage(&theirs, field));
    std::string bytes;
    ASSERT_TRUE(encode_reply(Encoding::protobuf, 7, ours, bytes));
    ASSERT_TRUE(MessageDifferencer::Equals(parse_frame<pb::Reply>(bytes), theirs))
        << theirs.DebugString();
  }
}

TEST(ProtobufOracle, ResultsAreUnderstood) {
  expect_understood<ConnectResult>("connect", 100);
  expect_understood<SubscribeResult>("subscribe", 200);
  expect_understood<UnsubscribeResult>("unsubscribe", 300);
  expect_understood<PublishResult>("publish", 400);
  expect_understood<PresenceStatsResult>("presence_stats", 500);
  expect_understood<HistoryResult>("history", 600);
  expect_understood<RpcResult>("rpc", 700);
  expect_understood<RefreshResult>("refresh", 800);
  expect_understood<SubRefreshResult>("sub_refresh", 900);
}

template <class Push>
void expect_push_understood(const char* name, uint32_t seed) {
  for (uint32_t round = 0; round < 300; ++round) {
    Twin twin(seed + round);
    Push ours;
    pb::Push theirs;
    const FieldDescriptor* field = pb::Push::descriptor()->FindFieldByName(name);
    twin.fill(ours, *theirs.GetReflection()->MutableMessage(&theirs, field));
    std::string bytes;
    if constexpr (requires { encode_push(Encoding::protobuf, Envelope::push, ours, bytes); }) {
      static_cast<void>(encode_push(Encoding::protobuf, Envelope::push, ours, bytes));
    } else {
      theirs.set_channel("ch");
      static_cast<void>(encode_push(Encoding::protobuf, Envelope::push, "ch", ours, bytes));
    }
    ASSERT_TRUE(MessageDifferencer::Equals(parse_frame<pb::Push>(bytes), theirs))
        << theirs.DebugString();
  }
}

TEST(ProtobufOracle, PushesAreUnderstood) {
  expect_push_understood<UnsubscribePush>("unsubscribe", 1000);
  expect_push_understood<SubscribePush>("subscribe", 2000);
  expect_push_understood<MessagePush>("message", 3000);
  expect_push_understood<ConnectPush>("connect", 4000);
  expect_push_understood<DisconnectPush>("disconnect", 5000);
  expect_push_understood<RefreshPush>("refresh", 6000);
}

TEST(ProtobufOracle, ErrorsAreUnderstood) {
  std::string bytes;
  encode_error(Encoding::protobuf, 4, errors::kTooManyRequests, bytes);
  pb::Reply theirs;
  theirs.set_id(4);
  theirs.mutable_error()->set_code(111);
  theirs.mutable_error()->set_message("too many requests");
  theirs.mutable_error()->set_temporary(true);
  EXPECT_TRUE(MessageDifferencer::Equals(parse_frame<pb::Reply>(bytes), theirs));
}

TEST(ProtobufOracle, EmulationRequestsAreUnderstood) {
  RandomMessages random(9);
  for (int round = 0; round < 300; ++round) {
    pb::EmulationRequest theirs;
    random.fill(theirs);
    const std::string bytes = theirs.SerializeAsString();
    Scratch scratch(bytes.size());
    EmulationRequest ours;
    ASSERT_TRUE(decode_message(Encoding::protobuf, bytes, scratch, ours));
    EXPECT_EQ(ours.node, theirs.node());
    EXPECT_EQ(ours.session, theirs.session());
    EXPECT_EQ(ours.data.bytes, theirs.data());
  }
}

}  // namespace
}  // namespace gyre::protocol
