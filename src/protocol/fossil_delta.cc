#include "protocol/fossil_delta.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

namespace gyre::protocol {

namespace {

// Copies are looked for by blocks of so many bytes; whatever is shorter goes as it is.
constexpr size_t kBlock = 16;
// How many blocks of the origin with one hash are tried at a place of the target: a bound on what a
// repetitive origin can cost.
constexpr int kCandidatesMax = 64;

constexpr std::string_view kDigits =
    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz~";

constexpr std::array<int8_t, 256> kDigitValues = [] {
  std::array<int8_t, 256> values{};
  values.fill(-1);
  for (size_t i = 0; i < kDigits.size(); ++i) {
    values[static_cast<unsigned char>(kDigits[i])] = static_cast<int8_t>(i);
  }
  return values;
}();

// Base 64, most significant digit first.
void append_number(std::string& out, uint64_t value) {
  char digits[11];
  size_t at = sizeof(digits);
  do {
    digits[--at] = kDigits[value & 63];
    value >>= 6;
  } while (value > 0);
  out.append(digits + at, sizeof(digits) - at);
}

size_t digits_of(uint64_t value) {
  size_t count = 1;
  while (value >>= 6) ++count;
  return count;
}

// The sum of the big-endian 32-bit words, the last one filled up with zeros.
uint32_t checksum(std::string_view text) {
  uint32_t sum = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    sum += uint32_t{static_cast<unsigned char>(text[i])} << (24 - 8 * (i % 4));
  }
  return sum;
}

// A hash of a window of kBlock bytes that moves on byte by byte.
class RollingHash {
 public:
  explicit RollingHash(const char* window) {
    for (size_t i = 0; i < kBlock; ++i) {
      const auto byte = static_cast<unsigned char>(window[i]);
      sum_ += byte;
      weighted_ += static_cast<uint32_t>(kBlock - i) * byte;
    }
  }
  void move(char leaving, char entering) {
    sum_ += static_cast<unsigned char>(entering) - uint32_t{static_cast<unsigned char>(leaving)};
    weighted_ += sum_ - static_cast<uint32_t>(kBlock) * static_cast<unsigned char>(leaving);
  }
  uint32_t value() const { return (sum_ & 0xffff) | weighted_ << 16; }

 private:
  uint32_t sum_ = 0;
  uint32_t weighted_ = 0;
};

// Where the blocks of the origin stand, by their hash.
class BlockIndex {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;

  explicit BlockIndex(std::string_view origin)
      : heads_(std::max<size_t>(1, origin.size() / kBlock), kNone),
        next_(origin.size() / kBlock, kNone) {
    for (size_t block = 0; block < next_.size(); ++block) {
      uint32_t& head = heads_[bucket(RollingHash(origin.data() + block * kBlock).value())];
      next_[block] = head;
      head = static_cast<uint32_t>(block);
    }
  }
  uint32_t first(uint32_t hash) const { return heads_[bucket(hash)]; }
  uint32_t next(uint32_t block) const { return next_[block]; }

