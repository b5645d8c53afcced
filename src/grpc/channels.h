#pragma once

#include <grpcpp/generic/generic_stub.h>

#include <map>
#include <memory>

#include "grpc/client.h"

namespace gyre::grpc {

// The connections of a client, one for each of the options that it is called with, which are as
// many as the configuration has proxies. Of the worker's thread.
class Channels {
 public:
  // Through which calls by options are made.
  ::grpc::GenericStub& stub(const std::shared_ptr<const ChannelOptions>& options);

 private:
  struct Entry {
    std::shared_ptr<const ChannelOptions> options;  // kept, so that its address stays its own
    ::grpc::GenericStub stub;
  };
  std::map<const ChannelOptions*, Entry> entries_;
};

}  // namespace gyre::grpc
