#include "app/node_options.h"

#include <fmt/format.h>
#include <unistd.h>

#include <charconv>
#include <limits>
#include <map>

#include "app/limit_options.h"
#include "app/proxy_options.h"
#include "app/token_options.h"
#include "app/version.h"
#include "config/proxies.h"
#include "config/text.h"
#include "os/process_memory.h"

namespace gyre::app {

namespace {

using std::chrono::seconds;

channel::DataFormat data_format(const std::string& own, const std::string& general) {
  const std::string& text = own.empty() ? general : own;
  if (text == "json") return channel::DataFormat::json;
  if (text == "json_object") return channel::DataFormat::json_object;
  if (text == "binary") return channel::DataFormat::binary;
  return channel::DataFormat::non_empty;
}

seconds whole_seconds(const config::Tree& tree, std::string_view path) {
  return std::chrono::duration_cast<seconds>(tree.duration(path));
}

bool lists(const std::vector<std::string>& list, std::string_view wanted) {
  return std::ranges::find(list, wanted) != list.end();
}

channel::ChannelOptions channel_options(const config::Tree& from, const std::string& format) {
  return {
      .presence = from.boolean("presence"),
      .join_leave = from.boolean("join_leave"),
      .force_push_join_leave = from.boolean("force_push_join_leave"),
      .history_size = static_cast<int32_t>(from.integer("history_size")),
      .history_ttl = whole_seconds(from, "history_ttl"),
      .history_meta_ttl = whole_seconds(from, "history_meta_ttl"),
      .force_positioning = from.boolean("force_positioning"),
      .allow_positioning = from.boolean("allow_positioning"),
      .force_recovery = from.boolean("force_recovery"),
      .allow_recovery = from.boolean("allow_recovery"),
      .recovers_cache = from.text("force_recovery_mode") == "cache",
      .auto_cache_recover = from.boolean("auto_cache_recover"),
      .allows_fossil_delta = lists(from.texts("allowed_delta_types"), "fossil"),
      .delta_publish = from.boolean("delta_publish"),
      .allow_tags_filter = from.boolean("allow_tags_filter"),
      .allow_subscribe_for_client = from.boolean("allow_subscribe_for_client"),
      .allow_subscribe_for_anonymous = from.boolean("allow_subscribe_for_anonymous"),
      .allow_publish_for_client = from.boolean("allow_publish_for_client"),
      .allow_publish_for_subscriber = from.boolean("allow_publish_for_subscriber"),
      .allow_publish_for_anonymous = from.boolean("allow_publish_for_anonymous"),
      .allow_presence_for_client = from.boolean("allow_presence_for_client"),
      .allow_presence_for_subscriber = from.boolean("allow_presence_for_subscriber"),
      .allow_presence_for_anonymous = from.boolean("allow_presence_for_anonymous"),
      .allow_history_for_client = from.boolean("allow_history_for_client"),
      .allow_history_for_subscriber = from.boolean("allow_history_for_subscriber"),
      .allow_history_for_anonymous = from.boolean("allow_history_for_anonymous"),
      .allow_user_limited_channels = from.boolean("allow_user_limited_channels"),
      .subscribe_proxy =
          config::chosen_proxy(from, "subscribe_proxy_enabled", "subscribe_proxy_name"),
      .publish_proxy = config::chosen_proxy(from, "publish_proxy_enabled", "publish_proxy_name"),
      .sub_refresh_proxy =
          config::chosen_proxy(from, "sub_refresh_proxy_enabled", "sub_refresh_proxy_name"),
      .subscribe_stream_proxy = config::chosen_proxy(from, "subscribe_stream_proxy_enabled",
                                                     "subscribe_stream_proxy_name"),
      .is_subscribe_stream_bidirectional = from.boolean("subscribe_stream_proxy_bidirectional"),
      .channel_regex = from.text("channel_regex"),
      .publication_data_format = data_format(from.text("publication_data_format"), format),
  };
}

std::shared_ptr<const channel::DeliveryRule> delivery_rule(const config::Tree& tree) {
  using std::chrono::milliseconds;
  channel::DeliveryRule rule;
  const std::string& slow = tree.text("slow_consumer");
  if (slow == "keep_latest") rule.slow_consumer = channel::SlowConsumer::keep_latest;
  if (slow == "resubscribe") rule.slow_consumer = channel::SlowConsumer::resubscribe;
  rule.slow_consumer_bytes = static_cast<uint32_t>(std::clamp<int64_t>(
      tree.integer("slow_consumer_bytes"), 0, std::numeric_limits<uint32_t>::max()));
  rule.batch_max_delay = std::chrono::duration_cast<milliseconds>(tree.duration("batch_max_delay"));
  rule.batch_max_size = static_cast<uint32_t>(tree.integer("batch_max_size"));
  rule.batch_flush_latest = tree.boolean("batch_flush_latest");
  return std::make_shared<const channel::DeliveryRule>(rule);
}

// By namespace.
using DeliveryRules = std::map<std::string, std::shared_ptr<const channel::DeliveryRule>>;

DeliveryRules delivery_rules(const config::Tree& tree) {
  DeliveryRules rules;
  for (const config::Tree& rule : tree.list("gyre.delivery")) {
    rules.emplace(rule.text("namespace"), delivery_rule(rule));
  }
  return rules;
}

size_t name_length(const config::Tree& tree) {
  return static_cast<size_t>(std::max<int64_t>(tree.integer("channel.max_length"), 0));
}

// The namespaces with wildcards, if the configuration has rules for some, or such names are
// wildcards already: `before` is what runs, null at the start. What has begun without wildcards
// goes on so.
Result<void> add_wildcards(const config::Tree& tree, const channel::Namespaces* before,
                           channel::Namespaces& namespaces) {
  std::vector<channel::WildcardRules::Rule> rules;
  for (const config::Tree& rule : tree.list("gyre.wildcards.rules")) {
    rules.push_back({.pattern = rule.text("pattern"), .namespace_name = rule.text("namespace")});
  }
  if (before ? !before->wildcards() : rules.empty()) return {};
  const channel::NameRules& names = before ? before->wildcards()->names() : namespaces.rules();
  auto compiled = channel::WildcardRules::compile(names, rules);
  Result<void> added;
  if (!compiled) {
    added = std::unexpected(std::move(compiled).error());
  } else {
    added = namespaces.add_wildcards(std::move(*compiled));
  }
  if (!added) return fail(Errc::invalid, "gyre.wildcards.rules: " + added.error().context);
  return {};
}

// gyre.channel_compaction, for the channels of the namespace; without a name, for those of none.
void set_compaction(const config::Tree& compaction, std::string_view name,
                    channel::ChannelOptions& options) {
  if (!compaction.boolean("enabled")) return;
  const std::vector<std::string>& chosen = compaction.texts("namespaces");
  if (!chosen.empty() && !lists(chosen, name)) return;
  options.compacts_json = lists(compaction.texts("encodings"), "json");
  options.compacts_protobuf = lists(compaction.texts("encodings"), "protobuf");
}

// `before`: what runs, whose length of names a reload keeps; null at the start.
Result<std::shared_ptr<const channel::Namespaces>> namespaces(const config::Tree& tree,
                                                              const channel::Namespaces* before) {
  const size_t max_length = before ? before->rules().max_length : name_length(tree);
  channel::NameRules rules{.private_prefix = tree.text("channel.private_prefix"),
                           .namespace_boundary = tree.text("channel.namespace_boundary"),
                           .user_boundary = tree.text("channel.user_boundary"),
                           .user_separator = tree.text("channel.user_separator"),
                           .max_length = max_length};
  const std::string& format = tree.text("channel.publication_data_format");
  const config::Tree compaction = tree.section("gyre.channel_compaction");
  const DeliveryRules deliveries = delivery_rules(tree);
  const auto options = [&](const config::Tree& from, const std::string& name) {
    channel::ChannelOptions result = channel_options(from, format);
    set_compaction(compaction, name, result);
    if (const auto rule = deliveries.find(name); rule != deliveries.end()) {
      result.delivery = rule->second;
    }
    return result;
  };
  std::vector<std::pair<std::string, channel::ChannelOptions>> named;
  for (const config::Tree& ns : tree.list("channel.namespaces")) {
    named.emplace_back(ns.text("name"), options(ns, ns.text("name")));
  }
  std::vector<channel::Namespaces::PatternRule> patterns;
  for (const config::Tree& rule : tree.list("gyre.channel_patterns")) {
    patterns.push_back({.pattern = rule.text("pattern"), .namespace_name = rule.text("namespace")});
  }
  GYRE_TRY(channel::Namespaces compiled,
           channel::Namespaces::compile(std::move(rules),
                                        options(tree.section("channel.without_namespace"), ""),
                                        std::move(named), patterns));
  GYRE_TRY_VOID(add_wildcards(tree, before, compiled));
  return std::make_shared<const channel::Namespaces>(std::move(compiled));
}

client::RpcRules rpc_rules(const config::Tree& tree) {
  client::RpcRules rules;
  rules.namespace_boundary = tree.text("rpc.namespace_boundary");
  rules.without_namespace =
      config::chosen_proxy(tree.section("rpc.without_namespace"), "proxy_enabled", "proxy_name");
  for (const config::Tree& ns : tree.list("rpc.namespaces")) {
    rules.namespaces.emplace(ns.text("name"),
                             config::chosen_proxy(ns, "proxy_enabled", "proxy_name"));
  }
  return rules;
}

// A limit that is not positive is none.
uint32_t limit(const config::Tree& tree, std::string_view path) {
  return static_cast<uint32_t>(
      std::clamp<int64_t>(tree.integer(path), 0, std::numeric_limits<uint32_t>::max()));
}

os::Nanos not_negative(const config::Tree& tree, std::string_view path) {
  return std::max<os::Nanos>(tree.duration(path).count(), 0);
}

// A negative one is none.
os::Nanos write_timeout(const config::Tree& tree) {
  constexpr os::Nanos kNever = os::Nanos{10 * 365 * 24 * 3600} * os::kSecond;
  const os::Nanos timeout = tree.duration("websocket.write_timeout").count();
  return timeout > 0 ? std::min(timeout, kNever) : kNever;
}

// `before`: what runs; null at the start.
Result<std::shared_ptr<const client::Settings>> settings(const config::Tree& tree,
                                                         const channel::Namespaces* before) {
  client::Settings result;
  GYRE_TRY(result.namespaces, namespaces(tree, before));
  result.insecure = tree.boolean("client.insecure");
  result.allow_anonymous_connect_without_token =
      tree.boolean("client.allow_anonymous_connect_without_token");
  result.disallow_anonymous_connection_tokens =
      tree.boolean("client.disallow_anonymous_connection_tokens");
  result.has_personal_channels = tree.boolean("client.subscribe_to_user_personal_channel.enabled");
  result.personal_namespace =
      tree.text("client.subscribe_to_user_personal_channel.personal_channel_namespace");
  result.single_connection =
      tree.boolean("client.subscribe_to_user_personal_channel.single_connection");
  if (tree.boolean("rpc.ping.enabled")) result.rpc_ping_method = tree.text("rpc.ping.method");
  result.rpc = rpc_rules(tree);
  result.has_capabilities = tree.boolean("gyre.capabilities.enabled");
  result.connect_include_server_time = tree.boolean("client.connect_include_server_time");
  if (tree.duration("client.ping_interval") <= tree.duration("client.pong_timeout")) {
    return fail(Errc::invalid, "client.ping_interval must be greater than client.pong_timeout");
  }
  // Negative ones are off; zero has become the default on loading.
  result.ping_interval = not_negative(tree, "client.ping_interval");
  result.pong_timeout = not_negative(tree, "client.pong_timeout");
  result.stale_close_delay = not_negative(tree, "client.stale_close_delay");
  result.expired_close_delay = not_negative(tree, "client.expired_close_delay");
  result.expired_sub_close_delay = not_negative(tree, "client.expired_sub_close_delay");
  result.presence_update_interval = not_negative(tree, "client.presence_update_interval");
  result.channel_limit = limit(tree, "client.channel_limit");
  result.user_connection_limit = limit(tree, "client.user_connection_limit");
  result.history_max_publication_limit =
      static_cast<int32_t>(tree.integer("client.history_max_publication_limit"));
  result.recovery_max_publication_limit =
      static_cast<int32_t>(tree.integer("client.recovery_max_publication_limit"));
  result.concurrency =
      static_cast<uint32_t>(std::clamp<int64_t>(tree.integer("client.concurrency"), 1, 1024));
  result.rate_limits = rate_limits(tree);
  result.server_version = fmt::format("{} Gyre/{}", kReferenceVersion, kVersion);
  return std::make_shared<const client::Settings>(std::move(result));
}

// Trailing slashes do not count; nothing left is the root (spec security.md 1).
std::string handler_path(const config::Tree& tree, std::string_view path) {
  std::string_view prefix = tree.text(path);
  while (prefix.ends_with('/')) prefix.remove_suffix(1);
  return prefix.empty() ? "/" : std::string(prefix);
}

Result<uint16_t> port_number(const std::string& text, std::string_view key) {
  uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size()) {
    return fail(Errc::invalid, fmt::format("{} must be a port number, not \"{}\"", key, text));
  }
  return port;
}

Result<void> set_listeners(const config::Tree& tree, NodeOptions& options) {
  options.external = {.address = tree.text("http_server.address"),
                      .port = static_cast<uint16_t>(tree.integer("http_server.port"))};
  os::ListenOptions internal = options.external;
  if (const std::string& address = tree.text("http_server.internal_address"); !address.empty()) {
    internal.address = address;
  }
  if (const std::string& port = tree.text("http_server.internal_port"); !port.empty()) {
    GYRE_TRY(internal.port, port_number(port, "http_server.internal_port"));
  }
  if (internal.address != options.external.address || internal.port != options.external.port) {
    options.internal = internal;
  }
  return {};
}

api::MethodSet api_methods(const NodeOptions& options) {
  auto methods = api::MethodSet::standard();
  if (options.connections_max > 0) methods = methods.with_connections();
  if (options.user_statuses) methods = methods.with_user_status();
  if (options.moderation) methods = methods.with_moderation();
  return methods;
}

Result<void> set_endpoints(const config::Tree& tree, NodeOptions& options) {
  GYRE_TRY(options.origins, http::AllowedOrigins::compile(tree.texts("client.allowed_origins")));
  options.admission = {.connections = limit(tree, "client.connection_limit"),
                       .per_second = limit(tree, "client.connection_rate_limit")};
  options.http_rate = http_rate_limit(tree);
  if (!tree.boolean("websocket.disabled")) {
    options.websocket_path = handler_path(tree, "websocket.handler_prefix");
  }
  options.websocket.message_bytes_max = limit(tree, "websocket.message_size_limit");
  options.websocket.user_header = tree.text("client.user_id_http_header");
  if (const os::Nanos interval = options.settings->ping_interval; interval > 0) {
    options.websocket.ping_interval = interval;
  }
  if (const os::Nanos timeout = options.settings->pong_timeout; timeout > 0) {
    options.websocket.pong_timeout = timeout;
  }
  if (!tree.boolean("http_api.disabled")) {
    options.api = {
        .prefix = handler_path(tree, "http_api.handler_prefix"),
        .key = tree.text("http_api.key"),
        .insecure = tree.boolean("http_api.insecure"),
        .transport_errors = tree.text("http_api.error_mode") == "transport",
        .body_bytes_max = static_cast<uint64_t>(tree.integer("gyre.http_api.max_body_size")),
        .methods = api_methods(options)};
    options.api_is_external = tree.boolean("http_api.external");
  }
  if (tree.boolean("health.enabled")) {
    options.health_path = handler_path(tree, "health.handler_prefix");
  }
  if (tree.boolean("prometheus.enabled")) {
    options.metrics_path = handler_path(tree, "prometheus.handler_prefix");
  }
  if (const std::string& directory = tree.text("gyre.demo.directory"); !directory.empty()) {
    GYRE_TRY(options.demo, DemoPage::load(directory));
  }
  return {};
}

uint64_t memory_limit(const config::Tree& tree) {
  const std::string& text = tree.text("gyre.memory_limit");
  // Sockets are the kernel's, but the same group pays for them; and the system needs some itself.
  if (text == "auto") return os::memory_at_most() / 10 * 8;
  return config::parse_size(text).value_or(0);
}

// As the reference names a node that has no name: host and port.
std::string node_name(const config::Tree& tree) {
  if (const std::string& name = tree.text("node.name"); !name.empty()) return name;
  char host[256] = {};
  if (gethostname(host, sizeof(host) - 1) != 0) return "?";
  return fmt::format("{}_{}", host, tree.integer("http_server.port"));
}

}  // namespace

