#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace gyre {

// A compiled glob pattern, as `allowed_origins` and the pattern of the API method `channels` use
// it: `*` any sequence (of any characters, `.` and `/` too), `?` one character, `[abc]`, `[!abc]`,
// `[a-z]`, `{a,b}` (may nest), `\` escapes (spec transports.md 2). A character is a code point. An
// unclosed brace ends with the pattern.
//
// Patterns and texts come from outside, so matching is a walk over a set of states, never
// backtracking: its time is the length of the text times the length of the pattern at worst.
// Immutable once compiled; any thread may match.
class Glob {
 public:
  static Result<Glob> compile(std::string_view pattern);
  bool matches(std::string_view text) const;

 private:
  friend class GlobCompiler;
  enum class Kind : uint8_t { literal, any, one_of, none_of, range, not_range, fork, jump, accept };
  struct State {
    Kind kind;
    uint32_t a = 0;  // literal: its code point; range: the low end; sets: number in sets_; fork and
                     // jump: a target
    uint32_t b = 0;  // range: the high end; fork: the other target
  };
  bool accepts(const State& state, char32_t character) const;
  bool matches_states(std::string_view text) const;

  std::string prefix_;  // the plain text that the pattern begins with: refuses most texts at once
  bool is_prefix_only_ = false;  // the pattern is prefix_ or prefix_*
  bool ends_with_star_ = false;
  std::vector<State> states_;
  std::vector<std::u32string> sets_;
};

}  // namespace gyre
