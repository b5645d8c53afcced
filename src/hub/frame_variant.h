#pragma once

#include <cstddef>
#include <cstdint>

#include "protocol/encoding.h"

namespace gyre::hub {

// The forms in which one publication can stand on the wire. Each is built once per delivery and
// shard, whatever the number of receivers. The last four are for those that negotiated deltas (spec
// subscriptions.md 6.2): their JSON payloads are strings, and they are told no epochs.
enum class FrameVariant : uint8_t {
  json,
  protobuf,
  json_text,
  protobuf_bare,
  json_delta,
  protobuf_delta,
};
inline constexpr size_t kFrameVariants = 6;

constexpr FrameVariant variant_of(protocol::Encoding encoding) {
  return encoding == protocol::Encoding::json ? FrameVariant::json : FrameVariant::protobuf;
}
constexpr bool is_json(FrameVariant variant) {
  return variant == FrameVariant::json || variant == FrameVariant::json_text ||
         variant == FrameVariant::json_delta;
}
constexpr protocol::Encoding encoding_of(FrameVariant variant) {
  return is_json(variant) ? protocol::Encoding::json : protocol::Encoding::protobuf;
}
constexpr bool is_delta(FrameVariant variant) {
  return variant == FrameVariant::json_delta || variant == FrameVariant::protobuf_delta;
}

}  // namespace gyre::hub
