#include "api/encode.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "protocol/json.h"
#include "runtime/shard.h"

namespace gyre::api {

namespace {

namespace json = protocol::json;

// Members of one JSON object, with the commas between them.
class Object {
 public:
  explicit Object(std::string& out) : out_(out) { out_ += '{'; }

  // The name; its value is for the caller to append.
  std::string& member(std::string_view name) {
    if (!is_first_) out_ += ',';
    is_first_ = false;
    json::append_string(out_, name);
    return out_ += ':';
  }
  void text(std::string_view name, std::string_view value) {
    json::append_string(member(name), value);
  }
  void text_unless_empty(std::string_view name, std::string_view value) {
    if (!value.empty()) text(name, value);
  }
  template <std::integral T>
  void number(std::string_view name, T value) {
    fmt::format_to(std::back_inserter(member(name)), "{}", value);
  }
  // Must be finite.
  void real(std::string_view name, double value) {
    fmt::format_to(std::back_inserter(member(name)), "{}", value);
  }
  template <std::integral T>
  void number_unless_zero(std::string_view name, T value) {
    if (value != 0) number(name, value);
  }
  // A raw value that is known to be JSON.
  void raw_unless_empty(std::string_view name, std::string_view value) {
    if (!value.empty()) json::append_compact_html_safe(member(name), value);
  }
  void end() { out_ += '}'; }

