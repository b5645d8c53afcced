#include "base/glob.h"

#include <algorithm>

namespace gyre {
namespace {

constexpr size_t kPatternBytesMax = 4096;
constexpr int kNestingMax = 16;

// Takes one code point off the front. A byte that begins no valid sequence stands for itself as
// U+FFFD.
char32_t take_character(std::string_view& text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  size_t length = 1;
  char32_t value = 0xFFFD;
  if (first < 0x80) {
    value = first;
  } else {
    const size_t wanted = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
    char32_t decoded = first & (0xFFu >> (wanted + 1));
    bool is_valid = first >= 0xC2 && first <= 0xF4 && text.size() >= wanted;
    for (size_t i = 1; is_valid && i < wanted; ++i) {
      is_valid = (byte(i) & 0xC0) == 0x80;
      decoded = (decoded << 6) | (byte(i) & 0x3Fu);
    }
    constexpr char32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
    is_valid = is_valid && decoded >= kSmallest[wanted] && decoded <= 0x10FFFF &&
               (decoded < 0xD800 || decoded > 0xDFFF);
    if (is_valid) {
      value = decoded;
      length = wanted;
    }
  }
  text.remove_prefix(length);
  return value;
}

// The states that are alive at one place of the text. `stamp_` makes emptying it free.
class StateSet {
 public:
  explicit StateSet(size_t size) : stamps_(size, 0) {}
  bool add(uint32_t state) {
    if (stamps_[state] == stamp_) return false;
    stamps_[state] = stamp_;
    return true;
  }
  void clear() {
    ++stamp_;
    alive.clear();
  }
  std::vector<uint32_t> alive;  // those that wait for a character

 private:
  std::vector<uint64_t> stamps_;
  uint64_t stamp_ = 1;
};

}  // namespace

// Turns a pattern into states, one pass, recursive only into braces.
class GlobCompiler {
 public:
  explicit GlobCompiler(std::string_view pattern) : rest_(pattern) {}

  Result<Glob> run() {
    if (rest_.size() > kPatternBytesMax) return fail(Errc::too_large, "glob pattern: too long");
    note_prefix();
    GYRE_TRY_VOID(sequence(0));
    add(Glob::Kind::accept);
    return std::move(glob_);
  }

 private:
  using Kind = Glob::Kind;

  uint32_t next() const { return static_cast<uint32_t>(glob_.states_.size()); }
  uint32_t add(Kind kind, uint32_t a = 0, uint32_t b = 0) {
    glob_.states_.push_back({kind, a, b});
    return next() - 1;
  }

  void note_prefix() {
    const size_t plain = std::min(rest_.find_first_of("*?[{\\"), rest_.size());
    glob_.prefix_ = rest_.substr(0, plain);
    const std::string_view tail = rest_.substr(plain);
    glob_.is_prefix_only_ = tail.find_first_not_of('*') == std::string_view::npos;
    glob_.ends_with_star_ = !tail.empty();
  }

  // Reads until the end of the pattern, or inside braces until the ',' or '}' that ends the
  // alternative.
  Result<void> sequence(int depth) {
    while (!rest_.empty()) {
      if (depth > 0 && (rest_[0] == ',' || rest_[0] == '}')) return {};
      const char32_t character = take_character(rest_);
      switch (character) {
        case '*':
          star();
          break;
        case '?':
          add(Kind::any);
          break;
        case '[':
          GYRE_TRY_VOID(brackets());
          break;
        case '{':
          GYRE_TRY_VOID(braces(depth + 1));
          break;
        case '\\':
          if (rest_.empty()) return fail(Errc::malformed, "glob pattern: nothing after \\");
          add(Kind::literal, take_character(rest_));
          break;
        default:
          add(Kind::literal, character);
      }
    }
    return {};
  }

  void star() {
    while (rest_.starts_with('*')) rest_.remove_prefix(1);
    const uint32_t loop = add(Kind::fork, next() + 1, next() + 3);
    add(Kind::any);
    add(Kind::jump, loop);
  }

