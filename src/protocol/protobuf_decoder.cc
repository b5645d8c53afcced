#include "protocol/protobuf_decoder.h"

#include <simdjson.h>

#include <concepts>
#include <optional>
#include <protozero/exception.hpp>
#include <protozero/pbf_reader.hpp>
#include <protozero/varint.hpp>
#include <utility>
#include <vector>

#include "protocol/command_reader.h"
#include "protocol/decoded_map.h"
#include "protocol/element_budget.h"
#include "protocol/request_table.h"

namespace gyre::protocol {
namespace {

using protozero::pbf_reader;
using protozero::pbf_wire_type;

// protozero cuts lengths to 32 bits: one of 2^33 would pass for 0, and parsers would disagree about
// where the field ends.
bool is_length_believable(const pbf_reader& reader) {
  if (reader.wire_type() != pbf_wire_type::length_delimited) return true;
  const protozero::data_view rest = reader.data();
  const char* position = rest.data();
  const char* const end = position + rest.size();
  return protozero::decode_varint(&position, end) <= static_cast<uint64_t>(end - position);
}

// Walks over one message and fills structs. Methods answer false for what is malformed; protozero
// throws for some of it as well, which the functions at the end catch.
class ProtobufDecoder {
 public:
  explicit ProtobufDecoder(std::string_view source) : budget_(source.size()) {}

  bool command(pbf_reader reader, Command& out) {
    while (reader.next()) {
      if (!is_length_believable(reader)) return false;
      bool ok = true;
      const int number = static_cast<int>(reader.tag());
      if (number == 1) {
        ok = value(reader, out.id);
      } else if (!request(reader, number, out, ok)) {
        reader.skip();
      }
      if (!ok) return false;
    }
    return true;
  }

  template <Described T>
  bool message(pbf_reader reader, T& out) {
    constexpr bool nests = std::same_as<T, FilterNode>;
    if (nests && (++filter_depth_ > kFilterDepthMax || ++filter_nodes_ > kFilterNodesMax))
      return false;
    while (reader.next()) {
      if (!is_length_believable(reader)) return false;
      bool ok = true;
      const bool known = any_field<T>([&](const auto& field) {
        if (reader.tag() != field.kNumber) return false;
        ok = value(reader, out.*field.member);
        return true;
      });
      if (!known) reader.skip();
      if (!ok) return false;
    }
    for_each_field<T>([&](const auto& field) { finish(out.*field.member); });
    if (nests) --filter_depth_;
    return true;
  }

 private:
  template <class Value>
  static void finish(MapOf<Value>& map) {
    drop_overridden_entries(map);
  }
  static void finish(const auto&) {}

  bool request(pbf_reader& reader, int number, Command& out, bool& ok) {
    return [&]<size_t... I>(std::index_sequence<I...>) {
      return (
          (number == kRequestFields[I + 1].number && (ok = request<I + 1>(reader, out), true)) ||
          ...);
    }(std::make_index_sequence<kRequestFields.size() - 1>());
  }

  template <size_t I>
  bool request(pbf_reader& reader, Command& out) {
    std::optional<std::variant_alternative_t<I, Request>> unused;
    return value(reader, request_slot<I>(out, unused));
  }

  bool bytes(pbf_reader& reader, std::string_view& out) {
    if (reader.wire_type() != pbf_wire_type::length_delimited) return false;
    const protozero::data_view view = reader.get_view();
    out = {view.data(), view.size()};
    return true;
  }

  bool value(pbf_reader& reader, std::string_view& out) {
    return bytes(reader, out) && simdjson::validate_utf8(out.data(), out.size());
  }
  bool value(pbf_reader& reader, RawView& out) { return bytes(reader, out.bytes); }

  template <std::integral T>
  bool value(pbf_reader& reader, T& out) {
    if (reader.wire_type() != pbf_wire_type::varint) return false;
    // Longer varints are cut to the size of the field, as every implementation does.
    out = static_cast<T>(reader.get_uint64());
    return true;
  }

  // A message that occurs again is merged into what is there.
  template <Described T>
  bool value(pbf_reader& reader, T& out) {
    std::string_view body;
    return bytes(reader, body) && message(pbf_reader(body.data(), body.size()), out);
  }

  template <class T>
  bool value(pbf_reader& reader, std::optional<T>& out) {
    return value(reader, out ? *out : out.emplace());
  }

  template <class T>
  bool value(pbf_reader& reader, std::vector<T>& out) {
    return budget_.make_room(out) && value(reader, out.emplace_back());
  }

  template <class Value>
  bool value(pbf_reader& reader, MapOf<Value>& out) {
    std::string_view body;
    if (!bytes(reader, body) || !budget_.make_room(out)) return false;
    auto& [key, mapped] = out.emplace_back();
    pbf_reader entry(body.data(), body.size());
    while (entry.next()) {
      if (!is_length_believable(entry)) return false;
      if (entry.tag() == 1) {
        if (!value(entry, key)) return false;
      } else if (entry.tag() == 2) {
        if (!value(entry, mapped)) return false;
      } else {
        entry.skip();
      }
    }
    return true;
  }

  ElementBudget budget_;
  int filter_depth_ = 0;
  int filter_nodes_ = 0;
};

// protozero reports truncation and unknown wire types by exceptions.
template <class Decode>
bool without_exceptions(Decode&& decode) {
  try {
    return decode();
  } catch (const protozero::exception&) {
    return false;
  }
}

}  // namespace

bool decode_protobuf_command(std::string_view bytes, Command& command) {
  return without_exceptions([&] {
    return ProtobufDecoder(bytes).command(pbf_reader(bytes.data(), bytes.size()), command);
  });
}

template <class Message>
bool decode_protobuf(std::string_view bytes, Message& message) {
  return without_exceptions([&] {
    return ProtobufDecoder(bytes).message(pbf_reader(bytes.data(), bytes.size()), message);
  });
}
template bool decode_protobuf(std::string_view, ConnectRequest&);
template bool decode_protobuf(std::string_view, EmulationRequest&);

bool take_length(std::string_view& rest, uint64_t& length) {
  return without_exceptions([&] {
    const char* position = rest.data();
    length = protozero::decode_varint(&position, rest.data() + rest.size());
    rest.remove_prefix(static_cast<size_t>(position - rest.data()));
    return true;
  });
}

}  // namespace gyre::protocol
