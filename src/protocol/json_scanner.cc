#include "protocol/json_scanner.h"

#include <simdjson.h>

#include <bit>
#include <cstring>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "protocol/json.h"

namespace gyre::protocol::json {
namespace {

bool is_digit(char byte) {
  return byte >= '0' && byte <= '9';
}

int hex_value(char byte) {
  if (byte >= '0' && byte <= '9') return byte - '0';
  if (byte >= 'a' && byte <= 'f') return byte - 'a' + 10;
  if (byte >= 'A' && byte <= 'F') return byte - 'A' + 10;
  return -1;
}

uint32_t hex4(const char* digits) {
  uint32_t value = 0;
  for (int i = 0; i < 4; ++i) value = value << 4 | static_cast<uint32_t>(hex_value(digits[i]));
  return value;
}

char* put_utf8(uint32_t point, char* out) {
  const auto put = [&out](uint32_t byte) { *out++ = static_cast<char>(byte); };
  if (point < 0x80) {
    put(point);
  } else if (point < 0x800) {
    put(0xc0 | point >> 6);
    put(0x80 | (point & 0x3f));
  } else if (point < 0x10000) {
    put(0xe0 | point >> 12);
    put(0x80 | (point >> 6 & 0x3f));
    put(0x80 | (point & 0x3f));
  } else {
    put(0xf0 | point >> 18);
    put(0x80 | (point >> 12 & 0x3f));
    put(0x80 | (point >> 6 & 0x3f));
    put(0x80 | (point & 0x3f));
  }
  return out;
}

// Which brackets are open, one bit each: true for an object. Lives on the stack, so only the bits
// in use are touched.
class Nesting {
 public:
  bool push(bool object) {
    if (depth_ == kMaxDepth) return false;
    uint64_t& word = words_[depth_ / 64];
    const uint64_t bit = uint64_t{1} << depth_ % 64;
    word = object ? word | bit : word & ~bit;
    ++depth_;
    return true;
  }
  void pop() { --depth_; }
  bool empty() const { return depth_ == 0; }
  bool in_object() const { return words_[(depth_ - 1) / 64] >> (depth_ - 1) % 64 & 1; }

 private:
  int depth_ = 0;
  uint64_t words_[(kMaxDepth + 63) / 64];
};

}  // namespace

inline void Scanner::skip_plain(bool& ascii) {
#if defined(__SSE2__)
  // As signed bytes: everything below 0x20 is a control character or, when negative, outside of
  // ASCII; adding 0x80 flips the order so that only control characters compare low.
  const __m128i quote = _mm_set1_epi8('"');
  const __m128i backslash = _mm_set1_epi8('\\');
  const __m128i flip = _mm_set1_epi8(static_cast<char>(0x80));
  const __m128i control_end = _mm_set1_epi8(static_cast<char>(0x20 ^ 0x80));
  while (end_ - position_ >= 16) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(position_));
    const __m128i special =
        _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(bytes, quote), _mm_cmpeq_epi8(bytes, backslash)),
                     _mm_cmplt_epi8(_mm_xor_si128(bytes, flip), control_end));
    const auto stops = static_cast<uint32_t>(_mm_movemask_epi8(special));
    const auto high = static_cast<uint32_t>(_mm_movemask_epi8(bytes));
    if (stops != 0) {
      ascii &= (high & (stops - 1) & ~stops) == 0;
      position_ += std::countr_zero(stops);
      return;
    }
    ascii &= high == 0;
    position_ += 16;
  }
#endif
  while (position_ != end_) {
    const auto byte = static_cast<unsigned char>(*position_);
    if (byte == '"' || byte == '\\' || byte < 0x20) return;
    ascii &= byte < 0x80;
    ++position_;
  }
}

bool Scanner::escape_sequence() {
  ++position_;
  if (position_ == end_) return false;
  const char kind = *position_++;
  if (kind != 'u') return std::string_view("\"\\/bfnrt").contains(kind);
  if (end_ - position_ < 4) return false;
  for (int i = 0; i < 4; ++i) {
    if (hex_value(*position_++) < 0) return false;
  }
  return true;
}

