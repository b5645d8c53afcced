#include "hub/broadcast.h"

#include "protocol/encoder.h"

namespace gyre::hub {

void Broadcast::build(FrameVariant variant, Entry& entry) {
  entry.is_built = true;
  std::string message;
  message.reserve(publication_.data.size() + channel_.size() + 96);
  if (protocol::encode_push(encoding_of(variant), protocol::Envelope::reply, channel_, publication_,
                            message)) {
    entry.frame = Frame::make(message);
  }
}

}  // namespace gyre::hub
