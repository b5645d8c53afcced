#include "engine/memory/stream.h"

#include <algorithm>

#include "base/fault_points.h"

namespace gyre::engine::memory {

bool Stream::is_outdated(const protocol::Publication& publication) const {
  // A stream that holds no version yet has version 0, which no version is below.
  return publication.version() > 0 && publication.version() <= version_ &&
         (publication.version_epoch().empty() || publication.version_epoch() == version_epoch_);
}

protocol::PublicationRef Stream::append(Ref<protocol::Publication> publication, int32_t size) {
  publication->offset = ++top_;
  if (top_ == 1) publication->set_epoch(epoch_);
  version_ = publication->version();
  version_epoch_ = publication->version_epoch();
  items_.emplace_back(std::move(publication));
  const int32_t kept = GYRE_PLANTED(history_one_short) ? size - 1 : size;
  while (items_.size() > static_cast<size_t>(std::max(kept, 1))) items_.pop_front();
  return items_.back();
}

Result<HistoryPage> Stream::read(const HistoryQuery& query) const {
  if (query.since && !query.since->epoch.empty() && query.since->epoch != epoch_) {
    return fail(Errc::unrecoverable, "the stream has another epoch");
  }
  HistoryPage page{.publications = {}, .top = top()};
  if (query.limit == 0 || items_.empty()) return page;
  const uint64_t oldest = items_.front()->offset;
  if (!query.since) {
    return query.reverse ? read_backward(items_.size(), query.limit) : read_forward(0, query.limit);
  }
  const uint64_t since = query.since->offset;
  if (query.reverse) {
    // Strictly below; what is not kept has nothing below it that is.
    if (since <= oldest || since > top_ + 1) return page;
    return read_backward(since - oldest, query.limit);
  }
  if (since >= top_) return page;
  if (GYRE_PLANTED(history_skips_first) && since + 1 > oldest && since + 1 < top_) {
    return read_forward(since + 2 - oldest, query.limit);
  }
  return read_forward(since + 1 > oldest ? since + 1 - oldest : 0, query.limit);
}

HistoryPage Stream::read_forward(size_t first, int32_t limit) const {
  HistoryPage page{.publications = {}, .top = top()};
  size_t count = items_.size() - first;
  if (limit > 0) count = std::min(count, static_cast<size_t>(limit));
  const auto begin = items_.begin() + static_cast<ptrdiff_t>(first);
  page.publications.assign(begin, begin + static_cast<ptrdiff_t>(count));
  return page;
}

// The newest of the first `available` items.
HistoryPage Stream::read_backward(size_t available, int32_t limit) const {
  HistoryPage page{.publications = {}, .top = top()};
  size_t count = available;
  if (limit > 0) count = std::min(count, static_cast<size_t>(limit));
  page.publications.reserve(count);
  for (size_t i = 0; i < count; ++i) page.publications.push_back(items_[available - 1 - i]);
  return page;
}

bool Stream::age(int64_t now) {
  if (now >= items_until_) items_.clear();
  return now < until_;
}

}  // namespace gyre::engine::memory