 private:
  std::string& out_;
  bool is_first_ = true;
};

bool is_json_or_empty(std::string_view value) {
  return value.empty() || json::validate(value);
}

bool append_client(std::string& out, const protocol::ClientInfo& info) {
  if (!is_json_or_empty(info.conn_info) || !is_json_or_empty(info.chan_info)) return false;
  Object object(out);
  object.text("user", info.user);
  object.text("client", info.client);
  object.raw_unless_empty("conn_info", info.conn_info);
  object.raw_unless_empty("chan_info", info.chan_info);
  object.end();
  return true;
}

void append_tags(std::string& out, const protocol::Publication& publication) {
  Object object(out);
  for (const auto& [name, value] : publication.tags()) {
    object.text(name, value);
  }
  object.end();
}

bool append_publication(std::string& out, const protocol::Publication& publication) {
  if (!publication.data_is_json()) return false;
  Object object(out);
  object.raw_unless_empty("data", publication.data);
  if (publication.info && !append_client(object.member("info"), *publication.info)) return false;
  object.number_unless_zero("offset", publication.offset);
  if (!publication.tags().empty()) append_tags(object.member("tags"), publication);
  object.end();
  return true;
}

void append(std::string& out, const PublishResult& result) {
  Object object(out);
  object.number_unless_zero("offset", result.position.offset);
  object.text_unless_empty("epoch", result.position.epoch);
  object.end();
}

void append(std::string& out, const PresenceStatsResult& result) {
  Object object(out);
  object.number("num_clients", result.stats.clients);
  object.number("num_users", result.stats.users);
  object.end();
}

void append(std::string& out, const NodeMetrics& metrics) {
  Object object(out);
  object.real("interval", metrics.interval);
  Object items(object.member("items"));
  for (const auto& [name, value] : metrics.items) items.real(name, value);
  items.end();
  object.end();
}

void append(std::string& out, const NodeResult& node) {
  Object object(out);
  object.text("uid", node.uid);
  object.text("name", node.name);
  object.text("version", node.version);
  object.number("num_clients", node.clients);
  object.number("num_users", node.users);
  object.number("num_channels", node.channels);
  object.number_unless_zero("uptime", node.uptime);
  if (node.metrics) append(object.member("metrics"), *node.metrics);
  object.number("num_subs", node.subscriptions);
  object.end();
}

bool append_response(std::string& out, const Answer<PublishResult>& response) {
  Object object(out);
  if (response) {
    append(object.member("result"), *response);
  } else {
    append_error(object.member("error"), response.error());
  }
  object.end();
  return true;
}

bool append_publication_ref(std::string& out, const protocol::PublicationRef& publication) {
  return append_publication(out, *publication);
}

bool append_member(std::string& out, const engine::MemberRef& member) {
  json::append_string(out, member->info.client);
  out += ':';
  return append_client(out, member->info);
}

bool append_channel(std::string& out, const std::pair<std::string, uint32_t>& channel) {
  json::append_string(out, channel.first);
  fmt::format_to(std::back_inserter(out), ":{{\"num_clients\":{}}}", channel.second);
  return true;
}

void append(std::string& out, const client::TokenMark& token) {
  Object object(out);
  object.text_unless_empty("uid", token.uid);
  object.number_unless_zero("issued_at", token.issued_at);
  object.end();
}

void append_state(std::string& out, const client::ConnectionFacts& facts) {
  Object object(out);
  if (!facts.channels.empty()) {
    Object channels(object.member("channels"));
    for (const auto& [name, source] : facts.channels) {
      Object channel(channels.member(name));
      channel.number_unless_zero("source", static_cast<unsigned>(source));
      channel.end();
    }
    channels.end();
  }
  if (facts.token) append(object.member("connection_token"), *facts.token);
  if (!facts.subscription_tokens.empty()) {
    Object tokens(object.member("subscription_tokens"));
    for (const auto& [name, token] : facts.subscription_tokens) append(tokens.member(name), token);
    tokens.end();
  }
  // A backend may have sent what is no JSON; one such is no reason to tell nothing of the others.
  if (json::validate(facts.meta)) object.raw_unless_empty("meta", facts.meta);
  object.end();
}

bool append_connection(std::string& out, const client::ConnectionFacts& facts) {
  const client::Introduction& own = facts.introduction;
  json::append_string(out, facts.client);
  out += ':';
  Object object(out);
  object.text_unless_empty("app_name", own.app_name);
  object.text_unless_empty("app_version", own.app_version);
  object.text("transport", facts.transport);
  object.text("protocol", facts.protocol);
  object.text_unless_empty("user", facts.user);
  append_state(object.member("state"), facts);
  object.number_unless_zero("connected_at_ms", own.connected_at);
  object.number_unless_zero("ping_pong_latency_ms", own.latency_ms);
  object.end();
  return true;
}

bool append_status(std::string& out, const client::UserStatus& status) {
  Object object(out);
  object.text("user", status.user);
  object.number_unless_zero("active", status.active);
  object.number_unless_zero("online", status.online);
  object.text_unless_empty("state", status.state);
  object.end();
  return true;
}

bool append_node(std::string& out, const NodeResult& node) {
  append(out, node);
  return true;
}

// How much is written before others get a turn: a fraction of a millisecond of work.
constexpr size_t kBytesPerTurn = size_t{128} * 1024;

// Room that is only asked for costs nothing, but where memory is promised strictly.
constexpr size_t kReserveMax = size_t{256} << 20;

// `done` of the items have been appended since the text was `began` long.
void reserve_for_all(std::string& out, size_t began, size_t done, size_t all) {
  const size_t each = (out.size() - began) / done + 1;
  out.reserve(std::min(out.size() + (all - done) * (each + each / 8), kReserveMax));
}

// Appends `before`, the items with commas between them, and `after`.
template <class Item>
runtime::Task<bool> append_items(std::string* out, const char* before,
                                 const std::vector<Item>* items,
                                 bool (*append_item)(std::string&, const Item&),
                                 const char* after) {
  *out += before;
  const size_t began = out->size();
  size_t paused_at = began;
  for (size_t done = 0; done < items->size(); ++done) {
    if (done > 0) *out += ',';
    if (!append_item(*out, (*items)[done]) || out->size() > kAnswerBytesMax) co_return false;
    if (out->size() - paused_at < kBytesPerTurn) continue;
    // Once, as the first items tell about how long all become: a text of many megabytes that grows
    // by doubling is copied in one turn.
    if (paused_at == began) reserve_for_all(*out, began, done + 1, items->size());
    paused_at = out->size();
    co_await runtime::Yield();
  }
  *out += after;
  co_return true;
}

// The object of each kind of result.

runtime::Task<bool> write(std::string* out, const EmptyResult*) {
  *out += "{}";
  co_return true;
}

runtime::Task<bool> write(std::string* out, const PublishResult* result) {
  append(*out, *result);
  co_return true;
}

runtime::Task<bool> write(std::string* out, const PresenceStatsResult* result) {
  append(*out, *result);
  co_return true;
}

runtime::Task<bool> write(std::string* out, const BroadcastResult* result) {
  return append_items(out, R"({"responses":[)", &result->responses, &append_response, "]}");
}

runtime::Task<bool> write(std::string* out, const PresenceResult* result) {
  if (!co_await append_items(out, R"({"presence":{)", &result->members, &append_member, "}")) {
    co_return false;
  }
  if (!result->cursor.empty()) {
    *out += R"(,"cursor":)";
    json::append_string(*out, result->cursor);
  }
  *out += '}';
  co_return true;
}

runtime::Task<bool> write(std::string* out, const InfoResult* result) {
  return append_items(out, R"({"nodes":[)", &result->nodes, &append_node, "]}");
}

runtime::Task<bool> write(std::string* out, const ChannelsResult* result) {
  return append_items(out, R"({"channels":{)", &result->channels, &append_channel, "}}");
}

runtime::Task<bool> write(std::string* out, const ConnectionsResult* result) {
  return append_items(out, R"({"connections":{)", &result->connections, &append_connection, "}}");
}

runtime::Task<bool> write(std::string* out, const UserStatusesResult* result) {
  return append_items(out, R"({"statuses":[)", &result->statuses, &append_status, "]}");
}

runtime::Task<bool> write(std::string* out, const HistoryResult* result) {
  const engine::HistoryPage& page = result->page;
  if (!co_await append_items(out, R"({"publications":[)", &page.publications,
                             &append_publication_ref, "],")) {
    co_return false;
  }
  *out += R"("epoch":)";
  json::append_string(*out, page.top.epoch);
  fmt::format_to(std::back_inserter(*out), R"(,"offset":{}}})", page.top.offset);
  co_return true;
}

runtime::Task<bool> write_any(std::string* out, const AnyResult* result) {
  return std::visit([out](const auto& kind) { return write(out, &kind); }, *result);
}

}  // namespace

void append_error(std::string& out, const protocol::ErrorCode& error) {
  Object object(out);
  object.number("code", error.code);
  object.text("message", error.message);
  object.end();
}

bool append_short_answer(std::string& out, const Answer<AnyResult>& answer) {
  if (!answer) {
    out += R"("error":)";
    append_error(out, answer.error());
    return true;
  }
  const auto* published = std::get_if<PublishResult>(&*answer);
  if (!published) return false;
  out += R"("result":)";
  append(out, *published);
  return true;
}

runtime::Task<bool> append_answer(std::string* out, const Answer<AnyResult>* answer) {
  if (append_short_answer(*out, *answer)) co_return true;
  *out += R"("result":)";
  co_return co_await write_any(out, &**answer);
}

runtime::Task<bool> append_batch(std::string* out, const BatchResult* batch) {
  // A batch without commands has no list of replies either.
  if (batch->replies.empty()) {
    *out += "{}";
    co_return true;
  }
  *out += R"({"replies":[)";
  size_t paused_at = out->size();
  for (const Reply& reply : batch->replies) {
    if (&reply != batch->replies.data()) *out += ',';
    if (reply.answer) {
      out->append("{\"").append(name_of(reply.method)).append("\":");
      if (const auto* published = std::get_if<PublishResult>(&*reply.answer)) {
        append(*out, *published);
      } else if (!co_await write_any(out, &*reply.answer)) {
        co_return false;
      }
    } else {
      *out += R"({"error":)";
      append_error(*out, reply.answer.error());
    }
    *out += '}';
    if (out->size() > kAnswerBytesMax) co_return false;
    if (out->size() - paused_at < kBytesPerTurn) continue;
    paused_at = out->size();
    co_await runtime::Yield();
  }
  *out += "]}";
  co_return true;
}

}  // namespace gyre::api
