#include "protocol/publication.h"

#include <gtest/gtest.h>

namespace gyre::protocol {
namespace {

TEST(Publication, KnowsWhetherItsDataIsJson) {
  EXPECT_TRUE(Publication("{\"a\": 1}").data_is_json());
  EXPECT_TRUE(Publication("null").data_is_json());
  EXPECT_FALSE(Publication("{\"a\": 1}x").data_is_json());
  EXPECT_FALSE(Publication(std::string("\0\1", 2)).data_is_json());
  const Publication removal;
  EXPECT_TRUE(removal.data_is_json());
  EXPECT_TRUE(removal.data_is_json());
}

TEST(Publication, ZeroRareFieldsCostNothing) {
  Publication publication("x");
  const size_t before = publication.footprint();
  publication.set_tags({});
  publication.set_epoch("");
  publication.set_key("");
  publication.set_version(0);
  publication.set_version_epoch("");
  publication.set_score(0);
  publication.set_previous_data("");
  EXPECT_EQ(publication.footprint(), before);
  publication.set_key("k");
  EXPECT_GT(publication.footprint(), before);
}

TEST(Publication, CopiesAreDeep) {
  Publication original("data");
  original.offset = 3;
  original.info = std::make_unique<const ClientInfo>(ClientInfo{.user = "u", .client = "c"});
  original.set_tags({{"a", "b"}});
  original.set_epoch("e");
  Publication copy(original);
  copy.set_epoch("other");
  EXPECT_EQ(original.epoch(), "e");
  EXPECT_EQ(copy.epoch(), "other");
  EXPECT_EQ(copy.data, "data");
  EXPECT_EQ(copy.offset, 3u);
  EXPECT_EQ(*copy.info, *original.info);
  EXPECT_NE(copy.info.get(), original.info.get());
  EXPECT_EQ(copy.tags()[0].second, "b");
}

TEST(Publication, FootprintCountsWhatIsOutOfLine) {
  const size_t small = Publication("x").footprint();
  EXPECT_GE(small, sizeof(Publication));
  EXPECT_GE(Publication(std::string(1000, 'x')).footprint(), small + 1000);
}

}  // namespace
}  // namespace gyre::protocol
