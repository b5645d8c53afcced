#include "hub/wildcard_index.h"

#include <utility>

#include "base/fault_points.h"

namespace gyre::hub {

// The depth of what calls itself here is that of the tree: TokenPattern::kTokensMax.

SubscribedWildcard* WildcardIndex::find(std::string_view name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : found->second.get();
}

SubscribedWildcard& WildcardIndex::insert(std::string_view name, std::string_view namespace_name) {
  auto wildcard = make_ref<SubscribedWildcard>(name, namespace_name);
  const channel::SplitName split = channel::split_at_boundary(name, names_);
  put(roots_[std::string(split.start)], NameTokens(split.rest), wildcard);
  return *by_name_.emplace(name, std::move(wildcard)).first->second;
}

void WildcardIndex::put(Node& node, NameTokens tokens, const SubscribedWildcardRef& wildcard) {
  const std::string_view token = tokens.take();
  if (token == ">") {
    node.rest = wildcard;
    return;
  }
  Node* next = nullptr;
  if (token == "*") {
    if (!node.any) node.any = std::make_unique<Node>();
    next = node.any.get();
  } else {
    next = &node.literals[std::string(token)];
  }
  if (tokens.done()) {
    next->here = wildcard;
  } else {
    put(*next, tokens, wildcard);
  }
}

void WildcardIndex::erase(std::string_view name) {
  const auto found = by_name_.find(name);
  if (found == by_name_.end()) return;
  const channel::SplitName split = channel::split_at_boundary(name, names_);
  const auto root = roots_.find(split.start);
  take_out(root->second, NameTokens(split.rest));
  if (root->second.empty()) roots_.erase(root);
  by_name_.erase(found);
}

void WildcardIndex::take_out(Node& node, NameTokens tokens) {
  const std::string_view token = tokens.take();
  if (token == ">") {
    node.rest.reset();
    return;
  }
  const auto literal = node.literals.find(token);
  Node& next = token == "*" ? *node.any : literal->second;
  if (tokens.done()) {
    next.here.reset();
  } else {
    take_out(next, tokens);
  }
  if (!next.empty()) return;
  if (token == "*") {
    node.any.reset();
  } else {
    node.literals.erase(literal);
  }
}

void WildcardIndex::match(std::string_view channel, std::vector<SubscribedWildcardRef>& out) const {
  const auto look = [&](std::string_view start, std::string_view rest) {
    const auto root = roots_.find(start);
    if (root != roots_.end()) collect(root->second, NameTokens(rest), out);
  };
  // A boundary in the channel's name need not be one for a wildcard that has none.
  const channel::SplitName split = channel::split_at_boundary(channel, names_);
  look("", channel);
  if (!split.start.empty()) look(split.start, split.rest);
}

void WildcardIndex::collect(const Node& node, NameTokens tokens,
                            std::vector<SubscribedWildcardRef>& out) {
  if (node.rest && !tokens.rest().empty()) out.push_back(node.rest);
  const std::string_view token = tokens.take();
  const auto go_on = [&](const Node& next) {
    if (!tokens.done()) {
      collect(next, tokens, out);
    } else if (next.here) {
      out.push_back(next.here);
    }
    if (!tokens.done() && next.here && GYRE_PLANTED(wildcard_star_takes_rest)) {
      out.push_back(next.here);
    }
  };
  if (const auto literal = node.literals.find(token); literal != node.literals.end()) {
    go_on(literal->second);
  }
  if (node.any && !token.empty()) go_on(*node.any);
}

}  // namespace gyre::hub
