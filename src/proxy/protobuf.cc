#include "proxy/protobuf.h"

#include <google/protobuf/stubs/logging.h>
#include <proxy.pb.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "protocol/json.h"
#include "proxy/decode.h"

namespace gyre::proxy {

namespace {

namespace pb = centrifugal::centrifugo::proxy;

// The message that stands for each of our structs.
template <class Struct>
struct MessageOf;
template <>
struct MessageOf<wire::ConnectRequest> : std::type_identity<pb::ConnectRequest> {};
template <>
struct MessageOf<wire::RefreshRequest> : std::type_identity<pb::RefreshRequest> {};
template <>
struct MessageOf<wire::SubscribeRequest> : std::type_identity<pb::SubscribeRequest> {};
template <>
struct MessageOf<wire::PublishRequest> : std::type_identity<pb::PublishRequest> {};
template <>
struct MessageOf<wire::SubRefreshRequest> : std::type_identity<pb::SubRefreshRequest> {};
template <>
struct MessageOf<wire::RpcRequest> : std::type_identity<pb::RPCRequest> {};
template <>
struct MessageOf<ConnectResult> : std::type_identity<pb::ConnectResponse> {};
template <>
struct MessageOf<RefreshResult> : std::type_identity<pb::RefreshResponse> {};
template <>
struct MessageOf<SubscribeResult> : std::type_identity<pb::SubscribeResponse> {};
template <>
struct MessageOf<PublishResult> : std::type_identity<pb::PublishResponse> {};
template <>
struct MessageOf<SubRefreshResult> : std::type_identity<pb::SubRefreshResponse> {};
template <>
struct MessageOf<RpcResult> : std::type_identity<pb::RPCResponse> {};

// Each request has some of these fields.
template <class Request, class Message>
void fill(const Request& request, Message& message) {
  message.mutable_client()->assign(request.client);
  message.mutable_transport()->assign(request.transport);
  message.mutable_protocol()->assign(request.protocol);
  message.mutable_encoding()->assign(request.encoding);
  if constexpr (requires { request.user; }) message.mutable_user()->assign(request.user);
  if constexpr (requires { request.channel; }) message.mutable_channel()->assign(request.channel);
  if constexpr (requires { request.method; }) message.mutable_method()->assign(request.method);
  if constexpr (requires { request.meta; }) message.mutable_meta()->assign(request.meta);
  if constexpr (requires { request.data; }) {
    message.mutable_data()->assign(request.data);
    message.set_b64data(request.b64data);
  }
  if constexpr (requires { request.channels; }) {
    message.mutable_name()->assign(request.name);
    message.mutable_version()->assign(request.version);
    for (const std::string_view channel : request.channels) {
      message.add_channels()->assign(channel);
    }
  }
}

Raw raw(std::string& bytes) {
  return {.bytes = std::move(bytes), .is_json = false};
}

std::optional<Override> override_of(const pb::SubscribeOptionOverride& given) {
  const auto flag = [](bool is_there, const pb::BoolValue& value) {
    return is_there ? std::optional(Flag{value.value()}) : std::nullopt;
  };
  return Override{
      .presence = flag(given.has_presence(), given.presence()),
      .join_leave = flag(given.has_join_leave(), given.join_leave()),
      .force_recovery = flag(given.has_force_recovery(), given.force_recovery()),
      .force_positioning = flag(given.has_force_positioning(), given.force_positioning()),
      .force_push_join_leave =
          flag(given.has_force_push_join_leave(), given.force_push_join_leave())};
}

// Info, data and overrides, which several messages have under the same names.
template <class Message, class Options>
void take_options(Message& message, Options& options) {
  options.info = raw(*message.mutable_info());
  options.b64info = std::move(*message.mutable_b64info());
  if constexpr (requires { options.data; }) {
    options.data = raw(*message.mutable_data());
    options.b64data = std::move(*message.mutable_b64data());
  }
  if constexpr (requires { options.override_options; }) {
    if (message.has_override()) options.override_options = override_of(message.override());
  }
}

bool take(pb::ConnectResult& message, ConnectResult& result) {
  if (static_cast<size_t>(message.channels_size()) + message.subs_size() > kElementsMax) {
    return false;
  }
  result.user = std::move(*message.mutable_user());
  result.expire_at = message.expire_at();
  take_options(message, result);
  for (std::string& channel : *message.mutable_channels()) {
    result.channels.push_back(std::move(channel));
  }
  for (auto& [channel, options] : *message.mutable_subs()) {
    take_options(options, result.subs.emplace_back(channel, SubscribeOptions()).second);
  }
  std::ranges::sort(result.subs, {}, [](const auto& sub) { return std::string_view(sub.first); });
  result.meta = raw(*message.mutable_meta());
  return true;
}

bool take(pb::RefreshResult& message, RefreshResult& result) {
  result.expired = message.expired();
  result.expire_at = message.expire_at();
  take_options(message, result);
  result.meta = raw(*message.mutable_meta());
  return true;
}

bool take(pb::SubscribeResult& message, SubscribeResult& result) {
  result.expire_at = message.expire_at();
  take_options(message, result);
  return true;
}

bool take(pb::PublishResult& message, PublishResult& result) {
  if (static_cast<size_t>(message.tags_size()) > kElementsMax) return false;
  result.data = raw(*message.mutable_data());
  // Nobody has looked at it so far, and what is known to be JSON travels further as such.
  result.data.is_json = !result.data.empty() && protocol::json::validate(result.data.bytes);
  result.b64data = std::move(*message.mutable_b64data());
  result.skip_history = message.skip_history();
  for (auto& [name, value] : *message.mutable_tags()) {
    result.tags.emplace_back(name, std::move(value));
  }
  std::ranges::sort(result.tags);
  result.idempotency_key = std::move(*message.mutable_idempotency_key());
  result.delta = message.delta();
  result.version = message.version();
  result.version_epoch = std::move(*message.mutable_version_epoch());
  return true;
}

bool take(pb::SubRefreshResult& message, SubRefreshResult& result) {
  result.expired = message.expired();
  result.expire_at = message.expire_at();
  take_options(message, result);
  return true;
}

bool take(pb::RPCResult& message, RpcResult& result) {
  result.data = raw(*message.mutable_data());
  result.b64data = std::move(*message.mutable_b64data());
  return true;
}

Result<void> take_allow(google::protobuf::RepeatedPtrField<std::string>& given, Allow& allow) {
  for (std::string& word : given) {
    if (!auth::CapabilityBounds::has_room_for_word(allow.words)) {
      return std::unexpected(refused_for("allow", Errc::too_large));
    }
    allow.words.push_back(std::move(word));
  }
  return {};
}

Result<void> take_caps(google::protobuf::RepeatedPtrField<pb::ChannelsCapability>& given,
                       Capabilities& caps) {
  auth::CapabilityBounds bounds;
  for (pb::ChannelsCapability& message : given) {
    ChannelsCapability one{
        .channels = {}, .allow = {}, .match = std::move(*message.mutable_match())};
    bool is_within = bounds.take_entry() && take_allow(*message.mutable_allow(), one.allow);
    for (std::string& channel : *message.mutable_channels()) {
      is_within = is_within && bounds.take_channel();
      if (is_within) one.channels.names.push_back(std::move(channel));
    }
    if (!is_within) return std::unexpected(refused_for("caps", Errc::too_large));
    std::optional<auth::Capability> capability = capability_of(std::move(one));
    if (!capability) return std::unexpected(refused_for("caps", Errc::malformed));
    caps.list.push_back(std::move(*capability));
  }
  return {};
}

// What only some results have, and only some configurations heed.
template <class Message, class Outcome>
Result<void> take_capabilities(Message& message, Outcome& result, AnswerRules rules) {
  if (!rules.has_capabilities) return {};
  if constexpr (requires { result.caps; }) return take_caps(*message.mutable_caps(), result.caps);
  if constexpr (requires { result.allow; }) {
    return take_allow(*message.mutable_allow(), result.allow);
  }
  return {};
}

// A text that is not UTF-8 would be told of on the standard error.
void silence_library() {
  [[maybe_unused]] static const auto former = google::protobuf::SetLogHandler(nullptr);
}

template <class Outcome>
Result<Response<Outcome>> response_of(typename MessageOf<Outcome>::type& message,
                                      AnswerRules rules) {
  Response<Outcome> response;
  if (message.has_disconnect()) {
    response.disconnect = {.code = message.disconnect().code(),
                           .reason = std::move(*message.mutable_disconnect()->mutable_reason())};
  }
  if (message.has_error()) {
    response.error = {.code = message.error().code(),
                      .message = std::move(*message.mutable_error()->mutable_message()),
                      .temporary = message.error().temporary()};
  }
  if (!message.has_result()) return response;
  if (!take(*message.mutable_result(), response.result.emplace())) {
    return fail(Errc::too_large, "the answer has too many elements");
  }
  GYRE_TRY_VOID(take_capabilities(*message.mutable_result(), *response.result, rules));
  if (!resolve_base64(*response.result)) {
    return fail(Errc::invalid, "a value of the answer is not base64");
  }
  return response;
}

template <class Message>
bool parse(Message& message, std::string_view bytes) {
  silence_library();
  return bytes.size() <= std::numeric_limits<int>::max() &&
         message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
}

}  // namespace

template <class Request>
std::string encode_protobuf(const Request& request) {
  silence_library();
  typename MessageOf<Request>::type message;
  fill(request, message);
  return message.SerializeAsString();
}

template <class Outcome>
Result<Response<Outcome>> decode_protobuf(std::string_view bytes, AnswerRules rules) {
  typename MessageOf<Outcome>::type message;
  if (!parse(message, bytes))
    return fail(Errc::malformed, "the answer is not the message expected");
  return response_of<Outcome>(message, rules);
}

std::string encode_stream_start(const wire::SubscribeRequest& request, bool is_bidirectional) {
  if (!is_bidirectional) return encode_protobuf(request);
  pb::StreamSubscribeRequest message;
  fill(request, *message.mutable_subscribe_request());
  return message.SerializeAsString();
}

std::string encode_stream_publication(std::string_view data) {
  pb::StreamSubscribeRequest message;
  message.mutable_publication()->mutable_data()->assign(data);
  return message.SerializeAsString();
}

Result<Response<SubscribeResult>> decode_stream_start(std::string_view bytes, AnswerRules rules) {
  pb::StreamSubscribeResponse message;
  if (!parse(message, bytes) || !message.has_subscribe_response()) {
    return fail(Errc::malformed, "the stream does not begin with an answer to the subscribe");
  }
  return response_of<SubscribeResult>(*message.mutable_subscribe_response(), rules);
}

Result<std::optional<StreamPublication>> decode_stream_publication(std::string_view bytes) {
  pb::StreamSubscribeResponse message;
  if (!parse(message, bytes)) {
    return fail(Errc::malformed, "a message of the stream is not the one expected");
  }
  if (!message.has_publication()) return std::nullopt;
  pb::Publication& given = *message.mutable_publication();
  if (static_cast<size_t>(given.tags_size()) > kElementsMax) {
    return fail(Errc::too_large, "a publication of the stream has too many tags");
  }
  StreamPublication publication{.data = std::move(*given.mutable_data()), .tags = {}};
  for (auto& [name, value] : *given.mutable_tags()) {
    publication.tags.emplace_back(name, std::move(value));
  }
  std::ranges::sort(publication.tags);
  return publication;
}

template std::string encode_protobuf(const wire::ConnectRequest&);
template std::string encode_protobuf(const wire::RefreshRequest&);
template std::string encode_protobuf(const wire::SubscribeRequest&);
template std::string encode_protobuf(const wire::PublishRequest&);
template std::string encode_protobuf(const wire::SubRefreshRequest&);
template std::string encode_protobuf(const wire::RpcRequest&);
template Result<Response<ConnectResult>> decode_protobuf(std::string_view, AnswerRules);
template Result<Response<RefreshResult>> decode_protobuf(std::string_view, AnswerRules);
template Result<Response<SubscribeResult>> decode_protobuf(std::string_view, AnswerRules);
template Result<Response<PublishResult>> decode_protobuf(std::string_view, AnswerRules);
template Result<Response<SubRefreshResult>> decode_protobuf(std::string_view, AnswerRules);
template Result<Response<RpcResult>> decode_protobuf(std::string_view, AnswerRules);

}  // namespace gyre::proxy
