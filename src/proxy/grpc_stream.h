#pragma once

#include <memory>
#include <string>

#include "grpc/client.h"
#include "metrics/proxy_calls.h"
#include "proxy/backend.h"
#include "runtime/shard.h"
#include "runtime/timer_wheel.h"

namespace gyre::proxy {

// A subscription stream over GRPC.
class GrpcStream final : public SubscribeStream, runtime::Timer {
 public:
  // `timeout`: until the first message is there. All of it outlives the stream.
  GrpcStream(runtime::Shard& shard, std::unique_ptr<grpc::Stream> stream, os::Nanos timeout,
             const std::string& name, metrics::ProxyCalls& calls, AnswerRules rules);

  runtime::Task<Result<Response<SubscribeResult>>> first() override;
  runtime::Task<Result<StreamPublication>> next() override;
  bool publish(std::string_view data) override;
  void cancel() override { stream_->cancel(); }
  bool has_ended() const override { return has_ended_; }

 private:
  runtime::Task<Result<std::string>> hear();
  Result<Response<SubscribeResult>> answer_in(const Result<std::string>& message) const;
  void note_failure(const Error& error);
  void on_timer() override;

  runtime::Shard& shard_;
  const std::unique_ptr<grpc::Stream> stream_;
  const std::string& name_;
  metrics::ProxyCalls& calls_;
  const AnswerRules rules_;
  const os::Nanos began_;
  bool has_ended_ = false;
  bool is_late_ = false;
};

}  // namespace gyre::proxy
