#include "tests/simulation/server_message.h"

#include <simdjson.h>

namespace gyre::sim {

namespace {

using MessageKind = ServerMessage::Kind;
namespace dom = simdjson::dom;

// --- JSON. Exceptions of simdjson end in read_messages.

// The source text of a payload: clients compare it byte for byte, which the server promises.
std::string raw_text(std::string_view message, std::string_view key, size_t& from) {
  const std::string name = "\"" + std::string(key) + "\":";
  const size_t at = message.find(name, from);
  if (at == std::string_view::npos) return {};
  const size_t begin = at + name.size();
  int depth = 0;
  bool in_string = false;
  size_t end = begin;
  for (; end < message.size(); ++end) {
    const char c = message[end];
    if (in_string) {
      if (c == '\\') ++end;
      if (c == '"') in_string = false;
      continue;
    }
    if (c == '"') in_string = true;
    if (c == '{' || c == '[') ++depth;
    if (c == '}' || c == ']') {
      if (depth == 0) break;
      --depth;
    }
    if (c == ',' && depth == 0) break;
  }
  from = end;
  return std::string(message.substr(begin, end - begin));
}

uint64_t number(const dom::object& object, const char* key) {
  uint64_t value = 0;
  if (object[key].get(value) == simdjson::SUCCESS) return value;
  return 0;
}
bool truth(const dom::object& object, const char* key) {
  bool value = false;
  return object[key].get(value) == simdjson::SUCCESS && value;
}
std::string text(const dom::object& object, const char* key) {
  std::string_view value;
  if (object[key].get(value) == simdjson::SUCCESS) return std::string(value);
  return {};
}

// `from`: where in the message's text the payload is looked for; payloads stand in the order of
// their publications.
ReadPublication read_publication(const dom::object& object, std::string_view message,
                                 size_t& from) {
  ReadPublication one{.data = raw_text(message, "data", from),
                      .text = {},
                      .is_delta = truth(object, "delta"),
                      .offset = number(object, "offset"),
                      .epoch = text(object, "epoch"),
                      .channel = text(object, "channel")};
  one.text = one.data.starts_with('"') ? text(object, "data") : one.data;
  return one;
}

void read_publications(const dom::object& object, std::string_view source, size_t& from,
                       ServerMessage& out) {
  dom::array all;
  if (object["publications"].get(all) != simdjson::SUCCESS) return;
  for (dom::object one : all) out.publications.push_back(read_publication(one, source, from));
}

void read_expiry(const dom::object& object, ServerMessage& out) {
  out.expires = truth(object, "expires");
  out.ttl = static_cast<uint32_t>(number(object, "ttl"));
}

void read_subscribe(const dom::object& object, std::string_view source, size_t& from,
                    ServerMessage& out) {
  out.kind = MessageKind::subscribe;
  out.recoverable = truth(object, "recoverable");
  out.positioned = truth(object, "positioned");
  out.recovered = truth(object, "recovered");
  out.was_recovering = truth(object, "was_recovering");
  out.has_delta = truth(object, "delta");
  out.number = static_cast<int64_t>(number(object, "id"));
  out.epoch = text(object, "epoch");
  out.offset = number(object, "offset");
  read_expiry(object, out);
  read_publications(object, source, from, out);
}

void read_connect(const dom::object& object, std::string_view source, ServerMessage& out) {
  out.kind = MessageKind::connect;
  out.client = text(object, "client");
  read_expiry(object, out);
  dom::object subs;
  if (object["subs"].get(subs) != simdjson::SUCCESS) return;
  size_t from = 0;
  for (const dom::key_value_pair one : subs) {
    ServerMessage& sub = out.subs.emplace_back();
    sub.channel = one.key;
    read_subscribe(dom::object(one.value), source, from, sub);
  }
}

// Who joins or leaves.
std::string read_member(const dom::object& object) {
  dom::object info;
  return object["info"].get(info) == simdjson::SUCCESS ? text(info, "client") : std::string();
}

bool read_push(const dom::object& push, std::string_view source, ServerMessage& out) {
  out.channel = text(push, "channel");
  out.number = static_cast<int64_t>(number(push, "id"));
  dom::object inner;
  if (push["pub"].get(inner) == simdjson::SUCCESS) {
    out.kind = MessageKind::push_publication;
    size_t from = 0;
    out.publications.push_back(read_publication(inner, source, from));
  } else if (push["join"].get(inner) == simdjson::SUCCESS) {
    out.kind = MessageKind::push_join;
    out.client = read_member(inner);
  } else if (push["leave"].get(inner) == simdjson::SUCCESS) {
    out.kind = MessageKind::push_leave;
    out.client = read_member(inner);
  } else if (push["subscribe"].get(inner) == simdjson::SUCCESS) {
    size_t from = 0;
    read_subscribe(inner, source, from, out);
    out.kind = MessageKind::push_subscribe;
  } else if (push["refresh"].get(inner) == simdjson::SUCCESS) {
    out.kind = MessageKind::push_refresh;
    read_expiry(inner, out);
  } else if (push["unsubscribe"].get(inner) == simdjson::SUCCESS) {
    out.kind = MessageKind::push_unsubscribe;
    out.code = static_cast<uint32_t>(number(inner, "code"));
  } else if (push["disconnect"].get(inner) == simdjson::SUCCESS) {
    out.kind = MessageKind::push_disconnect;
    out.code = static_cast<uint32_t>(number(inner, "code"));
  } else {
    return false;
  }
  return true;
}

bool read_json(dom::parser& parser, std::string_view line, ServerMessage& out) {
  const simdjson::padded_string padded(line);
  dom::object message;
  if (parser.parse(padded).get(message) != simdjson::SUCCESS) return false;
  if (message.size() == 0) return true;  // a ping
  out.id = static_cast<uint32_t>(number(message, "id"));
  dom::object inner;
  if (message["push"].get(inner) == simdjson::SUCCESS) return read_push(inner, line, out);
  if (out.id == 0) return false;
  if (message["error"].get(inner) == simdjson::SUCCESS) {
    out.kind = MessageKind::error;
    out.code = static_cast<uint32_t>(number(inner, "code"));
  } else if (message["connect"].get(inner) == simdjson::SUCCESS) {
    read_connect(inner, line, out);
  } else if (message["subscribe"].get(inner) == simdjson::SUCCESS) {
    size_t from = 0;
    read_subscribe(inner, line, from, out);
  } else if (message["refresh"].get(inner) == simdjson::SUCCESS) {
    out.kind = MessageKind::refresh;
    read_expiry(inner, out);
  } else if (message["sub_refresh"].get(inner) == simdjson::SUCCESS) {
    out.kind = MessageKind::sub_refresh;
    read_expiry(inner, out);
  } else if (message["unsubscribe"].get(inner) == simdjson::SUCCESS) {
    out.kind = MessageKind::unsubscribe;
  } else if (message["publish"].get(inner) == simdjson::SUCCESS) {
    out.kind = MessageKind::publish;
  } else if (message["presence"].get(inner) == simdjson::SUCCESS) {
    out.kind = MessageKind::presence;
    for (const dom::key_value_pair one : dom::object(inner["presence"])) {
      out.present.emplace(one.key, text(dom::object(one.value), "user"));
    }
  } else if (message["presence_stats"].get(inner) == simdjson::SUCCESS) {
    out.kind = MessageKind::presence_stats;
    out.num_clients = static_cast<uint32_t>(number(inner, "num_clients"));
    out.num_users = static_cast<uint32_t>(number(inner, "num_users"));
  } else if (message["rpc"].get(inner) == simdjson::SUCCESS) {
    out.kind = MessageKind::rpc;
    size_t from = 0;
    out.data = raw_text(line, "data", from);
  } else if (message["history"].get(inner) == simdjson::SUCCESS) {
    out.kind = MessageKind::history;
    out.epoch = text(inner, "epoch");
    out.offset = number(inner, "offset");
    size_t from = 0;
    read_publications(inner, line, from, out);
  } else {
    return false;
  }
  return true;
}

// --- Protobuf

// Walks the fields of one message; wire types 0 and 2 are all that the protocol has here.
class Fields {
 public:
  explicit Fields(std::string_view bytes) : bytes_(bytes) {}

