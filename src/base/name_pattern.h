#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace gyre {

// Whether the text is what the pattern says: `*` stands for any sequence of characters, every other
// character for itself. Takes time by the size of both, not of their product: clients choose names,
// and the bearers of tokens may have chosen patterns.
bool matches_glob(std::string_view pattern, std::string_view text);

// Letters, digits and underscores, and no digit in front.
bool is_identifier(std::string_view text);

// A shape that names have. One that begins with a slash is a path: `:id` at the end of a segment
// stands for one character or more, up to the next slash (`/users/:id`, `/rooms/room_:number/log`).
// Any other is text with stars. Immutable once compiled; any thread may match.
class NamePattern {
 public:
  // The message says what is wrong, without the pattern.
  static Result<NamePattern> compile(std::string_view text);

  bool is_path() const { return !segments_.empty(); }
  bool matches(std::string_view name) const;

 private:
  struct Segment {
    std::string text;  // with a variable what stands in front of it
    bool has_variable = false;
  };
  std::vector<Segment> segments_;  // of a path, without the slashes
  std::string glob_;
};

}  // namespace gyre
