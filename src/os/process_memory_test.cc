#include "os/process_memory.h"

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>

namespace gyre::os {
namespace {

TEST(ProcessMemory, GrowsWithWhatIsAllocated) {
  const uint64_t before = memory_in_use();
  EXPECT_GT(before, 0u);
  constexpr size_t kSize = 64 << 20;
  const auto block = std::make_unique<char[]>(kSize);
  std::memset(block.get(), 1, kSize);
  asm volatile("" : : "r"(block.get()) : "memory");  // nobody reads it: else it need not be there
  EXPECT_GE(memory_in_use(), before + kSize / 2);
}

class MemoryAtMost : public testing::Test {
 protected:
  void put(const std::string& path, std::string_view text) {
    const std::filesystem::path whole = root_ / path;
    std::filesystem::create_directories(whole.parent_path());
    std::ofstream(whole) << text;
  }
  uint64_t answer() const {
    return memory_at_most((root_ / "proc").c_str(), (root_ / "cgroup").c_str());
  }
  MemoryAtMost() { std::filesystem::remove_all(root_); }
  ~MemoryAtMost() override { std::filesystem::remove_all(root_); }

  const std::filesystem::path root_ = std::filesystem::path(testing::TempDir()) /
                                      testing::UnitTest::GetInstance()->current_test_info()->name();
};

TEST_F(MemoryAtMost, IsTheMachinesWithoutGroups) {
  put("proc/meminfo", "MemTotal:       1000 kB\nMemFree: 1 kB\n");
  EXPECT_EQ(answer(), 1'024'000u);
}

TEST_F(MemoryAtMost, IsTheLeastOfTheGroupsAbove) {
  put("proc/meminfo", "MemTotal:       1000 kB\n");
  put("proc/self/cgroup", "0::/outer/inner\n");
  put("cgroup/outer/inner/memory.max", "max\n");
  put("cgroup/outer/memory.max", "500000\n");
  EXPECT_EQ(answer(), 500'000u);
}

TEST_F(MemoryAtMost, ReadsTheFirstVersionOfGroupsToo) {
  put("proc/meminfo", "MemTotal:       1000 kB\n");
  put("proc/self/cgroup", "7:cpu,memory:/box\n3:pids:/box\n");
  put("cgroup/memory/box/memory.limit_in_bytes", "400000\n");
  put("cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  EXPECT_EQ(answer(), 400'000u);
}

TEST_F(MemoryAtMost, IsUnknownWhereTheSystemDoesNotTell) {
  EXPECT_EQ(answer(), 0u);
}

}  // namespace
}  // namespace gyre::os
