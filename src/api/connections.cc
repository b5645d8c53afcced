// The command that tells of connections (docs/connections.md).
#include <algorithm>

#include "api/names.h"
#include "api/service.h"

namespace gyre::api {

namespace {

// Of memory for one answer, whose text takes as much again.
constexpr size_t kFactsBytesMax = size_t{128} * 1024 * 1024;
// The order is that of the ids, unless sorting would hold up the shard.
constexpr size_t kSortedFactsMax = 16'384;

}  // namespace

runtime::Task<Answer<ConnectionsResult>> Service::connections(ConnectionsRequest request) {
  check_shard();
  if (connections_max_ == 0) co_return refuse(errors::kNotFound);
  if (request.user.size() > kNameBytesMax) co_return refuse(errors::kBadRequest);
  // To tell of more than was asked for would be no answer.
  if (!request.expression.empty() || request.label_filter) co_return refuse(errors::kNotAvailable);
  std::optional<std::string> user;
  if (!request.user.empty()) user = std::move(request.user);
  auto found = co_await audience_.connections(
      std::move(user), {.connections = connections_max_, .bytes = kFactsBytesMax});
  if (!found) co_return refuse(errors::kLimitExceeded);
  if (found->size() <= kSortedFactsMax) {
    std::ranges::sort(*found, {}, &client::ConnectionFacts::client);
  }
  co_return ConnectionsResult{std::move(*found)};
}

}  // namespace gyre::api
