#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "client/test_support.h"

// What tests of capabilities share, whether tokens or backends give them.
namespace gyre::client {

// Namespaces in which no client may anything, but for subscribing in `open`; `asking` has backends,
// `plain` has one too, and neither history nor presence.
inline std::shared_ptr<const channel::Namespaces> closed_namespaces() {
  channel::ChannelOptions options;
  options.presence = options.join_leave = true;
  options.history_size = 10;
  options.history_ttl = std::chrono::seconds(600);
  channel::ChannelOptions asking = options;
  asking.subscribe_proxy = asking.publish_proxy = "default";
  channel::ChannelOptions open = options;
  open.allow_subscribe_for_client = true;
  channel::ChannelOptions plain;
  plain.subscribe_proxy = "default";
  auto namespaces = channel::Namespaces::compile(
      {}, options, {{"asking", asking}, {"open", open}, {"plain", plain}});
  return std::make_shared<const channel::Namespaces>(std::move(namespaces).value());
}

struct CapabilityFixture : testing::Test {
  // The command `name` with the id 2; `more` are further members, each after a comma.
  static std::string command(std::string_view name, std::string_view channel,
                             std::string_view more = "") {
    return std::string(R"({"id":2,")") + std::string(name) + R"(":{"channel":")" +
           std::string(channel) + "\"" + std::string(more) + "}}";
  }
  static auto denied() { return testing::ElementsAre(testing::HasSubstr(R"("code":103)")); }
};

}  // namespace gyre::client
