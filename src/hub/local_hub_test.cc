#include "hub/local_hub.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "hub/test_support.h"

namespace gyre::hub {
namespace {

class LocalHubTest : public HubTest {
 protected:
  // One that is told the channel's number.
  ChannelSlot join_by_id(std::string_view channel, size_t connection, uint8_t flags = 0,
                         protocol::Encoding encoding = protocol::Encoding::json) {
    const ChannelSlot slot = hub_.reserve(channel);
    hub_.push_id(slot);
    join(channel, connection, flags, variant_of(encoding, true));
    hub_.release(slot);
    return slot;
  }
};

TEST_F(LocalHubTest, DeliversToTheReceiversOfTheChannelOnly) {
  open(3);
  join("news", 0);
  join("news", 1);
  join("other", 2);
  EXPECT_EQ(hub_.deliver("news", publication(R"({"i":1})"), Verdict::next), 2u);
  EXPECT_EQ(hub_.deliver("nobody", publication("{}"), Verdict::next), 0u);
  flush();
  const std::string message = R"({"push":{"channel":"news","pub":{"data":{"i":1}}}})";
  const std::string frame = std::string("\x81") + static_cast<char>(message.size()) + message;
  EXPECT_EQ(sent_to(0), frame);
  EXPECT_EQ(sent_to(1), frame);
  EXPECT_EQ(sent_to(2), "");
}

TEST_F(LocalHubTest, WritesEachReceiverInItsOwnEncoding) {
  open(1);
  open(1, net::Framing::websocket_binary);
  join("c", 0);
  join("c", 1, 0, FrameVariant::protobuf);
  hub_.deliver("c", publication("1"), Verdict::next);
  flush();
  EXPECT_EQ(sent_to(0), std::string("\x81\x29") + R"({"push":{"channel":"c","pub":{"data":1}}})");
  EXPECT_EQ(sent_to(1), std::string("\x82\x0b\x0a\x22\x08\x12\x01"
                                    "c"
                                    "\x22\x03\x22\x01"
                                    "1",
                                    13));
}

TEST_F(LocalHubTest, SeveralPublicationsOfATurnLeaveInOneMessageAndOneSystemCall) {
  open(1);
  join("c", 0);
  for (int i = 1; i <= 3; ++i) hub_.deliver("c", publication(std::to_string(i)), Verdict::next);
  flush();
  EXPECT_EQ(kernel_.sends, 1);
  std::string payload;
  for (int i = 1; i <= 3; ++i) {
    payload += R"({"push":{"channel":"c","pub":{"data":)" + std::to_string(i) + "}}}" +
               (i < 3 ? "\n" : "");
  }
  ASSERT_LT(payload.size(), 126u);
  EXPECT_EQ(sent_to(0), std::string("\x81") + static_cast<char>(payload.size()) + payload);
}

TEST_F(LocalHubTest, ReportsJsonReceiversOfAPayloadThatIsNotJson) {
  open(1);
  open(1, net::Framing::websocket_binary);
  join("c", 0);
  join("c", 1, 0, FrameVariant::protobuf);
  EXPECT_EQ(hub_.deliver("c", publication("\x01\x02"), Verdict::next), 1u);
  EXPECT_EQ(events_.unencodable, std::vector<uint32_t>{accepted_.sockets[0].slot});
}

TEST_F(LocalHubTest, PositionedReceiversSkipWhatIsStale) {
  open(2);
  join("c", 0, Receiver::kPositioned);
  join("c", 1);
  EXPECT_EQ(hub_.deliver("c", publication("1"), Verdict::stale), 1u);
  flush();
  EXPECT_EQ(sent_to(0), "");
  EXPECT_NE(sent_to(1), "");
}

TEST_F(LocalHubTest, LosingTakesThePositionedReceiversOutAndKeepsTheRest) {
  open(5);
  for (size_t i = 0; i < 5; ++i) join("c", i, i % 2 == 0 ? Receiver::kPositioned : 0);
  hub_.lose("c");
  const auto slot = [this](size_t i) { return accepted_.sockets[i].slot; };
  EXPECT_EQ(events_.lost, (std::set{slot(0), slot(2), slot(4)}));
  EXPECT_EQ(hub_.deliver("c", publication("1"), Verdict::next), 2u);
  EXPECT_EQ(hub_.subscriptions(), 2u);
}

TEST_F(LocalHubTest, LosingTheLastReceiverFreesTheChannel) {
  open(1);
  join("c", 0, Receiver::kPositioned);
  hub_.lose("c");
  EXPECT_EQ(events_.unused, std::vector<std::string>{"c"});
  EXPECT_EQ(hub_.channels(), 0u);
}

TEST_F(LocalHubTest, AChannelLivesWhileAJoinIsInFlight) {
  open(1);
  const ChannelSlot slot = hub_.reserve("c");
  join("c", 0);
  hub_.remove(slot, 0);
  EXPECT_TRUE(events_.unused.empty());
  hub_.release(slot);
  EXPECT_EQ(events_.unused, std::vector<std::string>{"c"});
}

TEST_F(LocalHubTest, TellsWhoMovedWhenAReceiverLeaves) {
  open(3);
  const ChannelSlot slot = join("c", 0);
  join("c", 1);
  join("c", 2);
  hub_.remove(slot, events_.places[accepted_.sockets[0].slot]);
  EXPECT_EQ(events_.places[accepted_.sockets[2].slot], 0u);
  hub_.remove(slot, events_.places[accepted_.sockets[2].slot]);
  EXPECT_EQ(hub_.deliver("c", publication("1"), Verdict::next), 1u);
  flush();
  EXPECT_NE(sent_to(1), "");
}

// Publications may come for hours faster than all can have them.
TEST_F(LocalHubTest, MassDeliveriesThatNeverComeToAnEndTakeNoMoreMemory) {
  open(1500);
  for (size_t i = 0; i < 1500; ++i) join("big", i);
  for (int i = 0; i < 100; ++i) {
    hub_.deliver("big", publication("1"), Verdict::next);
    sockets_.flush();
    ASSERT_GT(sockets_.waiting(), 0u);
    EXPECT_LT(sockets_.bulk_entries(), 4000u);
    kernel_.sent.clear();
  }
  flush();
}

TEST_F(LocalHubTest, WhoIsToldOfALossMayMakeOthersLeave) {
  open(4);
  ChannelSlot slot;
  for (size_t i = 0; i < 4; ++i) slot = join("c", i, i == 1 ? 0 : Receiver::kPositioned);
  const auto outlet = [this](size_t i) { return accepted_.sockets[i].slot; };
  events_.on_loss = [&] {
    if (events_.lost.size() == 1) hub_.drop(slot, place(0));
  };
  hub_.lose("c");
  EXPECT_EQ(events_.lost, (std::set<uint32_t>{outlet(3), outlet(2)}));
  hub_.deliver("c", publication("1"), Verdict::next);
  flush();
  for (size_t i = 0; i < 4; ++i) EXPECT_EQ(!sent_to(i).empty(), i == 1) << i;
}

TEST_F(LocalHubTest, AMassDeliveryLeavesBehindAPromptReply) {
  open(1502);
  for (size_t i = 0; i < 1500; ++i) join("big", i);
  hub_.deliver("big", publication("1"), Verdict::next);
  sockets_.send(accepted_.sockets[1501].slot, Frame::make("{}"));
  sockets_.flush();
  EXPECT_GT(sockets_.waiting(), 0u) << "the bulk does not fit into one turn";
  EXPECT_EQ(sent_to(1501), std::string("\x81\x02{}"));
  flush();
  for (size_t i = 0; i < 1500; ++i) ASSERT_NE(sent_to(i), "") << i;
}

protocol::TagsFilter filter(std::string_view key, std::string_view value) {
  protocol::FilterNode node;
  node.key = key;
  node.cmp = "eq";
  node.val = value;
  return *protocol::TagsFilter::compile(node);
}

protocol::PublicationRef tagged(std::string key, std::string value) {
  auto result = make_ref<protocol::Publication>("1");
  result->set_tags({{std::move(key), std::move(value)}});
  return result;
}

TEST_F(LocalHubTest, FiltersByTags) {
  open(4);
  const ChannelSlot slot = hub_.reserve("c");
  const auto add = [&](size_t connection, const protocol::TagsFilter* wanted, uint8_t flags = 0) {
    const uint32_t outlet = accepted_.sockets[connection].slot;
    events_.places[outlet] = hub_.add(slot, {.outlet = outlet, .flags = flags}, wanted);
  };
  const protocol::TagsFilter red = filter("color", "red");
  const protocol::TagsFilter blue = filter("color", "blue");
  add(0, &red);
  add(1, &blue);
  add(2, nullptr);
  add(3, &blue, Receiver::kDelta);
  hub_.release(slot);
  EXPECT_EQ(hub_.deliver("c", tagged("color", "red"), Verdict::next), 3u)
      << "deltas need every publication";
  EXPECT_EQ(hub_.deliver("c", tagged("size", "1"), Verdict::next), 2u);
  // Filters go with their last user, and their numbers are used again.
  hub_.remove(slot, events_.places[accepted_.sockets[0].slot]);
  EXPECT_EQ(hub_.deliver("c", tagged("color", "blue"), Verdict::next), 3u);
  const protocol::TagsFilter green = filter("color", "green");
  add(0, &green);
  EXPECT_EQ(hub_.deliver("c", tagged("color", "green"), Verdict::next), 3u);
  EXPECT_EQ(hub_.deliver("c", tagged("color", "red"), Verdict::next), 2u);
}

// What a connection was told: "+a" that client a has joined, "-a" that it has left, "." for
// anything else.
std::string told(std::string_view bytes) {
  std::string text;
  for (size_t at = 0; (at = bytes.find(R"({"push":)", at)) != std::string_view::npos; ++at) {
    const std::string_view push = bytes.substr(at, bytes.find(R"({"push":)", at + 1) - at);
    const size_t client = push.find(R"("client":")");
    if (client == std::string_view::npos) {
      text += '.';
      continue;
    }
    text += push.contains(R"("join":{)") ? '+' : '-';
    const std::string_view id = push.substr(client + 10);
    text += id.substr(0, id.find('"'));
  }
  return text;
}

TEST_F(LocalHubTest, AnnouncementsGoToThoseWhoWantThem) {
  open(2);
  const ChannelSlot slot = join("c", 0, Receiver::kAnnouncements);
  join("c", 1);
  announce(true, "i");
  hub_.announce("nobody", make_ref<const protocol::Announcement>(true, protocol::ClientInfo()));
  flush();
  EXPECT_NE(
      sent_to(0).find(R"({"push":{"channel":"c","join":{"info":{"user":"u","client":"i"}}}})"),
      std::string::npos);
  EXPECT_EQ(sent_to(1), "");
  announce(false, "i");
  flush();
  EXPECT_EQ(told(sent_to(0)), "-i");
  hub_.remove(slot, place(0));
  announce(true, "i");
  flush();
  EXPECT_EQ(sent_to(1), "");
}

TEST_F(LocalHubTest, AnAnnouncementThatIsNoJsonEndsJsonReceivers) {
  open(1);
  open(1, net::Framing::websocket_binary);
  join("c", 0, Receiver::kAnnouncements);
  join("c", 1, Receiver::kAnnouncements, FrameVariant::protobuf);
  announce(true, "a");
  announce(true, "b", "\1");
  announce(true, "c");
  flush();
  EXPECT_EQ(events_.unencodable, std::vector{accepted_.sockets[0].slot});
  EXPECT_EQ(told(sent_to(0)), "+a") << "what came before it is told";
  const std::string binary = sent_to(1);
  for (const char* client : {"\x12\1a", "\x12\1b", "\x12\1c"}) {
    EXPECT_NE(binary.find(client), std::string::npos) << "with its length in front";
  }
}

// However many leave in a turn, each of the rest is told of it by one message.
TEST_F(LocalHubTest, AMassOfLeavesIsToldInOneMessage) {
  constexpr size_t kMembers = 300;
  constexpr size_t kLeavers = 200;
  open(kMembers);
  ChannelSlot slot;
  for (size_t i = 0; i < kMembers; ++i) slot = join("c", i, Receiver::kAnnouncements);
  std::string all;
  for (size_t i = 0; i < kLeavers; ++i) {
    hub_.drop(slot, place(i));
    announce(false, std::to_string(i));
    all += "-" + std::to_string(i);
  }
  flush();
  EXPECT_EQ(kernel_.sends, static_cast<int>(kMembers - kLeavers));
  for (size_t i = 0; i < kLeavers; ++i) ASSERT_EQ(sent_to(i), "") << "it has left: " << i;
  for (size_t i = kLeavers; i < kMembers; ++i) ASSERT_EQ(told(sent_to(i)), all) << i;
}

TEST_F(LocalHubTest, AnnouncementsDoNotGatherWithoutBound) {
  open(1);
  join("c", 0, Receiver::kAnnouncements);
  size_t count = 0;
  for (; sockets_.waiting() == 0 && count < 100'000; ++count) announce(false, "x");
  EXPECT_EQ(count, 512u);
}

// In a turn in which others come and go, everybody is told what happened while it was there.
TEST_F(LocalHubTest, ANewcomerIsToldWhatCameAfterIt) {
  open(4);
  const ChannelSlot slot = join("c", 0, Receiver::kAnnouncements);
  announce(true, "a");
  join("c", 1, Receiver::kAnnouncements);
  announce(true, "b");
  join("c", 2, Receiver::kAnnouncements);
  announce(true, "d");
  join("c", 3, Receiver::kAnnouncements);
  hub_.remove(slot, place(0));
  hub_.remove(slot, place(1));
  announce(false, "e");
  flush();
  EXPECT_EQ(told(sent_to(0)), "+a+b+d") << "its connection stays";
  EXPECT_EQ(told(sent_to(1)), "+b+d");
  EXPECT_EQ(told(sent_to(2)), "+d-e");
  EXPECT_EQ(told(sent_to(3)), "-e");
  announce(true, "f");
  flush();
  EXPECT_EQ(told(sent_to(2)), "+f");
  EXPECT_EQ(told(sent_to(3)), "+f");
}

TEST_F(LocalHubTest, AnnouncementsComeBeforeThePublicationBehindThem) {
  open(1);
  join("c", 0, Receiver::kAnnouncements);
  announce(true, "a");
  hub_.deliver("c", publication("1"), Verdict::next);
  announce(false, "a");
  flush();
  EXPECT_EQ(told(sent_to(0)), "+a.-a");
}

// Those who are told of joins stand in front, so that nobody else is looked at for them.
TEST_F(LocalHubTest, ReceiversWithAnnouncementsStandInFront) {
  open(40);
  std::map<size_t, uint8_t> members;
  ChannelSlot slot;
  const auto check = [&] {
    std::set<uint32_t> places;
    uint32_t last_in_front = 0;
    uint32_t first_behind = UINT32_MAX;
    for (const auto& [i, flags] : members) {
      places.insert(place(i));
      if (flags) {
        last_in_front = std::max(last_in_front, place(i) + 1);
      } else {
        first_behind = std::min(first_behind, place(i));
      }
    }
    ASSERT_EQ(places.size(), members.size());
    ASSERT_LT(*places.rbegin(), members.size());
    ASSERT_LE(last_in_front, first_behind);
  };
  uint32_t random = 7;
  for (int step = 0; step < 2000; ++step) {
    random = random * 1'664'525 + 1'013'904'223;
    const size_t i = random >> 16 & 31;
    if (members.erase(i) > 0) {
      hub_.remove(slot, place(i));
    } else {
      members[i] = random >> 30 ? 0 : uint8_t{Receiver::kAnnouncements};
      slot = join("c", i, members[i]);
    }
    if (!members.empty()) check();
  }
  hub_.deliver("c", publication("1"), Verdict::next);
  announce(true, "a");
  flush();
  for (size_t i = 0; i < 32; ++i) {
    const auto member = members.find(i);
    ASSERT_EQ(told(sent_to(i)), member == members.end() ? "" : member->second ? ".+a" : ".");
  }
}

TEST_F(LocalHubTest, DeltasBeginWithAWholePublication) {
  open(3);
  join("c", 0, Receiver::kPositioned | Receiver::kDelta);
  join("c", 1, Receiver::kPositioned | Receiver::kDelta | Receiver::kDeltaReady);
  join("c", 2, Receiver::kDelta);
  const auto text = [](int i) {
    return publication("\"The quick brown fox jumps over the lazy dog " + std::to_string(i) + '"');
  };
  const auto has_delta = [this](size_t connection) {
    return sent_to(connection).find(R"("delta":true)") != std::string::npos;
  };
  hub_.deliver("c", text(2), Verdict::next, text(1));
  flush();
  EXPECT_FALSE(has_delta(0));
  EXPECT_TRUE(has_delta(1)) << "it has recovered";
  EXPECT_FALSE(has_delta(2));
  hub_.deliver("c", text(3), Verdict::next, text(2));
  flush();
  EXPECT_TRUE(has_delta(0));
  EXPECT_TRUE(has_delta(1));
  EXPECT_FALSE(has_delta(2)) << "it may have missed the one before";
  hub_.deliver("c", text(4), Verdict::next);
  flush();
  EXPECT_FALSE(has_delta(0)) << "nothing to make it of";
}

TEST_F(LocalHubTest, ReceiversByIdGetTheNumberAndTheOthersTheName) {
  open(3);
  open(1, net::Framing::websocket_binary);
  join("c", 0);
  const ChannelSlot slot = join_by_id("c", 1);
  join_by_id("c", 2);
  join_by_id("c", 3, 0, protocol::Encoding::protobuf);
  ASSERT_EQ(hub_.push_id(slot), 1);
  EXPECT_EQ(hub_.deliver("c", publication("1"), Verdict::next), 4u);
  flush();
  EXPECT_EQ(sent_to(0), std::string("\x81\x29") + R"({"push":{"channel":"c","pub":{"data":1}}})");
  const std::string by_id = std::string("\x81\x22") + R"({"push":{"id":1,"pub":{"data":1}}})";
  EXPECT_EQ(sent_to(1), by_id);
  EXPECT_EQ(sent_to(2), by_id);
  EXPECT_EQ(sent_to(3), std::string("\x82\x0a\x09\x22\x07\x08\x01\x22\x03\x22\x01"
                                    "1",
                                    12));
  EXPECT_EQ(hub_.deliver("c", publication("\x01\x02"), Verdict::next), 1u);
  EXPECT_EQ(events_.unencodable.size(), 3u);
}

TEST_F(LocalHubTest, ANumberIsOneChannelsForAsLongAsItIsUsedAndNoOthersEver) {
  open(3);
  const ChannelSlot first = join_by_id("a", 0);
  const ChannelSlot other = join_by_id("b", 1);
  EXPECT_EQ(hub_.push_id(first), 1);
  EXPECT_EQ(hub_.push_id(other), 2);
  join("a", 2);
  hub_.remove(first, place(0));
  EXPECT_EQ(hub_.push_id(first), 1) << "somebody is there";
  hub_.remove(first, place(2));
  // The next channel gets the slot, but a number of its own; so does the same one again.
  EXPECT_EQ(hub_.push_id(join_by_id("c", 0)), 3);
  EXPECT_EQ(hub_.push_id(join_by_id("a", 2)), 4);
  EXPECT_EQ(hub_.push_id(other), 2);
  hub_.deliver("a", publication("1"), Verdict::next);
  flush();
  EXPECT_NE(sent_to(2).find(R"({"push":{"id":4,"pub")"), std::string::npos);
  EXPECT_EQ(sent_to(0) + sent_to(1), "");
}

TEST_F(LocalHubTest, FiltersAndLossesGoTogetherWithNumbers) {
  open(3);
  const protocol::TagsFilter red = filter("color", "red");
  const ChannelSlot slot = join_by_id("c", 0, Receiver::kPositioned);
  const uint32_t filtered = accepted_.sockets[1].slot;
  events_.places[filtered] =
      hub_.add(slot, {.outlet = filtered, .variant = FrameVariant::json_by_id}, &red);
  EXPECT_EQ(hub_.deliver("c", tagged("color", "red"), Verdict::next), 2u);
  EXPECT_EQ(hub_.deliver("c", tagged("color", "blue"), Verdict::next), 1u);
  EXPECT_EQ(hub_.deliver("c", tagged("color", "red"), Verdict::stale), 1u);
  flush();
  EXPECT_NE(sent_to(1).find(R"({"push":{"id":1,"pub")"), std::string::npos);
  hub_.lose("c");
  EXPECT_EQ(events_.lost, std::set{accepted_.sockets[0].slot});
  hub_.remove(slot, place(1));
  EXPECT_EQ(hub_.channels(), 0u);
}

TEST_F(LocalHubTest, AnnouncementsCarryTheNumberToo) {
  open(4);
  const ChannelSlot slot = join_by_id("c", 0, Receiver::kAnnouncements);
  join("c", 1, Receiver::kAnnouncements);
  announce(true, "a");
  join_by_id("c", 2, Receiver::kAnnouncements);
  join("c", 3, Receiver::kAnnouncements);
  announce(false, "b");
  hub_.remove(slot, place(0));
  flush();
  const auto count = [](std::string_view text, std::string_view wanted) {
    size_t count = 0;
    for (size_t at = 0; (at = text.find(wanted, at)) != std::string_view::npos; ++at) ++count;
    return count;
  };
  const std::vector<std::string> heard = {sent_to(0), sent_to(1), sent_to(2), sent_to(3)};
  EXPECT_EQ(told(heard[0]), "+a-b") << "its connection stays";
  EXPECT_EQ(told(heard[1]), "+a-b");
  EXPECT_EQ(told(heard[2]), "-b");
  EXPECT_EQ(told(heard[3]), "-b");
  for (const size_t by_id : {0u, 2u}) {
    EXPECT_EQ(count(heard[by_id], R"({"push":{"id":1,)"), told(heard[by_id]).size() / 2) << by_id;
  }
  for (const size_t by_name : {1u, 3u}) {
    EXPECT_EQ(count(heard[by_name], R"({"push":{"channel":"c",)"), told(heard[by_name]).size() / 2)
        << by_name;
  }
}

TEST_F(LocalHubTest, DeltasCarryTheNumberToo) {
  open(2);
  open(1, net::Framing::websocket_binary);
  constexpr uint8_t kFlags = Receiver::kPositioned | Receiver::kDelta;
  join("c", 0, kFlags);
  join_by_id("c", 1, kFlags);
  join_by_id("c", 2, kFlags, protocol::Encoding::protobuf);
  const auto text = [](int i) {
    return publication("\"The quick brown fox jumps over the lazy dog " + std::to_string(i) + '"');
  };
  hub_.deliver("c", text(1), Verdict::next);
  flush();
  EXPECT_NE(sent_to(1).find(R"({"push":{"id":1,"pub":{"data":"\"The quick)"), std::string::npos)
      << "whole, as a string";
  sent_to(2);
  hub_.deliver("c", text(2), Verdict::next, text(1));
  flush();
  EXPECT_NE(sent_to(0).find(R"({"push":{"channel":"c","pub":)"), std::string::npos);
  const std::string delta = sent_to(1);
  EXPECT_NE(delta.find(R"({"push":{"id":1,"pub":)"), std::string::npos);
  EXPECT_NE(delta.find(R"("delta":true)"), std::string::npos);
  const std::string binary = sent_to(2);
  EXPECT_NE(binary.find("\x08\x01\x22"), std::string::npos) << "the number, then the publication";
  EXPECT_EQ(binary.find("quick"), std::string::npos) << "a delta";
}

}  // namespace
}  // namespace gyre::hub
