#include "engine/broker.h"

namespace gyre::engine {

runtime::Task<Result<std::vector<protocol::StreamPosition>>> Broker::tops(
    std::vector<TopQuery> queries) {
  std::vector<protocol::StreamPosition> tops;
  tops.reserve(queries.size());
  for (TopQuery& query : queries) {
    HistoryQuery position;
    position.meta_ttl = query.meta_ttl;
    Result<HistoryPage> page = co_await history(std::move(query.channel), std::move(position));
    if (!page) co_return std::unexpected(std::move(page).error());
    tops.push_back(std::move(page->top));
  }
  co_return tops;
}

}  // namespace gyre::engine
