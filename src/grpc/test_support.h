#pragma once

#include <coroutine>
#include <cstdlib>
#include <deque>
#include <memory>
#include <string>
#include <utility>

#include "grpc/client.h"

namespace gyre::grpc {

// Answers when the test says so.
class ManualClient final : public Client {
 public:
  runtime::Task<Result<std::string>> call(Request request) override {
    struct Wait {
      Asked& asked;
      bool await_ready() const { return false; }
      void await_suspend(std::coroutine_handle<> handle) { asked.handle = handle; }
      void await_resume() const {}
    };
    auto asked = std::make_shared<Asked>();
    asked->request = std::move(request);
    asked_.push_back(asked);
    co_await Wait{*asked};
    co_return std::move(asked->answer);
  }

  size_t waiting() const { return asked_.size(); }
  const Request& request() const { return asked_.front()->request; }
  void answer(Result<std::string> answer) {
    if (asked_.empty()) std::abort();
    const auto asked = asked_.front();
    asked_.pop_front();
    asked->answer = std::move(answer);
    asked->handle.resume();
  }

 private:
  struct Asked {
    Request request;
    Result<std::string> answer;
    std::coroutine_handle<> handle;
  };
  std::deque<std::shared_ptr<Asked>> asked_;
};

}  // namespace gyre::grpc
