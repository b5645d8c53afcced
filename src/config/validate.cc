#include "config/validate.h"

#include <algorithm>
#include <limits>

#include "base/name_pattern.h"
#include "config/proxies.h"
#include "config/rules.h"
#include "config/text.h"

namespace gyre::config {
namespace rules {

void Report::one_of(const Tree& tree, std::string_view key,
                    std::initializer_list<std::string_view> allowed) {
  const std::string& value = tree.text(key);
  if (contains(allowed, value)) return;
  std::string names;
  for (std::string_view name : allowed) {
    if (!names.empty()) names += ", ";
    names += name.empty() ? "empty" : name;
  }
  add(tree, key, fmt::format("unknown {} \"{}\": must be one of {}", key, value, names));
  findings_.back().hint = nearest(value, std::vector<std::string_view>(allowed));
}

bool is_name(std::string_view text) {
  return text.size() >= 2 && std::ranges::all_of(text, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '-' || c == '_' || c == '.';
         });
}

bool is_ascii(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

bool is_whole_seconds(std::chrono::nanoseconds duration) {
  return duration % std::chrono::seconds(1) == std::chrono::nanoseconds(0);
}

namespace {

constexpr size_t kMaxReasonBytes =
    123;  // what a WebSocket close frame has room for (RFC 6455, 5.5)

void check_reason(Report& report, const Tree& tree, std::string_view key) {
  const std::string& reason = tree.text(key);
  if (!is_ascii(reason)) report.add(tree, key, fmt::format("{} must be ASCII", key));
  if (reason.size() > kMaxReasonBytes) {
    report.add(tree, key, fmt::format("{} must not be longer than {} bytes", key, kMaxReasonBytes));
  }
}

void check_status_transform(Report& report, const Tree& transform) {
  if (transform.integer("status_code") == 0) {
    report.add(transform, "status_code", "status_code is required");
  }
  bool to_error = transform.integer("to_error.code") != 0;
  bool to_disconnect = transform.integer("to_disconnect.code") != 0;
  if (to_error == to_disconnect) {
    report.add(transform, "to_error.code",
               "exactly one of to_error.code and to_disconnect.code must be set");
  }
  check_reason(report, transform, "to_error.message");
  check_reason(report, transform, "to_disconnect.reason");
}

}  // namespace

void check_proxy(Report& report, const Tree& proxy) {
  if (proxy.duration("timeout") == std::chrono::nanoseconds(0)) {
    report.add(proxy, "timeout", "timeout must be set");
  } else if (proxy.duration("timeout") < std::chrono::nanoseconds(0)) {
    report.add(proxy, "timeout", "timeout must be above 0");
  }
  if (proxy.text("endpoint").empty()) report.add(proxy, "endpoint", "endpoint must be set");
  std::vector<Tree> transforms = proxy.list("http.status_to_code_transforms");
  for (size_t i = 0; i < transforms.size(); ++i) {
    auto context = report.in(fmt::format("http.status_to_code_transforms.[{}]", i));
    check_status_transform(report, transforms[i]);
  }
}

void check_proxy_name(Report& report, const Tree& tree, std::string_view key,
                      const Names& proxies) {
  const std::string& name = tree.text(key);
  if (name.empty() || name == "default" || proxies.contains(name)) return;
  report.add(tree, key, fmt::format("{}: there is no proxy \"{}\"", key, name));
}

}  // namespace rules

namespace {

using rules::Names;
using rules::Report;

class Validation {
 public:
  explicit Validation(const Tree& tree) : tree_(tree) {}

  std::vector<Finding> run() {
    http_server();
    report_.one_of(tree_, "broker.type", {"memory", "nats", "redis", "redisnats", "postgres"});
    user_id_claim("client.token.user_id_claim");
    user_id_claim("client.subscription_token.user_id_claim");
    client_proxy("client.proxy.connect");
    client_proxy("client.proxy.refresh");
    if (!rules::is_whole_seconds(tree_.duration("channel.history_meta_ttl"))) {
      report_.add(tree_, "channel.history_meta_ttl",
                  "channel.history_meta_ttl must be whole seconds");
    }
    report_.one_of(tree_, "channel.publication_data_format", {"", "json", "json_object", "binary"});
    unidirectional_transforms();
    proxies();
    channels();
    rpc_namespaces();
    consumers();
    http_response_transforms("uni_sse.connect_code_to_http_response.transforms");
    http_response_transforms("uni_http_stream.connect_code_to_http_response.transforms");
    report_.one_of(tree_, "map_broker.type", {"memory", "redis", "postgres"});
    own_keys();
    return report_.take();
  }