Result<std::shared_ptr<const channel::Namespaces>> channel_namespaces(const config::Tree& tree) {
  return namespaces(tree, nullptr);
}

Result<NodeOptions> node_options(const config::Tree& tree) {
  NodeOptions options;
  options.name = node_name(tree);
  options.sockets = {.queue_bytes_max = limit(tree, "client.queue_max_size"),
                     .write_timeout = write_timeout(tree)};
  options.memory_limit = memory_limit(tree);
  if (tree.boolean("gyre.connections.enabled")) {
    options.connections_max = static_cast<size_t>(tree.integer("gyre.connections.max_results"));
  }
  if (tree.boolean("gyre.user_status.enabled")) {
    options.user_statuses = {
        .users = static_cast<size_t>(tree.integer("gyre.user_status.max_users")),
        .seconds = whole_seconds(tree, "gyre.user_status.expire_interval").count()};
  }
  if (tree.boolean("gyre.moderation.enabled")) {
    options.moderation = {.entries =
                              static_cast<size_t>(tree.integer("gyre.moderation.max_entries"))};
  }
  options.shutdown_rate = static_cast<uint64_t>(tree.integer("gyre.shutdown_rate"));
  // The other half is for the connections to close and for what is in work.
  options.shutdown_most = not_negative(tree, "shutdown.timeout") / 2;
  options.wildcards_max = static_cast<size_t>(tree.integer("gyre.wildcards.max_patterns"));
  GYRE_TRY(options.settings, settings(tree, nullptr));
  options.version = options.settings->server_version;
  options.connection_tokens = connect_token_options(tree);
  options.subscription_tokens = subscribe_token_options(tree);
  GYRE_TRY(options.proxies, proxy_definitions(tree));
  options.has_own_subscription_tokens = has_own_subscribe_tokens(tree);
  options.history_meta_ttl = whole_seconds(tree, "channel.history_meta_ttl");
  options.position_check_delay = not_negative(tree, "client.channel_position_check_delay");
  options.position_max_lag = not_negative(tree, "client.channel_position_max_time_lag");
  options.has_own_descriptor_tables = tree.text("gyre.descriptor_tables") == "per_shard";
  options.sends_by_ring = tree.boolean("gyre.ring_sends");
  GYRE_TRY_VOID(set_listeners(tree, options));
  GYRE_TRY_VOID(set_endpoints(tree, options));
  return options;
}

