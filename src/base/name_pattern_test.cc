#include "base/name_pattern.h"

#include <gtest/gtest.h>

namespace gyre {
namespace {

bool fits(std::string_view pattern, std::string_view name) {
  const auto compiled = NamePattern::compile(pattern);
  EXPECT_TRUE(compiled) << pattern;
  return compiled && compiled->matches(name);
}

TEST(NamePattern, AVariableIsOneSegmentOrTheEndOfOne) {
  EXPECT_TRUE(fits("/users/:name", "/users/mary"));
  EXPECT_TRUE(fits("/users/:name", "/users/:name"));
  for (const char* name : {"/users/", "/users", "/users/mary/profile", "/users/mary/", "users/mary",
                           "/user/mary", "//users/mary", ""}) {
    EXPECT_FALSE(fits("/users/:name", name)) << name;
  }
  EXPECT_TRUE(fits("/news/:type/:subtype", "/news/sport/football"));
  EXPECT_FALSE(fits("/news/:type/:subtype", "/news/sport"));
  EXPECT_TRUE(fits("/personal/user_:user/log", "/personal/user_mary/log"));
  EXPECT_FALSE(fits("/personal/user_:user/log", "/personal/user_/log"));
  EXPECT_FALSE(fits("/personal/user_:user/log", "/personal/mary/log"));
  EXPECT_TRUE(fits("/news", "/news"));
  EXPECT_FALSE(fits("/news", "/newsletter"));
}

TEST(NamePattern, WithoutASlashInFrontAStarIsAnyText) {
  EXPECT_TRUE(fits("news.*", "news.a/b:c"));
  EXPECT_TRUE(fits("news.*", "news."));
  EXPECT_FALSE(fits("news.*", "news"));
  EXPECT_TRUE(fits("*.log", "a.log"));
  EXPECT_FALSE(fits("*.log", "a.log2"));
  EXPECT_TRUE(fits("exact", "exact"));
  EXPECT_FALSE(fits("exact", "exactly"));
  EXPECT_TRUE(fits("a:b", "a:b")) << "no variable";
}

TEST(Glob, TriesEveryPlaceForAStar) {
  EXPECT_TRUE(matches_glob("a*b*c", "a-b-bc"));
  EXPECT_TRUE(matches_glob("a*b*c", "abc"));
  EXPECT_FALSE(matches_glob("a*b*c", "a-b-b"));
  EXPECT_TRUE(matches_glob("**a**", "a"));
  EXPECT_TRUE(matches_glob("*", ""));
  EXPECT_TRUE(matches_glob("", ""));
  EXPECT_FALSE(matches_glob("", "a"));
  EXPECT_FALSE(matches_glob("n?ws[a]{a,b}", "newsaa"));
  EXPECT_FALSE(matches_glob(std::string(200, '*') + "b", std::string(255, 'a')));
  EXPECT_TRUE(matches_glob("*aab*b", "aaabab"));
  EXPECT_FALSE(matches_glob("ab*ba", "aba")) << "the same b twice";
}

// Long enough for every way in which a part is looked for.
TEST(Glob, FindsLongPartsInLongNames) {
  for (const size_t size : {1u, 2u, 3u, 20u, 255u, 256u, 257u, 1000u}) {
    const std::string part = std::string(size, 'a') + "b";
    const std::string name = std::string(65'536, 'a');
    EXPECT_FALSE(matches_glob("*" + part + "*", name)) << size;
    EXPECT_TRUE(matches_glob("*" + part + "*c", name + "bc")) << size;
    EXPECT_FALSE(matches_glob("*" + part + "*" + part, name + "b")) << size;
  }
}

TEST(NamePattern, SaysWhatIsWrong) {
  const auto wrong = [](std::string_view pattern) {
    const auto compiled = NamePattern::compile(pattern);
    return compiled ? "" : compiled.error().context;
  };
  EXPECT_EQ(wrong(""), "is empty");
  EXPECT_EQ(wrong("/"), "has an empty segment");
  EXPECT_EQ(wrong("/a//b"), "has an empty segment");
  EXPECT_EQ(wrong("/a/"), "has an empty segment");
  EXPECT_EQ(wrong("/a/*"), "has a * in a path; name a :variable");
  for (const char* pattern : {"/a/:", "/a/:1", "/a/:b-c", "/a/:b:c"}) {
    EXPECT_EQ(wrong(pattern), "has a variable without a name of letters, digits and underscores")
        << pattern;
  }
  EXPECT_EQ(wrong("/:a/b/:a"), "has a variable twice");
  EXPECT_EQ(wrong("a b"), "has characters other than printable ASCII");
  EXPECT_EQ(wrong("caf\xc3\xa9"), "has characters other than printable ASCII");
  EXPECT_EQ(wrong(std::string(1025, 'a')), "is longer than 1024 bytes");
  EXPECT_EQ(wrong(std::string(1024, 'a')), "");
}

}  // namespace
}  // namespace gyre
