#pragma once

#include <coroutine>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "base/fault_points.h"
#include "base/result.h"
#include "runtime/shard.h"

namespace gyre::engine {

// Equal calls that must wait are made once for all who ask meanwhile: while one is under way, those
// who come wait for the next, which is made for all of them when it has ended. Nobody gets an
// answer that was on its way before the question: who has published, or has begun to listen, sees
// that. So N at once cost two calls, and each waits for two at most. An error is everybody's
// answer, too.
//
// Owned by a decorator of an engine (read_sharing.h), for one shard. A coroutine that asks runs to
// its end, whatever has become of whoever wanted to know.
template <class Key, class Value>
class SharedCalls {
 public:
  explicit SharedCalls(runtime::Shard& shard) : shard_(shard) {}
  SharedCalls(const SharedCalls&) = delete;

  // `make` returns a Task<Result<Value>>; of equal keys, any one's is called.
  template <class Make>
  runtime::Task<Result<Value>> ask(Key key, Make make) {
    const auto [place, is_first] = lines_.try_emplace(std::move(key));
    Line& line = place->second;
    std::vector<Waiter*> followers;
    if (!is_first) {
      Waiter waiter(line);
      co_await waiter;
      if (waiter.answer) co_return std::move(*waiter.answer);
      followers = std::exchange(line, {});
    }
    Result<Value> answer = co_await make();
    if (GYRE_PLANTED(answer_before_the_question)) {
      followers.insert(followers.end(), line.begin(), line.end());
      line.clear();
    }
    for (Waiter* follower : followers) {
      follower->answer = answer;
      shard_.resume_later(follower->coroutine);
    }
    if (line.empty()) {
      lines_.erase(place);
    } else {
      shard_.resume_later(line.front()->coroutine);
      line.erase(line.begin());
    }
    co_return answer;
  }

  // Keys that are asked for now.
  size_t size() const { return lines_.size(); }

 private:
  // Resumed without an answer it makes the call, for all who wait by then.
  struct Waiter {
    explicit Waiter(std::vector<Waiter*>& waiting) : line(waiting) {}
    Waiter(const Waiter&) = delete;
    bool await_ready() const { return false; }
    void await_suspend(std::coroutine_handle<> suspended) {
      coroutine = suspended;
      line.push_back(this);
    }
    void await_resume() const {}

    std::vector<Waiter*>& line;
    std::coroutine_handle<> coroutine;
    std::optional<Result<Value>> answer;
  };
  // Who has come since the call under way began.
  using Line = std::vector<Waiter*>;

  runtime::Shard& shard_;
  std::map<Key, Line> lines_;  // while a call is under way
};

}  // namespace gyre::engine
