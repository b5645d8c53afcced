// A whole server over the simulated kernel: connections, what they send, time and API calls come
// from the input; when all have gone nothing may be left.

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/check.h"
#include "harness.h"
#include "protocol/command_reader.h"
#include "protocol/encoder.h"
#include "server_peer.h"
#include "server_script.h"
#include "tests/simulation/sim_node.h"

namespace gyre::fuzz {
namespace {

using std::chrono::seconds;
using Step = ServerScript::Step;

constexpr uint16_t kPort = 8000;
constexpr uint64_t kStepsMax = 1'000'000;  // of the simulation; far more than any input needs
// Past lingering, write timeouts and deadlines of HTTP.
constexpr os::Nanos kLastsMax = 40 * os::kSecond;

channel::ChannelOptions open_channel() {
  channel::ChannelOptions options;
  options.allow_subscribe_for_client = options.allow_subscribe_for_anonymous = true;
  options.allow_publish_for_client = options.allow_publish_for_anonymous = true;
  options.allow_presence_for_client = options.allow_presence_for_anonymous = true;
  options.allow_history_for_client = options.allow_history_for_anonymous = true;
  options.allow_tags_filter = true;
  options.presence = options.join_leave = true;
  return options;
}

channel::ChannelOptions kept_channel() {
  channel::ChannelOptions options = open_channel();
  options.history_size = 5;
  options.history_ttl = seconds(30);
  options.allow_positioning = options.allow_recovery = true;
  options.force_push_join_leave = true;
  options.allows_fossil_delta = true;
  options.compacts_json = options.compacts_protobuf = true;
  return options;
}

// One channel without a namespace and one of each kind behind it; compiled once for all inputs.
std::shared_ptr<const channel::Namespaces> namespaces() {
  static const auto compiled = [] {
    channel::ChannelOptions sure = kept_channel();
    sure.force_recovery = sure.force_positioning = sure.delta_publish = true;
    channel::ChannelOptions cache = kept_channel();
    cache.recovers_cache = cache.auto_cache_recover = cache.force_recovery = true;
    channel::ChannelOptions closed;
    closed.allow_user_limited_channels = true;
    auto result = channel::Namespaces::compile(
        {}, open_channel(),
        {{"kept", kept_channel()}, {"sure", sure}, {"cache", cache}, {"closed", closed}});
    GYRE_CHECK(result);
    return std::make_shared<const channel::Namespaces>(std::move(*result));
  }();
  return compiled;
}

app::NodeOptions node_options(const ServerScript& script) {
  client::Settings settings;
  settings.namespaces = namespaces();
  settings.allow_anonymous_connect_without_token = true;
  settings.has_personal_channels = script.has_option('p');
  settings.single_connection = script.has_option('s');
  settings.concurrency = script.has_option('c') ? 4 : 1;
  settings.ping_interval = 5 * os::kSecond;
  settings.pong_timeout = 2 * os::kSecond;
  settings.presence_update_interval = 3 * os::kSecond;
  settings.rpc_ping_method = "ping";
  settings.channel_limit = 4;
  settings.server_version = "fuzzed";

  app::NodeOptions options;
  options.name = options.version = "fuzzed";
  options.sockets = {.queue_bytes_max = script.has_option('q') ? 2'000u : 1'000'000u,
                     .write_timeout = 3 * os::kSecond};
  options.settings = std::make_shared<const client::Settings>(std::move(settings));
  options.connection_tokens = {.hmac_secret_key = "secret", .insecure_skip_signature_verify = true};
  options.subscription_tokens = options.connection_tokens;
  options.history_meta_ttl = seconds(60);
  options.position_check_delay = 2 * os::kSecond;
  options.websocket_path = "/connection/websocket";
  options.websocket.user_header = "X-User";
  options.api = api::HttpApi::Options{.prefix = "/api", .key = "secret"};
  options.api_is_external = true;
  options.health_path = "/health";
  options.metrics_path = "/metrics";
  options.external.port = kPort;
  return options;
}

sim::Weather weather(const ServerScript& script) {
  if (script.has_option('n'))
    return {.delay_max = 5 * os::kMillisecond, .buffer = 2048, .breaks = 30};
  return {.delay_max = 0, .segment_max = 65536, .buffer = 65536, .short_send = 0, .stall = 0};
}

uint64_t seed(const ServerScript& script) {
  uint64_t sum = 1;
  for (const char byte : script.options()) sum = sum * 31 + static_cast<unsigned char>(byte);
  return sum;
}

class ServerRun {
 public:
  explicit ServerRun(std::string_view input)
      : script_(input),
        stage_(seed(script_), weather(script_)),
        node_({.stage = stage_, .ledger = ledger_}, node_options(script_),
              script_.has_option('2') ? 2 : 1,
              script_.has_option('w') ? sim::SimNode::Lends::never : sim::SimNode::Lends::always,
              kPort) {
    for (auto& peer : peers_) {
      peer = std::make_unique<ServerPeer>(stage_.network());
      stage_.add(*peer);
    }
  }

