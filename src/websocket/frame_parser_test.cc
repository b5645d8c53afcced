#include "websocket/frame_parser.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "websocket/frame_writer.h"

namespace gyre::websocket {
namespace {

using Event = FrameParser::Event;
constexpr uint32_t kKey = 0xA1B2C3D4;

struct Seen {
  Event event;
  uint16_t code;
  std::string payload;
  bool operator==(const Seen&) const = default;
};

void PrintTo(const Seen& seen, std::ostream* out) {
  *out << static_cast<int>(seen.event) << " " << seen.code << " '" << seen.payload << "'";
}

std::string client(Opcode opcode, std::string_view payload, bool is_final = true) {
  std::string frame;
  append_masked_frame(frame, opcode, payload, kKey, is_final);
  return frame;
}

// Feeds the pieces one after the other, each from its own buffer.
std::vector<Seen> parse(const std::vector<std::string>& pieces, FrameParser::Rules rules = {}) {
  FrameParser parser;
  std::vector<Seen> seen;
  for (const std::string& piece : pieces) {
    std::string buffer = piece;
    buffer.reserve(piece.size() + 64);
    std::span<char> input(buffer.data(), piece.size());
    while (true) {
      const auto output = parser.next(input, rules);
      if (output.event == Event::need_more) {
        EXPECT_TRUE(input.empty());
        break;
      }
      seen.push_back({output.event, output.code, std::string(output.payload)});
      if (output.event == Event::failed) return seen;
    }
  }
  return seen;
}

std::vector<std::string> in_pieces(const std::string& text, size_t size) {
  std::vector<std::string> pieces;
  for (size_t at = 0; at < text.size(); at += size) pieces.push_back(text.substr(at, size));
  return pieces;
}

TEST(FrameParser, ReadsTheExampleOfTheRfc) {
  const std::string hello("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", 11);  // RFC 6455, 5.7
  EXPECT_EQ(parse({hello}), (std::vector<Seen>{{Event::text, 0, "Hello"}}));
}

TEST(FrameParser, HandsOutAViewIntoTheInput) {
  std::string buffer = client(Opcode::text, "{}");
  buffer.reserve(buffer.size() + 64);
  std::span<char> input(buffer);
  FrameParser parser;
  const auto output = parser.next(input, {});
  EXPECT_EQ(output.payload.data(), buffer.data() + 6);
  EXPECT_TRUE(input.empty());
  EXPECT_EQ(parser.buffered_bytes(), 0u);
}

const std::string kLong(70000, 'y');
const std::string kMiddle(300, 'z');

std::string conversation() {
  return client(Opcode::text, "one") + client(Opcode::text, "") + client(Opcode::binary, kMiddle) +
         client(Opcode::text, "fr\xc3", false) + client(Opcode::ping, "ping") +
         client(Opcode::continuation, "", false) + client(Opcode::pong, "") +
         client(Opcode::continuation,
                "\xa9"
                "ed") +
         client(Opcode::ping, std::string(125, 'p')) +
         client(Opcode::close, close_payload(1000, "bye"));
}
const std::vector<Seen> kConversation = {
    {Event::text, 0, "one"},
    {Event::text, 0, ""},
    {Event::binary, 0, kMiddle},
    {Event::ping, 0, "ping"},
    {Event::pong, 0, ""},
    {Event::text, 0,
     "fr\xc3\xa9"
     "ed"},
    {Event::ping, 0, std::string(125, 'p')},
    {Event::close, 1000, "bye"},
};

TEST(FrameParser, SeesTheSameForEverySplit) {
  const std::string text = conversation();
  EXPECT_EQ(parse({text}), kConversation);
  for (size_t size = 1; size < text.size(); ++size) {
    ASSERT_EQ(parse(in_pieces(text, size)), kConversation) << size;
  }
  for (size_t at = 0; at <= text.size(); ++at) {
    ASSERT_EQ(parse({text.substr(0, at), text.substr(at)}), kConversation) << at;
  }
}

TEST(FrameParser, ReadsLengthsOfAllSizes) {
  const FrameParser::Rules rules{.message_bytes_max = 1 << 20};
  for (size_t size : {0, 1, 7, 8, 9, 125, 126, 127, 65535, 65536, 70000}) {
    const std::string payload = kLong.substr(0, size);
    EXPECT_EQ(parse({client(Opcode::binary, payload)}, rules),
              (std::vector<Seen>{{Event::binary, 0, payload}}));
    EXPECT_EQ(parse(in_pieces(client(Opcode::binary, payload), 1000), rules),
              (std::vector<Seen>{{Event::binary, 0, payload}}));
  }
}

TEST(FrameParser, TakesALengthInMoreBytesThanNeeded) {
  const std::string frame("\x82\xfe\x00\x01\x00\x00\x00\x00x", 9);
  EXPECT_EQ(parse({frame}), (std::vector<Seen>{{Event::binary, 0, "x"}}));
}

TEST(FrameParser, HoldsNothingBetweenMessages) {
  std::string text = client(Opcode::text, "hello");
  FrameParser parser;
  std::string first = text.substr(0, 4);
  std::string second = text.substr(4);
  std::span<char> input(first);
  EXPECT_EQ(parser.next(input, {}).event, Event::need_more);
  EXPECT_GT(parser.buffered_bytes(), 0u);
  input = second;
  EXPECT_EQ(parser.next(input, {}).payload, "hello");
  EXPECT_EQ(parser.next(input, {}).event, Event::need_more);
  EXPECT_EQ(parser.buffered_bytes(), 0u);
}

TEST(FrameParser, BelievesAnAnnouncedLengthOnlyAsBytesArrive) {
  const FrameParser::Rules rules{.message_bytes_max = 1u << 30};
  std::string start = client(Opcode::binary, std::string(1 << 20, 'x')).substr(0, 100);
  FrameParser parser;
  std::span<char> input(start);
  EXPECT_EQ(parser.next(input, rules).event, Event::need_more);
  EXPECT_LT(parser.buffered_bytes(), 4096u);
}

TEST(FrameParser, ClosesOnMessagesOverTheLimitWithoutAReason) {
  const FrameParser::Rules rules{.message_bytes_max = 10};
  const Seen too_big{Event::failed, 1009, ""};
  EXPECT_EQ(parse({client(Opcode::text, "0123456789")}, rules).at(0).event, Event::text);
  EXPECT_EQ(parse({client(Opcode::text, "0123456789a")}, rules).at(0), too_big);
  EXPECT_EQ(parse({client(Opcode::text, "0123456789a").substr(0, 6)}, rules).at(0), too_big);
  EXPECT_EQ(
      parse({client(Opcode::text, "01234567", false), client(Opcode::continuation, "890")}, rules)
          .at(0),
      too_big);
  const std::string huge("\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00", 14);
  EXPECT_EQ(parse({huge}, rules).at(0), too_big);
  EXPECT_EQ(parse({client(Opcode::ping, "longer than a message")}, rules).at(0).event, Event::ping);
}

TEST(FrameParser, BoundsTheFragmentsOfAMessage) {
  const FrameParser::Rules rules{.fragments_max = 3};
  const std::string empty = client(Opcode::continuation, "", false);
  const std::string begin = client(Opcode::text, "", false) + empty;
  const std::string whole = begin + client(Opcode::continuation, "x");
  EXPECT_EQ(parse({whole + whole}, rules),
            (std::vector<Seen>{{Event::text, 0, "x"}, {Event::text, 0, "x"}}));
  EXPECT_EQ(parse({begin + empty + empty}, rules),
            (std::vector<Seen>{{Event::failed, 1008, "too many fragments"}}));
}

TEST(FrameParser, TellsWhatIsAgainstTheProtocol) {
  struct Row {
    std::string bytes;
    std::string_view reason;
  };
  const auto raw = [](std::initializer_list<int> bytes) {
    std::string text;
    for (int byte : bytes) text += static_cast<char>(byte);
    return text + std::string(200, '\0');
  };
  const Row rows[] = {
      {raw({0xC1, 0x80}), "RSV1 set"},
      {raw({0xA1, 0x80}), "RSV2 set"},
      {raw({0x91, 0x80}), "RSV3 set"},
      {raw({0x81, 0x01}), "bad MASK"},
      {raw({0x83, 0x80}), "bad opcode"},
      {raw({0x87, 0x80}), "bad opcode"},
      {raw({0x8B, 0x80}), "bad opcode"},
      {raw({0x8F, 0x80}), "bad opcode"},
      {raw({0x09, 0x80}), "fragmented control frame"},
      {raw({0x08, 0x80}), "fragmented control frame"},
      {raw({0x89, 0xFE, 0x00, 0x7E}), "control frame too long"},
      {raw({0x80, 0x80}), "continuation without a message"},
      {raw({0x82, 0xFF, 0x80, 0, 0, 0, 0, 0, 0, 0}), "frame length too large"},
      {client(Opcode::text, "a", false) + client(Opcode::text, "b"),
       "data frame before the end of a message"},
      {client(Opcode::close, "x"), "close frame of one byte"},
  };
  for (const Row& row : rows) {
    const std::vector<Seen> expected{{Event::failed, 1002, std::string(row.reason)}};
    EXPECT_EQ(parse({row.bytes}), expected) << row.reason;
    EXPECT_EQ(parse(in_pieces(row.bytes, 1)), expected) << row.reason;
  }
}

TEST(FrameParser, ChecksCloseCodes) {
  for (uint16_t code : std::initializer_list<uint16_t>{1000, 1001, 1002, 1003, 1007, 1008, 1009,
                                                       1010, 1011, 1012, 1013, 1014, 3000, 4999}) {
    EXPECT_EQ(parse({client(Opcode::close, close_payload(code, "why"))}),
              (std::vector<Seen>{{Event::close, code, "why"}}));
  }
  for (uint16_t code :
       std::initializer_list<uint16_t>{0, 999, 1004, 1006, 1015, 1016, 2000, 2999, 5000, 65535}) {
    EXPECT_EQ(parse({client(Opcode::close, close_payload(code, ""))}),
              (std::vector<Seen>{{Event::failed, 1002, "bad close code"}}));
  }
  EXPECT_EQ(parse({client(Opcode::close, "")}), (std::vector<Seen>{{Event::close, 1005, ""}}));
  EXPECT_EQ(parse({client(Opcode::close, std::string("\x03\xed", 2))}),
            (std::vector<Seen>{{Event::failed, 1002, "bad close code"}}));
}

TEST(FrameParser, RefusesTextThatIsNoUtf8) {
  for (std::string text : {"\xff", "\xc3", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xc0\xaf"}) {
    EXPECT_EQ(parse({client(Opcode::text, text)}).at(0).code, 1007);
    EXPECT_EQ(
        parse({client(Opcode::text, text, false), client(Opcode::continuation, "a")}).at(0).code,
        1007);
    EXPECT_EQ(parse({client(Opcode::binary, text)}).at(0).event, Event::binary);
    EXPECT_EQ(parse({client(Opcode::close, close_payload(1000, text))}).at(0).code, 1007);
  }
}

TEST(FrameParser, ReadsAServersFramesOnTheClientsSide) {
  std::string frames;
  append_frame(frames, Opcode::text, "hello");
  append_frame(frames, Opcode::close, close_payload(3500, "invalid token"));
  const FrameParser::Rules rules{.expects_mask = false};
  EXPECT_EQ(parse(in_pieces(frames, 3), rules),
            (std::vector<Seen>{{Event::text, 0, "hello"}, {Event::close, 3500, "invalid token"}}));
  EXPECT_EQ(parse({client(Opcode::text, "a")}, rules).at(0).code, 1002);
}

TEST(FrameWriter, WritesHeadersInFrontOfAMessage) {
  std::string room(20, '#');
  char* start = put_header_before(room.data() + 10, Opcode::text, 5);
  EXPECT_EQ(std::string(start, 2), "\x81\x05");
  start = put_header_before(room.data() + 10, Opcode::binary, 65535);
  EXPECT_EQ(std::string(start, 4), "\x82\x7e\xff\xff");
  start = put_header_before(room.data() + 10, Opcode::text, 65536);
  EXPECT_EQ(std::string(start, 10), std::string("\x81\x7f\0\0\0\0\0\1\0\0", 10));
}

TEST(FrameWriter, CutsCloseReasonsBetweenCharacters) {
  EXPECT_EQ(close_frame(1009, ""), "\x88\x02\x03\xf1");
  EXPECT_EQ(close_frame(close_code::kNoStatus, ""), std::string("\x88\x00", 2));
  std::string reason(122, 'x');
  EXPECT_EQ(close_payload(1000, reason + "\u00e9").size(), 2u + 122u);
  EXPECT_EQ(close_payload(1000, reason + "xyz").size(), 2u + 123u);
}

TEST(ApplyMask, IsTheSameForEveryOffset) {
  std::string bytes;
  for (int i = 0; i < 100; ++i) bytes += static_cast<char>(i);
  std::string plain = bytes;
  char key[4];
  std::memcpy(key, &kKey, 4);
  for (size_t i = 0; i < plain.size(); ++i) plain[i] = static_cast<char>(plain[i] ^ key[i % 4]);
  for (size_t cut = 0; cut <= bytes.size(); ++cut) {
    std::string masked = bytes;
    apply_mask(masked.data(), cut, kKey);
    apply_mask(masked.data() + cut, masked.size() - cut, kKey, cut);
    EXPECT_EQ(masked, plain);
  }
}

}  // namespace
}  // namespace gyre::websocket
