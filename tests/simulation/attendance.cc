#include "tests/simulation/attendance.h"

#include <fmt/format.h>

#include <algorithm>

namespace gyre::sim {

namespace {

// In which whoever reads has heard of what was done to him.
constexpr os::Nanos kHeardWithin = 8 * os::kSecond;
// In which the node notices that a connection has ended.
constexpr os::Nanos kNoticedWithin = 6 * os::kSecond;

}  // namespace

void Attendance::is_live(const std::string& channel, const std::string& client,
                         const std::string& user) {
  stays_[channel].push_back({.client = client, .user = user, .live = record_.now()});
}

void Attendance::is_leaving(const std::string& channel, const std::string& client) {
  for (Stay& stay : stays_[channel]) {
    if (stay.client == client && stay.leaving == os::kForever) stay.leaving = record_.now();
  }
}

void Attendance::answered(const std::string& channel, os::Nanos asked, PresenceAnswer answer) {
  agenda_.after(kHeardWithin,
                [this, channel, asked, answered = record_.now(), answer = std::move(answer)] {
                  if (!record_.has_jumped_within(4 * kHeardWithin))
                    judge(channel, asked, answered, answer);
                });
}

void Attendance::judge(const std::string& channel, os::Nanos asked, os::Nanos answered,
                       const PresenceAnswer& answer) {
  const auto violation = [&](std::string_view what) {
    record_.violation("presence", fmt::format("of {} at {:.3f}: {}", channel,
                                              static_cast<double>(answered) / os::kSecond, what));
  };
  std::set<std::string> sure;
  std::set<std::string> sure_users;
  for (const Stay& stay : stays_[channel]) {
    // Who leaves after it, within the time that it takes to hear of it, may have left before.
    if (stay.live > asked || stay.leaving < record_.now()) continue;
    if (!hears(stay.client, 3 * kHeardWithin)) continue;
    sure.insert(stay.client);
    sure_users.insert(stay.user);
  }
  if (answer.has_counts) {
    if (has_all_ && (answer.num_clients < sure.size() || answer.num_users < sure_users.size())) {
      violation(fmt::format("{} clients of {} users, though {} of {} are there", answer.num_clients,
                            answer.num_users, sure.size(), sure_users.size()));
    }
    if (answer.num_users > std::min(answer.num_clients, users_[channel].size())) {
      violation(fmt::format("{} users of {} clients, though {} may be there", answer.num_users,
                            answer.num_clients, users_[channel].size()));
    }
    return;
  }
  for (const std::string& client : sure) {
    if (has_all_ && !answer.users.contains(client)) violation(fmt::format("{} is missing", client));
  }
  for (const Stay& stay : stays_[channel]) {
    const auto found = answer.users.find(stay.client);
    if (found != answer.users.end() && found->second != stay.user) {
      violation(fmt::format("{} is called {}", stay.client, found->second));
    }
  }
  for (const auto& [client, user] : answer.users) {
    const auto gone = gone_.find(client);
    if (has_all_ && gone != gone_.end() && gone->second + kNoticedWithin < asked) {
      violation(fmt::format("{} has gone long since", client));
    }
  }
}

}  // namespace gyre::sim
