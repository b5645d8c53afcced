#pragma once

#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

// Exported by the library for its own tests.
grpc_compression_algorithm grpc_call_test_only_get_compression_algorithm(grpc_call* call);

namespace grpc::testing {

// A friend of the library's contexts.
class InteropServerContextInspector {
 public:
  static bool is_compressed(const ServerContextBase& context) {
    return grpc_call_test_only_get_compression_algorithm(context.call_.call) != GRPC_COMPRESS_NONE;
  }
};

}  // namespace grpc::testing

namespace gyre::grpc {

// A server of the library in this process, for tests: any method, answered by a script.
class TestServer {
 public:
  struct Seen {
    std::string method;
    std::multimap<std::string, std::string> metadata;
    std::string message;
    std::chrono::milliseconds left;  // until its deadline
    bool is_compressed = false;
  };
  struct Answer {
    ::grpc::Status status;
    std::string message;
    size_t times = 1;     // that the message is sent
    bool is_last = true;  // then the call ends; if not, the next message is read
  };
  // Nothing: there is no answer until the caller gives up.
  using Script = std::function<std::optional<Answer>(const Seen&)>;

  // `script` is called on threads of the library, for several calls at once.
  explicit TestServer(
      Script script,
      std::shared_ptr<::grpc::ServerCredentials> credentials = ::grpc::InsecureServerCredentials(),
      int port = 0)
      : service_(std::move(script)) {
    ::grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:" + std::to_string(port), std::move(credentials), &port_);
    builder.RegisterCallbackGenericService(&service_);
    server_ = builder.BuildAndStart();
  }
  ~TestServer() { server_->Shutdown(std::chrono::system_clock::now()); }

  int port() const { return port_; }
  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

 private:
  class Reactor final : public ::grpc::ServerGenericBidiReactor {
   public:
    Reactor(::grpc::GenericCallbackServerContext* context, const Script& script)
        : context_(context), script_(script) {
      StartRead(&request_);
    }

   private:
    void OnReadDone(bool is_ok) override {
      if (!is_ok) return;  // no further message comes; the script has had its say
      Seen seen{.method = context_->method(), .metadata = {}, .message = text_of(request_)};
      for (const auto& [name, value] : context_->client_metadata()) {
        seen.metadata.emplace(std::string(name.data(), name.size()),
                              std::string(value.data(), value.size()));
      }
      seen.left = std::chrono::duration_cast<std::chrono::milliseconds>(
          context_->deadline() - std::chrono::system_clock::now());
      seen.is_compressed = ::grpc::testing::InteropServerContextInspector::is_compressed(*context_);
      std::optional<Answer> answer = script_(seen);
      if (!answer) return;
      if (!answer->status.ok()) return end(answer->status);
      const ::grpc::Slice slice(answer->message);
      answer_ = ::grpc::ByteBuffer(&slice, 1);
      left_ = answer->times;
      is_last_ = answer->is_last;
      OnWriteDone(true);
    }
    void OnWriteDone(bool is_ok) override {
      const std::lock_guard lock(mutex_);
      if (!is_ok || has_ended_) return;
      if (left_ > 0) {
        --left_;
        StartWrite(&answer_);
      } else if (is_last_) {
        has_ended_ = true;
        Finish(::grpc::Status::OK);
      } else {
        StartRead(&request_);
      }
    }
    void OnCancel() override { end(::grpc::Status::CANCELLED); }
    void OnDone() override { delete this; }

    void end(const ::grpc::Status& status) {
      // Once it has ended, the library takes no further operation.
      const std::lock_guard lock(mutex_);
      if (!std::exchange(has_ended_, true)) Finish(status);
    }
    static std::string text_of(const ::grpc::ByteBuffer& buffer) {
      std::vector<::grpc::Slice> slices;
      std::string text;
      if (!buffer.Dump(&slices).ok()) return text;
      for (const ::grpc::Slice& slice : slices) {
        text.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
      }
      return text;
    }

    ::grpc::GenericCallbackServerContext* context_;
    const Script& script_;
    ::grpc::ByteBuffer request_;
    ::grpc::ByteBuffer answer_;
    size_t left_ = 0;
    bool is_last_ = true;
    std::mutex mutex_;
    bool has_ended_ = false;  // guarded by mutex_
  };

  class Service final : public ::grpc::CallbackGenericService {
   public:
    explicit Service(Script script) : script_(std::move(script)) {}
    ::grpc::ServerGenericBidiReactor* CreateReactor(
        ::grpc::GenericCallbackServerContext* context) override {
      return new Reactor(context, script_);
    }

   private:
    const Script script_;
  };

  Service service_;
  int port_ = 0;
  std::unique_ptr<::grpc::Server> server_;
};

}  // namespace gyre::grpc
