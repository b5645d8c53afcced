#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "channel/namespaces.h"
#include "hub/home.h"
#include "hub/local_hub.h"
#include "hub/wildcard_index.h"
#include "metrics/shard_metrics.h"
#include "protocol/publication.h"
#include "runtime/shard.h"
#include "runtime/shard_bound.h"
#include "runtime/task.h"

namespace gyre::hub {

// Subscriptions to wildcards (docs/wildcards.md), which have no home: every shard has a copy of the
// list of all wildcards that somebody on the node is subscribed to, with the shards that listen,
// and sends them what is published in the channels that are at home on it. So the publications of
// one channel stay in order. One for each shard, owned by its assembly, where there are rules that
// allow wildcards; lives as long as the shard.
class Wildcards : runtime::ShardBound {
 public:
  // `all`: by shard; complete before the first use, as `hubs`. `homes` of the same shard; to be
  // told of this by Homes::feed. `namespaces` must have wildcards. `most`: so many different
  // wildcards at once.
  Wildcards(Homes& homes, const std::vector<Wildcards*>& all,
            std::shared_ptr<const channel::Namespaces> namespaces, size_t most);

  // The namespaces of a new configuration, for publications from now on.
  void use(std::shared_ptr<const channel::Namespaces> namespaces);

  // --- From the shard of the subscribers.
  // Makes this shard a listener of the wildcard, which belongs to the namespace: it gets all that
  // is published after the task has ended. Errc::too_large: there are as many wildcards as there
  // may be. After a failure the shard leaves, as it does in the end.
  runtime::Task<Result<void>> join(std::string name, std::string namespace_name);
  // Whether this shard is one, and those that it listens with are of that namespace.
  bool is_listening(std::string_view name, std::string_view namespace_name) const;
  // The shard's last receiver has gone.
  void leave(std::string_view name);
  // Whether names like this one are left here, not at a home.
  bool is_wildcard(std::string_view name) const { return namespaces_->is_wildcard(name); }

  // --- From Homes.
  bool empty() const { return index_.size() == 0; }
  void arrived(std::string_view channel, const protocol::PublicationRef& publication);

 private:
  Result<void> add(std::string_view name, std::string_view namespace_name,
                   runtime::ShardId listener);
  static runtime::Task<Result<void>> add_there(Wildcards& there, std::string name,
                                               std::string namespace_name,
                                               runtime::ShardId listener);
  void remove(std::string_view name, runtime::ShardId listener);
  void send(const SubscribedWildcard& wildcard, const SharedNameRef& source,
            const protocol::PublicationRef& publication);
  // The list is counted on one shard.
  bool is_first() const { return all_.front() == this; }
  void note_size(int change);

  Homes& homes_;
  const std::vector<Wildcards*>& all_;
  std::shared_ptr<const channel::Namespaces> namespaces_;
  const size_t most_;
  WildcardIndex index_;
  std::vector<SubscribedWildcardRef> matching_;  // spare for `arrived`
};

}  // namespace gyre::hub
