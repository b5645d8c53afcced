#include "base/token_pattern.h"

namespace gyre {

namespace {

bool is_wild(std::string_view token) {
  return token == "*" || token == ">";
}

}  // namespace

bool TokenPattern::is_meant(std::string_view name) {
  if (name.find_first_of("*>") == std::string_view::npos) return false;
  for (NameTokens tokens(name); !tokens.done();) {
    if (is_wild(tokens.take())) return true;
  }
  return false;
}

Result<void> TokenPattern::check(std::string_view text) {
  bool has_wild = false;
  size_t count = 0;
  for (NameTokens tokens(text); !tokens.done();) {
    const std::string_view token = tokens.take();
    if (token.empty()) return fail(Errc::invalid, "has an empty token");
    if (++count > kTokensMax) return fail(Errc::invalid, "has more than 128 tokens");
    if (token == ">" && !tokens.done()) {
      return fail(Errc::invalid, "has a > that is not its last token");
    }
    has_wild |= is_wild(token);
  }
  if (!has_wild) return fail(Errc::invalid, "has neither * nor > as a token");
  return {};
}

Result<TokenPattern> TokenPattern::compile(std::string_view text) {
  GYRE_TRY_VOID(check(text));
  return TokenPattern(text);
}

bool TokenPattern::fits(std::string_view name, bool name_is_pattern) const {
  NameTokens given(name);
  for (NameTokens wanted(text_); !wanted.done();) {
    const std::string_view token = wanted.take();
    if (token == ">") return !given.rest().empty();
    if (given.done()) return false;
    const std::string_view one = given.take();
    if (token != "*") {
      if (token != one) return false;
    } else if (one.empty() || (name_is_pattern && one == ">")) {
      return false;
    }
  }
  return given.done();
}

bool TokenPattern::matches(std::string_view name) const {
  return fits(name, false);
}

bool TokenPattern::covers(std::string_view other) const {
  return fits(other, true);
}

}  // namespace gyre
