#include "protocol/tags_filter.h"

#include <gtest/gtest.h>

namespace gyre::protocol {
namespace {

FilterNode leaf(std::string_view key, std::string_view cmp, std::string_view val = "",
                std::vector<std::string_view> vals = {}) {
  FilterNode node;
  node.key = key;
  node.cmp = cmp;
  node.val = val;
  node.vals = std::move(vals);
  return node;
}

FilterNode group(std::string_view op, std::vector<FilterNode> nodes) {
  FilterNode node;
  node.op = op;
  node.nodes = std::move(nodes);
  return node;
}

bool matches(const FilterNode& node, const Tags& tags) {
  const auto filter = TagsFilter::compile(node);
  EXPECT_TRUE(filter);
  return filter && filter->matches(tags);
}

TEST(TagsFilter, ComparesOneTag) {
  const Tags tags{{"city", "Oslo"}, {"price", "99.5"}, {"empty", ""}};
  const struct {
    const char* key;
    const char* cmp;
    const char* val;
    bool matches;
  } kCases[] = {
      {"city", "eq", "Oslo", true},     {"city", "eq", "oslo", false},
      {"none", "eq", "Oslo", false},    {"city", "neq", "Oslo", false},
      {"city", "neq", "Rome", true},    {"none", "neq", "Rome", true},
      {"city", "ex", "", true},         {"empty", "ex", "", true},
      {"none", "ex", "", false},        {"none", "nex", "", true},
      {"city", "nex", "", false},       {"city", "sw", "Os", true},
      {"city", "sw", "slo", false},     {"none", "sw", "O", false},
      {"city", "ew", "lo", true},       {"city", "ew", "Os", false},
      {"city", "ct", "sl", true},       {"city", "ct", "x", false},
      {"price", "gt", "99", true},      {"price", "gt", "99.5", false},
      {"price", "gte", "99.50", true},  {"price", "lt", "100", true},
      {"price", "lte", "99.49", false}, {"city", "gt", "1", false},
      {"price", "lt", "abc", false},    {"none", "lt", "5", false},
  };
  for (const auto& one : kCases) {
    EXPECT_EQ(matches(leaf(one.key, one.cmp, one.val), tags), one.matches)
        << one.key << ' ' << one.cmp << ' ' << one.val;
  }
}

TEST(TagsFilter, ListsTakeAnAbsentTagAsAnEmptyOne) {
  const Tags tags{{"a", "1"}};
  EXPECT_TRUE(matches(leaf("a", "in", "", {"0", "1"}), tags));
  EXPECT_FALSE(matches(leaf("a", "nin", "", {"0", "1"}), tags));
  EXPECT_FALSE(matches(leaf("b", "in", "", {"0"}), tags));
  EXPECT_TRUE(matches(leaf("b", "in", "", {""}), tags));
  EXPECT_TRUE(matches(leaf("b", "nin", "", {"0"}), tags));
}

TEST(TagsFilter, CombinesThem) {
  const Tags tags{{"a", "1"}, {"b", "2"}};
  const FilterNode a = leaf("a", "eq", "1");
  const FilterNode c = leaf("c", "ex");
  EXPECT_TRUE(matches(group("and", {a, group("not", {c})}), tags));
  EXPECT_FALSE(matches(group("and", {a, c}), tags));
  EXPECT_TRUE(matches(group("or", {c, a}), tags));
  EXPECT_FALSE(matches(group("or", {c}), tags));
  EXPECT_FALSE(matches(a, {})) << "no tags are an empty map";
}

TEST(TagsFilter, RefusesWhatMakesNoSense) {
  FilterNode deep = leaf("a", "ex");
  for (int i = 0; i < 100; ++i) deep = group("not", {deep});
  const FilterNode kBroken[] = {
      FilterNode(),                     // no comparison
      group("xor", {leaf("a", "ex")}),  // unknown operator
      group("and", {}),                 // nothing to combine
      group("or", {}),
      group("not", {}),
      group("not", {leaf("a", "ex"), leaf("b", "ex")}),
      group("and", {leaf("a", "ex"), FilterNode()}),
      leaf("a", "like", "x"),       // unknown comparison
      leaf("", "eq", "1"),          // no key
      leaf("a", "eq"),              // no value
      leaf("a", "eq", "1", {"2"}),  // both
      leaf("a", "in"),              // no values
      leaf("a", "in", "1", {"2"}),
      leaf("a", "ex", "1"),  // a value for nothing
      leaf("a", "nex", "", {"1"}),
      leaf("a", "gt"),
      deep,
  };
  for (const FilterNode& broken : kBroken) EXPECT_FALSE(TagsFilter::compile(broken));
}

TEST(TagsFilter, EqualOnesAreEqual) {
  const auto a = TagsFilter::compile(group("and", {leaf("a", "ex"), leaf("b", "eq", "1")}));
  const auto b = TagsFilter::compile(group("and", {leaf("a", "ex"), leaf("b", "eq", "1")}));
  const auto c = TagsFilter::compile(group("and", {leaf("a", "ex"), leaf("b", "eq", "2")}));
  EXPECT_EQ(*a, *b);
  EXPECT_NE(*a, *c);
}

TEST(Decimal, ReadsWhatTheSpecificationAllows) {
  for (const char* good : {"0", "-0", "+1", "007", "1.5", "-12.0000000000000000001"}) {
    EXPECT_TRUE(Decimal::parse(good)) << good;
  }
  EXPECT_TRUE(Decimal::parse(std::string(200, '9')));
  for (const char* bad : {"", "+", "-", ".5", "5.", "1e5", " 1", "1 ", "1_000", "1,5", "--1", "0x1",
                          "1.2.3", "1.00000000000000000001"}) {
    EXPECT_FALSE(Decimal::parse(bad)) << bad;
  }
  EXPECT_FALSE(Decimal::parse(std::string(201, '9')));
}

TEST(Decimal, ComparesExactly) {
  const char* kAscending[] = {"-100000000000000000000000",
                              "-2",
                              "-1.5",
                              "-1.25",
                              "-0.1",
                              "0",
                              "0.0000000000000000001",
                              "0.1",
                              "0.15",
                              "1",
                              "1.5",
                              "9",
                              "10",
                              "99999999999999999999999999",
                              "100000000000000000000000000"};
  for (size_t i = 0; i < std::size(kAscending); ++i) {
    for (size_t j = 0; j < std::size(kAscending); ++j) {
      const int order =
          Decimal::compare(*Decimal::parse(kAscending[i]), *Decimal::parse(kAscending[j]));
      EXPECT_EQ(order, i < j ? -1 : i > j ? 1 : 0) << kAscending[i] << ' ' << kAscending[j];
    }
  }
  EXPECT_EQ(Decimal::compare(*Decimal::parse("-0"), *Decimal::parse("+0.000")), 0);
  EXPECT_EQ(Decimal::compare(*Decimal::parse("007.50"), *Decimal::parse("7.5")), 0);
}

}  // namespace
}  // namespace gyre::protocol
