#include "client/streams.h"

namespace gyre::client {

Streams::Opening::Opening(Streams& streams, const Session& session, proxy::SubscribeStream& stream)
    : streams_(streams), place_(streams.opening_.emplace(&session, &stream)) {}

Streams::Opening::~Opening() {
  streams_.opening_.erase(place_);
}

void Streams::add(const Session& session, hub::ChannelSlot channel, Followed& followed) {
  followed_.emplace(Key(&session, channel.value), &followed);
}

Streams::Followed* Streams::find(const Session& session, hub::ChannelSlot channel) const {
  const auto found = followed_.find(Key(&session, channel.value));
  return found == followed_.end() ? nullptr : found->second;
}

void Streams::stop(const Session& session, hub::ChannelSlot channel) {
  const auto found = followed_.find(Key(&session, channel.value));
  if (found != followed_.end()) stop(found);
}

void Streams::stop_all(const Session& session) {
  auto place = followed_.lower_bound(Key(&session, 0));
  while (place != followed_.end() && place->first.first == &session) place = stop(place);
  const auto [first, last] = opening_.equal_range(&session);
  for (auto opening = first; opening != last; ++opening) opening->second->cancel();
}

Streams::Map::iterator Streams::stop(Map::iterator place) {
  Followed& followed = *place->second;
  followed.is_wanted = false;
  followed.stream->cancel();
  wake(followed);
  return followed_.erase(place);
}

void Streams::wake(const Session& session) {
  auto place = followed_.lower_bound(Key(&session, 0));
  for (; place != followed_.end() && place->first.first == &session; ++place) wake(*place->second);
}

// Later, since whoever calls may be in the middle of something.
void Streams::wake(Followed& followed) {
  if (followed.resting) shard_.resume_later(std::exchange(followed.resting, nullptr));
}

}  // namespace gyre::client
