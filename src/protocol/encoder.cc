#include "protocol/encoder.h"

#include "protocol/json_encoder.h"
#include "protocol/protobuf_encoder.h"
#include "protocol/request_table.h"

namespace gyre::protocol {
namespace {

// Name and number of a message inside the one around it: a result in a Reply (framing.md 3.2), a
// payload in a Push (3.4).
struct Place {
  std::string_view name;
  int number;
};
constexpr int kReplyId = 1;
constexpr Place kError{"error", 2};
constexpr Place kPush{"push", 4};
constexpr Place kPushId{"id", 1};
constexpr Place kPushChannel{"channel", 2};

constexpr Place place_of(const ConnectResult&) {
  return {"connect", 5};
}
constexpr Place place_of(const SubscribeResult&) {
  return {"subscribe", 6};
}
constexpr Place place_of(const UnsubscribeResult&) {
  return {"unsubscribe", 7};
}
constexpr Place place_of(const PublishResult&) {
  return {"publish", 8};
}
constexpr Place place_of(const PresenceResult&) {
  return {"presence", 9};
}
constexpr Place place_of(const PresenceStatsResult&) {
  return {"presence_stats", 10};
}
constexpr Place place_of(const HistoryResult&) {
  return {"history", 11};
}
constexpr Place place_of(const RpcResult&) {
  return {"rpc", 13};
}
constexpr Place place_of(const RefreshResult&) {
  return {"refresh", 14};
}
constexpr Place place_of(const SubRefreshResult&) {
  return {"sub_refresh", 15};
}

constexpr Place kPublication{"pub", 4};
constexpr Place kJoin{"join", 5};
constexpr Place kLeave{"leave", 6};
constexpr Place kUnsubscribe{"unsubscribe", 7};
constexpr Place kMessage{"message", 8};
constexpr Place kSubscribe{"subscribe", 9};
constexpr Place kConnect{"connect", 10};
constexpr Place kDisconnect{"disconnect", 11};
constexpr Place kRefresh{"refresh", 12};

struct ErrorMessage {
  uint32_t code;
  std::string_view message;
  bool temporary;

