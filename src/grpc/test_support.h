#pragma once

#include <coroutine>
#include <cstdlib>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

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

  std::unique_ptr<Stream> open(Request request, bool is_last) override {
    opened_ = std::move(request);
    is_last_ = is_last;
    return std::move(stream);
  }
  const Request& opened() const { return opened_; }
  bool is_last() const { return is_last_; }
  std::unique_ptr<Stream> stream;  // the next that is opened; null: it is refused

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
  Request opened_;
  bool is_last_ = false;
};

// A stream whose other end is the test. Outlives what it has made.
class ManualPeer {
 public:
  // The stream of this peer; made once.
  std::unique_ptr<Stream> stream() { return std::make_unique<End>(*this); }

  void say(std::string message) {
    messages_.push_back(std::move(message));
    wake();
  }
  void end(Error error) {
    end_ = std::move(error);
    wake();
  }
  // What has been said and not been taken yet.
  size_t untaken() const { return messages_.size(); }
  bool is_cancelled() const { return is_cancelled_; }
  bool is_gone() const { return is_gone_; }
  std::vector<std::string> written;
  bool is_full = false;  // writes are refused

 private:
  class End final : public Stream {
   public:
    explicit End(ManualPeer& peer) : peer_(peer) {}
    ~End() override { peer_.is_gone_ = true; }
    runtime::Task<Result<std::string>> next() override {
      struct Wait {
        ManualPeer& peer;
        bool await_ready() const { return !peer.messages_.empty() || peer.end_; }
        void await_suspend(std::coroutine_handle<> handle) { peer.waiting_ = handle; }
        void await_resume() const {}
      };
      co_await Wait{peer_};
      if (peer_.messages_.empty()) co_return std::unexpected(*peer_.end_);
      std::string message = std::move(peer_.messages_.front());
      peer_.messages_.pop_front();
      co_return message;
    }
    bool write(std::string message) override {
      if (!peer_.is_full) peer_.written.push_back(std::move(message));
      return !peer_.is_full;
    }
    void cancel() override {
      peer_.is_cancelled_ = true;
      peer_.messages_.clear();
    }

   private:
    ManualPeer& peer_;
  };
  void wake() {
    if (waiting_) std::exchange(waiting_, nullptr).resume();
  }

  std::deque<std::string> messages_;
  std::optional<Error> end_;
  std::coroutine_handle<> waiting_;
  bool is_cancelled_ = false;
  bool is_gone_ = false;
};

}  // namespace gyre::grpc
