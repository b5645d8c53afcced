#include "client/reply_size.h"

#include <gtest/gtest.h>

#include "protocol/encoder.h"

namespace gyre::client {
namespace {

// The buffer is made once, and not much too large.
TEST(ReplySize, IsEnoughForAHistory) {
  protocol::HistoryResult result;
  result.epoch = "abcd";
  for (uint64_t i = 0; i < 300; ++i) {
    auto one = make_ref<protocol::Publication>('"' + std::string(1000, 'x') + '"');
    one->offset = 1'000'000 + i;
    one->info = std::make_unique<const protocol::ClientInfo>(
        protocol::ClientInfo{.user = "user12345",
                             .client = "b9a3c2f0-9d1d-4f0c-8a35-1f2e3d4c5b6a",
                             .conn_info = {},
                             .chan_info = {}});
    result.publications.push_back(std::move(one));
  }
  for (const auto encoding : {protocol::Encoding::json, protocol::Encoding::protobuf}) {
    std::string out;
    ASSERT_TRUE(protocol::encode_reply(encoding, 7, result, out));
    EXPECT_GE(expected_size(result), out.size());
    EXPECT_LE(expected_size(result), out.size() * 5 / 4);
  }
  EXPECT_EQ(expected_size(protocol::PublishResult()), 0u);
}

}  // namespace
}  // namespace gyre::client
