#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "protocol/codes.h"
#include "protocol/encoding.h"
#include "proxy/results.h"
#include "proxy/subscribe_stream.h"
#include "runtime/task.h"

namespace gyre::proxy {

// What a backend may be asked about.
enum class Event : uint8_t {
  connect,
  refresh,
  subscribe,
  publish,
  sub_refresh,
  rpc,
  subscribe_stream
};

constexpr std::string_view name_of(Event event) {
  constexpr std::string_view kNames[] = {"connect",     "refresh", "subscribe",       "publish",
                                         "sub_refresh", "rpc",     "subscribe_stream"};
  return kNames[static_cast<size_t>(event)];
}

using Headers = std::vector<std::pair<std::string, std::string>>;

// What is kept of a connection's headers for its backends: those that one of them wants, by their
// names in lower case. Owned by the session, for as long as it lives.
struct ClientHeaders {
  Headers transport;  // of the request that opened the connection
  Headers emulated;   // the client's word for it, in its connect command
};

// Who asks. Views need to live until the call waits for the first time; so do those of the calls.
struct Caller {
  std::string client;
  std::string_view transport;
  protocol::Encoding encoding = protocol::Encoding::json;
  std::string_view user;
  std::string_view meta;                   // JSON; empty: none
  const ClientHeaders* headers = nullptr;  // may be null
  AnswerRules rules;
};

struct ConnectCall {
  std::string_view data;
  std::string_view name;
  std::string_view version;
  std::vector<std::string_view> channels;  // that the client wishes for
};
struct RefreshCall {};
struct SubscribeCall {
  std::string_view channel;
  std::string_view data;
};
struct PublishCall {
  std::string_view channel;
  std::string_view data;
};
struct SubRefreshCall {
  std::string_view channel;
};
struct RpcCall {
  std::string_view method;
  std::string_view data;
};

// What a backend has answered. Of several parts the first one in this order counts (spec proxies.md
// 2.3); nothing at all is an answer too, whose meaning depends on the call.
template <class Outcome>
struct Response {
  std::optional<protocol::Disconnect> disconnect;
  std::optional<protocol::ClientError> error;
  std::optional<Outcome> result;
};

// The answer, or why there is none: `invalid` if a value in it is no base64, anything else if the
// call has failed.
template <class Outcome>
using Asked = runtime::Task<Result<Response<Outcome>>>;

// One backend as one shard asks it. Owned by the shard's Proxies. A call ends with its timeout at
// the latest, on the shard; until then it holds up nothing but the coroutine that asks.
class Backend {
 public:
  virtual ~Backend() = default;
  virtual Asked<ConnectResult> ask(const Caller& caller, const ConnectCall& call) = 0;
  virtual Asked<RefreshResult> ask(const Caller& caller, const RefreshCall& call) = 0;
  virtual Asked<SubscribeResult> ask(const Caller& caller, const SubscribeCall& call) = 0;
  virtual Asked<PublishResult> ask(const Caller& caller, const PublishCall& call) = 0;
  virtual Asked<SubRefreshResult> ask(const Caller& caller, const SubRefreshCall& call) = 0;
  virtual Asked<RpcResult> ask(const Caller& caller, const RpcCall& call) = 0;
  // Opens a subscription stream. Null: this cannot be done, or not now.
  virtual StreamRef open(const Caller&, const SubscribeCall&, bool /*is_bidirectional*/) {
    return nullptr;
  }
  // An answer has turned out to be of no use only afterwards: counted and told as a failed call.
  virtual void note_failure(const Error& error) = 0;
};

}  // namespace gyre::proxy
