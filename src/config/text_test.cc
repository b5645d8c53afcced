#include "config/text.h"

#include <gtest/gtest.h>

#include <limits>

namespace gyre::config {
namespace {

using namespace std::chrono_literals;

TEST(Integers, TakeGoPrefixesAndUnderscores) {
  EXPECT_EQ(parse_integer("9001"), 9001);
  EXPECT_EQ(parse_integer("-5"), -5);
  EXPECT_EQ(parse_integer("+5"), 5);
  EXPECT_EQ(parse_integer("0x1F"), 31);
  EXPECT_EQ(parse_integer("0o17"), 15);
  EXPECT_EQ(parse_integer("017"), 15);
  EXPECT_EQ(parse_integer("0b101"), 5);
  EXPECT_EQ(parse_integer("1_000"), 1000);
  EXPECT_EQ(parse_integer("0x_1"), 1);
  EXPECT_EQ(parse_integer("0"), 0);
  for (const char* wrong :
       {"", "-", "1_", "_1", "1__0", "0x", "08", "0b2", "abc", "1.5", " 1", "1 "}) {
    EXPECT_EQ(parse_integer(wrong), std::nullopt) << wrong;
  }
}

TEST(Integers, StopAtTheirRange) {
  EXPECT_EQ(parse_integer("9223372036854775807"), std::numeric_limits<int64_t>::max());
  EXPECT_EQ(parse_integer("-9223372036854775808"), std::numeric_limits<int64_t>::min());
  EXPECT_EQ(parse_integer("9223372036854775808"), std::nullopt);
  EXPECT_EQ(parse_integer("-9223372036854775809"), std::nullopt);
}

TEST(Durations, AreReadAsGoWritesThem) {
  EXPECT_EQ(parse_duration("1h30m"), 90min);
  EXPECT_EQ(parse_duration("500ms"), 500ms);
  EXPECT_EQ(parse_duration("1.5s"), 1500ms);
  EXPECT_EQ(parse_duration(".5s"), 500ms);
  EXPECT_EQ(parse_duration("1.s"), 1s);
  EXPECT_EQ(parse_duration("-2s"), -2s);
  EXPECT_EQ(parse_duration("3us"), 3us);
  EXPECT_EQ(parse_duration("3\u00b5s"), 3us);
  EXPECT_EQ(parse_duration("0"), 0s);
  EXPECT_EQ(parse_duration("2562047h47m16.854775807s"), std::chrono::nanoseconds::max());
  for (const char* wrong : {"", "-1", "10", "s", "1", "1 s", "1d", ".s", "1h-1m", "-", "2562048h",
                            "9999999999999999999s"}) {
    EXPECT_EQ(parse_duration(wrong), std::nullopt) << wrong;
  }
}

TEST(Durations, ArePrintedAsGoDoes) {
  EXPECT_EQ(format_duration(0s), "0s");
  EXPECT_EQ(format_duration(25s), "25s");
  EXPECT_EQ(format_duration(60s), "1m0s");
  EXPECT_EQ(format_duration(720h), "720h0m0s");
  EXPECT_EQ(format_duration(300ms), "300ms");
  EXPECT_EQ(format_duration(1500ms), "1.5s");
  EXPECT_EQ(format_duration(-2s), "-2s");
  EXPECT_EQ(format_duration(1500ns), "1.5\u00b5s");
  EXPECT_EQ(format_duration(7ns), "7ns");
  EXPECT_EQ(format_duration(std::chrono::nanoseconds::min()), "-2562047h47m16.854775808s");
}

TEST(Durations, PrintedAndReadAgainAreTheSame) {
  for (int64_t n :
       {int64_t{1}, int64_t{999}, int64_t{1001}, int64_t{61'000'000'001}, int64_t{-123'456'789'012},
        std::numeric_limits<int64_t>::max(), std::numeric_limits<int64_t>::min()}) {
    EXPECT_EQ(parse_duration(format_duration(std::chrono::nanoseconds(n))),
              std::chrono::nanoseconds(n));
  }
}

TEST(Sizes, HaveUnitsOfBothKinds) {
  EXPECT_EQ(parse_size("0"), 0u);
  EXPECT_EQ(parse_size("1048576"), 1'048'576u);
  EXPECT_EQ(parse_size("17B"), 17u);
  EXPECT_EQ(parse_size("2GB"), 2'000'000'000u);
  EXPECT_EQ(parse_size("512MiB"), 512u << 20);
  EXPECT_EQ(parse_size("3 kib"), 3072u);
  EXPECT_EQ(parse_size("8TiB"), uint64_t{8} << 40);
  EXPECT_EQ(parse_size("1g"), 1'000'000'000u);
}

TEST(Sizes, AreNothingElse) {
  for (const char* text : {"", "MB", "-1", "1.5GB", "1iB", "1XB", "1MBB", "1 MB MB", "0x10",
                           "99999999999999999999", "99999999999TiB"}) {
    EXPECT_EQ(parse_size(text), std::nullopt) << text;
  }
}

TEST(Booleans, HaveTheReferencesSpellings) {
  EXPECT_EQ(parse_boolean("t"), true);
  EXPECT_EQ(parse_boolean("FALSE"), false);
  EXPECT_EQ(parse_boolean("yes"), std::nullopt);
}

TEST(Nearest, FindsWhatWasMistyped) {
  EXPECT_EQ(nearest("presense", {"presence", "name"}), "presence");
  EXPECT_EQ(nearest("x", {"presence", "name"}), "");
}

}  // namespace
}  // namespace gyre::config
