#include <re2/re2.h>

#include "config/rules.h"

namespace gyre::config::rules {
namespace {

using namespace std::chrono_literals;

bool is_map_type(std::string_view type) {
  return type == "map" || type == "map_clients" || type == "map_users";
}

void check_history(Report& report, const Tree& root, const Tree& options) {
  auto ttl = options.duration("history_ttl");
  auto meta_ttl = options.duration("history_meta_ttl");
  if (!is_whole_seconds(ttl))
    report.add(options, "history_ttl", "history_ttl must be whole seconds");
  if (!is_whole_seconds(meta_ttl)) {
    report.add(options, "history_meta_ttl", "history_meta_ttl must be whole seconds");
  }
  int64_t size = options.integer("history_size");
  if ((size != 0) != (ttl != 0ns)) {
    report.add(options, size != 0 ? "history_size" : "history_ttl",
               "history_size and history_ttl must be set together");
  }
  auto effective = meta_ttl != 0ns ? meta_ttl : root.duration("channel.history_meta_ttl");
  if (ttl > effective) {
    report.add(options, "history_ttl", "history_ttl must not be above history_meta_ttl");
  }
}

void check_recovery(Report& report, const Tree& options) {
  bool has_history = options.integer("history_size") != 0 && options.duration("history_ttl") != 0ns;
  if (options.boolean("force_recovery") && !has_history) {
    report.add(options, "force_recovery", "force_recovery needs history_size and history_ttl");
  }
  if (options.boolean("auto_cache_recover") &&
      (!options.boolean("force_recovery") || options.text("force_recovery_mode") != "cache")) {
    report.add(options, "auto_cache_recover",
               "auto_cache_recover needs force_recovery with force_recovery_mode \"cache\"");
  }
}

void check_regex(Report& report, const Tree& options) {
  const std::string& pattern = options.text("channel_regex");
  if (pattern.empty()) return;
  RE2 regex(pattern, RE2::Quiet);
  if (!regex.ok()) {
    report.add(options, "channel_regex",
               fmt::format("channel_regex does not compile: {}", regex.error()));
  }
}

struct ChannelProxy {
  const char* enabled;
  const char* name;
  const char* section;
};

void check_channel_proxy(Report& report, const Tree& root, const Tree& options,
                         const Names& proxies, const ChannelProxy& proxy) {
  check_proxy_name(report, options, proxy.name, proxies);
  if (!options.boolean(proxy.enabled) || options.text(proxy.name) != "default") return;
  auto context = report.in(fmt::format("in {}", proxy.section));
  check_proxy(report, root.section(proxy.section));
}

void check_channel_proxies(Report& report, const Tree& root, const Tree& options,
                           const Names& proxies) {
  static constexpr ChannelProxy kProxies[] = {
      {"subscribe_proxy_enabled", "subscribe_proxy_name", "channel.proxy.subscribe"},
      {"publish_proxy_enabled", "publish_proxy_name", "channel.proxy.publish"},
      {"sub_refresh_proxy_enabled", "sub_refresh_proxy_name", "channel.proxy.sub_refresh"},
      {"subscribe_stream_proxy_enabled", "subscribe_stream_proxy_name",
       "channel.proxy.subscribe_stream"},
      {"map.publish_proxy_enabled", "map.publish_proxy_name", "channel.proxy.map_publish"},
      {"map.remove_proxy_enabled", "map.remove_proxy_name", "channel.proxy.map_remove"},
  };
  for (const ChannelProxy& proxy : kProxies) {
    check_channel_proxy(report, root, options, proxies, proxy);
  }
}

void check_map_mode(Report& report, const Tree& options, const Tree& map) {
  const std::string& type = options.text("subscription_type");
  const std::string& mode = map.text("mode");
  if (!is_map_type(type)) return;
  if (mode.empty())
    report.add(options, "subscription_type",
               fmt::format("map.mode is required for subscription_type \"{}\"", type));
  if (mode == "persistent" && type != "map") {
    report.add(
        map, "mode",
        fmt::format("map.mode \"persistent\" does not go with subscription_type \"{}\"", type));
  }
  auto key_ttl = map.duration("key_ttl");
  if ((mode == "ephemeral" || mode == "recoverable") && key_ttl <= 0ns) {
    report.add(map, "key_ttl", fmt::format("map.key_ttl must be set for map.mode \"{}\"", mode));
  }
  if (mode == "persistent" && key_ttl != 0ns) {
    report.add(map, "key_ttl", "map.key_ttl must not be set for map.mode \"persistent\"");
  }
  auto stream_ttl = map.duration("stream_ttl");
  auto meta_ttl = map.duration("meta_ttl");
  if (mode == "ephemeral") {
    if (map.integer("stream_size") != 0 || stream_ttl != 0ns || meta_ttl != 0ns) {
      report.add(map, "mode", "map.mode \"ephemeral\" has no stream_size, stream_ttl and meta_ttl");
    }
    return;
  }
  if (map.integer("stream_size") < 0)
    report.add(map, "stream_size", "map.stream_size must not be negative");
  if (stream_ttl < 0ns) report.add(map, "stream_ttl", "map.stream_ttl must not be negative");
  std::chrono::nanoseconds effective = stream_ttl == 0ns ? 1min : stream_ttl;
  if (meta_ttl != 0ns && meta_ttl < effective) {
    report.add(map, "meta_ttl",
               "map.meta_ttl must not be below map.stream_ttl (1m if that is not set)");
  }
}

void check_map_pages(Report& report, const Tree& map) {
  for (const char* key : {"default_page_size", "min_page_size", "max_page_size"}) {
    if (map.integer(key) < 0) report.add(map, key, fmt::format("map.{} must not be negative", key));
  }
  auto in_order = [&](const char* low, const char* high) {
    int64_t a = map.integer(low);
    int64_t b = map.integer(high);
    if (a > 0 && b > 0 && a > b)
      report.add(map, low, fmt::format("map.{} must not be above map.{}", low, high));
  };
  in_order("min_page_size", "max_page_size");
  in_order("min_page_size", "default_page_size");
  in_order("default_page_size", "max_page_size");
}

void check_map(Report& report, const Tree& options) {
  Tree map = options.section("map");
  report.one_of(map, "client_key", {"", "client_id", "user_id"});
  if (!map.text("client_key").empty() &&
      (map.boolean("publish_proxy_enabled") || map.boolean("remove_proxy_enabled"))) {
    report.add(map, "client_key", "map.client_key does not go with a map publish or remove proxy");
  }
  report.one_of(options, "subscription_type",
                {"", "stream", "map", "map_clients", "map_users", "shared_poll"});
  report.one_of(map, "mode", {"", "ephemeral", "recoverable", "persistent"});
  check_map_mode(report, options, map);
  if (map.boolean("remove_client_on_unsubscribe") &&
      !is_map_type(options.text("subscription_type"))) {
    report.add(map, "remove_client_on_unsubscribe",
               "map.remove_client_on_unsubscribe needs a map subscription_type");
  }
  check_map_pages(report, map);
}

void check_shared_poll(Report& report, const Tree& root, const Tree& options,
                       const Names& proxies) {
  if (options.text("subscription_type") != "shared_poll") return;
  Tree poll = options.section("shared_poll");
  if (root.text("shared_poll.hmac_secret_key").empty()) {
    report.add(options, "subscription_type",
               "subscription_type \"shared_poll\" needs shared_poll.hmac_secret_key");
  }
  const std::string& proxy = poll.text("proxy_name");
  if (proxy.empty() || proxy == "default") {
    auto context = report.in("in channel.proxy.shared_poll_refresh");
    check_proxy(report, root.section("channel.proxy.shared_poll_refresh"));
  } else {
    check_proxy_name(report, poll, "proxy_name", proxies);
  }
  report.one_of(poll, "mode", {"", "versionless", "versioned"});
  if (poll.boolean("publish_enabled") && poll.text("mode") != "versioned") {
    report.add(poll, "publish_enabled",
               "shared_poll.publish_enabled needs shared_poll.mode \"versioned\"");
  }
}

}  // namespace

void check_channel_options(Report& report, const Tree& root, const Tree& options,
                           const Names& proxies) {
  check_history(report, root, options);
  check_recovery(report, options);
  check_regex(report, options);
  if (options.boolean("subscribe_stream_proxy_enabled") &&
      (options.boolean("subscribe_proxy_enabled") || options.boolean("publish_proxy_enabled") ||
       options.boolean("sub_refresh_proxy_enabled"))) {
    report.add(options, "subscribe_stream_proxy_enabled",
               "subscribe_stream_proxy_enabled does not go with subscribe, publish and sub_refresh "
               "proxies");
  }
  for (const std::string& type : options.texts("allowed_delta_types")) {
    if (type != "fossil") {
      report.add(options, "allowed_delta_types",
                 fmt::format("unknown delta type \"{}\" in allowed_delta_types", type));
    }
  }
  report.one_of(options, "force_recovery_mode", {"", "stream", "cache"});
  report.one_of(options, "publication_data_format", {"", "json", "json_object", "binary"});
  check_channel_proxies(report, root, options, proxies);
  check_map(report, options);
  check_shared_poll(report, root, options, proxies);
}

void check_presence_prefixes(Report& report, const Tree& root, const Tree& options) {
  const std::string& boundary = root.text("channel.namespace_boundary");
  auto check = [&](const char* key, std::string_view type) {
    const std::string& prefix = options.text(key);
    if (prefix.empty()) return;
    size_t end = prefix.find(boundary);
    std::string name = end == std::string::npos ? "" : prefix.substr(0, end);
    if (name.empty()) {
      if (root.text("channel.without_namespace.subscription_type") == type) return;
      return report.add(
          options, key,
          fmt::format("{}: channels without namespace are not of type \"{}\"", key, type));
    }
    for (const Tree& candidate : root.list("channel.namespaces")) {
      if (candidate.text("name") != name) continue;
      if (candidate.text("subscription_type") == type) return;
      return report.add(options, key,
                        fmt::format("{}: namespace \"{}\" is not of type \"{}\"", key, name, type));
    }
    report.add(options, key, fmt::format("{}: there is no namespace \"{}\"", key, name));
  };
  check("map_clients_presence_channel_prefix", "map_clients");
  check("map_users_presence_channel_prefix", "map_users");
}

}  // namespace gyre::config::rules
