#include "transport/websocket.h"

#include "base/log.h"
#include "client/session.h"
#include "proxy/header_name.h"

namespace gyre::transport {

namespace {

// Between a session and its WebSocket. Owned by the session. When one of the two is closed the
// other does not know it any more: a closed connection tells its listener nothing, and a session
// that has closed asks nothing of its transport.
class WebSocketTransport final : public client::Transport, public websocket::Listener {
 public:
  WebSocketTransport(websocket::Connection& connection, Traits traits,
                     metrics::ShardMetrics& metrics)
      : connection_(connection), metrics_(metrics), traits_(traits) {}

  void set_session(client::Session& session) { session_ = &session; }

  Traits traits() const override { return traits_; }
  void close(const protocol::Disconnect& reason, Output output) override {
    metrics_.count_close(metrics::Transport::websocket, reason.code);
    // What a close frame cannot carry goes as a plain end (RFC 6455, 7.4).
    if (reason.code < 1000 || reason.code > 4999) return connection_.cut();
    connection_.close(static_cast<uint16_t>(reason.code), reason.reason,
                      output == Output::drop ? websocket::Connection::Output::drop
                                             : websocket::Connection::Output::send);
  }
  void cut() override { connection_.cut(); }

  void on_message(std::string_view message, bool) override { session_->receive(message); }
  void on_slow() override { session_->on_slow(); }
  void on_flushed() override { session_->on_flushed(); }
  void on_ended(const websocket::Ending& ending) override {
    count(ending);
    session_->on_transport_ended();
  }

 private:
  // What the connection has decided by itself, which the session does not hear of.
  void count(const websocket::Ending& ending) {
    using Cause = websocket::Ending::Cause;
    if (ending.cause == Cause::failed) {
      metrics_.count_close(metrics::Transport::websocket, ending.code);
    } else if (ending.cause == Cause::stalled) {
      metrics_.disconnects.add(protocol::disconnects::kWriteError.code);
    } else if (ending.cause == Cause::no_pong) {
      metrics_.disconnects.add(protocol::disconnects::kNoPong.code);
    }
  }

  websocket::Connection& connection_;
  client::Session* session_ = nullptr;
  metrics::ShardMetrics& metrics_;
  const Traits traits_;
};

net::Framing framing_of(protocol::Encoding encoding) {
  return encoding == protocol::Encoding::json ? net::Framing::websocket_text
                                              : net::Framing::websocket_binary;
}

}  // namespace

WebSocketEndpoint::WebSocketEndpoint(net::Sockets& sockets, client::Roster& roster,
                                     Admission& admission, metrics::ShardMetrics& metrics,
                                     const http::AllowedOrigins& origins, Options options)
    : roster_(roster),
      admission_(admission),
      metrics_(metrics),
      origins_(origins),
      options_(std::move(options)),
      endpoint_{.sockets = sockets, .rules = {.message_bytes_max = options_.message_bytes_max}} {}

http::Route WebSocketEndpoint::route() {
  return {.handle = [this](http::Exchange exchange) { upgrade(std::move(exchange)); },
          .admit = [this](const http::Request&) -> std::optional<http::Response> {
            switch (admission_.admit(endpoint_.sockets.shard().now())) {
              case Admission::Verdict::welcome:
                return std::nullopt;
              case Admission::Verdict::full:
                metrics_.connection_limit.add();
                warn_of_limit();
                return http::Response(503);
              case Admission::Verdict::too_fast:
                metrics_.connection_rate_limit.add();
                return http::Response(503);
              case Admission::Verdict::short_of_memory:
                return http::Response(503);
            }
            return std::nullopt;
          }};
}

// Not for each of a storm (spec security.md 5).
void WebSocketEndpoint::warn_of_limit() {
  const os::Nanos now = endpoint_.sockets.shard().now();
  if (now < next_warning_) return;
  next_warning_ = now + kWarningInterval;
  log::warn("node connection limit reached", {{"key", "client.connection_limit"}});
}

void WebSocketEndpoint::upgrade(http::Exchange exchange) {
  const http::Request& request = exchange.request();
  if (auto refusal = websocket::refuse_upgrade(request, origins_)) {
    if (refusal->status == 403) {
      log::info("request Origin is not authorized", {{"origin", request.headers.value("Origin")}});
    } else if (origins_.allows(request)) {
      http::add_cors(*refusal, request);
    }
    return exchange.answer(*refusal);
  }
  const websocket::Wishes wishes = websocket::read_wishes(request);
  std::string user;
  if (!options_.user_header.empty()) user = request.headers.value(options_.user_header);
  proxy::Headers headers;
  for (const http::Header& header : request.headers) {
    if (!roster_.wants_header(header.name)) continue;
    headers.emplace_back(proxy::in_lower_case(header.name), header.value);
  }
  const auto encoding =
      wishes.is_protobuf ? protocol::Encoding::protobuf : protocol::Encoding::json;
  const http::Response head = websocket::accept_upgrade(request, wishes.subprotocol);
  exchange.take_over(head, std::make_unique<websocket::Upgrade>(
                               endpoint_, framing_of(encoding),
                               [this, wishes, user = std::move(user), headers = std::move(headers)](
                                   websocket::Connection& connection) mutable {
                                 return open(connection, wishes, user, std::move(headers));
                               }));
}

websocket::Listener* WebSocketEndpoint::open(websocket::Connection& connection,
                                             const websocket::Wishes& wishes,
                                             const std::string& user, proxy::Headers headers) {
  if (is_draining_) {
    connection.close(protocol::disconnects::kShutdown.code,
                     protocol::disconnects::kShutdown.reason);
    return nullptr;
  }
  const client::Transport::Traits traits{
      .encoding = wishes.is_protobuf ? protocol::Encoding::protobuf : protocol::Encoding::json,
      .has_own_pings = wishes.wants_frame_pings};
  auto transport = std::make_unique<WebSocketTransport>(connection, traits, metrics_);
  WebSocketTransport* listener = transport.get();
  listener->set_session(
      roster_.open(connection.socket(), std::move(transport), user, std::move(headers)));
  if (wishes.wants_frame_pings) {
    connection.start_pings(options_.ping_interval, options_.pong_timeout);
  }
  return listener;
}

}  // namespace gyre::transport
