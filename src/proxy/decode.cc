#include "proxy/decode.h"

#include <concepts>
#include <map>

#include "protocol/json.h"
#include "protocol/json_scanner.h"
#include "proxy/header_name.h"

namespace gyre::proxy {

namespace {

struct ErrorBody {
  uint32_t code = 0;
  std::string message;
  bool temporary = false;

  static constexpr auto fields =
      describe(field<1>("code", &ErrorBody::code), field<2>("message", &ErrorBody::message),
               field<3>("temporary", &ErrorBody::temporary));
};

struct DisconnectBody {
  uint32_t code = 0;
  std::string reason;

  static constexpr auto fields = describe(field<1>("code", &DisconnectBody::code),
                                          field<2>("reason", &DisconnectBody::reason));
};

template <class Outcome>
struct Envelope {
  std::optional<Outcome> result;
  std::optional<ErrorBody> error;
  std::optional<DisconnectBody> disconnect;

  static constexpr auto fields =
      describe(field<1>("result", &Envelope::result), field<2>("error", &Envelope::error),
               field<3>("disconnect", &Envelope::disconnect));
};

template <class T>
concept OfCapabilities = std::same_as<T, Capabilities> || std::same_as<T, Allow>;

// A walk over one JSON text that fills structs. Every method answers false for text that is not
// JSON, has a value of the wrong type, or too many elements.
class ResponseReader {
 public:
  ResponseReader(std::string_view text, AnswerRules rules) : scanner_(text), rules_(rules) {}

  Error failure() const {
    const Errc code = is_crowded_ ? Errc::too_large : Errc::malformed;
    if (!refused_.empty()) return refused_for(refused_, code);
    return {code, is_crowded_ ? "the answer has too many elements"
                              : "the answer is not the JSON object expected"};
  }

  bool at_end() {
    scanner_.peek();
    return scanner_.at_end();
  }

  template <Described T>
  bool value(T& out) {
    return object([&](std::string_view name, bool& ok) {
      return any_field<T>([&](const auto& field) {
        if (!equals_ignoring_case(name, field.name)) return false;
        ok = member_value(field.name, out.*field.member);
        return true;
      });
    });
  }

 private:
  template <class T>
  bool member_value(std::string_view name, T& out) {
    if constexpr (OfCapabilities<T>) {
      if (!rules_.has_capabilities) return scanner_.skip_value();
      if (null_or_value(out)) return true;
      refused_ = name;  // of several the outermost
      return false;
    } else {
      return null_or_value(out);
    }
  }

  template <class T>
  bool null_or_value(T& out) {
    // A value of the backend's own keeps its null.
    if constexpr (!std::same_as<T, Raw>) {
      if (scanner_.peek() == 'n') return scanner_.take_word("null");
    }
    return value(out);
  }

  // member(name, ok) decodes the value of a name that it knows.
  template <class Member>
  bool object(Member&& member) {
    if (!scanner_.take('{')) return false;
    if (scanner_.take('}')) return true;
    do {
      std::string name;
      scanner_.peek();
      if (!value(name) || !scanner_.take(':')) return false;
      bool ok = true;
      if (!member(std::string_view(name), ok)) ok = scanner_.skip_value();
      if (!ok) return false;
    } while (scanner_.take(','));
    return scanner_.take('}');
  }

  // element() decodes one.
  template <class Element>
  bool array(Element&& element) {
    if (!scanner_.take('[')) return false;
    if (scanner_.take(']')) return true;
    do {
      if (!element()) return false;
    } while (scanner_.take(','));
    return scanner_.take(']');
  }

  bool is_within(bool has_room) {
    is_crowded_ = is_crowded_ || !has_room;
    return has_room;
  }
  bool has_room() { return is_within(elements_++ < kElementsMax); }

  bool value(std::string& out) {
    std::string_view body;
    bool is_escaped = false;
    if (scanner_.peek() != '"' || !scanner_.string(body, is_escaped)) return false;
    if (!is_escaped) {
      out.assign(body);
      return true;
    }
    out.resize(body.size());
    out.resize(static_cast<size_t>(protocol::json::unescape(body, out.data()) - out.data()));
    return true;
  }

