#include "protocol/json_decoder.h"

#include <algorithm>
#include <concepts>
#include <optional>
#include <utility>
#include <vector>

#include "protocol/command_reader.h"
#include "protocol/decoded_map.h"
#include "protocol/element_budget.h"
#include "protocol/request_table.h"

namespace gyre::protocol {
namespace {

char lower(char byte) {
  return byte >= 'A' && byte <= 'Z' ? static_cast<char>(byte | 0x20) : byte;
}

bool equals_ignoring_case(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, {}, lower, lower);
}

// A walk over one JSON text that fills structs. Every method answers false for text that is not
// JSON or has a value of the wrong type; `null` leaves a value as it is.
class JsonDecoder {
  // The two ways to compare a name of ours with that of a field.
  auto is_next() {
    return [this](std::string_view name) { return scanner_.take_name(name); };
  }
  static auto is_like(std::string_view name) {
    return [name](std::string_view ours) { return equals_ignoring_case(name, ours); };
  }

 public:
  JsonDecoder(std::string_view text, Scratch& scratch)
      : scanner_(text), scratch_(scratch), budget_(text.size()) {}

  bool command(Command& out) {
    return null() || object([&](bool& ok) { return command_field(out, is_next(), ok); },
                            [&](std::string_view name, bool& ok) {
                              return command_field(out, is_like(name), ok);
                            });
  }

  template <Described T>
  bool value(T& out) {
    constexpr bool nests = std::same_as<T, FilterNode>;
    if (nests && (++filter_depth_ > kFilterDepthMax || ++filter_nodes_ > kFilterNodesMax))
      return false;
    const bool done =
        object([&](bool& ok) { return field_of(out, is_next(), ok); },
               [&](std::string_view name, bool& ok) { return field_of(out, is_like(name), ok); });
    if (nests) --filter_depth_;
    return done;
  }

  bool at_end() {
    scanner_.peek();
    return scanner_.at_end();
  }

 private:
  bool null() { return scanner_.peek() == 'n' && scanner_.take_word("null"); }

  // Decodes the fields of an object. First by_text(ok) may take a name that is written as usual,
  // and decode its value; if it knows none, by_name(name, ok) gets the name after it was scanned,
  // and decodes the value if it knows that.
  template <class ByText, class ByName>
  bool object(ByText&& by_text, ByName&& by_name) {
    if (!scanner_.take('{')) return false;
    if (scanner_.take('}')) return true;
    do {
      scanner_.peek();
      bool ok = true;
      if (!by_text(ok)) {
        std::string_view name;
        if (!text(name)) return false;
        if (!by_name(name, ok)) ok = scanner_.take(':') && scanner_.skip_value();
      }
      if (!ok) return false;
    } while (scanner_.take(','));
    return scanner_.take('}');
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

  template <Described T, class Matches>
  bool field_of(T& out, Matches matches, bool& ok) {
    return any_field<T>([&](const auto& field) {
      if (!matches(field.name)) return false;
      ok = scanner_.take(':') && null_or_value(out.*field.member);
      return true;
    });
  }

  template <class Matches>
  bool command_field(Command& out, Matches matches, bool& ok) {
    if (matches("id")) {
      ok = scanner_.take(':') && null_or_value(out.id);
      return true;
    }
    return [&]<size_t... I>(std::index_sequence<I...>) {
      return ((matches(kRequestFields[I + 1].name) &&
               (ok = scanner_.take(':') && request<I + 1>(out), true)) ||
              ...);
    }(std::make_index_sequence<kRequestFields.size() - 1>());
  }

  template <size_t I>
  bool request(Command& out) {
    if (null()) return true;
    using Kind = std::variant_alternative_t<I, Request>;
    std::optional<Kind> unused;
    const bool again = out.request.index() == I;
    Kind& slot = request_slot<I>(out, unused);
    if (again) slot = Kind();
    return value(slot);
  }

  template <class T>
  bool null_or_value(T& out) {
    // A raw value keeps its null (framing.md 2.1).
    if constexpr (!std::same_as<T, RawView>) {
      if (null()) return true;
    }
    return value(out);
  }

  bool text(std::string_view& out) {
    bool escaped = false;
    if (!scanner_.string(out, escaped)) return false;
    if (escaped) {
      char* const start = scratch_.begin();
      char* const end = json::unescape(out, start);
      scratch_.advance_to(end);
      out = {start, static_cast<size_t>(end - start)};
    }
    return true;
  }

  bool value(std::string_view& out) { return text(out); }

  bool value(bool& out) {
    const char first = scanner_.peek();
    out = first == 't';
    return scanner_.take_word(out ? "true" : "false");
  }

  template <std::integral T>
  bool value(T& out) {
    return scanner_.integer(out);
  }

  bool value(RawView& out) {
    scanner_.peek();
    const char* const start = scanner_.position();
    if (!scanner_.skip_value()) return false;
    out.bytes = {start, static_cast<size_t>(scanner_.position() - start)};
    return true;
  }

  template <class T>
  bool value(std::optional<T>& out) {
    return value(out.emplace());
  }

  template <class T>
  bool value(std::vector<T>& out) {
    out.clear();
    return array([&] { return budget_.make_room(out) && null_or_value(out.emplace_back()); });
  }

  template <class Value>
  bool value(MapOf<Value>& out) {
    out.clear();
    const bool done = object([](bool&) { return false; },
                             [&](std::string_view name, bool& ok) {
                               ok = budget_.make_room(out) && scanner_.take(':') &&
                                    null_or_value(out.emplace_back(name, Value{}).second);
                               return true;
                             });
    drop_overridden_entries(out);
    return done;
  }

  json::Scanner scanner_;
  Scratch& scratch_;
  ElementBudget budget_;
  int filter_depth_ = 0;
  int filter_nodes_ = 0;
};

}  // namespace

bool decode_json_command(std::string_view line, Scratch& scratch, Command& command) {
  return JsonDecoder(line, scratch).command(command);
}

template <class Message>
bool decode_json(std::string_view text, Scratch& scratch, Message& message) {
  JsonDecoder decoder(text, scratch);
  return decoder.value(message) && decoder.at_end();
}
template bool decode_json(std::string_view, Scratch&, ConnectRequest&);
template bool decode_json(std::string_view, Scratch&, EmulationRequest&);

}  // namespace gyre::protocol
