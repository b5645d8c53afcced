#pragma once

#include <coroutine>
#include <cstddef>
#include <optional>
#include <utility>

#include "runtime/shard.h"
#include "runtime/task.h"

namespace gyre::api {

namespace detail {

// What the pieces of work and whoever waits for them share; in the frame of the latter.
struct Crew {
  size_t active = 0;
  size_t wanted_below = 0;
  std::coroutine_handle<> waiting = {};
};

struct UntilBelow {
  Crew& crew;
  size_t limit;
  bool await_ready() const { return crew.active < limit; }
  void await_suspend(std::coroutine_handle<> coroutine) {
    crew.wanted_below = limit;
    crew.waiting = coroutine;
  }
  void await_resume() {}
};

inline runtime::Task<void> run_piece(runtime::Shard* shard, Crew* crew, runtime::Task<void> piece) {
  co_await std::move(piece);
  --crew->active;
  if (crew->waiting && crew->active < crew->wanted_below) {
    shard->resume_later(std::exchange(crew->waiting, {}));
  }
}

}  // namespace detail

// How many pieces of work begin before others get a turn.
inline constexpr size_t kPiecesPerTurn = 64;

// Starts work(0) … work(count - 1) in this order with at most `width` under way at once, and ends
// when all have ended. `work` answers with what remains to be done, an optional Task<void>.
template <class Work>
runtime::Task<void> concurrently(runtime::Shard* shard, size_t count, size_t width, Work work) {
  detail::Crew crew;
  for (size_t i = 0; i < count; ++i) {
    if (i > 0 && i % kPiecesPerTurn == 0) co_await runtime::Yield();
    co_await detail::UntilBelow{crew, width};
    std::optional<runtime::Task<void>> rest = work(i);
    if (!rest) continue;
    ++crew.active;
    shard->tasks().spawn(detail::run_piece(shard, &crew, std::move(*rest)));
  }
  co_await detail::UntilBelow{crew, 1};
}

}  // namespace gyre::api
