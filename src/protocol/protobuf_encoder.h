#pragma once

#include <concepts>
#include <optional>
#include <protozero/types.hpp>
#include <protozero/varint.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "protocol/encoder.h"
#include "protocol/messages.h"
#include "protocol/publication_form.h"

namespace gyre::protocol {

// Appends messages as Protobuf. protozero's own writer drops sub-messages that are set but empty,
// which clients rely on (framing.md 2.2), so only its varints are used. Included by encoder.cc
// only.
class ProtobufEncoder {
 public:
  explicit ProtobufEncoder(std::string& out) : out_(out) {}

  // Appends a sub-message that fill() appends the fields of. The length stands in front of it:
  // `expected` is a guess that saves a move of the bytes when it has as many digits as the length
  // turns out to have.
  template <class Fill>
  void nested(int number, size_t expected, Fill&& fill) {
    tag(number, protozero::pbf_wire_type::length_delimited);
    length_prefixed(expected, std::forward<Fill>(fill));
  }
  template <class Fill>
  void length_prefixed(size_t expected, Fill&& fill) {
    const auto room = static_cast<size_t>(protozero::length_of_varint(expected));
    const size_t start = out_.size();
    out_.append(room, '\0');
    fill();
    const size_t length = out_.size() - start - room;
    const auto needed = static_cast<size_t>(protozero::length_of_varint(length));
    if (needed > room) out_.insert(start, needed - room, '\0');
    if (needed < room) out_.erase(start, room - needed);
    put_varint(out_.data() + start, length);
  }

  // Fields with implicit presence: zero is not written.
  void text(int number, std::string_view bytes) {
    if (!bytes.empty()) present_text(number, bytes);
  }
  void varint(int number, uint64_t value) {
    if (value == 0) return;
    tag(number, protozero::pbf_wire_type::varint);
    append_varint(value);
  }

  void publication(const Publication& publication, const PublicationForm& form) {
    text(4, form.data);
    if (publication.info) client_info(5, *publication.info);
    varint(6, publication.offset);
    for (const auto& [key, tag_value] : publication.tags()) {
      nested(7, key.size() + tag_value.size() + 4, [&] {
        text(1, key);
        text(2, tag_value);
      });
    }
    varint(8, form.delta);
    text(10, form.source);
    text(11, publication.key());
    varint(12, publication.removed);
    varint(13, protozero::encode_zigzag64(publication.score()));
    text(14, form.epoch);
    varint(16, publication.version());
  }

  void client_info(int number, const ClientInfo& info) {
    const size_t expected =
        info.user.size() + info.client.size() + info.conn_info.size() + info.chan_info.size() + 8;
    nested(number, expected, [&] {
      text(1, info.user);
      text(2, info.client);
      text(3, info.conn_info);
      text(4, info.chan_info);
    });
  }

  template <Described T>
  void message(const T& fields_of) {
    for_each_field<T>(
        [&](const auto& described) { field(described.kNumber, fields_of.*described.member); });
  }

  void field(int number, std::string_view value) { text(number, value); }
  void field(int number, const RawView& value) { text(number, value.bytes); }
  template <std::integral T>
  void field(int number, T value) {
    // Negative numbers of 32 bits travel as 64 bits.
    varint(number, static_cast<uint64_t>(value));
  }
  template <class T>
  void field(int number, const std::optional<T>& value) {
    if (value) element(number, *value);
  }
  template <class T>
  void field(int number, const std::vector<T>& list) {
    for (const T& each : list) element(number, each);
  }

 private:
  // Elements of lists are written even when they are zero.
  void element(int number, std::string_view value) { present_text(number, value); }
  void element(int number, const PublicationRef& ref) {
    nested(number, ref->data.size() + 8, [&] { publication(*ref, form_of(*ref)); });
  }
  void element(int number, const ClientInfo& info) { client_info(number, info); }
  template <Described T>
  void element(int number, const T& value) {
    nested(number, 0, [&] { message(value); });
  }
  template <class Key, class Value>
  void element(int number, const std::pair<Key, Value>& entry) {
    nested(number, 0, [&] {
      text(1, entry.first);
      element(2, entry.second);
    });
  }

  void present_text(int number, std::string_view bytes) {
    tag(number, protozero::pbf_wire_type::length_delimited);
    append_varint(bytes.size());
    out_.append(bytes);
  }
  void tag(int number, protozero::pbf_wire_type type) {
    append_varint(static_cast<uint64_t>(number) << 3 | static_cast<uint64_t>(type));
  }
  void append_varint(uint64_t value) {
    char bytes[protozero::max_varint_length];
    out_.append(bytes, put_varint(bytes, value));
  }
  static size_t put_varint(char* out, uint64_t value) {
    char* next = out;
    for (; value >= 0x80; value >>= 7) *next++ = static_cast<char>(value | 0x80);
    *next++ = static_cast<char>(value);
    return static_cast<size_t>(next - out);
  }

  std::string& out_;
};

}  // namespace gyre::protocol
