#include "protocol/fossil_delta.h"

#include <gtest/gtest.h>
#include <simdjson.h>

#include <fstream>
#include <random>

namespace gyre::protocol {
namespace {

constexpr size_t kMax = 1 << 24;

std::string delta_of(std::string_view origin, std::string_view target) {
  std::string delta;
  append_fossil_delta(origin, target, delta);
  return delta;
}

std::string from_hex(std::string_view hex) {
  std::string bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
  }
  return bytes;
}

TEST(FossilDelta, TheExampleOfTheSpecification) {
  const std::string origin = R"({"text":"The quick brown fox jumps over the lazy dog","n":1})";
  const std::string target = R"({"text":"The quick brown fox jumps over the lazy dog","n":2})";
  EXPECT_EQ(delta_of(origin, target), "x\nv@0,2:2}1uTIUS;");
}

TEST(FossilDelta, RebuildsTheVectorsOfTheReference) {
  std::ifstream file(GYRE_SOURCE_DIR "/tests/golden/client/fossil_vectors.jsonl");
  simdjson::dom::parser parser;
  int vectors = 0;
  for (std::string line; std::getline(file, line);) {
    const simdjson::dom::element vector = parser.parse(line);
    std::string_view origin_hex, target_hex, delta_hex;
    if (vector["origin_hex"].get(origin_hex) || vector["target_hex"].get(target_hex) ||
        vector["delta_hex"].get(delta_hex)) {
      continue;  // the first line describes the file
    }
    ++vectors;
    const std::string origin = from_hex(origin_hex);
    const std::string target = from_hex(target_hex);
    EXPECT_EQ(apply_fossil_delta(origin, from_hex(delta_hex), kMax), target) << line;
    EXPECT_EQ(apply_fossil_delta(origin, delta_of(origin, target), kMax), target) << line;
    EXPECT_LE(delta_of(origin, target).size(), from_hex(delta_hex).size() + 8) << line;
  }
  EXPECT_EQ(vectors, 18);
}

// Edits as documents get them: bytes changed, put in, taken out, parts moved and repeated.
std::string edited(std::string text, std::mt19937_64& random) {
  const auto below = [&](size_t bound) { return bound == 0 ? 0 : random() % bound; };
  for (size_t edits = below(6); edits > 0; --edits) {
    const size_t at = below(text.size() + 1);
    switch (below(4)) {
      case 0:
        text.insert(at, std::string(below(40), static_cast<char>(random())));
        break;
      case 1:
        text.erase(at, below(60));
        break;
      case 2:
        if (at < text.size()) text[at] = static_cast<char>(random());
        break;
      case 3:
        text.insert(below(text.size() + 1), text.substr(at, below(200)));
        break;
    }
  }
  return text;
}

TEST(FossilDelta, RandomEditsComeBackExactly) {
  std::mt19937_64 random(20'26);
  std::string text;
  for (int i = 0; i < 20'000; ++i) {
    if (i % 100 == 0) {
      text.assign(random() % 2000, 'x');
      // Few letters, so that blocks repeat.
      for (char& c : text) c = static_cast<char>('a' + random() % (1 + random() % 20));
    }
    const std::string next = edited(text, random);
    ASSERT_EQ(apply_fossil_delta(text, delta_of(text, next), kMax), next) << i;
    text = next.size() < 8000 ? next : std::string();
  }
}

TEST(FossilDelta, RepetitiveTextsTakeLinearTime) {
  const std::string origin(1 << 20, 'a');
  std::string target(1 << 20, 'a');
  for (size_t i = 0; i < target.size(); i += 15) target[i] = 'b';  // no block ever matches
  EXPECT_EQ(apply_fossil_delta(origin, delta_of(origin, target), kMax), target);
}

TEST(FossilDelta, RefusesWhatIsBroken) {
  const std::string origin = "The quick brown fox jumps over the lazy dog";
  const std::string delta = delta_of(origin, origin + "!");
  ASSERT_TRUE(apply_fossil_delta(origin, delta, kMax));
  for (size_t cut = 0; cut < delta.size(); ++cut) {
    EXPECT_FALSE(apply_fossil_delta(origin, delta.substr(0, cut), kMax)) << cut;
  }
  EXPECT_FALSE(apply_fossil_delta(origin, delta + "x", kMax)) << "more behind the end";
  EXPECT_FALSE(apply_fossil_delta(origin.substr(1), delta, kMax)) << "another origin";
  EXPECT_FALSE(apply_fossil_delta(origin, delta, origin.size())) << "more than allowed";
  for (const char* broken :
       {"", "5", "5\n", "5\n5:hell", "5\n5@0,", "5\n5@~~~~~~~~,0;", "~~~~~~~~~\n0;", "1\n2@0,0;",
        "5\n5:hello0;", "0\n0:0", "2\n1:a1:b1:c0;", ";", "0\n;"}) {
    EXPECT_FALSE(apply_fossil_delta(origin, broken, kMax)) << broken;
  }
}

}  // namespace
}  // namespace gyre::protocol
