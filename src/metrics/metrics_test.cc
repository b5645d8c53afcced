#include <gtest/gtest.h>

#include <cmath>
#include <thread>

#include "metrics/code_counters.h"
#include "metrics/durations.h"
#include "metrics/shard_metrics.h"

namespace gyre::metrics {
namespace {

using os::kMicrosecond;
using os::kMillisecond;
using os::kSecond;

TEST(Durations, BinsAreInOrderAndTheirBoundsBelongToThem) {
  for (size_t i = 0; i < kDurationBounds; ++i) {
    if (i > 0) EXPECT_LT(kBinBounds[i - 1], kBinBounds[i]);
    EXPECT_EQ(duration_bin(kBinBounds[i] - 1), i);
    EXPECT_EQ(duration_bin(kBinBounds[i]), i);
    EXPECT_EQ(duration_bin(kBinBounds[i] + 1), i + 1);
  }
}

TEST(Durations, ExtremesHaveBins) {
  EXPECT_EQ(duration_bin(0), 0u);
  EXPECT_EQ(duration_bin(1), 0u);
  EXPECT_EQ(duration_bin(os::kForever), kDurationBins - 1);
}

TEST(Durations, CountsUpToABoundAndSums) {
  Durations durations;
  durations.observe(-5);
  durations.observe(kMillisecond);
  durations.observe(kMillisecond + 1);
  durations.observe(60 * kSecond);
  Distribution all;
  durations.add_to(all);
  EXPECT_EQ(all.count(), 4u);
  EXPECT_EQ(all.count_up_to(kMillisecond), 2u);
  EXPECT_EQ(all.count_up_to(10 * kSecond), 3u);
  EXPECT_EQ(all.sum, static_cast<uint64_t>(2 * kMillisecond + 1 + 60 * kSecond));
}

TEST(Durations, QuantilesLieInTheBinOfTheirRank) {
  Durations durations;
  for (int i = 0; i < 990; ++i) durations.observe(30 * kMicrosecond);
  for (int i = 0; i < 10; ++i) durations.observe(400 * kMillisecond);
  Distribution all;
  durations.add_to(all);
  EXPECT_GT(all.quantile(0.5), 25e-6);
  EXPECT_LE(all.quantile(0.5), 35e-6);
  EXPECT_LE(all.quantile(0.99), 35e-6);
  EXPECT_GT(all.quantile(0.999), 0.35);
  EXPECT_LE(all.quantile(0.999), 0.5);
  EXPECT_TRUE(std::isnan(Distribution().quantile(0.5)));
}

TEST(Durations, LongerThanAllBoundsIsTheLastBound) {
  Durations durations;
  durations.observe(60 * kSecond);
  Distribution all;
  durations.add_to(all);
  EXPECT_EQ(all.quantile(0.5), 10);
}

TEST(CodeCounters, CountsByTagAndCode) {
  CodeCounters<4> counters;
  counters.add(3000);
  counters.add(3000);
  counters.add(1, 3000);
  std::string seen;
  counters.for_each([&](uint32_t tag, uint32_t code, uint64_t count) {
    seen += std::to_string(tag) + ":" + std::to_string(code) + "=" + std::to_string(count) + " ";
  });
  EXPECT_EQ(seen, "0:3000=2 1:3000=1 ");
}

TEST(CodeCounters, CountsWhatFindsNoPlaceTogether) {
  CodeCounters<4> counters;
  for (uint32_t code = 4000; code < 4010; ++code) counters.add(code);
  counters.add(4000);
  EXPECT_EQ(counters.rest(), 6u);
}

TEST(Gauge, KnowsWhetherItWasUsed) {
  Gauge gauge;
  EXPECT_FALSE(gauge.is_used());
  gauge.add(3);
  gauge.subtract(3);
  EXPECT_TRUE(gauge.is_used());
  EXPECT_EQ(gauge.value(), 0);
}

// For the thread sanitizer: one writes, another reads.
TEST(ShardMetrics, AreReadWhileTheyAreWritten) {
  ShardMetrics metrics;
  constexpr uint64_t kRounds = 20'000;
  std::thread writer([&] {
    for (uint64_t i = 0; i < kRounds; ++i) {
      metrics.sent[Transport::websocket][FrameType::push_publication].add(10);
      metrics.disconnects.add(static_cast<uint32_t>(3000 + i % 100));
      metrics.commands[ClientMethod::publish].observe(static_cast<os::Nanos>(i));
    }
  });
  uint64_t last = 0;
  while (last < kRounds) {
    const auto& sent = metrics.sent[Transport::websocket][FrameType::push_publication];
    const uint64_t now = sent.messages.value();
    EXPECT_GE(now, last);
    last = now;
    uint64_t codes = metrics.disconnects.rest();
    metrics.disconnects.for_each([&](uint32_t, uint32_t code, uint64_t count) {
      EXPECT_GE(code, 3000u);
      codes += count;
    });
    EXPECT_LE(codes, kRounds);
    Distribution all;
    metrics.commands[ClientMethod::publish].add_to(all);
    EXPECT_LE(all.count(), kRounds);
  }
  writer.join();
}

}  // namespace
}  // namespace gyre::metrics
