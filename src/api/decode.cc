#include "api/decode.h"

#include <algorithm>
#include <concepts>
#include <map>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "http/request.h"

namespace gyre::api {

namespace {

using protocol::json::Scanner;

// A walk over JSON text that fills requests. Every method answers false for text that is not JSON,
// has a value of the wrong type, or too many elements; `null` leaves a value as it is.
class Decoder {
 public:
  explicit Decoder(Scanner& scanner, MethodSet known = MethodSet::all())
      : scanner_(scanner), known_(known) {}

  // Why a method has answered false.
  Errc failure() const { return is_crowded_ ? Errc::too_large : Errc::malformed; }

  bool null() { return scanner_.peek() == 'n' && scanner_.take_word("null"); }

  bool at_end() {
    scanner_.peek();
    return scanner_.at_end();
  }

  template <class T>
  bool null_or_value(T& out) {
    // A raw value keeps its null.
    if constexpr (!std::same_as<T, Raw>) {
      if (null()) return true;
    }
    return value(out);
  }

  template <Described T>
  bool value(T& out) {
    return object(
        [&](bool& ok) {
          return field_of(out, [&](std::string_view ours) { return scanner_.take_name(ours); }, ok);
        },
        [&](std::string_view name, bool& ok) {
          return field_of(
              out, [&](std::string_view ours) { return http::equals_ignoring_case(name, ours); },
              ok);
        });
  }

  bool value(BatchRequest& out) {
    return members([&](std::string_view name, bool& ok) {
      if (http::equals_ignoring_case(name, "commands")) {
        ok = scanner_.take(':') && (null() || commands(out.commands));
      } else if (http::equals_ignoring_case(name, "parallel")) {
        ok = scanner_.take(':') && null_or_value(out.parallel);
      } else {
        return false;
      }
      return true;
    });
  }

  // A command of the single-endpoint API; its method is resolved once all members are known.
  struct Single {
    uint32_t id = 0;
    int32_t number = 0;
    std::optional<std::string> method;  // if it is text
    std::optional<std::string_view> params;
  };
  bool value(Single& out) {
    return members([&](std::string_view name, bool& ok) {
      if (http::equals_ignoring_case(name, "id")) {
        ok = scanner_.take(':') && null_or_value(out.id);
      } else if (http::equals_ignoring_case(name, "method")) {
        ok = scanner_.take(':') && single_method(out);
      } else if (http::equals_ignoring_case(name, "params")) {
        ok = scanner_.take(':') && source(out.params.emplace());
      } else {
        return false;
      }
      return true;
    });
  }

 private:
  // Decodes the members of an object. First by_text(ok) may take a name that is written as usual,
  // and decode its value; if it knows none, by_name(name, ok) gets the name after it was scanned,
  // and decodes the value if it knows that.
  template <class ByText, class ByName>
  bool object(ByText&& by_text, ByName&& by_name) {
    if (!scanner_.take('{')) return false;
    if (scanner_.take('}')) return true;
    std::string name;
    do {
      scanner_.peek();
      bool ok = true;
      if (!by_text(ok)) {
        if (!value(name)) return false;
        if (!by_name(std::string_view(name), ok)) ok = scanner_.take(':') && scanner_.skip_value();
      }
      if (!ok) return false;
    } while (scanner_.take(','));
    return scanner_.take('}');
  }

  template <class ByName>
  bool members(ByName&& by_name) {
    return object([](bool&) { return false; }, by_name);
  }

  template <Described T, class Matches>
  bool field_of(T& out, Matches matches, bool& ok) {
    return any_field<T>([&](const auto& field) {
      if (!matches(field.name)) return false;
      ok = scanner_.take(':') && null_or_value(out.*field.member);
      return true;
    });
  }

  template <class Element>
  bool array(Element&& element) {
    if (!scanner_.take('[')) return false;
    if (scanner_.take(']')) return true;
    do {
      if (!element()) return false;
    } while (scanner_.take(','));
    return scanner_.take(']');
  }

  bool has_room(size_t used, size_t max) {
    is_crowded_ = is_crowded_ || used >= max;
    return !is_crowded_;
  }