  // False at the end, and when something is wrong.
  bool next() {
    if (bytes_.empty() || is_broken_) return false;
    uint64_t tag = 0;
    if (!varint(tag)) return fail();
    field_ = static_cast<uint32_t>(tag >> 3);
    text_ = {};
    value_ = 0;
    if ((tag & 7) == 0) return varint(value_) || fail();
    if ((tag & 7) != 2) return fail();
    uint64_t size = 0;
    if (!varint(size) || size > bytes_.size()) return fail();
    text_ = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
    return true;
  }
  bool is_broken() const { return is_broken_; }
  uint32_t field() const { return field_; }
  uint64_t value() const { return value_; }
  std::string_view text() const { return text_; }
  std::string string() const { return std::string(text_); }

  static bool take_varint(std::string_view& bytes, uint64_t& value) {
    value = 0;
    for (int shift = 0; shift < 64 && !bytes.empty(); shift += 7) {
      const auto byte = static_cast<uint8_t>(bytes.front());
      bytes.remove_prefix(1);
      value |= uint64_t{byte & 0x7fu} << shift;
      if (byte < 0x80) return true;
    }
    return false;
  }

 private:
  bool varint(uint64_t& value) { return take_varint(bytes_, value); }
  bool fail() {
    is_broken_ = true;
    return false;
  }
  std::string_view bytes_;
  bool is_broken_ = false;
  uint32_t field_ = 0;
  uint64_t value_ = 0;
  std::string_view text_;
};

bool read_publication(std::string_view bytes, ServerMessage& out) {
  ReadPublication one;
  Fields fields(bytes);
  while (fields.next()) {
    if (fields.field() == 4) one.data = fields.string();
    if (fields.field() == 6) one.offset = fields.value();
    if (fields.field() == 8) one.is_delta = fields.value() != 0;
    if (fields.field() == 10) one.channel = fields.string();
    if (fields.field() == 14) one.epoch = fields.string();
  }
  one.text = one.data;
  out.publications.push_back(std::move(one));
  return !fields.is_broken();
}

bool read_subscribe(std::string_view bytes, ServerMessage& out) {
  out.kind = MessageKind::subscribe;
  Fields fields(bytes);
  bool is_good = true;
  while (fields.next()) {
    if (fields.field() == 1) out.expires = fields.value() != 0;
    if (fields.field() == 2) out.ttl = static_cast<uint32_t>(fields.value());
    if (fields.field() == 3) out.recoverable = fields.value() != 0;
    if (fields.field() == 6) out.epoch = fields.string();
    if (fields.field() == 7) is_good = read_publication(fields.text(), out) && is_good;
    if (fields.field() == 8) out.recovered = fields.value() != 0;
    if (fields.field() == 9) out.offset = fields.value();
    if (fields.field() == 10) out.positioned = fields.value() != 0;
    if (fields.field() == 12) out.was_recovering = fields.value() != 0;
    if (fields.field() == 13) out.has_delta = fields.value() != 0;
    if (fields.field() == 14) out.number = static_cast<int64_t>(fields.value());
  }
  return is_good && !fields.is_broken();
}

bool read_history(std::string_view bytes, ServerMessage& out) {
  out.kind = MessageKind::history;
  Fields fields(bytes);
  bool is_good = true;
  while (fields.next()) {
    if (fields.field() == 1) is_good = read_publication(fields.text(), out) && is_good;
    if (fields.field() == 2) out.epoch = fields.string();
    if (fields.field() == 3) out.offset = fields.value();
  }
  return is_good && !fields.is_broken();
}

// The text in a field of a message of its own.
std::string text_in(std::string_view bytes, uint32_t field) {
  Fields fields(bytes);
  std::string text;
  while (fields.next()) {
    if (fields.field() == field) text = fields.string();
  }
  return text;
}

bool read_presence(std::string_view bytes, ServerMessage& out) {
  out.kind = MessageKind::presence;
  Fields fields(bytes);
  while (fields.next()) {
    Fields entry(fields.text());
    std::string client;
    std::string user;
    while (entry.next()) {
      if (entry.field() == 1) client = entry.string();
      if (entry.field() == 2) user = text_in(entry.text(), 1);
    }
    if (entry.is_broken()) return false;
    out.present.emplace(std::move(client), std::move(user));
  }
  return !fields.is_broken();
}

// The number in a field of a message of its own.
uint32_t code_in(std::string_view bytes, uint32_t field) {
  Fields fields(bytes);
  uint64_t code = 0;
  while (fields.next()) {
    if (fields.field() == field) code = fields.value();
  }
  return static_cast<uint32_t>(code);
}

// The push `subscribe`, whose numbers are its own.
bool read_subscribe_push(std::string_view bytes, ServerMessage& out) {
  out.kind = MessageKind::push_subscribe;
  Fields fields(bytes);
  while (fields.next()) {
    if (fields.field() == 1) out.recoverable = fields.value() != 0;
    if (fields.field() == 4) out.epoch = fields.string();
    if (fields.field() == 5) out.offset = fields.value();
    if (fields.field() == 6) out.positioned = fields.value() != 0;
  }
  return !fields.is_broken();
}

// Who joins or leaves.
bool read_member(std::string_view bytes, ServerMessage& out) {
  Fields fields(bytes);
  while (fields.next()) {
    if (fields.field() != 1) continue;
    Fields info(fields.text());
    while (info.next()) {
      if (info.field() == 2) out.client = info.string();
    }
    if (info.is_broken()) return false;
  }
  return !fields.is_broken();
}

// The fields `expires` and `ttl`, by their numbers.
bool read_expiry(std::string_view bytes, uint32_t expires, uint32_t ttl, ServerMessage& out) {
  Fields fields(bytes);
  while (fields.next()) {
    if (fields.field() == expires) out.expires = fields.value() != 0;
    if (fields.field() == ttl) out.ttl = static_cast<uint32_t>(fields.value());
  }
  return !fields.is_broken();
}

bool read_push(std::string_view bytes, ServerMessage& out) {
  Fields fields(bytes);
  bool is_known = false;
  while (fields.next()) {
    switch (fields.field()) {
      case 1:
        out.number = static_cast<int64_t>(fields.value());
        break;
      case 2:
        out.channel = fields.string();
        break;
      case 4:
        out.kind = MessageKind::push_publication;
        is_known = read_publication(fields.text(), out);
        break;
      case 5:
      case 6:
        out.kind = fields.field() == 5 ? MessageKind::push_join : MessageKind::push_leave;
        is_known = read_member(fields.text(), out);
        break;
      case 9:
        is_known = read_subscribe_push(fields.text(), out);
        break;
      case 12:
        out.kind = MessageKind::push_refresh;
        is_known = read_expiry(fields.text(), 1, 2, out);
        break;
      case 7:
        out.kind = MessageKind::push_unsubscribe;
        out.code = code_in(fields.text(), 2);
        is_known = true;
        break;
      case 11:
        out.kind = MessageKind::push_disconnect;
        out.code = code_in(fields.text(), 1);
        is_known = true;
        break;
      default:
        return false;
    }
  }
  return is_known && !fields.is_broken();
}

bool read_connect(std::string_view bytes, ServerMessage& out) {
  out.kind = MessageKind::connect;
  Fields fields(bytes);
  bool is_good = read_expiry(bytes, 3, 4, out);
  while (fields.next()) {
    if (fields.field() == 1) out.client = fields.string();
    if (fields.field() != 6) continue;
    ServerMessage& sub = out.subs.emplace_back();
    Fields entry(fields.text());
    while (entry.next()) {
      if (entry.field() == 1) sub.channel = entry.string();
      if (entry.field() == 2) is_good = read_subscribe(entry.text(), sub) && is_good;
    }
    is_good = is_good && !entry.is_broken();
  }
  return is_good && !fields.is_broken();
}

bool read_protobuf(std::string_view bytes, ServerMessage& out) {
  if (bytes.empty()) return true;  // a ping
  Fields fields(bytes);
  bool is_good = false;
  while (fields.next()) {
    switch (fields.field()) {
      case 1:
        out.id = static_cast<uint32_t>(fields.value());
        break;
      case 2:
        out.kind = MessageKind::error;
        out.code = code_in(fields.text(), 1);
        is_good = true;
        break;
      case 4:
        is_good = read_push(fields.text(), out);
        break;
      case 5:
        is_good = read_connect(fields.text(), out);
        break;
      case 6:
        is_good = read_subscribe(fields.text(), out);
        break;
      case 7:
        out.kind = MessageKind::unsubscribe;
        is_good = true;
        break;
      case 8:
        out.kind = MessageKind::publish;
        is_good = true;
        break;
      case 9:
        is_good = read_presence(fields.text(), out);
        break;
      case 10:
        out.kind = MessageKind::presence_stats;
        out.num_clients = code_in(fields.text(), 1);
        out.num_users = code_in(fields.text(), 2);
        is_good = true;
        break;
      case 11:
        is_good = read_history(fields.text(), out);
        break;
      case 13:
        out.kind = MessageKind::rpc;
        out.data = text_in(fields.text(), 1);
        is_good = true;
        break;
      case 14:
        out.kind = MessageKind::refresh;
        is_good = read_expiry(fields.text(), 3, 4, out);
        break;
      case 15:
        out.kind = MessageKind::sub_refresh;
        is_good = read_expiry(fields.text(), 1, 2, out);
        break;
      default:
        return false;
    }
  }
  return is_good && !fields.is_broken();
}

bool read_all_json(std::string_view bytes, std::vector<ServerMessage>& out) {
  dom::parser parser;
  while (!bytes.empty()) {
    const size_t end = std::min(bytes.find('\n'), bytes.size());
    if (!read_json(parser, bytes.substr(0, end), out.emplace_back())) return false;
    bytes.remove_prefix(std::min(end + 1, bytes.size()));
  }
  return true;
}

bool read_all_protobuf(std::string_view bytes, std::vector<ServerMessage>& out) {
  while (!bytes.empty()) {
    uint64_t size = 0;
    if (!Fields::take_varint(bytes, size) || size > bytes.size()) return false;
    if (!read_protobuf(bytes.substr(0, size), out.emplace_back())) return false;
    bytes.remove_prefix(size);
  }
  return true;
}

}  // namespace

std::optional<std::vector<ServerMessage>> read_messages(protocol::Encoding encoding,
                                                        std::string_view bytes) {
  std::vector<ServerMessage> out;
  try {
    const bool is_good = encoding == protocol::Encoding::json ? read_all_json(bytes, out)
                                                              : read_all_protobuf(bytes, out);
    if (!is_good || out.empty()) return std::nullopt;
  } catch (const simdjson::simdjson_error&) {
    return std::nullopt;
  }
  return out;
}

std::optional<PresenceAnswer> read_presence_answer(std::string_view body) {
  PresenceAnswer answer;
  try {
    dom::parser parser;
    const dom::object result(parser.parse(simdjson::padded_string(body))["result"]);
    dom::object clients;
    if (result["presence"].get(clients) == simdjson::SUCCESS) {
      for (const dom::key_value_pair one : clients) {
        answer.users.emplace(one.key, text(dom::object(one.value), "user"));
      }
    } else {
      answer.has_counts = true;
      answer.num_clients = uint64_t(result["num_clients"]);
      answer.num_users = uint64_t(result["num_users"]);
    }
  } catch (const simdjson::simdjson_error&) {
    return std::nullopt;
  }
  return answer;
}

}  // namespace gyre::sim
