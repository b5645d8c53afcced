#include "grpc/messages.h"

#include <fmt/format.h>

#include <vector>

namespace gyre::grpc {

namespace {

// Of what a server says of its failure: it is for logs.
constexpr size_t kToldMost = 256;  // bytes

std::string_view name_of_code(int code) {
  static constexpr std::string_view kNames[] = {"OK",
                                                "CANCELLED",
                                                "UNKNOWN",
                                                "INVALID_ARGUMENT",
                                                "DEADLINE_EXCEEDED",
                                                "NOT_FOUND",
                                                "ALREADY_EXISTS",
                                                "PERMISSION_DENIED",
                                                "RESOURCE_EXHAUSTED",
                                                "FAILED_PRECONDITION",
                                                "ABORTED",
                                                "OUT_OF_RANGE",
                                                "UNIMPLEMENTED",
                                                "INTERNAL",
                                                "UNAVAILABLE",
                                                "DATA_LOSS",
                                                "UNAUTHENTICATED"};
  const auto place = static_cast<size_t>(code);
  return place < std::size(kNames) ? kNames[place] : "of no name";
}

}  // namespace

::grpc::ByteBuffer buffer_of(const std::string& message) {
  const ::grpc::Slice slice(message);
  return ::grpc::ByteBuffer(&slice, 1);
}

Result<std::string> message_of(const ::grpc::ByteBuffer& buffer) {
  std::vector<::grpc::Slice> slices;
  if (!buffer.Dump(&slices).ok()) return fail(Errc::unavailable, "the answer cannot be read");
  std::string message;
  for (const ::grpc::Slice& slice : slices) {
    message.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  return message;
}

Error error_of(const ::grpc::Status& status) {
  const Errc code = status.error_code() == ::grpc::StatusCode::DEADLINE_EXCEEDED
                        ? Errc::timed_out
                        : Errc::unavailable;
  return {.code = code,
          .context = fmt::format("GRPC status {}: {}", name_of_code(status.error_code()),
                                 status.error_message().substr(0, kToldMost))};
}

Result<void> set_metadata(::grpc::ClientContext& context, const Metadata& metadata) {
  for (const auto& [name, value] : metadata) {
    if (!is_metadata(name, value)) {
      return fail(Errc::invalid, fmt::format("\"{}\" is no metadata that can be sent", name));
    }
    context.AddMetadata(name, value);
  }
  return {};
}

}  // namespace gyre::grpc