  bool value(std::string& out) {
    std::string_view body;
    bool escaped = false;
    if (!scanner_.string(body, escaped)) return false;
    if (!escaped) {
      out.assign(body);
      return true;
    }
    out.resize(body.size());
    out.resize(static_cast<size_t>(protocol::json::unescape(body, out.data()) - out.data()));
    return true;
  }

  bool value(bool& out) {
    const char first = scanner_.peek();
    out = first == 't';
    return scanner_.take_word(out ? "true" : "false");
  }

  template <std::integral T>
    requires(!std::same_as<T, bool>)
  bool value(T& out) {
    return scanner_.integer(out);
  }

  bool source(std::string_view& out) {
    scanner_.peek();
    const char* const start = scanner_.position();
    if (!scanner_.skip_value()) return false;
    out = {start, static_cast<size_t>(scanner_.position() - start)};
    return true;
  }

  bool value(Raw& out) {
    std::string_view text;
    if (!source(text)) return false;
    out.bytes.assign(text);
    out.is_json = true;
    return true;
  }

  bool value(IgnoredObject&) { return scanner_.peek() == '{' && scanner_.skip_value(); }

  template <class T>
  bool value(std::optional<T>& out) {
    return value(out.emplace());
  }

  bool value(std::vector<std::string>& out) {
    out.clear();
    return array(
        [&] { return has_room(elements_++, kElementsMax) && null_or_value(out.emplace_back()); });
  }

  // In the order of the names, as no other is the backend's to choose.
  bool value(protocol::Tags& out) {
    std::map<std::string, std::string> tags;
    const bool done = members([&](std::string_view name, bool& ok) {
      std::string text;
      ok = has_room(elements_++, kElementsMax) && scanner_.take(':') && null_or_value(text);
      tags.insert_or_assign(std::string(name), std::move(text));
      return true;
    });
    out.clear();
    out.reserve(tags.size());
    while (!tags.empty()) {
      auto tag = tags.extract(tags.begin());
      out.emplace_back(std::move(tag.key()), std::move(tag.mapped()));
    }
    return done;
  }

  bool commands(std::vector<Command>& out) {
    out.clear();
    return array([&] {
      return has_room(out.size(), kCommandsMax) &&
             command(out.emplace_back(refuse(errors::kNotFound)));
    });
  }

  bool command(Command& out) {
    if (null()) {
      out = refuse(errors::kBadRequest);
      return true;
    }
    return members([&](std::string_view name, bool& ok) {
      return [&]<size_t... I>(std::index_sequence<I...>) {
        return ((http::equals_ignoring_case(name, kMethodNames[I]) &&
                 known_.has(static_cast<Method>(I)) &&
                 (ok = scanner_.take(':') && member<I>(out), true)) ||
                ...);
      }(std::make_index_sequence<kCommandMethods>());
    });
  }

  // All members must be well, but only the first in the order of methods is executed.
  template <size_t I>
  bool member(Command& out) {
    if (null()) return true;
    std::variant_alternative_t<I, AnyRequest> request;
    if (!value(request)) return false;
    if (!out || I <= out->index()) out = std::move(request);
    return true;
  }

  bool single_method(Single& out) {
    if (null()) return true;
    out.method.reset();
    if (scanner_.peek() == '"') return value(out.method.emplace());
    return scanner_.integer(out.number);
  }

