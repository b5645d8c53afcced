#include "hub/wildcards.h"

#include <optional>
#include <utility>

#include "base/check.h"
#include "base/fault_points.h"
#include "channel/permissions.h"
#include "runtime/call.h"
#include "runtime/latch.h"

namespace gyre::hub {

namespace {

template <class Make>
runtime::Task<void> note_failure(runtime::Shard& shard, Make make, Result<void>* result,
                                 runtime::Latch* latch) {
  Result<void> one = co_await runtime::call(shard, std::move(make));
  if (!one) *result = std::move(one);
  latch->arrive();
}

}  // namespace

Wildcards::Wildcards(Homes& homes, const std::vector<Wildcards*>& all,
                     std::shared_ptr<const channel::Namespaces> namespaces, size_t most)
    : homes_(homes),
      all_(all),
      namespaces_(std::move(namespaces)),
      most_(most),
      index_(namespaces_->wildcards()->names()) {}

void Wildcards::use(std::shared_ptr<const channel::Namespaces> namespaces) {
  check_shard();
  GYRE_DCHECK(namespaces->wildcards());
  namespaces_ = std::move(namespaces);
}

// The first shard is asked first: it knows how many wildcards there are.
runtime::Task<Result<void>> Wildcards::join(std::string name, std::string namespace_name) {
  check_shard();
  const runtime::ShardId listener = homes_.shard_.id();
  runtime::ShardSet& set = homes_.shard_.set();
  const auto adding = [&](Wildcards* there) {
    // The strings are in this frame, and nobody writes to them until all have answered.
    return [there, &name, &namespace_name, listener] {
      return add_there(*there, name, namespace_name, listener);
    };
  };
  GYRE_CO_TRY_VOID(co_await runtime::call(*set.shards[0], adding(all_[0])));
  Result<void> result;
  runtime::Latch latch(all_.size() - 1);
  for (size_t i = 1; i < all_.size(); ++i) {
    if (GYRE_PLANTED(wildcard_on_first_shard)) {
      latch.arrive();
      continue;
    }
    homes_.shard_.tasks().spawn(note_failure(*set.shards[i], adding(all_[i]), &result, &latch));
  }
  co_await latch;
  co_return result;
}

runtime::Task<Result<void>> Wildcards::add_there(Wildcards& there, std::string name,
                                                 std::string namespace_name,
                                                 runtime::ShardId listener) {
  co_return there.add(name, namespace_name, listener);
}

Result<void> Wildcards::add(std::string_view name, std::string_view namespace_name,
                            runtime::ShardId listener) {
  check_shard();
  SubscribedWildcard* wildcard = index_.find(name);
  if (!wildcard) {
    if (is_first() && index_.size() >= most_) {
      return fail(Errc::too_large, "there are as many wildcards as gyre.wildcards.max_patterns");
    }
    wildcard = &index_.insert(name, namespace_name);
    note_size(1);
  } else if (wildcard->namespace_name != namespace_name) {
    // A reload has moved it, and some of those from before are still there.
    return fail(Errc::unavailable, "the wildcard is of another namespace");
  }
  wildcard->listeners.insert(listener);
  return {};
}

bool Wildcards::is_listening(std::string_view name, std::string_view namespace_name) const {
  const SubscribedWildcard* wildcard = index_.find(name);
  return wildcard && wildcard->namespace_name == namespace_name &&
         wildcard->listeners.contains(homes_.shard_.id());
}

void Wildcards::leave(std::string_view name) {
  check_shard();
  for (size_t i = 0; i < all_.size(); ++i) {
    runtime::send_errand(*homes_.shard_.set().shards[i],
                         [there = all_[i], name = std::string(name),
                          listener = homes_.shard_.id()] { there->remove(name, listener); });
  }
}

void Wildcards::remove(std::string_view name, runtime::ShardId listener) {
  check_shard();
  SubscribedWildcard* wildcard = index_.find(name);
  if (!wildcard) return;
  wildcard->listeners.erase(listener);
  if (!wildcard->listeners.empty() && !GYRE_PLANTED(wildcard_leaves_others)) return;
  index_.erase(name);
  note_size(-1);
}

void Wildcards::note_size(int change) {
  if (!is_first()) return;
  homes_.count_listened(change);
  if (homes_.metrics_) homes_.metrics_->wildcards.set(static_cast<int64_t>(index_.size()));
}

void Wildcards::arrived(std::string_view channel, const protocol::PublicationRef& publication) {
  check_shard();
  // A delivery on this shard may end a connection, and with it a wildcard: not one of these.
  std::vector<SubscribedWildcardRef> matching = std::exchange(matching_, {});
  index_.match(channel, matching);
  if (!matching.empty()) {
    const std::optional<std::string_view> its_namespace =
        channel::namespace_for_wildcards(*namespaces_, channel);
    SharedNameRef source;
    for (const SubscribedWildcardRef& wildcard : matching) {
      if (!its_namespace || wildcard->namespace_name != *its_namespace) continue;
      if (!source) source = SharedName::make(channel);
      send(*wildcard, source, publication);
    }
  }
  matching.clear();
  matching_ = std::move(matching);
}

void Wildcards::send(const SubscribedWildcard& wildcard, const SharedNameRef& source,
                     const protocol::PublicationRef& publication) {
  if (homes_.metrics_) homes_.metrics_->wildcard_publications.add();
  wildcard.listeners.for_each([&](runtime::ShardId shard) {
    LocalHub* hub = homes_.hubs_[shard.value];
    runtime::send_errand(
        homes_.shard_.set()[shard], [hub, name = wildcard.name, publication, source] {
          hub->deliver(name->text(), publication, Verdict::next, nullptr, source->text());
        });
  });
}

}  // namespace gyre::hub
