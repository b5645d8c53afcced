#include "base/glob.h"

#include <gtest/gtest.h>

namespace gyre {
namespace {

struct Row {
  std::string_view pattern;
  std::string_view text;
  bool matches;
};

TEST(Glob, MatchesTheWholeText) {
  const Row rows[] = {
      {"", "", true},
      {"", "a", false},
      {"abc", "abc", true},
      {"abc", "abcd", false},
      {"abc", "ab", false},
      {"*", "", true},
      {"*", "a.b/c", true},
      {"a*", "a", true},
      {"a*", "b", false},
      {"*c", "abc", true},
      {"*c", "abcd", false},
      {"a*b*c", "a__b__b__c", true},
      {"a**c", "abc", true},
      {"a?c", "abc", true},
      {"a?c", "ac", false},
      {"a?c", "a\u00e9c", true},
      {"a??c", "a\u00e9c", false},
      {"a?c", "a\xffg", false},
      {"a?c",
       "a\xff"
       "c",
       true},
      {"[abc]x", "bx", true},
      {"[abc]x", "dx", false},
      {"[!abc]x", "dx", true},
      {"[!abc]x", "ax", false},
      {"[a-c]x", "bx", true},
      {"[a-c]x", "dx", false},
      {"[!a-c]x", "dx", true},
      {"[\u0430-\u044f]", "\u0436", true},
      {"{a,bc}d", "ad", true},
      {"{a,bc}d", "bcd", true},
      {"{a,bc}d", "abcd", false},
      {"{a,}d", "d", true},
      {"{a{b,c},d}e", "ace", true},
      {"{a{b,c},d}e", "de", true},
      {"{a{b,c},d}e", "ae", false},
      {"{*.a,b*}!", "x.a!", true},
      {"{a,b", "b", true},
      {"\\*", "*", true},
      {"\\*", "a", false},
      {"[\\]]", "]", true},
      {"a,b}", "a,b}", true},
      {"http://*.test.com", "http://a.test.com", true},
      {"http://*.test.com", "http://test.com", false},
      {"https://{a,b}.example.com:80[0-9]?", "https://b.example.com:800", false},
      {"https://{a,b}.example.com:80[0-9]?", "https://b.example.com:8012", true},
      {"null", "null", true},
  };
  for (const Row& row : rows) {
    auto glob = Glob::compile(row.pattern);
    ASSERT_TRUE(glob) << row.pattern << ": " << glob.error().context;
    EXPECT_EQ(glob->matches(row.text), row.matches) << row.pattern << " on " << row.text;
  }
}

TEST(Glob, TellsAMalformedPattern) {
  for (std::string_view pattern :
       {"[", "[]", "[a", "[a-", "[a-b", "[c-a]", "[a-cx]", "\\", "a[!]", "[\\"}) {
    EXPECT_FALSE(Glob::compile(pattern)) << pattern;
  }
  EXPECT_FALSE(Glob::compile(std::string(100, '{')));
  EXPECT_FALSE(Glob::compile(std::string(10000, 'a')));
}

TEST(Glob, TakesLinearTimeForPatternsThatMakeBacktrackersSlow) {
  std::string pattern;
  for (int i = 0; i < 60; ++i) pattern += "*{a,aa}";
  auto glob = Glob::compile(pattern + "b");
  ASSERT_TRUE(glob);
  EXPECT_FALSE(glob->matches(std::string(3000, 'a')));
}

}  // namespace
}  // namespace gyre