Result<Reloaded> reloaded_options(const config::Tree& tree, const NodeOptions& running) {
  GYRE_TRY(const std::shared_ptr<const client::Settings> fresh,
           settings(tree, running.settings->namespaces.get()));
  client::Settings next = *running.settings;
  next.namespaces = fresh->namespaces;
  next.insecure = fresh->insecure;
  next.allow_anonymous_connect_without_token = fresh->allow_anonymous_connect_without_token;
  next.disallow_anonymous_connection_tokens = fresh->disallow_anonymous_connection_tokens;
  next.has_personal_channels = fresh->has_personal_channels;
  next.personal_namespace = fresh->personal_namespace;
  next.single_connection = fresh->single_connection;
  next.rate_limits = fresh->rate_limits;
  next.rpc = fresh->rpc;
  next.has_capabilities = fresh->has_capabilities;
  Reloaded reloaded{
      .settings = std::make_shared<const client::Settings>(std::move(next)),
      .connection_tokens = connect_token_options(tree),
      .subscription_tokens = subscribe_token_options(tree, running.has_own_subscription_tokens),
      .connection_limit = limit(tree, "client.connection_limit"),
      .http_rate = http_rate_limit(tree)};
  // Whoever has had no limit at the start has none.
  const transport::Admission::Limits& limits = running.admission;
  if (limits.connections == 0 && limits.per_second == 0) reloaded.connection_limit = 0;
  return reloaded;
}

}  // namespace gyre::app