  Scanner& scanner_;
  const MethodSet known_;
  size_t elements_ = 0;
  bool is_crowded_ = false;
};

template <size_t I>
Decoded<AnyRequest> decode_as(std::string_view body) {
  Scanner scanner(body);
  Decoder decoder(scanner);
  AnyRequest request(std::in_place_index<I>);
  if (decoder.null_or_value(std::get<I>(request)) && decoder.at_end()) return request;
  return std::unexpected(decoder.failure());
}

// What a number of the single-endpoint API means (6), and which names it knows. Empty: a method of
// the PRO edition.
struct SingleMethod {
  std::string_view name;
  std::optional<Method> method = {};
};

constexpr SingleMethod known(Method method) {
  return {name_of(method), method};
}

constexpr SingleMethod kSingleMethods[] = {
    known(Method::publish),
    known(Method::broadcast),
    known(Method::unsubscribe),
    known(Method::disconnect),
    known(Method::presence),
    known(Method::presence_stats),
    known(Method::history),
    known(Method::history_remove),
    known(Method::channels),
    known(Method::info),
    known(Method::rpc),
    known(Method::subscribe),
    known(Method::refresh),
    {""},  // 13 is not used
    known(Method::connections),
    known(Method::update_user_status),
    known(Method::get_user_status),
    known(Method::delete_user_status),
    known(Method::block_user),
    known(Method::unblock_user),
    known(Method::revoke_token),
    known(Method::invalidate_user_tokens),
    {"device_register"},
    {"device_update"},
    {"device_remove"},
    {"device_list"},
    {"device_topic_list"},
    {"device_topic_update"},
    {"user_topic_list"},
    {"user_topic_update"},
    {"send_push_notification"},
    {"update_push_status"},
    {"cancel_push"},
    known(Method::map_publish),
    known(Method::map_remove),
    known(Method::map_read_state),
    known(Method::map_read_stream),
    known(Method::map_stats),
    known(Method::map_clear),
    known(Method::shared_poll_publish),
};
static_assert(std::size(kSingleMethods) == 40);

// Null for a name that is in no table, which is a malformed request.
const SingleMethod* find_single_method(const Decoder::Single& single) {
  static constexpr SingleMethod kNone{"", std::nullopt};
  if (!single.method) {
    const auto number = static_cast<size_t>(single.number);
    return single.number >= 0 && number < std::size(kSingleMethods) ? &kSingleMethods[number]
                                                                    : &kNone;
  }
  if (single.method->empty()) return nullptr;
  const auto* found = std::ranges::find_if(kSingleMethods, [&](const SingleMethod& method) {
    return http::equals_ignoring_case(method.name, *single.method);
  });
  return found == std::end(kSingleMethods) ? nullptr : found;
}

Decoded<Command> resolve(const Decoder::Single& single, MethodSet known) {
  const SingleMethod* found = find_single_method(single);
  if (!found) return std::unexpected(Errc::malformed);
  if (!found->method || !known.has(*found->method)) return Command(refuse(errors::kNotFound));
  if (!single.params && found->method == Method::info) return Command(InfoRequest());
  if (!single.params) return Command(refuse(errors::kBadRequest));
  Decoded<AnyRequest> request = decode_request(*found->method, *single.params);
  if (request) return Command(std::move(*request));
  if (request.error() == Errc::too_large) return std::unexpected(Errc::too_large);
  return Command(refuse(errors::kBadRequest));
}

}  // namespace

Decoded<AnyRequest> decode_request(Method method, std::string_view body) {
  Decoded<AnyRequest> result = std::unexpected(Errc::malformed);
  [&]<size_t... I>(std::index_sequence<I...>) {
    static_cast<void>(
        ((static_cast<size_t>(method) == I && (result = decode_as<I>(body), true)) || ...));
  }(std::make_index_sequence<kCommandMethods>());
  return result;
}

Decoded<BatchRequest> decode_batch(std::string_view body, MethodSet known) {
  Scanner scanner(body);
  Decoder decoder(scanner, known);
  BatchRequest request;
  if (decoder.null_or_value(request) && decoder.at_end()) return request;
  return std::unexpected(decoder.failure());
}

Decoded<SingleCommand> SingleCommandReader::next() {
  if (commands_++ == kCommandsMax) return std::unexpected(Errc::too_large);
  Decoder decoder(scanner_);
  Decoder::Single single;
  if (!decoder.null_or_value(single)) return std::unexpected(decoder.failure());
  Decoded<Command> command = resolve(single, known_);
  if (!command) return std::unexpected(command.error());
  return SingleCommand{.id = single.id, .command = std::move(*command)};
}

bool SingleCommandReader::at_end() {
  scanner_.peek();
  return scanner_.at_end();
}

}  // namespace gyre::api
