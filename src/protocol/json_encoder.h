#pragma once

#include <charconv>
#include <concepts>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "protocol/encoder.h"
#include "protocol/json.h"
#include "protocol/messages.h"
#include "protocol/publication_form.h"

namespace gyre::protocol {

// Appends messages as JSON, in the order of the tables of framing.md, zero values left out. A
// visitor over described structs and the few values that are none. Included by encoder.cc only.
class JsonEncoder {
 public:
  explicit JsonEncoder(std::string& out) : out_(out) {}

  // False once a raw value was met that is not JSON; what has been appended is then useless.
  bool valid() const { return valid_; }

  // An object made by hand: open(), members by name() and value, close().
  void open() {
    out_ += '{';
    first_ = true;
  }
  void close() {
    out_ += '}';
    first_ = false;
  }
  void name(std::string_view name) {
    if (!first_) out_ += ',';
    first_ = false;
    out_ += '"';
    out_ += name;
    out_ += "\":";
  }
  template <class T>
  void member(std::string_view key, const T& member_value) {
    name(key);
    value(member_value);
  }

  void publication(const Publication& publication, const PublicationForm& form) {
    open();
    if (!form.data.empty()) {
      name("data");
      json::append_raw(out_, form.data);
    }
    if (publication.info) member("info", *publication.info);
    if (publication.offset != 0) member("offset", publication.offset);
    if (const auto tags = publication.tags(); !tags.empty()) {
      name("tags");
      open();
      for (const auto& [key, tag] : tags) string_member(key, std::string_view(tag));
      close();
    }
    if (form.delta) member("delta", true);
    if (!form.source.empty()) member("channel", form.source);
    if (const auto key = publication.key(); !key.empty()) member("key", key);
    if (publication.removed) member("removed", true);
    if (const int64_t score = publication.score(); score != 0) member("score", score);
    if (!form.epoch.empty()) member("epoch", form.epoch);
    if (const uint64_t version = publication.version(); version != 0) member("version", version);
    close();
  }

  void value(std::string_view text) { json::append_string(out_, text); }
  void value(bool truth) { out_ += truth ? "true" : "false"; }
  template <std::integral T>
  void value(T number) {
    char digits[24];
    const auto end = std::to_chars(digits, digits + sizeof digits, number).ptr;
    out_.append(digits, end);
  }
  void value(const RawView& raw) { raw_value(raw.bytes); }
  void value(const ClientInfo& info) {
    open();
    member("user", std::string_view(info.user));
    member("client", std::string_view(info.client));
    if (!info.conn_info.empty()) member("conn_info", RawView(info.conn_info));
    if (!info.chan_info.empty()) member("chan_info", RawView(info.chan_info));
    close();
  }
  void value(const PublicationRef& ref) {
    valid_ &= ref->data_is_json();
    publication(*ref, form_of(*ref));
  }
  template <class T>
  void value(const std::optional<T>& present) {
    value(*present);
  }
  template <class T>
  void value(const std::vector<T>& list) {
    out_ += '[';
    bool first = true;
    for (const T& element : list) {
      if (!first) out_ += ',';
      first = false;
      value(element);
    }
    out_ += ']';
  }
  template <class Key, class Value>
    requires std::convertible_to<Key, std::string_view>
  void value(const std::vector<std::pair<Key, Value>>& map) {
    open();
    for (const auto& [key, mapped] : map) string_member(key, mapped);
    close();
  }
  template <Described T>
  void value(const T& message) {
    open();
    for_each_field<T>([&](const auto& field) {
      const auto& member_value = message.*field.member;
      if (field.emit == Emit::nonzero && is_zero(member_value)) return;
      member(field.name, member_value);
    });
    close();
  }

 private:
  // A member whose name is data, not one of ours.
  template <class T>
  void string_member(std::string_view key, const T& member_value) {
    if (!first_) out_ += ',';
    value(key);
    out_ += ':';
    value(member_value);
    first_ = false;
  }

  void raw_value(std::string_view raw) {
    valid_ = valid_ && json::validate(raw);
    json::append_raw(out_, raw);
  }

  static bool is_zero(const auto& checked) {
    if constexpr (requires { checked.empty(); }) {
      return checked.empty();
    } else if constexpr (requires { checked.has_value(); }) {
      return !checked.has_value();
    } else {
      return checked == 0;
    }
  }

  std::string& out_;
  bool first_ = true;
  bool valid_ = true;
};

}  // namespace gyre::protocol
