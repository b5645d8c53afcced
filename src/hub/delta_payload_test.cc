#include "hub/delta_payload.h"

#include <gtest/gtest.h>

#include "protocol/fossil_delta.h"

namespace gyre::hub {
namespace {

using protocol::Encoding;

const std::string kText = R"({"text":"The quick brown fox jumps over the lazy dog","n":1})";
const std::string kNext = R"({"text":"The quick brown fox jumps over the lazy dog","n":2})";

protocol::PublicationRef publication(const std::string& data, uint64_t offset = 0) {
  auto result = make_ref<protocol::Publication>(data);
  result->offset = offset;
  if (offset == 1) result->set_epoch("e");
  return result;
}

TEST(DeltaPayload, JsonGetsStrings) {
  EXPECT_EQ(full_payload(Encoding::json, *publication(R"({"a":"b"})")), R"("{\"a\":\"b\"}")");
  EXPECT_EQ(full_payload(Encoding::json, *publication("\1")), std::nullopt) << "no JSON";
  EXPECT_EQ(delta_payload(Encoding::json, *publication(kText), *publication(kNext)),
            R"("x\nv@0,2:2}1uTIUS;")");
}

TEST(DeltaPayload, ProtobufGetsBytes) {
  EXPECT_EQ(full_payload(Encoding::protobuf, *publication("\1\2")), "\1\2");
  EXPECT_EQ(delta_payload(Encoding::protobuf, *publication(kText), *publication(kNext)),
            "x\nv@0,2:2}1uTIUS;");
}

TEST(DeltaPayload, IsNotMadeWhereItIsNotShorter) {
  EXPECT_EQ(delta_payload(Encoding::protobuf, *publication("abc"), *publication("abd")),
            std::nullopt);
}

TEST(DeltaPayload, NeverCutsACharacterForJson) {
  const std::string long_text = "\"Съешь ещё этих мягких французских булок, ";
  const auto base = publication(long_text + "б\"");
  const auto next = publication(long_text + "в\"");
  EXPECT_EQ(delta_payload(Encoding::json, *base, *next), std::nullopt);
  const auto bytes = delta_payload(Encoding::protobuf, *base, *next);
  ASSERT_TRUE(bytes);
  EXPECT_EQ(protocol::apply_fossil_delta(base->data, *bytes, 1000), next->data);
}

TEST(DeltaPayload, RecoveredOnesFollowEachOther) {
  const std::vector<protocol::PublicationRef> read{publication(kText, 1), publication(kNext, 2),
                                                   publication("1", 3)};
  const auto sent = with_deltas(Encoding::protobuf, read);
  ASSERT_EQ(sent.size(), 3u);
  EXPECT_FALSE(sent[0]->delta) << "the first is whole";
  EXPECT_EQ(sent[0]->epoch(), "") << "such subscribers know it";
  EXPECT_TRUE(sent[1]->delta);
  EXPECT_EQ(protocol::apply_fossil_delta(kText, sent[1]->data, 1000), kNext);
  EXPECT_FALSE(sent[2]->delta) << "not shorter";
  EXPECT_EQ(sent[2]->data, "1");
  EXPECT_EQ(sent[2]->offset, 3u);
  EXPECT_EQ(read[0]->epoch(), "e") << "the stored ones stay as they are";
}

}  // namespace
}  // namespace gyre::hub