 private:
  void http_server() {
    if (!tree_.boolean("http_server.h2c_external")) return;
    const std::string& internal = tree_.text("http_server.internal_port");
    if (internal.empty() || internal == fmt::format("{}", tree_.integer("http_server.port"))) {
      report_.add(tree_, "http_server.h2c_external",
                  "http_server.h2c_external needs http_server.internal_port, different from "
                  "http_server.port");
    }
    if (tree_.boolean("http_server.tls.enabled")) {
      report_.add(tree_, "http_server.h2c_external",
                  "http_server.h2c_external does not go with http_server.tls.enabled");
    }
  }

  void user_id_claim(std::string_view key) {
    const std::string& claim = tree_.text(key);
    bool is_good = std::ranges::all_of(
        claim, [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; });
    if (!is_good) {
      report_.add(tree_, key, fmt::format("{} \"{}\" must consist of letters and _", key, claim));
    }
  }

  void client_proxy(std::string_view path) {
    Tree proxy = tree_.section(path);
    if (!proxy.boolean("enabled")) return;
    auto context = report_.in(fmt::format("in {}", path));
    rules::check_proxy(report_, proxy);
  }

  void unidirectional_transforms() {
    const std::string path = "client.connect_code_to_unidirectional_disconnect.transforms";
    std::vector<Tree> transforms = tree_.list(path);
    for (size_t i = 0; i < transforms.size(); ++i) {
      auto context = report_.in(fmt::format("in {}.[{}]", path, i));
      for (const char* key : {"code", "to.code"}) {
        if (transforms[i].integer(key) == 0)
          report_.add(transforms[i], key, fmt::format("{} must be set", key));
      }
      if (!rules::is_ascii(transforms[i].text("to.reason"))) {
        report_.add(transforms[i], "to.reason", "to.reason must be ASCII");
      }
    }
  }

  void unique_name(const Tree& element, Names& names, bool is_well_formed) {
    const std::string& name = element.text("name");
    if (!is_well_formed) {
      report_.add(element, "name",
                  fmt::format("\"{}\" is not a name: two or more letters, digits, - _ .", name));
    }
    if (!names.insert(name).second)
      report_.add(element, "name", fmt::format("\"{}\" stands twice", name));
  }

  void proxies() {
    for (const Tree& proxy : tree_.list("proxies")) {
      const std::string& name = proxy.text("name");
      auto context = report_.in(fmt::format("in proxy {}", name));
      unique_name(proxy, proxies_, rules::is_name(name));
      if (name == "default") report_.add(proxy, "name", "\"default\" is reserved");
      rules::check_proxy(report_, proxy);
    }
  }

  void channels() {
    Tree root_options = tree_.section("channel.without_namespace");
    {
      auto context = report_.in("in channel.without_namespace");
      rules::check_channel_options(report_, tree_, root_options, proxies_);
    }
    {
      auto context = report_.in("in rpc.without_namespace");
      rules::check_proxy_name(report_, tree_.section("rpc.without_namespace"), "proxy_name",
                              proxies_);
    }
    Tree personal = tree_.section("client.subscribe_to_user_personal_channel");
    const std::string& personal_namespace = personal.text("personal_channel_namespace");
    bool is_single = personal.boolean("single_connection");
    if ((!personal.boolean("enabled") || personal_namespace.empty()) && is_single &&
        !root_options.boolean("presence")) {
      report_.add(personal, "single_connection",
                  "client.subscribe_to_user_personal_channel.single_connection needs presence in "
                  "channel.without_namespace");
    }
    Names names;
    for (const Tree& options : tree_.list("channel.namespaces")) {
      const std::string& name = options.text("name");
      auto context = report_.in(fmt::format("namespace {}", name));
      unique_name(options, names, rules::is_name(name));
      rules::check_channel_options(report_, tree_, options, proxies_);
      if (is_single && personal.boolean("enabled") && name == personal_namespace &&
          !options.boolean("presence")) {
        report_.add(
            options, "presence",
            "client.subscribe_to_user_personal_channel.single_connection needs presence here");
      }
    }
    if (personal.boolean("enabled") && !personal_namespace.empty() &&
        !names.contains(personal_namespace)) {
      report_.add(
          personal, "personal_channel_namespace",
          fmt::format(
              "client.subscribe_to_user_personal_channel.personal_channel_namespace: there is no "
              "namespace \"{}\"",
              personal_namespace));
    }
    presence_prefixes(root_options);
    channel_compaction(names);
    channel_patterns(names);
  }

