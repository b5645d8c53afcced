#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "protocol/publication.h"
#include "proxy/results.h"
#include "runtime/task.h"

namespace gyre::proxy {

template <class Outcome>
struct Response;

// What a subscription stream brings: for the one client that has opened it.
struct StreamPublication {
  std::string data;
  protocol::Tags tags;
};

// A subscription whose publications the backend sends to this client alone (spec proxies.md,
// subscribe_stream). Lives on the shard that has opened it, as a StreamRef.
class SubscribeStream {
 public:
  virtual ~SubscribeStream() = default;
  // The answer to the subscribe, which comes first; errors as of a call. To be asked for once.
  virtual runtime::Task<Result<Response<SubscribeResult>>> first() = 0;
  // The next publication, or why there is none; closed: the backend has ended the stream as it
  // should. As long as nobody asks, the backend is held back.
  virtual runtime::Task<Result<StreamPublication>> next() = 0;
  // Hands on what the client publishes. False: too much waits to be sent.
  virtual bool publish(std::string_view data) = 0;
  // Nothing comes any more but the end.
  virtual void cancel() = 0;
  // It has been told of.
  virtual bool has_ended() const = 0;
};

// A stream that nobody wants any more is cancelled, and destroyed when it has ended: a task of the
// current shard sees to that.
struct StreamLeaver {
  void operator()(SubscribeStream* stream) const;
};
using StreamRef = std::unique_ptr<SubscribeStream, StreamLeaver>;

}  // namespace gyre::proxy
