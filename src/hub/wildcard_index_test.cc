#include "hub/wildcard_index.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>
#include <string>
#include <vector>

namespace gyre::hub {
namespace {

std::vector<std::string> matching(const WildcardIndex& index, std::string_view channel) {
  std::vector<SubscribedWildcardRef> found;
  index.match(channel, found);
  std::vector<std::string> names;
  for (const SubscribedWildcardRef& one : found) names.emplace_back(one->name->text());
  std::ranges::sort(names);
  return names;
}

using Names = std::vector<std::string>;

TEST(WildcardIndex, FindsThoseThatFit) {
  WildcardIndex index({});
  for (const char* name : {"news.*", "news.>", "*.sport", ">", "*", "news.sport.*"}) {
    index.insert(name, "");
  }
  EXPECT_EQ(matching(index, "news.sport"), (Names{"*.sport", ">", "news.*", "news.>"}));
  EXPECT_EQ(matching(index, "news.sport.today"), (Names{">", "news.>", "news.sport.*"}));
  EXPECT_EQ(matching(index, "news"), (Names{"*", ">"}));
  EXPECT_EQ(matching(index, "news."), (Names{">"}));
  EXPECT_EQ(matching(index, ".sport"), (Names{">"}));
  EXPECT_EQ(matching(index, ""), Names());
}

TEST(WildcardIndex, WhatStandsUpToTheBoundaryIsAsItIsWritten) {
  WildcardIndex index({});
  index.insert("chat:*", "chat");
  index.insert("chat:rooms.>", "chat");
  index.insert("*", "");
  index.insert("a.>", "");
  EXPECT_EQ(matching(index, "chat:rooms"), (Names{"*", "chat:*"}));
  EXPECT_EQ(matching(index, "chat:rooms.1"), (Names{"chat:rooms.>"}));
  EXPECT_EQ(matching(index, "chats:rooms.1"), Names());
  EXPECT_EQ(matching(index, "a.b:c"), (Names{"a.>"}));
}

TEST(WildcardIndex, ForgetsWhatIsErasedAlone) {
  WildcardIndex index({});
  index.insert("a.*.c", "");
  index.insert("a.*", "");
  index.insert("a.>", "");
  index.erase("a.*.c");
  index.erase("not there.*");
  EXPECT_EQ(matching(index, "a.b.c"), (Names{"a.>"}));
  EXPECT_EQ(matching(index, "a.b"), (Names{"a.*", "a.>"}));
  EXPECT_EQ(index.find("a.*.c"), nullptr);
  ASSERT_NE(index.find("a.*"), nullptr);
  EXPECT_EQ(index.size(), 2u);
}

// Held against every wildcard by itself, while they come and go.
TEST(WildcardIndex, FindsWhatEachWouldSay) {
  std::mt19937 random(11);
  const auto text = [&random](const std::vector<std::string>& tokens) {
    std::string name = random() % 4 == 0 ? "n:" : "";
    const auto count = 1 + random() % 4;
    for (unsigned i = 0; i < count; ++i) {
      if (i > 0) name += '.';
      name += tokens[random() % tokens.size()];
    }
    return name;
  };
  WildcardIndex index({});
  std::set<std::string> there;
  const channel::NameRules rules;
  for (int round = 0; round < 5000; ++round) {
    std::string name = text({"a", "b", "*", "*"});
    if (random() % 3 == 0) name += ".>";
    if (TokenPattern::check(channel::split_at_boundary(name, rules).rest)) {
      if (there.insert(name).second) {
        index.insert(name, "");
      } else {
        index.erase(name);
        there.erase(name);
      }
    }
    const std::string channel = text({"a", "b", "c", ""});
    Names expected;
    for (const std::string& one : there) {
      const channel::SplitName split = channel::split_at_boundary(one, rules);
      const auto pattern = TokenPattern::compile(split.rest).value();
      if (channel.starts_with(split.start) &&
          pattern.matches(std::string_view(channel).substr(split.start.size()))) {
        expected.push_back(one);
      }
    }
    ASSERT_EQ(matching(index, channel), expected) << channel;
    ASSERT_EQ(index.size(), there.size());
  }
}

}  // namespace
}  // namespace gyre::hub
