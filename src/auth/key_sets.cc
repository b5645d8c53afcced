#include "auth/key_sets.h"

#include <algorithm>

namespace gyre::auth {

// A set being asked for, and those who wait for the same answer.
struct KeySets::Inquiry {
  std::vector<std::coroutine_handle<>> waiting;
  // Of its own, since one who is told may make room for another set, and this one may go for it.
  Result<void> result;

  struct Share {
    Inquiry& inquiry;
    bool await_ready() const { return false; }
    void await_suspend(std::coroutine_handle<> coroutine) { inquiry.waiting.push_back(coroutine); }
    Result<void> await_resume() const { return inquiry.result; }
  };
};

const Jwk* KeySets::find(const KeyReference& reference) const {
  const auto set = sets_.find(reference.url);
  if (set == sets_.end() || shard_.now() >= set->second->good_until) return nullptr;
  const auto key = std::ranges::find(set->second->keys, reference.id, &Jwk::id);
  return key == set->second->keys.end() ? nullptr : &*key;
}

bool KeySets::is_settled(const KeyReference& reference) const {
  if (find(reference)) return true;
  const auto set = sets_.find(reference.url);
  return set != sets_.end() && !set->second->inquiry && set->second->latest &&
         shard_.now() < set->second->again_at && shard_.now() < set->second->good_until;
}

runtime::Task<Result<void>> KeySets::load(std::string url) {
  if (sets_.size() >= kSetsMax && !sets_.contains(url)) make_room();
  std::unique_ptr<Set>& place = sets_[url];
  if (!place) place = std::make_unique<Set>();
  Set& set = *place;  // stays while its inquiry lasts
  if (set.inquiry) co_return co_await Inquiry::Share{*set.inquiry};
  if (shard_.now() < set.again_at) co_return set.latest;

  Inquiry inquiry;
  set.inquiry = &inquiry;
  Result<std::vector<Jwk>> keys = co_await ask(url);
  set.inquiry = nullptr;
  const os::Nanos pause = kPause * std::max<os::Nanos>(shard_.set().size(), 1);
  set.again_at = shard_.now() + (keys ? pause : std::min(pause, kPauseAfterFailureMax));
  if (keys) {
    set.keys = std::move(*keys);
    set.good_until = shard_.now() + kGoodFor;
    set.latest = {};
  } else {
    set.latest = std::unexpected(std::move(keys).error());
  }
  inquiry.result = set.latest;
  for (const std::coroutine_handle<> one : inquiry.waiting) one.resume();
  co_return inquiry.result;
}

runtime::Task<Result<std::vector<Jwk>>> KeySets::ask(const std::string& url) {
  Error error;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const Result<outbound::HttpResponse> response =
        co_await client_.fetch({.url = url, .timeout = os::kSecond, .response_max = kBytesMax});
    if (!response) {
      error = response.error();
    } else if (response->status != 200) {
      error = {Errc::unavailable, "status " + std::to_string(response->status)};
    } else {
      Result<std::vector<Jwk>> keys = read_key_set(response->body);
      if (keys) co_return keys;
      error = std::move(keys).error();
    }
  }
  co_return std::unexpected(std::move(error));
}

// Takes out a set that nobody is asking for.
void KeySets::make_room() {
  const auto idle =
      std::ranges::find_if(sets_, [](const auto& entry) { return !entry.second->inquiry; });
  if (idle != sets_.end()) sets_.erase(idle);
}

}  // namespace gyre::auth
