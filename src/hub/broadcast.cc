#include "hub/broadcast.h"

#include "base/check.h"
#include "hub/delta_payload.h"
#include "protocol/encoder.h"

namespace gyre::hub {

void Broadcast::build(FrameVariant variant) {
  const auto index = static_cast<size_t>(variant);
  built_ = static_cast<uint16_t>(built_ | 1u << index);
  std::string message;
  message.reserve(publication_.data.size() + channel_.name.size() + 96);
  if (encode(variant, message)) frames_[index] = Frame::make(message);
}

bool Broadcast::encode(FrameVariant variant, std::string& message) const {
  const protocol::Encoding encoding = encoding_of(variant);
  constexpr auto kEnvelope = protocol::Envelope::reply;
  GYRE_DCHECK(!is_by_id(variant) || channel_.id != 0);
  const protocol::PushChannel channel(channel_.name, is_by_id(variant) ? channel_.id : 0);
  if (variant < FrameVariant::json_text) {
    return protocol::encode_push(encoding, kEnvelope, channel, source_, publication_, message);
  }
  std::optional<std::string> payload;
  if (!is_delta(variant)) {
    payload = full_payload(encoding, publication_);
  } else if (base_) {
    payload = delta_payload(encoding, *base_, publication_);
  }
  return payload && protocol::encode_push(encoding, kEnvelope, channel, publication_,
                                          {.data = *payload, .delta = is_delta(variant)}, message);
}

}  // namespace gyre::hub
