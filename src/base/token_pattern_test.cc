#include "base/token_pattern.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace gyre {
namespace {

bool stands_for(std::string_view pattern, std::string_view name) {
  return TokenPattern::compile(pattern).value().matches(name);
}

bool is_covered(std::string_view pattern, std::string_view by) {
  return TokenPattern::compile(by).value().covers(pattern);
}

TEST(TokenPattern, AStarIsOneToken) {
  EXPECT_TRUE(stands_for("news.*", "news.sport"));
  EXPECT_TRUE(stands_for("*", "news"));
  EXPECT_TRUE(stands_for("a.*.c", "a.b.c"));
  EXPECT_TRUE(stands_for("*.*", "a.b"));
  for (const char* name : {"news", "news.", "news.sport.today", "new.sport", "xnews.sport", ""}) {
    EXPECT_FALSE(stands_for("news.*", name)) << name;
  }
  EXPECT_FALSE(stands_for("a.*.c", "a..c"));
  EXPECT_FALSE(stands_for("a.*.c", "a.b"));
  EXPECT_FALSE(stands_for("*", ""));
}

TEST(TokenPattern, AGreaterThanIsAllThatRemains) {
  for (const char* name : {"news.sport", "news.sport.today", "news.sport.", "news.>"}) {
    EXPECT_TRUE(stands_for("news.>", name)) << name;
  }
  for (const char* name : {"news", "news.", "newsx.a", ""}) {
    EXPECT_FALSE(stands_for("news.>", name)) << name;
  }
  EXPECT_TRUE(stands_for(">", "a"));
  EXPECT_FALSE(stands_for(">", ""));
  EXPECT_TRUE(stands_for("*.>", "a.b.c"));
  EXPECT_FALSE(stands_for("*.>", "a"));
}

TEST(TokenPattern, AmongOtherCharactersTheyAreCharacters) {
  EXPECT_TRUE(stands_for("a*.>", "a*.b"));
  EXPECT_FALSE(stands_for("a*.>", "ab.b"));
  EXPECT_FALSE(TokenPattern::is_meant("a*.b>"));
  EXPECT_FALSE(TokenPattern::is_meant("chat:*"));
  EXPECT_FALSE(TokenPattern::is_meant("a.b"));
  EXPECT_FALSE(TokenPattern::is_meant(""));
  EXPECT_TRUE(TokenPattern::is_meant("a.>.b"));
  EXPECT_TRUE(TokenPattern::is_meant("*"));
}

TEST(TokenPattern, WhatIsNone) {
  const auto why = [](const std::string& text) {
    return TokenPattern::check(text).error().context;
  };
  EXPECT_EQ(why("a.>.b"), "has a > that is not its last token");
  EXPECT_EQ(why("a..*"), "has an empty token");
  EXPECT_EQ(why(".*"), "has an empty token");
  EXPECT_EQ(why("*."), "has an empty token");
  EXPECT_EQ(why(""), "has an empty token");
  EXPECT_EQ(why("a.b*"), "has neither * nor > as a token");
  std::string most = "*";
  for (size_t i = 1; i < TokenPattern::kTokensMax; ++i) most += ".a";
  EXPECT_TRUE(TokenPattern::check(most));
  EXPECT_EQ(why(most + ".a"), "has more than 128 tokens");
}

TEST(TokenPattern, CoversWhatIsNotWider) {
  EXPECT_TRUE(is_covered("news.*", "news.*"));
  EXPECT_TRUE(is_covered("news.*", "news.>"));
  EXPECT_TRUE(is_covered("news.>", "news.>"));
  EXPECT_TRUE(is_covered("news.*", ">"));
  EXPECT_TRUE(is_covered("news.*", "*.*"));
  EXPECT_TRUE(is_covered("news.a.>", "news.*.>"));
  EXPECT_FALSE(is_covered("news.>", "news.*"));
  EXPECT_FALSE(is_covered("*.a", "news.*"));
  EXPECT_FALSE(is_covered("*", "news.>"));
  EXPECT_FALSE(is_covered("news.*.>", "news.*"));
  EXPECT_FALSE(is_covered(">", "*.>"));
}

// Held against every name of few tokens: what is covered has no match that the wider one has not,
// and what is not covered has one.
TEST(TokenPattern, CoveringIsToMatchAllThatTheOtherMatches) {
  const std::vector<std::string> literals{"a", "b", "c"};
  std::vector<std::string> names;
  for (const std::string& one : literals) {
    names.push_back(one);
    for (const std::string& two : literals) {
      names.push_back(one + "." + two);
      for (const std::string& three : literals) {
        names.push_back(one + "." + two + "." + three);
        for (const std::string& four : literals) {
          names.push_back(one + "." + two + "." + three + "." + four);
        }
      }
    }
  }
  std::mt19937 random(7);
  // Of the literals only two, so that a name with the third tells a star from a letter.
  const auto pattern = [&random] {
    while (true) {
      std::string text;
      const auto count = 1 + random() % 3;
      for (unsigned i = 0; i < count; ++i) {
        if (i > 0) text += '.';
        const auto kind = random() % 4;
        text += kind == 0 ? "a" : kind == 1 ? "b" : kind == 2 || i + 1 < count ? "*" : ">";
      }
      if (TokenPattern::check(text)) return text;
    }
  };
  for (int round = 0; round < 2000; ++round) {
    const std::string narrow = pattern();
    const std::string wide = pattern();
    bool has_other = false;
    for (const std::string& name : names)
      has_other |= stands_for(narrow, name) && !stands_for(wide, name);
    EXPECT_EQ(is_covered(narrow, wide), !has_other) << narrow << " by " << wide;
  }
}

}  // namespace
}  // namespace gyre