  void run() {
    while (const auto step = script_.next()) take(*step);
    run_for(100 * os::kMillisecond);
    if (script_.has_option('d')) {
      node_.drain();
      run_for(os::kSecond);
    }
    for (const auto& peer : peers_) peer->close();
    run_for(kLastsMax);
    const std::vector<std::string> left = node_.leftovers();
    for (const std::string& one : left) std::fprintf(stderr, "%s\n", one.c_str());
    GYRE_CHECK(left.empty());
    GYRE_CHECK(stage_.network().open_connections() == 0);
  }

 private:
  void take(const Step& step);
  void publish_by_api(ServerPeer& peer, std::string_view text);
  void send_protobuf(ServerPeer& peer, std::string_view json);
  void run_for(os::Nanos duration);

  ServerScript script_;
  sim::SimStage stage_;
  sim::Record record_{stage_.network(), false};
  sim::Ledger ledger_{record_};
  sim::SimNode node_;
  std::array<std::unique_ptr<ServerPeer>, ServerScript::kConnections> peers_;
};

// The header fields that the letters of a `w` record stand for.
std::string handshake_fields(std::string_view letters) {
  std::string fields;
  if (letters.contains('p')) fields += "Sec-WebSocket-Protocol: centrifuge-protobuf\r\n";
  if (letters.contains('u')) fields += "X-User: 42\r\n";
  if (letters.contains('v')) fields += "X-User: 43\r\n";
  return fields;
}

void ServerRun::take(const Step& step) {
  ServerPeer& peer = *peers_[step.connection];
  switch (step.operation) {
    case 'o':
      return peer.open(kPort);
    case 'w':
      return peer.open_websocket(kPort,
                                 step.text.contains('f') ? "?cf_ws_frame_ping_pong=true" : "",
                                 handshake_fields(step.text));
    case 'r':
      return peer.say(step.text);
    case 'm':  // opcode, then the payload; a small letter is not the last frame of its message
      if (step.text.empty()) return;
      return peer.send_frame(static_cast<unsigned char>(step.text[0]), step.text.substr(1),
                             step.text[0] < 'a');
    case 'j':
      return peer.send_frame(1, step.text, true);
    case 'b':
      return peer.send_frame(2, step.text, true);
    case 'p':
      return send_protobuf(peer, step.text);
    case 'a':
      return publish_by_api(peer, step.text);
    case 't':  // time: a tenth of a second for each unit of the byte
      return run_for(step.text.empty()
                         ? os::kMillisecond
                         : static_cast<unsigned char>(step.text[0]) * os::kSecond / 10);
    case 'f':
      return peer.say_end();
    case 'c':
      return peer.close();
    case 'x':
      return peer.cut();
    case 'z':
      return peer.pause_reading(true);
    case 'y':
      return peer.pause_reading(false);
    default:
      return run_for(os::kMillisecond);
  }
}

// The method and, behind a space, the body.
void ServerRun::publish_by_api(ServerPeer& peer, std::string_view text) {
  if (!peer.is_open()) peer.open(kPort);
  const size_t space = std::min(text.find(' '), text.size());
  const std::string_view body = text.substr(std::min(space + 1, text.size()));
  std::string request = "POST /api/";
  request.append(text.substr(0, space));
  request += " HTTP/1.1\r\nHost: gyre\r\nX-API-Key: secret\r\nContent-Length: ";
  request.append(std::to_string(body.size())).append("\r\n\r\n").append(body);
  peer.say(request);
}

// The commands of a JSON frame as a Protobuf one, so that seeds stay text.
void ServerRun::send_protobuf(ServerPeer& peer, std::string_view json) {
  protocol::CommandReader reader(protocol::Encoding::json, json);
  protocol::Command command;
  std::string frame;
  while (reader.next(command) == protocol::CommandReader::Next::command) {
    protocol::encode_command(protocol::Encoding::protobuf, command.id, command.request, frame);
  }
  peer.send_frame(2, frame, true);
}

void ServerRun::run_for(os::Nanos duration) {
  const os::Nanos end = stage_.network().now() + duration;
  while (stage_.network().now() < end) {
    GYRE_CHECK(stage_.steps() < kStepsMax);
    if (!stage_.step(end)) stage_.network().advance_to(end);
  }
}

}  // namespace

void take_input(std::string_view input) {
  ServerRun(input).run();
}

}  // namespace gyre::fuzz
