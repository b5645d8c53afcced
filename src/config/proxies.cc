#include "config/proxies.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace gyre::config {
namespace {

constexpr std::string_view kDefault = "default";

class UsedProxies {
 public:
  explicit UsedProxies(const Tree& tree) : tree_(tree) {}

  std::vector<UsedProxy> take() {
    client_proxy("connect");
    client_proxy("refresh");
    for (const char* event : {"subscribe", "publish", "sub_refresh", "subscribe_stream"}) {
      const std::string switch_key = fmt::format("{}_proxy_enabled", event);
      const std::string name_key = fmt::format("{}_proxy_name", event);
      const std::string own = fmt::format("channel.proxy.{}", event);
      namespace_proxy(
          event, own,
          chosen_proxy(tree_.section("channel.without_namespace"), switch_key, name_key));
      for (const Tree& options : tree_.list("channel.namespaces")) {
        namespace_proxy(event, own, chosen_proxy(options, switch_key, name_key));
      }
    }
    const auto rpc_proxy = [this](const Tree& options) {
      namespace_proxy("rpc", "rpc.proxy", chosen_proxy(options, "proxy_enabled", "proxy_name"));
    };
    rpc_proxy(tree_.section("rpc.without_namespace"));
    for (const Tree& options : tree_.list("rpc.namespaces")) rpc_proxy(options);
    return std::move(used_);
  }

 private:
  void client_proxy(const std::string& event) {
    const std::string path = "client.proxy." + event;
    const Tree section = tree_.section(path);
    if (section.boolean("enabled")) {
      used_.push_back({event, std::string(kDefault), section, path});
    }
  }

  void namespace_proxy(const std::string& event, const std::string& own, const std::string& name) {
    const auto is_same = [&](const UsedProxy& one) {
      return one.event == event && one.name == name;
    };
    if (name.empty() || std::ranges::any_of(used_, is_same)) return;
    if (name == kDefault) {
      used_.push_back({event, name, tree_.section(own), own});
      return;
    }
    const std::vector<Tree> named = tree_.list("proxies");
    for (size_t i = 0; i < named.size(); ++i) {
      if (named[i].text("name") != name) continue;
      used_.push_back({event, name, named[i], fmt::format("proxies.[{}]", i)});
      return;
    }
  }

  const Tree& tree_;
  std::vector<UsedProxy> used_;
};

}  // namespace

std::vector<UsedProxy> used_proxies(const Tree& tree) {
  return UsedProxies(tree).take();
}

bool is_http_endpoint(std::string_view endpoint) {
  return endpoint.starts_with("http://") || endpoint.starts_with("https://");
}

std::string grpc_target(std::string_view endpoint) {
  for (const std::string_view scheme : {"grpc://", "passthrough:///"}) {
    if (endpoint.starts_with(scheme)) endpoint.remove_prefix(scheme.size());
  }
  return std::string(endpoint);
}

bool is_grpc_target(std::string_view target) {
  if (target.empty() ||
      std::ranges::any_of(target, [](unsigned char c) { return c <= ' ' || c == 0x7f; })) {
    return false;
  }
  const size_t scheme = target.find("://");
  constexpr std::string_view kSchemes[] = {"dns", "unix", "ipv4", "ipv6"};
  return scheme == std::string_view::npos ||
         std::ranges::find(kSchemes, target.substr(0, scheme)) != std::end(kSchemes);
}

std::string chosen_proxy(const Tree& options, std::string_view switch_key,
                         std::string_view name_key) {
  if (!options.boolean(switch_key)) return {};
  const std::string& name = options.text(name_key);
  return name.empty() ? std::string(kDefault) : name;
}

}  // namespace gyre::config
