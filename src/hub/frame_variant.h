#pragma once

#include <cstddef>
#include <cstdint>

#include "protocol/encoding.h"

namespace gyre::hub {

// The forms in which one publication can stand on the wire. Each is built once per delivery and
// shard, whatever the number of receivers. Those `by_id` have the channel's number in place of its
// name (spec subscriptions.md 8).
enum class FrameVariant : uint8_t {
  // By these four receivers are told apart.
  json,
  protobuf,
  json_by_id,
  protobuf_by_id,
  // For those that negotiated deltas (spec subscriptions.md 6.2): their JSON payloads are strings,
  // and they are told no epochs.
  json_text,
  protobuf_bare,
  json_text_by_id,
  protobuf_bare_by_id,
  json_delta,
  protobuf_delta,
  json_delta_by_id,
  protobuf_delta_by_id,
};
inline constexpr size_t kReceiverVariants = 4;
inline constexpr size_t kFrameVariants = 12;

constexpr FrameVariant variant_of(protocol::Encoding encoding, bool is_by_id = false) {
  return static_cast<FrameVariant>(static_cast<unsigned>(encoding) + (is_by_id ? 2u : 0u));
}
constexpr bool is_json(FrameVariant variant) {
  return (static_cast<unsigned>(variant) & 1u) == 0;
}
constexpr bool is_by_id(FrameVariant variant) {
  return (static_cast<unsigned>(variant) & 2u) != 0;
}
constexpr bool is_delta(FrameVariant variant) {
  return variant >= FrameVariant::json_delta;
}
constexpr protocol::Encoding encoding_of(FrameVariant variant) {
  return is_json(variant) ? protocol::Encoding::json : protocol::Encoding::protobuf;
}

// What a receiver with deltas gets instead of its own variant: the whole payload, or a delta.
constexpr FrameVariant text_variant(FrameVariant receivers) {
  return static_cast<FrameVariant>(static_cast<unsigned>(receivers) + kReceiverVariants);
}
constexpr FrameVariant delta_variant(FrameVariant receivers) {
  return static_cast<FrameVariant>(static_cast<unsigned>(receivers) + 2 * kReceiverVariants);
}
static_assert(variant_of(protocol::Encoding::json) == FrameVariant::json &&
              variant_of(protocol::Encoding::protobuf, true) == FrameVariant::protobuf_by_id);
static_assert(text_variant(FrameVariant::protobuf_by_id) == FrameVariant::protobuf_bare_by_id &&
              delta_variant(FrameVariant::json) == FrameVariant::json_delta);

}  // namespace gyre::hub
