#pragma once

#include <grpcpp/client_context.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/status.h>

#include <chrono>
#include <string>

#include "base/result.h"
#include "grpc/client.h"

// Between the library's words and ours. Not for others.
namespace gyre::grpc {

::grpc::ByteBuffer buffer_of(const std::string& message);
// Nothing if the buffer has none, or one that cannot be read.
Result<std::string> message_of(const ::grpc::ByteBuffer& buffer);

// Of a status that is not OK.
Error error_of(const ::grpc::Status& status);

// Metadata of the request; an error if the library would refuse it.
Result<void> set_metadata(::grpc::ClientContext& context, const Metadata& metadata);

}  // namespace gyre::grpc
