#pragma once

#include <optional>
#include <type_traits>
#include <utility>

#include "base/fault_points.h"
#include "runtime/shard.h"

namespace gyre::runtime {

// A piece of work for another shard, on the heap, which deletes itself. `work` is called there, on
// its turn.
template <class Work>
class Errand final : public Message {
 public:
  explicit Errand(Work work) : work_(std::move(work)) {}
  void deliver() override {
    Work work = std::move(work_);
    delete this;
    work();
  }

 private:
  Work work_;
};

// Runs `work` on `to`: at once when that is the current shard, else in its mailbox's order. For the
// named methods that make up the conversations between shards (docs/architecture.md),
// not for feature code.
template <class Work>
void send_errand(Shard& to, Work work) {
  Shard* from = Shard::current();
  if (from == &to) {
    work();
    return;
  }
  auto* errand = new Errand<Work>(std::move(work));
  if (from) {
    from->send(to, *errand);
  } else {
    to.post(*errand);
  }
}

// An awaitable that runs a coroutine on another shard and resumes the caller on its own, at the
// reply's place in the mailbox. `make` is called on `to` and returns Task<T>. Both ends the same:
// the task is simply run.
template <class Make>
class Call {
  using TaskType = std::invoke_result_t<Make>;
  using Value = decltype(std::declval<TaskType>().operator co_await().await_resume());

 public:
  Call(Shard& to, Make make) : to_(to), request_(*this, std::move(make)), reply_(*this) {}
  Call(const Call&) = delete;

  bool await_ready() const { return false; }
  void await_suspend(std::coroutine_handle<> caller) {
    caller_ = caller;
    from_ = Shard::current();
    from_->send(to_, request_);
  }
  Value await_resume() {
    if constexpr (!std::is_void_v<Value>) return std::move(*value_);
  }

 private:
  struct Request final : Message {
    Request(Call& owner, Make work) : call(owner), make(std::move(work)) {}
    void deliver() override { call.to_.tasks().spawn(serve(&call)); }
    Call& call;
    Make make;
  };
  struct Reply final : Message {
    explicit Reply(Call& owner) : call(owner) {}
    void deliver() override { call.caller_.resume(); }
    Call& call;
  };
  static Task<void> serve(Call* call) {
    if constexpr (std::is_void_v<Value>) {
      co_await call->request_.make();
    } else {
      call->value_.emplace(co_await call->request_.make());
    }
    Shard::current()->send(*call->from_, call->reply_);
  }

  using Stored = std::conditional_t<std::is_void_v<Value>, char, Value>;
  Shard& to_;
  Shard* from_ = nullptr;
  std::coroutine_handle<> caller_;
  std::optional<Stored> value_;
  Request request_;
  Reply reply_;
};

// co_await call(shard, [=] { return home_task(...); }): see Call. The lambda may capture, since it
// is no coroutine itself and lives in the caller's frame until the reply.
template <class Make>
std::invoke_result_t<Make> call(Shard& to, Make make) {
  if (Shard::current() == &to) {
    if (GYRE_FAULT(late_call)) co_await Yield();
    co_return co_await make();
  }
  Call<Make> remote(to, std::move(make));
  co_return co_await remote;
}

}  // namespace gyre::runtime
