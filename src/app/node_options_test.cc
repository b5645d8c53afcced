#include "app/node_options.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "config/load.h"

namespace gyre::app {
namespace {

TEST(NodeOptions, ChannelsOfChosenNamespacesAndEncodingsHaveNumbers) {
  using protocol::Encoding;
  const auto compacts = [](const std::string& how, std::string_view channel) {
    const std::string text = R"({"channel":{"namespaces":[{"name":"aa"},{"name":"bb"}]},)"
                             R"("gyre":{"channel_compaction":{)" +
                             how + "}}}";
    const auto all = channel_namespaces(config::load_text(text, "json", {}).tree).value();
    const channel::ChannelOptions& options = all->find(all->parse(channel))->options();
    return std::pair(options.allows_compaction(Encoding::json),
                     options.allows_compaction(Encoding::protobuf));
  };
  EXPECT_EQ(compacts("", "aa:1"), std::pair(false, false));
  EXPECT_EQ(compacts(R"("namespaces":["aa"],"encodings":["json"])", "aa:1"),
            std::pair(false, false));
  EXPECT_EQ(compacts(R"("enabled":true)", "aa:1"), std::pair(true, false));
  EXPECT_EQ(compacts(R"("enabled":true)", "1"), std::pair(true, false));
  const std::string chosen = R"("enabled":true,"encodings":["protobuf"],"namespaces":["bb"])";
  EXPECT_EQ(compacts(chosen, "aa:1"), std::pair(false, false));
  EXPECT_EQ(compacts(chosen, "bb:1"), std::pair(false, true));
  EXPECT_EQ(compacts(chosen, "1"), std::pair(false, false));
}

}  // namespace
}  // namespace gyre::app
