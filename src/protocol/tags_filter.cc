#include "protocol/tags_filter.h"

#include <algorithm>

#include "protocol/command_reader.h"

namespace gyre::protocol {

struct TagsFilter::Comparison {
  enum class Takes : uint8_t { nothing, value, values };
  std::string_view name;
  Kind kind;
  Takes takes;
};

const TagsFilter::Comparison* TagsFilter::find_comparison(std::string_view name) {
  using Takes = Comparison::Takes;
  static constexpr Comparison kComparisons[] = {
      {"eq", Kind::equal, Takes::value},
      {"neq", Kind::not_equal, Takes::value},
      {"in", Kind::in, Takes::values},
      {"nin", Kind::not_in, Takes::values},
      {"ex", Kind::exists, Takes::nothing},
      {"nex", Kind::not_exists, Takes::nothing},
      {"sw", Kind::starts_with, Takes::value},
      {"ew", Kind::ends_with, Takes::value},
      {"ct", Kind::contains, Takes::value},
      {"gt", Kind::greater, Takes::value},
      {"gte", Kind::greater_equal, Takes::value},
      {"lt", Kind::less, Takes::value},
      {"lte", Kind::less_equal, Takes::value},
  };
  const auto* found = std::ranges::find(kComparisons, name, &Comparison::name);
  return found == std::end(kComparisons) ? nullptr : found;
}

std::optional<TagsFilter> TagsFilter::compile(const FilterNode& root) {
  TagsFilter filter;
  uint32_t place = 0;
  if (!filter.add(root, 0, place)) return std::nullopt;
  return filter;
}

bool TagsFilter::add(const FilterNode& source, int depth, uint32_t& place) {
  // Readers bound the depth already; this is for trees from elsewhere.
  if (depth > kFilterDepthMax) return false;
  place = static_cast<uint32_t>(nodes_.size());
  nodes_.emplace_back();
  if (source.op.empty()) return read_leaf(source, nodes_[place]);
  Kind kind;
  if (source.op == "and") {
    kind = Kind::all;
  } else if (source.op == "or") {
    kind = Kind::any;
  } else if (source.op == "not") {
    kind = Kind::none;
  } else {
    return false;
  }
  if (source.nodes.empty() || (kind == Kind::none && source.nodes.size() != 1)) return false;
  nodes_[place].kind = kind;
  for (const FilterNode& child : source.nodes) {
    uint32_t child_place = 0;
    if (!add(child, depth + 1, child_place)) return false;
    nodes_[place].children.push_back(child_place);
  }
  return true;
}

bool TagsFilter::read_leaf(const FilterNode& source, Node& node) {
  const Comparison* comparison = find_comparison(source.cmp);
  if (!comparison) return false;
  using Takes = Comparison::Takes;
  const bool has_value = !source.val.empty();
  const bool has_values = !source.vals.empty();
  if (has_value != (comparison->takes == Takes::value)) return false;
  if (has_values != (comparison->takes == Takes::values)) return false;
  if (source.key.empty() && comparison->takes != Takes::nothing) return false;
  node.kind = comparison->kind;
  node.key = source.key;
  if (has_value) node.values.emplace_back(source.val);
  for (const std::string_view value : source.vals) node.values.emplace_back(value);
  return true;
}

bool TagsFilter::matches(uint32_t place,
                         std::span<const std::pair<std::string, std::string>> tags) const {
  const Node& node = nodes_[place];
  const auto child_matches = [&](uint32_t child) { return matches(child, tags); };
  if (node.kind == Kind::all) return std::ranges::all_of(node.children, child_matches);
  if (node.kind == Kind::any) return std::ranges::any_of(node.children, child_matches);
  if (node.kind == Kind::none) return !matches(node.children.front(), tags);
  const auto tag = std::ranges::find(tags, node.key, &std::pair<std::string, std::string>::first);
  const bool is_present = tag != tags.end();
  switch (node.kind) {
    case Kind::exists:
      return is_present;
    case Kind::not_exists:
      return !is_present;
    case Kind::not_equal:
      return !is_present || tag->second != node.values.front();
    case Kind::in:
    case Kind::not_in: {
      // An absent tag acts as an empty one.
      const std::string_view value = is_present ? std::string_view(tag->second) : "";
      const bool is_listed = std::ranges::find(node.values, value) != node.values.end();
      return is_listed == (node.kind == Kind::in);
    }
    default:
      return is_present && matches_value(node, tag->second);
  }
}

bool TagsFilter::matches_value(const Node& node, std::string_view value) {
  const std::string& wanted = node.values.front();
  switch (node.kind) {
    case Kind::equal:
      return value == wanted;
    case Kind::starts_with:
      return value.starts_with(wanted);
    case Kind::ends_with:
      return value.ends_with(wanted);
    case Kind::contains:
      return value.find(wanted) != std::string_view::npos;
    default:
      break;
  }
  const std::optional<Decimal> a = Decimal::parse(value);
  const std::optional<Decimal> b = Decimal::parse(wanted);
  if (!a || !b) return false;
  const int order = Decimal::compare(*a, *b);
  switch (node.kind) {
    case Kind::greater:
      return order > 0;
    case Kind::greater_equal:
      return order >= 0;
    case Kind::less:
      return order < 0;
    case Kind::less_equal:
      return order <= 0;
    default:
      return false;
  }
}

std::optional<Decimal> Decimal::parse(std::string_view text) {
  constexpr size_t kTextMax = 200;
  constexpr size_t kFractionMax = 19;
  if (text.size() > kTextMax) return std::nullopt;
  Decimal result;
  if (text.starts_with('-') || text.starts_with('+')) {
    result.is_negative_ = text.front() == '-';
    text.remove_prefix(1);
  }
  const auto is_digits = [](std::string_view digits) {
    return !digits.empty() && digits.find_first_not_of("0123456789") == std::string_view::npos;
  };
  const size_t point = text.find('.');
  result.integer_ = text.substr(0, point);
  if (!is_digits(result.integer_)) return std::nullopt;
  if (point != std::string_view::npos) {
    result.fraction_ = text.substr(point + 1);
    if (!is_digits(result.fraction_) || result.fraction_.size() > kFractionMax) {
      return std::nullopt;
    }
  }
  result.integer_.remove_prefix(
      std::min(result.integer_.find_first_not_of('0'), result.integer_.size()));
  while (result.fraction_.ends_with('0')) result.fraction_.remove_suffix(1);
  if (result.integer_.empty() && result.fraction_.empty()) result.is_negative_ = false;
  return result;
}

int Decimal::compare(const Decimal& a, const Decimal& b) {
  if (a.is_negative_ != b.is_negative_) return a.is_negative_ ? -1 : 1;
  const auto sign = [](auto order) { return order < 0 ? -1 : order > 0 ? 1 : 0; };
  int order = sign(a.integer_.size() <=> b.integer_.size());
  if (order == 0) order = sign(a.integer_ <=> b.integer_);
  // Without trailing zeros the shorter fraction is the smaller one where it is a prefix.
  if (order == 0) order = sign(a.fraction_ <=> b.fraction_);
  return a.is_negative_ ? -order : order;
}

}  // namespace gyre::protocol
