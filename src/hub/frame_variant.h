#pragma once

#include <cstddef>
#include <cstdint>

#include "protocol/encoding.h"

namespace gyre::hub {

// The forms in which one publication can stand on the wire. Each is built once per delivery and
// shard, whatever the number of receivers.
enum class FrameVariant : uint8_t { json, protobuf };
inline constexpr size_t kFrameVariants = 2;

constexpr FrameVariant variant_of(protocol::Encoding encoding) {
  return encoding == protocol::Encoding::json ? FrameVariant::json : FrameVariant::protobuf;
}
constexpr protocol::Encoding encoding_of(FrameVariant variant) {
  return variant == FrameVariant::json ? protocol::Encoding::json : protocol::Encoding::protobuf;
}

}  // namespace gyre::hub
