#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>

#include "tests/simulation/ledger.h"

namespace gyre::sim {

// What a token says of itself, as far as it takes to revoke it.
struct TokenSeal {
  std::string uid;
  int64_t issued_at = 0;
};

// What the server API has taken back: users that are blocked and tokens that are revoked, as far as
// the answers say so. Between a request and its answer nobody knows. Owned by the scenario.
class Bans {
 public:
  explicit Bans(const Record& record) : record_(record) {}

  // --- Requests and their answers. `key`: see the functions below.
  void asked(const std::string& key) { words_[key] = {.may_hold = true}; }
  void answered(const std::string& key) {
    Word& word = words_[key];
    if (word.may_hold && !word.is_being_lifted) word.since = record_.now();
  }
  void lifting(const std::string& key) {
    words_[key].since = 0;
    words_[key].is_being_lifted = true;
  }
  void lifted(const std::string& key) {
    // One of several requests to lift it may be answered when it has been asked for again.
    if (words_[key].is_being_lifted) words_[key] = {.lifted_at = record_.now()};
  }
  // The node that knew of them has been killed.
  void forget() {
    for (auto& [key, word] : words_) {
      // What has no answer yet may still be asked of the next one.
      if (word.since > 0 || !word.may_hold) word = {.lifted_at = record_.now()};
    }
  }
  static std::string user_key(const std::string& user) { return "user " + user; }
  static std::string token_key(const std::string& uid) { return "token " + uid; }
  // In place of the user where it is about tokens for his subscriptions to the channel.
  static std::string scope(const std::string& user, const std::string& channel) {
    return user + " " + channel;
  }
  // The user's tokens that were issued before that second.
  void invalidated(const std::string& user, int64_t issued_before) {
    Second& second = issued_before_[user];
    second = {.last = issued_before, .most = std::max(second.most, issued_before)};
  }
  // The answer to that; another request may be on its way by now.
  void invalidation_answered(const std::string& user, int64_t issued_before) {
    if (second_of(user).last == issued_before) answered(issue_key(user));
  }
  static std::string issue_key(const std::string& user) { return "issue " + user; }

  // --- What holds. Since when it surely does; 0: it may not.
  os::Nanos user_since(const std::string& user) const { return since(user_key(user)); }
  os::Nanos token_since(const std::string& user, const TokenSeal& token) const {
    if (const os::Nanos time = since(token_key(token.uid)); time > 0) return time;
    return token.issued_at < second_of(user).last ? since(issue_key(user)) : 0;
  }
  // It has been asked for, and has not been lifted since.
  bool is_asked(const std::string& key) const {
    const auto found = words_.find(key);
    return found != words_.end() && found->second.may_hold;
  }
  bool may_be_blocked(const std::string& user) const { return may_hold(user_key(user)); }
  bool may_be_revoked(const std::string& user, const TokenSeal& token) const {
    return may_hold(token_key(token.uid)) ||
           (token.issued_at < second_of(user).most && may_hold(issue_key(user)));
  }
  // Which of them have yet to be lifted.
  template <class Visit>
  void for_each_block(Visit visit) const {
    constexpr std::string_view kUser = "user ";
    for (const auto& [key, word] : words_) {
      if (word.may_hold && key.starts_with(kUser)) visit(key.substr(kUser.size()));
    }
  }

 private:
  struct Word {
    bool may_hold = false;
    bool is_being_lifted = false;
    os::Nanos since = 0;
    os::Nanos lifted_at = 0;
  };
  os::Nanos since(const std::string& key) const {
    const auto found = words_.find(key);
    return found == words_.end() ? 0 : found->second.since;
  }
  // Now, or so lately that the client may be hearing of it.
  bool may_hold(const std::string& key) const {
    constexpr os::Nanos kToldLately = 10 * os::kSecond;
    const auto found = words_.find(key);
    if (found == words_.end()) return false;
    const Word& word = found->second;
    if (word.may_hold || word.lifted_at == 0) return word.may_hold;
    // What was said before a jump of the clock arrives behind it.
    return record_.now() < word.lifted_at + kToldLately ||
           (record_.has_just_jumped() && record_.has_jumped_since(word.lifted_at));
  }
  // Of the requests about a user's tokens: the last one takes the place of the others, and may not
  // have come through.
  struct Second {
    int64_t last = 0;
    int64_t most = 0;
  };
  Second second_of(const std::string& user) const {
    const auto found = issued_before_.find(user);
    return found == issued_before_.end() ? Second() : found->second;
  }

  const Record& record_;
  std::map<std::string, Word> words_;
  std::map<std::string, Second> issued_before_;  // by user or scope
};

}  // namespace gyre::sim
