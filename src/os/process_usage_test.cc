#include "os/process_usage.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <ctime>

namespace gyre::os {
namespace {

TEST(ProcessUsage, TellsMemoryTimeAndLimits) {
  const ProcessUsage usage = process_usage();
  EXPECT_GT(usage.cpu_seconds, 0);
  EXPECT_GT(usage.resident_bytes, 1u << 20);
  EXPECT_GT(usage.virtual_bytes, usage.resident_bytes);
  EXPECT_GT(usage.descriptors_max, 0u);
  const auto now = static_cast<double>(::time(nullptr));
  EXPECT_LE(usage.start_time, now + 1);
  EXPECT_GT(usage.start_time, now - 3600);
}

TEST(ProcessUsage, StartTimeStandsStill) {
  EXPECT_EQ(process_usage().start_time, process_usage().start_time);
}

TEST(ProcessUsage, CountsDescriptors) {
  const uint64_t before = process_usage().descriptors;
  ASSERT_GE(before, 3u);
  int opened[20];
  for (int& file : opened) file = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  EXPECT_EQ(process_usage().descriptors, before + 20);
  EXPECT_GE(process_usage(true).descriptors, before + 20);
  for (const int file : opened) ::close(file);
  EXPECT_EQ(process_usage().descriptors, before);
}

}  // namespace
}  // namespace gyre::os