  Result<void> brackets() {
    bool is_negated = false;
    if (rest_.starts_with('!')) {
      is_negated = true;
      rest_.remove_prefix(1);
    }
    std::u32string characters;
    bool is_range = false;
    while (true) {
      if (rest_.empty()) return fail(Errc::malformed, "glob pattern: [ without ]");
      char32_t character = take_character(rest_);
      if (character == ']' && !is_range) break;
      if (character == '-' && characters.size() == 1 && !is_range) {
        is_range = true;
        continue;
      }
      if (is_range && characters.size() == 2 && character == ']') break;
      if (is_range && characters.size() == 2) {
        return fail(Errc::malformed, "glob pattern: a range must stand alone in []");
      }
      if (character == '\\' && !is_range) {
        if (rest_.empty()) return fail(Errc::malformed, "glob pattern: [ without ]");
        character = take_character(rest_);
      }
      characters += character;
    }
    if (characters.empty()) return fail(Errc::malformed, "glob pattern: empty []");
    if (is_range) {
      if (characters[1] < characters[0]) {
        return fail(Errc::malformed, "glob pattern: a range whose end is before its start");
      }
      add(is_negated ? Kind::not_range : Kind::range, characters[0], characters[1]);
      return {};
    }
    add(is_negated ? Kind::none_of : Kind::one_of, static_cast<uint32_t>(glob_.sets_.size()));
    glob_.sets_.push_back(std::move(characters));
    return {};
  }

  Result<void> braces(int depth) {
    if (depth > kNestingMax) return fail(Errc::malformed, "glob pattern: braces nested too deep");
    std::vector<uint32_t> ends;
    while (true) {
      const uint32_t fork = add(Kind::fork, next() + 1);
      GYRE_TRY_VOID(sequence(depth));
      ends.push_back(add(Kind::jump));
      const bool has_more = rest_.starts_with(',');
      if (!rest_.empty()) rest_.remove_prefix(1);
      // The last alternative has no other way: both branches of its fork are the same.
      glob_.states_[fork].b = has_more ? next() : fork + 1;
      if (!has_more) break;
    }
    for (uint32_t end : ends) glob_.states_[end].a = next();
    return {};
  }

  std::string_view rest_;
  Glob glob_;
};

Result<Glob> Glob::compile(std::string_view pattern) {
  return GlobCompiler(pattern).run();
}

bool Glob::accepts(const State& state, char32_t character) const {
  switch (state.kind) {
    case Kind::literal:
      return character == state.a;
    case Kind::any:
      return true;
    case Kind::one_of:
      return sets_[state.a].find(character) != std::u32string::npos;
    case Kind::none_of:
      return sets_[state.a].find(character) == std::u32string::npos;
    case Kind::range:
      return character >= state.a && character <= state.b;
    case Kind::not_range:
      return character < state.a || character > state.b;
    default:
      return false;
  }
}

bool Glob::matches(std::string_view text) const {
  if (!text.starts_with(prefix_)) return false;
  if (is_prefix_only_) return ends_with_star_ || text.size() == prefix_.size();
  return matches_states(text);
}

bool Glob::matches_states(std::string_view text) const {
  StateSet now(states_.size());
  StateSet later(states_.size());
  std::vector<uint32_t> stack;
  bool accepted = false;
  // Adds a state and all that it reaches without reading a character.
  const auto reach = [&](StateSet& set, uint32_t from) {
    stack.push_back(from);
    while (!stack.empty()) {
      const uint32_t number = stack.back();
      stack.pop_back();
      if (!set.add(number)) continue;
      const State& state = states_[number];
      if (state.kind == Kind::fork || state.kind == Kind::jump) stack.push_back(state.a);
      if (state.kind == Kind::fork) stack.push_back(state.b);
      if (state.kind == Kind::accept) accepted = true;
      if (state.kind < Kind::fork) set.alive.push_back(number);
    }
  };
  reach(now, 0);
  while (!text.empty()) {
    accepted = false;
    const char32_t character = take_character(text);
    for (uint32_t number : now.alive) {
      if (accepts(states_[number], character)) reach(later, number + 1);
    }
    now.clear();
    std::swap(now, later);
    if (now.alive.empty() && !accepted) return false;
  }
  return accepted;
}

}  // namespace gyre