bool Scanner::string(std::string_view& body, bool& escaped) {
  if (!take('"')) return false;
  const char* const start = position_;
  escaped = false;
  bool ascii = true;
  for (;;) {
    skip_plain(ascii);
    if (position_ == end_) return false;
    if (*position_ == '"') break;
    if (*position_ != '\\' || !escape_sequence()) return false;
    escaped = true;
  }
  body = {start, static_cast<size_t>(position_ - start)};
  ++position_;
  return ascii || simdjson::validate_utf8(body.data(), body.size());
}

bool Scanner::digits() {
  const char* const start = position_;
  while (position_ != end_ && is_digit(*position_)) ++position_;
  return position_ != start;
}

bool Scanner::number(bool& integral) {
  integral = true;
  if (position_ != end_ && *position_ == '-') ++position_;
  if (position_ == end_) return false;
  if (*position_ == '0') {
    ++position_;
  } else if (!digits()) {
    return false;
  }
  if (position_ != end_ && *position_ == '.') {
    integral = false;
    ++position_;
    if (!digits()) return false;
  }
  if (position_ != end_ && (*position_ == 'e' || *position_ == 'E')) {
    integral = false;
    ++position_;
    if (position_ != end_ && (*position_ == '+' || *position_ == '-')) ++position_;
    if (!digits()) return false;
  }
  return true;
}

bool Scanner::skip_scalar(char first) {
  switch (first) {
    case '"': {
      std::string_view body;
      bool escaped = false;
      return string(body, escaped);
    }
    case 't':
      return take_word("true");
    case 'f':
      return take_word("false");
    case 'n':
      return take_word("null");
    default: {
      bool integral = false;
      return number(integral);
    }
  }
}

bool Scanner::skip_value() {
  Nesting open;
  std::string_view key;
  bool escaped = false;
  for (;;) {
    // A value begins here.
    const char first = peek();
    bool complete = true;
    if (first == '{') {
      ++position_;
      if (!open.push(true)) return false;
      if (peek() == '}') {
        ++position_;
        open.pop();
      } else {
        if (!string(key, escaped) || !take(':')) return false;
        complete = false;
      }
    } else if (first == '[') {
      ++position_;
      if (!open.push(false)) return false;
      if (peek() == ']') {
        ++position_;
        open.pop();
      } else {
        complete = false;
      }
    } else if (!skip_scalar(first)) {
      return false;
    }
    if (!complete) continue;
    // A value has ended here, and perhaps those around it.
    for (;;) {
      if (open.empty()) return true;
      const char next = peek();
      if (next == ',') {
        ++position_;
        if (open.in_object() && (!string(key, escaped) || !take(':'))) return false;
        break;
      }
      if (next != (open.in_object() ? '}' : ']')) return false;
      ++position_;
      open.pop();
    }
  }
}

char* unescape(std::string_view body, char* out) {
  const char* next = body.data();
  const char* const end = next + body.size();
  while (next != end) {
    const auto* backslash =
        static_cast<const char*>(std::memchr(next, '\\', static_cast<size_t>(end - next)));
    const char* const stop = backslash ? backslash : end;
    std::memcpy(out, next, static_cast<size_t>(stop - next));
    out += stop - next;
    if (!backslash) break;
    const char kind = stop[1];
    next = stop + 2;
    switch (kind) {
      case 'b':
        *out++ = '\b';
        break;
      case 'f':
        *out++ = '\f';
        break;
      case 'n':
        *out++ = '\n';
        break;
      case 'r':
        *out++ = '\r';
        break;
      case 't':
        *out++ = '\t';
        break;
      case 'u': {
        uint32_t point = hex4(next);
        next += 4;
        if (point >= 0xd800 && point < 0xdc00 && end - next >= 6 && next[0] == '\\' &&
            next[1] == 'u') {
          const uint32_t low = hex4(next + 2);
          if (low >= 0xdc00 && low < 0xe000) {
            point = 0x10000 + ((point - 0xd800) << 10) + (low - 0xdc00);
            next += 6;
          }
        }
        if (point >= 0xd800 && point < 0xe000) point = 0xfffd;
        out = put_utf8(point, out);
        break;
      }
      default:
        *out++ = kind;
    }
  }
  return out;
}

}  // namespace gyre::protocol::json
