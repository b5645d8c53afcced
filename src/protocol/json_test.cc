#include "protocol/json.h"

#include <gtest/gtest.h>

#include <string>

namespace gyre::protocol::json {
namespace {

std::string string_of(std::string_view text) {
  std::string out;
  append_string(out, text);
  return out;
}

std::string compact(std::string_view value) {
  std::string out;
  append_compact_html_safe(out, value);
  return out;
}

TEST(JsonValidate, AcceptsEveryKindOfValue) {
  for (std::string_view text : {"{}",
                                "[]",
                                "null",
                                "true",
                                "false",
                                "0",
                                "-0",
                                "12345678901234567890.50",
                                "1e9",
                                "1E+2",
                                "1.5e-3",
                                "\"\"",
                                R"("\"\\\/\b\f\n\r\t\u00fF")",
                                R"("\ud800")",
                                R"("\ud83d\ude00")",
                                " \t\r\n{ \"a\" : [ 1 , { } , [ ] ] } \n",
                                R"({"z":1,"a":2,"z":3})",
                                "\"\xc3\xa9\"",
                                "\"\x7f\"",
                                "[[[[[1]]]],{\"a\":{\"b\":[]}}]"}) {
    EXPECT_TRUE(validate(text)) << text;
  }
}

TEST(JsonValidate, RefusesWhatIsNotOneValue) {
  for (std::string_view text : {"",
                                " ",
                                "{",
                                "}",
                                "[",
                                "]",
                                "[1,}",
                                "[1}",
                                "{]",
                                "[1,]",
                                "[,1]",
                                "{,}",
                                "{\"a\"}",
                                "{\"a\":}",
                                "{\"a\":1,}",
                                "{a:1}",
                                "{\"a\":tru}",
                                "tru",
                                "nul",
                                "truee",
                                "nullx",
                                "01",
                                "-",
                                "+1",
                                ".5",
                                "1.",
                                "1.e5",
                                "1e",
                                "1e+",
                                "1.2.3",
                                "0x1",
                                "NaN",
                                "1 2",
                                "{}{}",
                                "\"",
                                "\"a",
                                "'a'",
                                R"("\q")",
                                R"("\u12")",
                                R"("\u12g4")",
                                "\"\t\"",
                                "\"\n\"",
                                "\"\\\"",
                                "\"\xff\"",
                                "\"\xc3\"",
                                "\"\xed\xa0\x80\"",
                                "\"\xc0\x80\"",
                                "\"\xf4\x90\x80\x80\"",
                                "\xef\xbb\xbf{}",
                                "[1 2]",
                                "{\"a\" 1}",
                                "{\"a\":1 \"b\":2}",
                                "{1:2}"}) {
    EXPECT_FALSE(validate(text)) << text;
  }
  EXPECT_FALSE(validate(std::string_view("\0", 1)));
  EXPECT_FALSE(validate(std::string_view("\"a\0b\"", 5)));
  EXPECT_FALSE(validate(std::string_view("1\0", 2)));
}

TEST(JsonValidate, SeesEveryPositionOfALongString) {
  // Strings are scanned in blocks: put each kind of special byte at each place of several blocks.
  for (size_t length : {1, 15, 16, 17, 31, 32, 33, 70}) {
    for (size_t at = 0; at < length; ++at) {
      std::string text = '"' + std::string(length, 'x') + '"';
      EXPECT_TRUE(validate(text));
      text[at + 1] = '\x1f';
      EXPECT_FALSE(validate(text)) << at;
      text[at + 1] = '\xff';
      EXPECT_FALSE(validate(text)) << at;
      text[at + 1] = '\x7f';
      EXPECT_TRUE(validate(text)) << at;
      text[at + 1] = '"';
      EXPECT_FALSE(validate(text)) << at;
      text.replace(at + 1, 1, "\xe2\x82\xac");
      EXPECT_TRUE(validate(text)) << at;
      text.replace(at + 1, 3, "\\n");
      EXPECT_TRUE(validate(text)) << at;
      text.replace(at + 1, 2, "\\x");
      EXPECT_FALSE(validate(text)) << at;
    }
  }
}

TEST(JsonValidate, BoundsNesting) {
  const auto nested = [](size_t depth) {
    return std::string(depth, '[') + "1" + std::string(depth, ']');
  };
  EXPECT_TRUE(validate(nested(kMaxDepth)));
  EXPECT_FALSE(validate(nested(kMaxDepth + 1)));
  EXPECT_FALSE(validate(std::string(1000000, '[')));
}

TEST(JsonValidate, NoPrefixOfAnObjectIsValid) {
  const std::string text = R"({"a":[1,-2.5e3,"x\u00e9y",null,true],"b":{"c":false}})";
  for (size_t length = 0; length < text.size(); ++length) {
    EXPECT_FALSE(validate(text.substr(0, length))) << length;
  }
  EXPECT_TRUE(validate(text));
}

TEST(JsonString, EscapesControlCharactersAndHtml) {
  EXPECT_EQ(string_of(""), R"("")");
  EXPECT_EQ(string_of("plain"), R"("plain")");
  EXPECT_EQ(string_of("a\"b\\c\n\r\t\x01\x1f"), R"("a\"b\\c\n\r\t\u0001\u001f")");
  EXPECT_EQ(string_of("<b>&</b>"), R"("\u003cb\u003e\u0026\u003c/b\u003e")");
  EXPECT_EQ(string_of("\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xaa"), "\"\\u2028\\u2029\xe2\x80\xaa\"");
  EXPECT_EQ(string_of("\xc3\xa9\xf0\x9f\x98\x80\x7f"), "\"\xc3\xa9\xf0\x9f\x98\x80\x7f\"");
}

TEST(JsonString, ReplacesWhatIsNotUtf8) {
  EXPECT_EQ(string_of("a\xff"), R"("a\ufffd")");
  EXPECT_EQ(string_of("\xc3"), R"("\ufffd")");
  EXPECT_EQ(string_of("\xe2\x80"), R"("\ufffd\ufffd")");
  EXPECT_EQ(string_of("\xed\xa0\x80z"), R"("\ufffd\ufffd\ufffdz")");
  EXPECT_EQ(string_of("\xf4\x90\x80\x80"), R"("\ufffd\ufffd\ufffd\ufffd")");
}

TEST(JsonRaw, LosesNothingButLineBreaks) {
  std::string out = "[";
  append_raw(out, "{\n \"a\":\r\n1\t}\n");
  append_raw(out, "\"\\r\\n\"");
  EXPECT_EQ(out, "[{ \"a\":1\t}\"\\r\\n\"");
}

TEST(JsonCompact, DropsSpaceOutsideOfStringsOnly) {
  EXPECT_EQ(compact(" { \"a b\" : [ 1 ,\t2.50 ,\r\n \" x \" ] } "), R"({"a b":[1,2.50," x "]})");
  EXPECT_EQ(compact(R"("\" { \\")"), R"("\" { \\")");
}

TEST(JsonCompact, EscapesHtmlInStrings) {
  EXPECT_EQ(compact("{\"a\": \"\\u00e9\xc3\xa9 <b>&\xe2\x80\xa8\"}"),
            "{\"a\":\"\\u00e9\xc3\xa9 \\u003cb\\u003e\\u0026\\u2028\"}");
}

}  // namespace
}  // namespace gyre::protocol::json
