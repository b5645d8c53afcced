#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "protocol/encoding.h"
#include "protocol/messages.h"
#include "protocol/push_channel.h"

// Messages to clients. Each function appends one message to `out`: in JSON without a newline, in
// Protobuf with its length in front. Those that carry raw values answer false and leave `out` as it
// was if one of the values is not valid JSON and the encoding is; the receiver is then disconnected
// with 3506 (framing.md 2.1). In Protobuf they always succeed.
namespace gyre::protocol {

// `Result` is one of the …Result structs of messages.h.
template <class Result>
[[nodiscard]] bool encode_reply(Encoding encoding, uint32_t id, const Result& result,
                                std::string& out);
void encode_error(Encoding encoding, uint32_t id, const ClientError& error, std::string& out);

// The same for bidirectional and unidirectional transports: an empty message.
void encode_ping(Encoding encoding, std::string& out);

// What to send in place of a publication's own payload.
struct Payload {
  std::string_view data;  // in JSON a valid value, which the caller answers for
  bool delta =
      false;  // a delta against the previous publication, or the full payload in another form
};

[[nodiscard]] bool encode_push(Encoding encoding, Envelope envelope, const PushChannel& channel,
                               const Publication& publication, std::string& out);
// The same for subscribers of a wildcard, which is `channel`; the publication's own is `source`.
[[nodiscard]] bool encode_push(Encoding encoding, Envelope envelope, const PushChannel& channel,
                               std::string_view source, const Publication& publication,
                               std::string& out);
// A publication for subscribers that negotiated deltas, JSON text as a JSON string included. Its
// epoch stays away, as such subscribers know it (framing.md 3.6).
[[nodiscard]] bool encode_push(Encoding encoding, Envelope envelope, const PushChannel& channel,
                               const Publication& publication, const Payload& payload,
                               std::string& out);

[[nodiscard]] bool encode_push(Encoding encoding, Envelope envelope, const PushChannel& channel,
                               const JoinPush& join, std::string& out);
[[nodiscard]] bool encode_push(Encoding encoding, Envelope envelope, const PushChannel& channel,
                               const LeavePush& leave, std::string& out);
// By the name always: clients look for no number in what begins or ends a subscription.
void encode_push(Encoding encoding, Envelope envelope, std::string_view channel,
                 const UnsubscribePush& unsubscribe, std::string& out);
[[nodiscard]] bool encode_push(Encoding encoding, Envelope envelope, std::string_view channel,
                               const SubscribePush& subscribe, std::string& out);
// Pushes about the connection have no channel.
[[nodiscard]] bool encode_push(Encoding encoding, Envelope envelope, const MessagePush& message,
                               std::string& out);
[[nodiscard]] bool encode_push(Encoding encoding, Envelope envelope, const ConnectPush& connect,
                               std::string& out);
void encode_push(Encoding encoding, Envelope envelope, const DisconnectPush& disconnect,
                 std::string& out);
void encode_push(Encoding encoding, Envelope envelope, const RefreshPush& refresh,
                 std::string& out);

// The client's side, for tests and load generators.
void encode_command(Encoding encoding, uint32_t id, const Request& request, std::string& out);

}  // namespace gyre::protocol
