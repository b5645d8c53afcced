#include "hub/broadcast.h"

#include "hub/delta_payload.h"
#include "protocol/encoder.h"

namespace gyre::hub {

void Broadcast::build(FrameVariant variant, Entry& entry) {
  entry.is_built = true;
  std::string message;
  message.reserve(publication_.data.size() + channel_.size() + 96);
  if (encode(variant, message)) entry.frame = Frame::make(message);
}

bool Broadcast::encode(FrameVariant variant, std::string& message) const {
  const protocol::Encoding encoding = encoding_of(variant);
  constexpr auto kEnvelope = protocol::Envelope::reply;
  if (variant == FrameVariant::json || variant == FrameVariant::protobuf) {
    return protocol::encode_push(encoding, kEnvelope, channel_, source_, publication_, message);
  }
  std::optional<std::string> payload;
  if (!is_delta(variant)) {
    payload = full_payload(encoding, publication_);
  } else if (base_) {
    payload = delta_payload(encoding, *base_, publication_);
  }
  return payload && protocol::encode_push(encoding, kEnvelope, channel_, publication_,
                                          {.data = *payload, .delta = is_delta(variant)}, message);
}

}  // namespace gyre::hub
