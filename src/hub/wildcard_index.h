#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/ref.h"
#include "base/token_pattern.h"
#include "channel/channel_name.h"
#include "hub/shard_list.h"
#include "hub/shared_name.h"

namespace gyre::hub {

// A wildcard that somebody on the node is subscribed to. Owned by the index, and by deliveries
// under way; never leaves its shard.
struct SubscribedWildcard : LocalCounted {
  SubscribedWildcard(std::string_view text, std::string_view its_namespace)
      : name(SharedName::make(text)), namespace_name(its_namespace) {}
  const SharedNameRef name;
  const std::string namespace_name;
  ShardList listeners;
};

using SubscribedWildcardRef = Ref<SubscribedWildcard>;

// The wildcards of a node, by the channels that they stand for: a tree of their tokens for each
// beginning up to a namespace boundary. A look-up visits a node of the tree once at most, and none
// but those whose tokens fit. One for each shard, owned by Wildcards.
class WildcardIndex {
 public:
  // `names`: of which only the namespace boundary counts.
  explicit WildcardIndex(channel::NameRules names) : names_(std::move(names)) {}

  // Null: it is not there.
  SubscribedWildcard* find(std::string_view name) const;
  // `name`, which is not there yet, must be a wildcard (channel::WildcardRules).
  SubscribedWildcard& insert(std::string_view name, std::string_view namespace_name);
  void erase(std::string_view name);
  size_t size() const { return by_name_.size(); }

  // Appends those whose names fit the channel's; which namespace that belongs to is not asked.
  void match(std::string_view channel, std::vector<SubscribedWildcardRef>& out) const;

 private:
  struct Node {
    bool empty() const { return literals.empty() && !any && !here && !rest; }

    std::map<std::string, Node, std::less<>> literals;  // by the next token
    std::unique_ptr<Node> any;                          // the next token is a star
    SubscribedWildcardRef here;                         // whose last token was the one before
    SubscribedWildcardRef rest;                         // whose last token comes now, and is >
  };
  static void put(Node& node, NameTokens tokens, const SubscribedWildcardRef& wildcard);
  static void take_out(Node& node, NameTokens tokens);
  static void collect(const Node& node, NameTokens tokens, std::vector<SubscribedWildcardRef>& out);

  const channel::NameRules names_;
  std::map<std::string, SubscribedWildcardRef, std::less<>> by_name_;
  std::map<std::string, Node, std::less<>> roots_;  // by what stands up to the boundary
};

}  // namespace gyre::hub
