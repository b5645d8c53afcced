#pragma once

#include <boost/intrusive/list.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "http/conversation.h"
#include "net/sockets.h"
#include "runtime/timer_wheel.h"

namespace gyre::http {

class Server;

using ServerListHook =
    boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;

// The HTTP side of one connection: its conversation, with the socket's events, and a deadline on
// whatever is waited for. Owned by its socket, on that one's shard, until the connection closes or
// a takeover installs another handler; then all of its memory is gone at the end of the turn.
class ServerConnection final : public net::Handler,
                               private Conversation::Owner,
                               private runtime::Timer,
                               public ServerListHook {
 public:
  ServerConnection(Server& server, net::SocketHandle socket);
  ~ServerConnection() override;

  // For takeovers: what they need to install a handler of their own.
  net::Sockets& sockets() const;
  net::SocketHandle socket() const { return socket_; }

  void drain();

  void on_bytes(std::span<char> bytes) override;
  void on_end(net::EndReason reason) override;
  void on_flushed() override;

 private:
  void on_answer() override { settle(); }
  void on_timer() override;

  void settle();
  void send_output();
  void send_slice();
  void finish();
  void hand_over();
  void pace_input();
  void arm_deadline();

  Server& server_;
  const net::SocketHandle socket_;
  Conversation conversation_;
  os::Nanos request_began_;
  uint64_t requests_seen_ = 0;
  Conversation::Waiting was_waiting_for_ = Conversation::Waiting::first_head;
  size_t unheard_ = 0;  // bytes that came while it lingered
  // What has yet to leave of output that is too long to be given to the socket at once.
  struct Rest {
    std::string bytes;
    size_t at = 0;
  };
  std::unique_ptr<Rest> rest_;
  bool is_paused_ = false;
  bool is_lingering_ = false;   // the last answer is out; what still comes in is dropped
  bool peer_finished_ = false;  // the client sends no more, but may still read
};

// An HTTP/1.1 server on the sockets of one shard. Owned by the shard's assembly in app, outlives
// all of its connections. Routes are added before the first listener is opened.
class Server final : public net::Acceptor {
 public:
  struct Options {
    Limits limits = {};
    os::Nanos head_timeout = 10 * os::kSecond;     // spec security.md 1
    os::Nanos request_timeout = 30 * os::kSecond;  // from its first byte to the end of its body
    os::Nanos idle_timeout = 75 * os::kSecond;     // between requests
    os::Nanos linger = os::kSecond;                // for a client that we cut short, to read why
    // Connections that have not got through their first request; more are refused, so that clients
    // which say nothing cannot take all descriptors.
    size_t newcomers_max = 16384;
    // What may wait to be sent before no more requests are read.
    size_t output_bytes_max = 256 * 1024;
  };

  Server(net::Sockets& sockets, const Options& options);
  Server(const Server&) = delete;

  Router<Route>& routes() { return routes_; }

  // From now on, of each connection; `too_fast` counts what is refused. A reload may change it.
  void limit_rate(const net::RateLimit& rate, metrics::Counter& too_fast);

  std::unique_ptr<net::Handler> accept(net::SocketHandle socket) override;

  // From now on every answer is its connection's last, and connections without a request end.
  void drain();

  // HTTP connections that are open, those that were taken over not counted. Walks them all.
  size_t connections() const { return connections_.size(); }

 private:
  friend class ServerConnection;
  using List =
      boost::intrusive::list<ServerConnection, boost::intrusive::constant_time_size<false>>;

  std::string_view date();

  net::Sockets& sockets_;
  const Options options_;
  Router<Route> routes_;
  Conversation::Rules rules_;
  List connections_;
  size_t newcomers_ = 0;
  bool is_draining_ = false;
  int64_t date_second_ = -1;
  std::string date_;
};

}  // namespace gyre::http