  void channel_compaction(const Names& namespaces) {
    const Tree compaction = tree_.section("gyre.channel_compaction");
    auto context = report_.in("in gyre.channel_compaction");
    for (const std::string& encoding : compaction.texts("encodings")) {
      if (encoding == "json" || encoding == "protobuf") continue;
      report_.add(compaction, "encodings",
                  fmt::format("encodings: \"{}\" is neither json nor protobuf", encoding));
    }
    for (const std::string& name : compaction.texts("namespaces")) {
      if (namespaces.contains(name)) continue;
      report_.add(compaction, "namespaces",
                  fmt::format("namespaces: channel.namespaces has no \"{}\"", name));
    }
  }

  void channel_patterns(const Names& namespaces) {
    constexpr size_t kMost = 256;  // each is tried for every channel
    constexpr std::string_view kKey = "gyre.channel_patterns";
    const std::vector<Tree> rules = tree_.list(kKey);
    if (rules.size() > kMost) {
      report_.add(tree_, kKey, fmt::format("{} has more than {} rules", kKey, kMost));
    }
    Names patterns;
    for (const Tree& rule : rules) {
      const std::string& pattern = rule.text("pattern");
      const std::string& name = rule.text("namespace");
      auto context = report_.in(fmt::format("in {} (\"{}\")", kKey, pattern));
      if (const auto compiled = NamePattern::compile(pattern); !compiled) {
        report_.add(rule, "pattern", fmt::format("the pattern {}", compiled.error().context));
      } else if (!patterns.insert(pattern).second) {
        report_.add(rule, "pattern", "the pattern stands twice; the first rule decides");
      }
      if (!namespaces.contains(name)) {
        report_.add(rule, "namespace", fmt::format("there is no namespace \"{}\"", name));
      }
    }
  }

  void presence_prefixes(const Tree& root_options) {
    {
      auto context = report_.in("in channel.without_namespace");
      rules::check_presence_prefixes(report_, tree_, root_options);
    }
    for (const Tree& options : tree_.list("channel.namespaces")) {
      auto context = report_.in(fmt::format("namespace {}", options.text("name")));
      rules::check_presence_prefixes(report_, tree_, options);
    }
  }

  void rpc_namespaces() {
    Names names;
    for (const Tree& rpc : tree_.list("rpc.namespaces")) {
      auto context = report_.in(fmt::format("rpc namespace {}", rpc.text("name")));
      unique_name(rpc, names, rules::is_name(rpc.text("name")));
      rules::check_proxy_name(report_, rpc, "proxy_name", proxies_);
    }
  }

  void consumers() {
    Names names;
    for (const Tree& consumer : tree_.list("consumers")) {
      const std::string& name = consumer.text("name");
      auto context = report_.in(fmt::format("in consumer {} ({})", name, consumer.text("type")));
      bool is_plain = rules::is_name(name) && !name.contains('-') && !name.contains('.');
      unique_name(consumer, names, is_plain);
      rules::check_consumer(report_, consumer);
    }
  }

  void http_response_transforms(const std::string& path) {
    std::vector<Tree> transforms = tree_.list(path);
    for (size_t i = 0; i < transforms.size(); ++i) {
      auto context = report_.in(fmt::format("in {}.[{}]", path, i));
      for (const char* key : {"code", "to.status_code"}) {
        if (transforms[i].integer(key) == 0)
          report_.add(transforms[i], key, fmt::format("{} must be set", key));
      }
    }
  }