 private:
  size_t bucket(uint32_t hash) const { return hash % heads_.size(); }
  std::vector<uint32_t> heads_;
  std::vector<uint32_t> next_;
};

struct Match {
  size_t origin = 0;  // where it stands there
  size_t target = 0;
  size_t length = 0;
};

// The longest worthwhile match around the window at `at`; it may reach back to `from`, which is the
// end of what is encoded already.
Match best_match(std::string_view origin, std::string_view target, const BlockIndex& index,
                 uint32_t hash, size_t from, size_t at) {
  Match best;
  int candidates = 0;
  for (uint32_t block = index.first(hash);
       block != BlockIndex::kNone && candidates < kCandidatesMax; block = index.next(block)) {
    ++candidates;
    const size_t begin = size_t{block} * kBlock;
    const size_t limit = std::min(origin.size() - begin, target.size() - at);
    size_t forward = 0;
    while (forward < limit && origin[begin + forward] == target[at + forward]) ++forward;
    if (forward < kBlock) continue;  // another block with this hash
    const size_t back_limit = std::min(begin, at - from);
    size_t back = 0;
    while (back < back_limit && origin[begin - back - 1] == target[at - back - 1]) ++back;
    const size_t length = forward + back;
    // What the commands of a copy and of the literal before it take.
    const size_t cost =
        digits_of(at - back - from) + digits_of(length) + digits_of(begin - back) + 3;
    if (length >= cost && length > best.length) best = {begin - back, at - back, length};
  }
  return best;
}

void append_literal(std::string& out, std::string_view bytes) {
  append_number(out, bytes.size());
  out += ':';
  out += bytes;
}

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  bool number(uint64_t& value) {
    value = 0;
    size_t digits = 0;
    while (!text_.empty()) {
      const int8_t digit = kDigitValues[static_cast<unsigned char>(text_.front())];
      if (digit < 0) break;
      if (++digits > 8) return false;  // more than any size there is
      value = value << 6 | static_cast<uint64_t>(digit);
      text_.remove_prefix(1);
    }
    return digits > 0;
  }
  bool take(char wanted) {
    if (text_.empty() || text_.front() != wanted) return false;
    text_.remove_prefix(1);
    return true;
  }
  bool bytes(uint64_t count, std::string_view& result) {
    if (count > text_.size()) return false;
    result = text_.substr(0, count);
    text_.remove_prefix(count);
    return true;
  }
  bool is_at_end() const { return text_.empty(); }

 private:
  std::string_view text_;
};

}  // namespace

void append_fossil_delta(std::string_view origin, std::string_view target, std::string& out) {
  append_number(out, target.size());
  out += '\n';
  size_t done = 0;
  if (origin.size() > kBlock && target.size() >= kBlock) {
    const BlockIndex index(origin);
    size_t at = 0;
    RollingHash hash(target.data());
    while (at + kBlock <= target.size()) {
      const Match match = best_match(origin, target, index, hash.value(), done, at);
      if (match.length > 0) {
        if (match.target > done) append_literal(out, target.substr(done, match.target - done));
        append_number(out, match.length);
        out += '@';
        append_number(out, match.origin);
        out += ',';
        done = at = match.target + match.length;
        if (at + kBlock <= target.size()) hash = RollingHash(target.data() + at);
      } else {
        if (at + kBlock < target.size()) hash.move(target[at], target[at + kBlock]);
        ++at;
      }
    }
  }
  // An empty target has an empty literal, as the reference writes it.
  if (done < target.size() || target.empty()) append_literal(out, target.substr(done));
  append_number(out, checksum(target));
  out += ';';
}

std::optional<std::string> apply_fossil_delta(std::string_view origin, std::string_view delta,
                                              size_t bytes_max) {
  Reader reader(delta);
  uint64_t size = 0;
  if (!reader.number(size) || !reader.take('\n') || size > bytes_max) return std::nullopt;
  std::string result;
  uint64_t count = 0;
  while (reader.number(count)) {
    if (reader.take('@')) {
      uint64_t offset = 0;
      if (!reader.number(offset) || !reader.take(',')) return std::nullopt;
      if (offset > origin.size() || count > origin.size() - offset) return std::nullopt;
      if (count > size - result.size()) return std::nullopt;
      result += origin.substr(offset, count);
    } else if (reader.take(':')) {
      std::string_view bytes;
      if (count > size - result.size() || !reader.bytes(count, bytes)) return std::nullopt;
      result += bytes;
    } else if (reader.take(';')) {
      const bool is_whole = reader.is_at_end() && result.size() == size;
      if (!is_whole || count != checksum(result)) return std::nullopt;
      return result;
    } else {
      return std::nullopt;
    }
  }
  return std::nullopt;
}

}  // namespace gyre::protocol