  bool value(bool& out) {
    out = scanner_.peek() == 't';
    return scanner_.take_word(out ? "true" : "false");
  }

  template <std::integral T>
    requires(!std::same_as<T, bool>)
  bool value(T& out) {
    return scanner_.integer(out);
  }

  bool value(Raw& out) {
    scanner_.peek();
    const char* const start = scanner_.position();
    if (!scanner_.skip_value()) return false;
    out.bytes.assign(start, scanner_.position());
    out.is_json = true;
    return true;
  }

  template <class T>
  bool value(std::optional<T>& out) {
    return value(out.emplace());
  }

  bool value(std::vector<std::string>& out) {
    out.clear();
    return array([&] { return has_room() && null_or_value(out.emplace_back()); });
  }

  // As with tokens, no entry, channel or word is null.
  bool value(Capabilities& out) {
    out.list.clear();
    bounds_ = {};
    return array([&] {
      ChannelsCapability given;
      if (!is_within(bounds_.take_entry()) || !value(given)) return false;
      std::optional<auth::Capability> capability = capability_of(std::move(given));
      if (capability) out.list.push_back(std::move(*capability));
      return capability.has_value();
    });
  }

  bool value(CapabilityChannels& out) {
    out.names.clear();
    return array(
        [&] { return is_within(bounds_.take_channel()) && value(out.names.emplace_back()); });
  }

  bool value(Allow& out) {
    out.words.clear();
    return array([&] {
      return is_within(auth::CapabilityBounds::has_room_for_word(out.words)) &&
             value(out.words.emplace_back());
    });
  }

  // An object as a list of pairs, in the order of the names; of equal ones the last counts.
  template <class Mapped>
  bool value(std::vector<std::pair<std::string, Mapped>>& out) {
    std::map<std::string, Mapped> entries;
    const bool is_done = object([&](std::string_view name, bool& ok) {
      Mapped mapped;
      ok = has_room() && null_or_value(mapped);
      entries.insert_or_assign(std::string(name), std::move(mapped));
      return true;
    });
    out.clear();
    out.reserve(entries.size());
    while (!entries.empty()) {
      auto entry = entries.extract(entries.begin());
      out.emplace_back(std::move(entry.key()), std::move(entry.mapped()));
    }
    return is_done;
  }

  protocol::json::Scanner scanner_;
  const AnswerRules rules_;
  size_t elements_ = 0;
  auth::CapabilityBounds bounds_;  // of the list that is read
  bool is_crowded_ = false;
  std::string_view refused_;  // caps or allow, if that is why; else empty
};

}  // namespace

template <class Outcome>
Result<Response<Outcome>> decode_response(std::string_view body, AnswerRules rules) {
  Envelope<Outcome> envelope;
  ResponseReader reader(body, rules);
  if (!reader.value(envelope) || !reader.at_end()) return std::unexpected(reader.failure());
  Response<Outcome> response;
  if (auto& disconnect = envelope.disconnect) {
    response.disconnect = {.code = disconnect->code, .reason = std::move(disconnect->reason)};
  }
  if (auto& error = envelope.error) {
    response.error = {
        .code = error->code, .message = std::move(error->message), .temporary = error->temporary};
  }
  response.result = std::move(envelope.result);
  if (response.result && !resolve_base64(*response.result)) {
    return fail(Errc::invalid, "a value of the answer is not base64");
  }
  return response;
}

template Result<Response<ConnectResult>> decode_response(std::string_view, AnswerRules);
template Result<Response<RefreshResult>> decode_response(std::string_view, AnswerRules);
template Result<Response<SubscribeResult>> decode_response(std::string_view, AnswerRules);
template Result<Response<PublishResult>> decode_response(std::string_view, AnswerRules);
template Result<Response<SubRefreshResult>> decode_response(std::string_view, AnswerRules);
template Result<Response<RpcResult>> decode_response(std::string_view, AnswerRules);

}  // namespace gyre::proxy