  void own_keys() {
    constexpr int64_t kMostShards = 1024;
    int64_t shards = tree_.integer("gyre.shards");
    if (shards < 0 || shards > kMostShards) {
      report_.add(tree_, "gyre.shards",
                  fmt::format("gyre.shards must be from 0 to {}", kMostShards));
    }
    report_.one_of(tree_, "gyre.descriptor_tables", {"shared", "per_shard"});
    const std::string& memory = tree_.text("gyre.memory_limit");
    if (memory != "auto" && !parse_size(memory)) {
      report_.add(tree_, "gyre.memory_limit",
                  fmt::format("gyre.memory_limit \"{}\" is neither auto nor a size", memory));
    }
    for (const char* key : {"gyre.connections.max_results", "gyre.moderation.max_entries",
                            "gyre.user_status.max_users"}) {
      if (tree_.integer(key) < 1) report_.add(tree_, key, fmt::format("{} must be 1 or more", key));
    }
    if (tree_.duration("gyre.user_status.expire_interval") < std::chrono::seconds(1)) {
      report_.add(tree_, "gyre.user_status.expire_interval",
                  "gyre.user_status.expire_interval must be 1s or more");
    }
    if (tree_.integer("gyre.shutdown_rate") < 0) {
      report_.add(tree_, "gyre.shutdown_rate", "gyre.shutdown_rate must not be negative");
    }
    rules::check_tokens(report_, tree_);
    rules::check_rate_limits(report_, tree_.section("gyre.rate_limits"));
    rules::check_delivery(report_, tree_);
    rules::check_wildcards(report_, tree_);
    report_.one_of(tree_, "gyre.unavailable", {"refuse", "warn"});
    report_.one_of(tree_, "gyre.unknown_keys", {"warn", "refuse"});
    outbound_keys();
    if (tree_.integer("gyre.http_api.max_body_size") < 0) {
      report_.add(tree_, "gyre.http_api.max_body_size",
                  "gyre.http_api.max_body_size must be above 0");
    }
  }

  void outbound_keys() {
    constexpr int64_t kMost = std::numeric_limits<int32_t>::max();
    for (const char* key : {"gyre.outbound.max_connections",
                            "gyre.outbound.max_connections_per_host", "gyre.outbound.max_requests",
                            "gyre.outbound.max_streams", "gyre.outbound.max_response_size"}) {
      const int64_t number = tree_.integer(key);
      if (number <= 0 || number > kMost)
        report_.add(tree_, key, fmt::format("{} must be from 1 to {}", key, kMost));
    }
  }

  const Tree& tree_;
  Report report_;
  Names proxies_;
};

}  // namespace

std::vector<Finding> validate(const Tree& tree) {
  return Validation(tree).run();
}

std::vector<Finding> validate_for_start(const Tree& tree) {
  Report report;
  report.one_of(tree, "engine.type", {"memory", "redis"});
  if (tree.boolean("presence_manager.enabled")) {
    report.one_of(tree, "presence_manager.type", {"memory", "redis"});
  }
  if (tree.duration("client.ping_interval") <= tree.duration("client.pong_timeout")) {
    report.add(tree, "client.ping_interval",
               "client.ping_interval must be above client.pong_timeout");
  }
  report.one_of(tree, "http_api.error_mode", {"", "transport"});
  if (tree.boolean("grpc_api.enabled"))
    report.one_of(tree, "grpc_api.error_mode", {"", "transport"});
  for (const UsedProxy& proxy : used_proxies(tree)) {
    if (proxy.path != "rpc.proxy") continue;
    auto context = report.in("in rpc.proxy");
    rules::check_proxy(report, proxy.section);
  }
  int64_t port = tree.integer("http_server.port");
  if (port < 0 || port > std::numeric_limits<uint16_t>::max()) {
    report.add(tree, "http_server.port", fmt::format("http_server.port {} is not a port", port));
  }
  const std::string& internal = tree.text("http_server.internal_port");
  std::optional<int64_t> internal_port = parse_integer(internal);
  if (!internal.empty() && (!internal_port || *internal_port < 0 ||
                            *internal_port > std::numeric_limits<uint16_t>::max())) {
    report.add(tree, "http_server.internal_port",
               fmt::format("http_server.internal_port \"{}\" is not a port", internal));
  }
  return report.take();
}

}  // namespace gyre::config
