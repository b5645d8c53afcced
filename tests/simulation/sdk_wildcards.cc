// What the simulated client's wildcards bring it: all that is published in the channels that they
// stand for, and nothing else.
#include <fmt/format.h>

#include "tests/simulation/sdk_client.h"

namespace gyre::sim {

// What has been published before the answer may have come too early, or be on its way.
void SdkClient::open_streams(Subscription& subscription) const {
  subscription.streams.clear();
  for (const auto& [channel, kind] : *options_.channels) {
    if (kind.is_wildcard || !stands_for(subscription.kind.name, channel)) continue;
    subscription.streams[channel].due = ledger_.count(channel);
  }
}

void SdkClient::check_of_wildcard(Subscription& subscription, const ReadPublication& publication) {
  const std::string& name = subscription.kind.name;
  const std::string& channel = publication.channel;
  note(fmt::format("{} of {}: {}", channel, name, publication.data.substr(0, 14)));
  const auto stream = subscription.streams.find(channel);
  if (stream == subscription.streams.end()) {
    return violation(fmt::format("{} does not stand for {}", name, channel));
  }
  const auto place = find_published(subscription, channel, publication);
  if (!place) return;
  std::optional<size_t>& last = stream->second.last_place;
  if (last && *place <= *last) {
    return violation(
        fmt::format("{}: {} came late or twice by {}", channel, publication.data, name));
  }
  check_nothing_missing(subscription, channel, *place);
  last = place;
}

void SdkClient::check_nothing_missing(const Subscription& subscription, const std::string& channel,
                                      size_t end) const {
  for (size_t i = subscription.streams.at(channel).next(); i < end; ++i) {
    const Ledger::Entry& missed = ledger_.at(channel, i);
    if (!passes(subscription, missed)) continue;
    violation(fmt::format("{}: {} is missing in {}", channel, missed.payload.substr(0, 14),
                          subscription.kind.name));
  }
}

void SdkClient::check_wildcards() const {
  for (const auto& [name, one] : subscriptions_) {
    if (!one.kind.is_wildcard || one.state != Subscription::State::live) continue;
    for (const auto& [channel, stream] : one.streams) {
      check_nothing_missing(one, channel, ledger_.count(channel));
    }
  }
}

}  // namespace gyre::sim
