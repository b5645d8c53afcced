#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "hub/local_hub.h"
#include "runtime/test_support.h"

namespace gyre::hub {

// A kernel some of whose peers do not read.
struct DeafKernel final : os::ManualKernel {
  ptrdiff_t send(os::Descriptor socket, os::Token token, std::span<const iovec> parts) override {
    return deaf.contains(socket) ? 0 : ManualKernel::send(socket, token, parts);
  }
  std::set<os::Descriptor> deaf;
};

// Accepts connections, remembers their slots, and hands on that their output has left.
struct Accepted final : net::Acceptor {
  struct Connection final : net::Handler {
    Connection(Accepted& all, uint32_t its_outlet) : accepted(all), outlet(its_outlet) {}
    void on_bytes(std::span<char>) override {}
    void on_end(net::EndReason) override {}
    void on_flushed() override {
      if (accepted.on_flushed) accepted.on_flushed(outlet);
    }
    Accepted& accepted;
    const uint32_t outlet;
  };
  std::unique_ptr<net::Handler> accept(net::SocketHandle socket) override {
    sockets.push_back(socket);
    return std::make_unique<Connection>(*this, socket.slot);
  }
  std::vector<net::SocketHandle> sockets;
  std::function<void(uint32_t)> on_flushed;
};

struct Recorded final : ReceiverEvents {
  void on_unencodable(uint32_t outlet) override { unencodable.push_back(outlet); }
  void on_lost(ChannelSlot, uint32_t outlet) override {
    lost.insert(outlet);
    if (on_loss) on_loss();
  }
  void on_moved(ChannelSlot, uint32_t outlet, uint32_t index) override { places[outlet] = index; }
  void on_unused(std::string_view channel) override { unused.emplace_back(channel); }

  std::vector<uint32_t> unencodable;
  std::set<uint32_t> lost;
  std::function<void()> on_loss;  // what being told of it brings about
  std::map<uint32_t, uint32_t> places;
  std::vector<std::string> unused;
};

// A shard with sockets and a hub; connection i has the descriptor 10 + i.
class HubTest : public runtime::ShardTest<DeafKernel> {
 protected:
  void open(size_t connections, net::Framing framing = net::Framing::websocket_text) {
    if (listener_unset_) ASSERT_TRUE(sockets_.listen({}, accepted_));
    listener_unset_ = false;
    for (size_t i = 0; i < connections; ++i) {
      sockets_.on_connection(kernel_.listener,
                             static_cast<os::Descriptor>(10 + accepted_.sockets.size()));
      sockets_.set_framing(accepted_.sockets.back(), framing);
    }
  }
  ChannelSlot join(std::string_view channel, size_t connection, uint8_t flags = 0,
                   FrameVariant variant = FrameVariant::json) {
    const ChannelSlot slot = hub_.reserve(channel);
    const uint32_t outlet = accepted_.sockets[connection].slot;
    hub_.set_rule(slot, rule_);
    events_.places[outlet] = hub_.add(slot, {.outlet = outlet, .variant = variant, .flags = flags});
    hub_.release(slot);
    return slot;
  }
  static protocol::PublicationRef publication(std::string data) {
    return make_ref<protocol::Publication>(std::move(data));
  }
  // The rest of the turn, and those that it takes to send all.
  void flush() {
    do {
      shard_.turn(0);
    } while (sockets_.waiting() > 0);
  }
  void SetUp() override { shard_.attach(sockets_, sockets_); }
  void TearDown() override { shard_.turn(0); }
  void announce(bool is_join, std::string client, std::string conn_info = "") {
    hub_.announce("c", make_ref<const protocol::Announcement>(
                           is_join, protocol::ClientInfo{.user = "u",
                                                         .client = std::move(client),
                                                         .conn_info = std::move(conn_info),
                                                         .chan_info = ""}));
  }
  uint32_t place(size_t connection) { return events_.places[accepted_.sockets[connection].slot]; }
  std::string sent_to(size_t connection) {
    return std::exchange(kernel_.sent[static_cast<os::Descriptor>(10 + connection)], {});
  }

  metrics::ShardMetrics metrics_;
  net::Sockets sockets_{shard_, {}};
  Accepted accepted_;
  Recorded events_;
  LocalHub hub_{sockets_, events_, &metrics_};
  std::shared_ptr<const channel::DeliveryRule> rule_;  // of channels that are joined
  bool listener_unset_ = true;
};

}  // namespace gyre::hub
