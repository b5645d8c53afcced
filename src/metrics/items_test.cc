#include "metrics/items.h"

#include <gtest/gtest.h>

namespace gyre::metrics {
namespace {

using os::kSecond;

class ItemsTest : public testing::Test {
 protected:
  std::map<std::string, double> take() {
    now_ += 60 * kSecond;
    return items_.take({.version = "6.9.1"}, now_);
  }

  os::Nanos now_ = 1000 * kSecond;
  ShardMetrics metrics_;
  Exporter exporter_{{&metrics_}};
  Items items_{exporter_};
};

constexpr const char* kPublishes =
    "centrifugo.api.command_duration_seconds.count.method.publish.protocol.http";

TEST_F(ItemsTest, CountersAreWhatTheyGrewBy) {
  metrics_.api_commands[ApiProtocol::http][ApiMethod::publish].observe(2 * kSecond);
  metrics_.disconnects.add(3012);
  auto items = take();
  EXPECT_EQ(items.at(kPublishes), 1);
  EXPECT_EQ(items.at("centrifugo.api.command_duration_seconds.sum.method.publish.protocol.http"),
            2);
  EXPECT_EQ(items.at("centrifugo.client.num_server_disconnects.code.3012"), 1);
  metrics_.disconnects.add(3012);
  metrics_.disconnects.add(3012);
  items = take();
  EXPECT_EQ(items.at(kPublishes), 0);
  EXPECT_EQ(items.at("centrifugo.client.num_server_disconnects.code.3012"), 2);
}

TEST_F(ItemsTest, GaugesAndQuantilesAreAsTheyAre) {
  metrics_.num_clients.set(7);
  metrics_.commands[ClientMethod::publish].observe(2 * kSecond);
  take();
  const auto items = take();
  EXPECT_EQ(items.at("centrifugo.node.num_clients"), 7);
  EXPECT_EQ(items.at("centrifugo.node.build.version.6.9.1"), 1);
  EXPECT_GT(items.at("centrifugo.client.command_duration_seconds.quantile.999.method.publish"), 1);
}

TEST_F(ItemsTest, LeavesOutHistogramsAndQuantilesOfNothing) {
  for (const auto& [key, value] : take()) {
    EXPECT_EQ(key.find("histogram"), std::string::npos) << key;
    EXPECT_EQ(key.find("quantile"), std::string::npos) << key;
    EXPECT_EQ(key.find("process"), std::string::npos) << key;
  }
}

}  // namespace
}  // namespace gyre::metrics