  static constexpr auto fields =
      describe(field<1>("code", &ErrorMessage::code), field<2>("message", &ErrorMessage::message),
               field<3>("temporary", &ErrorMessage::temporary));
};

template <class Message>
bool reply(Encoding encoding, uint32_t id, Place place, const Message& message, std::string& out) {
  if (encoding == Encoding::protobuf) {
    ProtobufEncoder encoder(out);
    encoder.length_prefixed(0, [&] {
      encoder.varint(kReplyId, id);
      encoder.nested(place.number, 0, [&] { encoder.message(message); });
    });
    return true;
  }
  const size_t start = out.size();
  JsonEncoder encoder(out);
  encoder.open();
  if (id != 0) encoder.member("id", id);
  encoder.member(place.name, message);
  encoder.close();
  if (!encoder.valid()) out.resize(start);
  return encoder.valid();
}

// A push with everything around its payload, which write(encoder) appends: as a value in JSON, as
// the fields of a sub-message in Protobuf. `expected` is the size of the latter, approximately.
template <class WriteJson>
bool json_push(Envelope envelope, const PushChannel& channel, Place place, WriteJson&& write,
               std::string& out) {
  const size_t start = out.size();
  JsonEncoder encoder(out);
  encoder.open();
  if (envelope == Envelope::reply) {
    encoder.name(kPush.name);
    encoder.open();
  }
  if (channel.id != 0) {
    encoder.member(kPushId.name, channel.id);
  } else if (!channel.name.empty()) {
    encoder.member(kPushChannel.name, channel.name);
  }
  encoder.name(place.name);
  write(encoder);
  if (envelope == Envelope::reply) encoder.close();
  encoder.close();
  if (!encoder.valid()) out.resize(start);
  return encoder.valid();
}

template <class WriteProtobuf>
void protobuf_push(Envelope envelope, const PushChannel& channel, Place place, size_t expected,
                   WriteProtobuf&& write, std::string& out) {
  ProtobufEncoder encoder(out);
  // A tag and a length of one or two bytes around each level.
  const size_t expected_push = expected + (channel.id != 0 ? 1 : channel.name.size()) + 6;
  const auto push = [&] {
    if (channel.id != 0) {
      encoder.varint(kPushId.number, static_cast<uint64_t>(channel.id));
    } else {
      encoder.text(kPushChannel.number, channel.name);
    }
    encoder.nested(place.number, expected, [&] { write(encoder); });
  };
  encoder.length_prefixed(expected_push + 3, [&] {
    if (envelope == Envelope::push) {
      push();
    } else {
      encoder.nested(kPush.number, expected_push, push);
    }
  });
}

template <Described Message>
bool push(Encoding encoding, Envelope envelope, const PushChannel& channel, Place place,
          const Message& message, std::string& out) {
  if (encoding == Encoding::json) {
    return json_push(envelope, channel, place, [&](JsonEncoder& to) { to.value(message); }, out);
  }
  protobuf_push(
      envelope, channel, place, 0, [&](ProtobufEncoder& to) { to.message(message); }, out);
  return true;
}

bool push_info(Encoding encoding, Envelope envelope, const PushChannel& channel, Place place,
               const ClientInfo& info, std::string& out) {
  if (encoding == Encoding::json) {
    return json_push(
        envelope, channel, place,
        [&](JsonEncoder& to) {
          to.open();
          to.member("info", info);
          to.close();
        },
        out);
  }
  protobuf_push(
      envelope, channel, place, 0, [&](ProtobufEncoder& to) { to.client_info(1, info); }, out);
  return true;
}

bool push_publication(Encoding encoding, Envelope envelope, const PushChannel& channel,
                      const Publication& publication, const PublicationForm& form,
                      std::string& out) {
  out.reserve(out.size() + form.data.size() + channel.name.size() + form.source.size() + 128);
  if (encoding == Encoding::json) {
    return json_push(
        envelope, channel, kPublication,
        [&](JsonEncoder& to) { to.publication(publication, form); }, out);
  }
  protobuf_push(
      envelope, channel, kPublication,
      form.data.size() + form.epoch.size() + form.source.size() + 6,
      [&](ProtobufEncoder& to) { to.publication(publication, form); }, out);
  return true;
}

}  // namespace

template <class Result>
bool encode_reply(Encoding encoding, uint32_t id, const Result& result, std::string& out) {
  return reply(encoding, id, place_of(result), result, out);
}
template bool encode_reply(Encoding, uint32_t, const ConnectResult&, std::string&);
template bool encode_reply(Encoding, uint32_t, const SubscribeResult&, std::string&);
template bool encode_reply(Encoding, uint32_t, const UnsubscribeResult&, std::string&);
template bool encode_reply(Encoding, uint32_t, const PublishResult&, std::string&);
template bool encode_reply(Encoding, uint32_t, const PresenceResult&, std::string&);
template bool encode_reply(Encoding, uint32_t, const PresenceStatsResult&, std::string&);
template bool encode_reply(Encoding, uint32_t, const HistoryResult&, std::string&);
template bool encode_reply(Encoding, uint32_t, const RpcResult&, std::string&);
template bool encode_reply(Encoding, uint32_t, const RefreshResult&, std::string&);
template bool encode_reply(Encoding, uint32_t, const SubRefreshResult&, std::string&);

void encode_error(Encoding encoding, uint32_t id, const ClientError& error, std::string& out) {
  reply(encoding, id, kError, ErrorMessage{error.code, error.message, error.temporary}, out);
}

void encode_ping(Encoding encoding, std::string& out) {
  if (encoding == Encoding::json) {
    out += "{}";
  } else {
    out += '\0';
  }
}

bool encode_push(Encoding encoding, Envelope envelope, const PushChannel& channel,
                 const Publication& publication, std::string& out) {
  return encode_push(encoding, envelope, channel, "", publication, out);
}

bool encode_push(Encoding encoding, Envelope envelope, const PushChannel& channel,
                 std::string_view source, const Publication& publication, std::string& out) {
  if (encoding == Encoding::json && !publication.data_is_json()) return false;
  PublicationForm form = form_of(publication);
  form.source = source;
  return push_publication(encoding, envelope, channel, publication, form, out);
}

bool encode_push(Encoding encoding, Envelope envelope, const PushChannel& channel,
                 const Publication& publication, const Payload& payload, std::string& out) {
  const PublicationForm form{
      .data = payload.data, .delta = payload.delta, .epoch = {}, .source = {}};
  return push_publication(encoding, envelope, channel, publication, form, out);
}

bool encode_push(Encoding encoding, Envelope envelope, const PushChannel& channel,
                 const JoinPush& join, std::string& out) {
  return push_info(encoding, envelope, channel, kJoin, join.info, out);
}

bool encode_push(Encoding encoding, Envelope envelope, const PushChannel& channel,
                 const LeavePush& leave, std::string& out) {
  return push_info(encoding, envelope, channel, kLeave, leave.info, out);
}

void encode_push(Encoding encoding, Envelope envelope, std::string_view channel,
                 const UnsubscribePush& unsubscribe, std::string& out) {
  push(encoding, envelope, channel, kUnsubscribe, unsubscribe, out);
}

bool encode_push(Encoding encoding, Envelope envelope, std::string_view channel,
                 const SubscribePush& subscribe, std::string& out) {
  return push(encoding, envelope, channel, kSubscribe, subscribe, out);
}

bool encode_push(Encoding encoding, Envelope envelope, const MessagePush& message,
                 std::string& out) {
  return push(encoding, envelope, "", kMessage, message, out);
}

bool encode_push(Encoding encoding, Envelope envelope, const ConnectPush& connect,
                 std::string& out) {
  return push(encoding, envelope, "", kConnect, connect, out);
}

void encode_push(Encoding encoding, Envelope envelope, const DisconnectPush& disconnect,
                 std::string& out) {
  push(encoding, envelope, "", kDisconnect, disconnect, out);
}

void encode_push(Encoding encoding, Envelope envelope, const RefreshPush& refresh,
                 std::string& out) {
  push(encoding, envelope, "", kRefresh, refresh, out);
}

void encode_command(Encoding encoding, uint32_t id, const Request& request, std::string& out) {
  const auto [name, number] = kRequestFields[request.index()];
  std::visit(
      [&]<class Message>(const Message& message) {
        if constexpr (std::same_as<Message, std::monostate>) {
          encode_ping(encoding, out);
        } else {
          reply(encoding, id, Place{name, number}, message, out);
        }
      },
      request);
}

}  // namespace gyre::protocol
