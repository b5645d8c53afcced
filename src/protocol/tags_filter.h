#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "protocol/messages.h"

namespace gyre::protocol {

// Which publications of a channel a subscriber wants, by their tags (spec subscriptions.md 7). Made
// once per subscribe, then immutable. Owns its texts.
class TagsFilter {
 public:
  // Nothing if the tree is invalid: unknown operators or comparisons, missing or superfluous parts.
  static std::optional<TagsFilter> compile(const FilterNode& root);

  bool matches(std::span<const std::pair<std::string, std::string>> tags) const {
    return matches(0, tags);
  }
  // Equal filters let the same publications pass, so subscribers with equal ones share the work.
  friend bool operator==(const TagsFilter&, const TagsFilter&) = default;

 private:
  enum class Kind : uint8_t {
    all,  // of the children
    any,
    none,
    equal,
    not_equal,
    in,
    not_in,
    exists,
    not_exists,
    starts_with,
    ends_with,
    contains,
    greater,
    greater_equal,
    less,
    less_equal,
  };
  struct Node {
    Kind kind;
    std::string key;
    std::vector<std::string> values;
    std::vector<uint32_t> children;  // places in nodes_
    friend bool operator==(const Node&, const Node&) = default;
  };
  struct Comparison;
  static const Comparison* find_comparison(std::string_view name);

  bool add(const FilterNode& source, int depth, uint32_t& place);
  static bool read_leaf(const FilterNode& source, Node& node);
  bool matches(uint32_t place, std::span<const std::pair<std::string, std::string>> tags) const;
  static bool matches_value(const Node& node, std::string_view value);

  std::vector<Node> nodes_;  // the root first
};

// A number as filters compare them: an optional sign, digits, and up to 19 digits behind a point;
// exact, whatever its length up to 200 characters.
class Decimal {
 public:
  static std::optional<Decimal> parse(std::string_view text);
  // Less than, equal to or greater than 0, as the first number is than the second.
  static int compare(const Decimal& a, const Decimal& b);

 private:
  bool is_negative_ = false;   // never of zero
  std::string_view integer_;   // without leading zeros
  std::string_view fraction_;  // without trailing zeros
};

}  // namespace gyre::protocol
