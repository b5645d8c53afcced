#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.h"

namespace gyre {

// The tokens of a name, which dots separate, one after the other. A view into the name.
class NameTokens {
 public:
  explicit NameTokens(std::string_view name) : rest_(name) {}

  // All have been taken. Even an empty name has a token, an empty one.
  bool done() const { return is_done_; }
  // What has not been taken yet.
  std::string_view rest() const { return rest_; }
  std::string_view take() {
    const size_t dot = rest_.find('.');
    const std::string_view token = rest_.substr(0, dot);
    is_done_ = dot == std::string_view::npos;
    rest_ = is_done_ ? std::string_view() : rest_.substr(dot + 1);
    return token;
  }

 private:
  std::string_view rest_;
  bool is_done_ = false;
};

// What names of tokens have in common, in the words of NATS: `*` stands for one token, `>` in the
// last place for all that remain; neither stands for nothing, and a star among other characters is
// one of them. Immutable once compiled; any thread may match.
class TokenPattern {
 public:
  static constexpr size_t kTokensMax = 128;

  // Whether the name has a token `*` or `>`, so that it is a pattern or a broken one.
  static bool is_meant(std::string_view name);
  // The message says what is wrong, without the pattern.
  static Result<void> check(std::string_view text);
  static Result<TokenPattern> compile(std::string_view text);

  bool matches(std::string_view name) const;
  // Whether it matches every name that the other one, which must be a pattern, matches.
  bool covers(std::string_view other) const;

 private:
  explicit TokenPattern(std::string_view text) : text_(text) {}
  bool fits(std::string_view name, bool name_is_pattern) const;

  std::string text_;
};

}  // namespace gyre
