#pragma once

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <system_error>

namespace gyre::protocol::json {

// Walks over JSON text, strictly (RFC 8259) and in one pass: every byte of a value is validated on
// the way. Methods that answer false have met text that is not JSON, or not of the type asked for;
// the position is then meaningless. Never recurses, never reads past the end, keeps nothing but the
// position.
class Scanner {
 public:
  explicit Scanner(std::string_view text)
      : position_(text.data()), end_(text.data() + text.size()) {}

  const char* position() const { return position_; }
  bool at_end() const { return position_ == end_; }

  // Skips whitespace and tells the next byte; 0 at the end (which is no byte that JSON could go on
  // with).
  char peek() {
    while (position_ != end_) {
      const char next = *position_;
      if (static_cast<unsigned char>(next) > ' ') return next;
      if (next != ' ' && next != '\n' && next != '\r' && next != '\t') return next;
      ++position_;
    }
    return 0;
  }
  // Takes this byte if it comes next after whitespace.
  bool take(char byte) {
    if (peek() != byte) return false;
    ++position_;
    return true;
  }
  // Takes `null`, `true` or `false`.
  bool take_word(std::string_view word) {
    if (static_cast<size_t>(end_ - position_) < word.size() ||
        std::memcmp(position_, word.data(), word.size()) != 0) {
      return false;
    }
    position_ += word.size();
    return true;
  }

  // Takes the string `name` if it comes next, written plainly and directly at the position. The
  // cheap way to recognise a name: nothing has to be scanned for its end.
  [[gnu::always_inline]] bool take_name(std::string_view name) {
    const size_t size = name.size();
    if (static_cast<size_t>(end_ - position_) < size + 2 || position_[0] != '"' ||
        position_[size + 1] != '"' || std::memcmp(position_ + 1, name.data(), size) != 0) {
      return false;
    }
    position_ += size + 2;
    return true;
  }

  // A string as it stands, without its quotes; `escaped` tells whether unescape() is needed.
  bool string(std::string_view& body, bool& escaped);

  template <class Integer>
  bool integer(Integer& value) {
    peek();
    const char* const start = position_;
    bool integral = false;
    if (!number(integral) || !integral) return false;
    const auto [end, error] = std::from_chars(start, position_, value);
    return error == std::errc() && end == position_;
  }

  // Any value; nested no deeper than kMaxDepth.
  bool skip_value();

 private:
  bool number(bool& integral);
  bool digits();
  bool skip_scalar(char first);
  bool escape_sequence();
  // Moves to the next byte of a string that is not an ordinary character: a quote, a backslash or a
  // control character. Notes whether a byte outside of ASCII was passed.
  void skip_plain(bool& ascii);

  const char* position_;
  const char* end_;
};

// Resolves the escapes of a string's body, which string() has accepted, into `out`, which has room
// for body.size() bytes. Answers the end of what it wrote. Escaped lone surrogates become U+FFFD.
char* unescape(std::string_view body, char* out);

}  // namespace gyre::protocol::json
