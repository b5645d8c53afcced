#include "hub/announcements.h"

#include <string>

#include "protocol/encoder.h"

namespace gyre::hub {

namespace {

// False if the info is not JSON, for JSON clients; `out` is as it was then.
bool append_push(protocol::Encoding encoding, const protocol::PushChannel& channel,
                 const protocol::Announcement& announcement, std::string& out) {
  constexpr auto kEnvelope = protocol::Envelope::reply;
  return announcement.is_join ? protocol::encode_push(encoding, kEnvelope, channel,
                                                      protocol::JoinPush{announcement.info}, out)
                              : protocol::encode_push(encoding, kEnvelope, channel,
                                                      protocol::LeavePush{announcement.info}, out);
}

}  // namespace

Announcements::Batch Announcements::batch(protocol::Encoding encoding,
                                          const protocol::PushChannel& channel) const {
  Batch batch;
  std::string text;
  for (const Entry& entry : entries_) {
    const size_t began = text.size();
    // JSON messages of one frame stand on lines of their own, Protobuf ones bring their lengths.
    if (began > 0 && encoding == protocol::Encoding::json) text += '\n';
    const size_t before = text.size();
    if (!append_push(encoding, channel, *entry.announcement, text)) {
      text.resize(began);
      batch.is_whole = false;
      break;
    }
    Tally& tally = batch.tallies[entry.announcement->is_join];
    ++tally.count;
    tally.bytes += text.size() - before;
    if (text.size() < kBytesPerFrame) continue;
    batch.frames.push_back(Frame::make(text));
    text.clear();
  }
  if (!text.empty()) batch.frames.push_back(Frame::make(text));
  return batch;
}

const FrameRef& Announcements::single(size_t index, protocol::Encoding encoding,
                                      const protocol::PushChannel& channel) {
  Entry& entry = entries_[index];
  const auto form = static_cast<size_t>(variant_of(encoding, channel.id != 0));
  if (!std::exchange(entry.is_built[form], true)) {
    std::string text;
    if (append_push(encoding, channel, *entry.announcement, text)) {
      entry.frames[form] = Frame::make(text);
    }
  }
  return entry.frames[form];
}

}  // namespace gyre::hub
