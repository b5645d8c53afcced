#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "client/test_support.h"
#include "outbound/test_support.h"
#include "proxy/proxies.h"

// A node whose backends answer when the test says so.
namespace gyre::client {

using protocol::errors::kInternal;

inline std::shared_ptr<Settings> proxied_settings() {
  channel::ChannelOptions asking;
  asking.subscribe_proxy = asking.publish_proxy = "default";
  asking.allow_user_limited_channels = true;
  channel::ChannelOptions ending = asking;
  ending.sub_refresh_proxy = "default";
  ending.presence = true;
  channel::ChannelOptions stream = asking;
  stream.history_size = 10;
  stream.history_ttl = std::chrono::seconds(600);
  stream.allow_positioning = stream.allow_recovery = true;
  stream.join_leave = stream.allow_presence_for_client = true;
  stream.publication_data_format = channel::DataFormat::json_object;
  channel::ChannelOptions unbuilt;
  unbuilt.subscribe_proxy = unbuilt.publish_proxy = "unbuilt";
  auto namespaces = channel::Namespaces::compile(
      {}, open_options(),
      {{"ask", asking}, {"end", ending}, {"stream", stream}, {"unbuilt", unbuilt}});
  auto settings = std::make_shared<Settings>();
  settings->namespaces = std::make_shared<const channel::Namespaces>(std::move(namespaces).value());
  settings->server_version = "test";
  settings->rpc = {.without_namespace = "default",
                   .namespaces = {{"off", ""}, {"other", "other"}, {"unbuilt", "unbuilt"}}};
  return settings;
}

class ProxiedNode {
 public:
  explicit ProxiedNode(const std::vector<proxy::Event>& events,
                       std::shared_ptr<Settings> settings = proxied_settings(),
                       proxy::HttpOptions options = {})
      : node(1, std::move(settings)) {
    std::vector<proxy::Definition> list;
    for (const proxy::Event event : events) {
      options.endpoint = "http://" + std::string(proxy::name_of(event));
      list.push_back({.event = event, .name = "default", .http = options, .grpc = {}});
    }
    options.endpoint = "http://other";
    list.push_back({.event = proxy::Event::rpc, .name = "other", .http = options, .grpc = {}});
    for (size_t i = 0; i < list.size(); ++i) {
      node[0].metrics.proxies.push_back(std::make_unique<metrics::ProxyCalls>());
    }
    proxies_.emplace(node[0].shard, backend, nullptr,
                     std::make_shared<const proxy::Definitions>(std::move(list)), node[0].metrics);
    node[0].services.proxies = &*proxies_;
  }

  // The backend's answer to the oldest question, and all that comes of it.
  void answer(const std::string& body, int status = 200) {
    {
      const runtime::TurnScope scope(node[0].shard);
      backend.answer(body, status);
    }
    node.settle();
  }
  void fail_to_answer() {
    {
      const runtime::TurnScope scope(node[0].shard);
      backend.answer(gyre::fail(Errc::timed_out, "timed out"));
    }
    node.settle();
  }
  // Says something that a backend is asked about, and what it answers.
  Messages say(TestClient& client, std::string_view command, const std::string& body,
               int status = 200) {
    Messages heard = client.say(command);
    if (backend.waiting() == 0) return {"nobody was asked"};
    answer(body, status);
    for (std::string& message : client.heard()) heard.push_back(std::move(message));
    return heard;
  }

  outbound::ManualClient backend;
  TestNode node;

 private:
  std::optional<proxy::Proxies> proxies_;
};

}  // namespace gyre::client
