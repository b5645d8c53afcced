#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "os/kernel.h"
#include "outbound/http_client.h"
#include "runtime/task.h"

namespace gyre::grpc {

// How a server is reached. Each of these objects stands for a connection of its own, which is made
// when it is first called and again when it has broken.
struct ChannelOptions {
  std::string address;  // "host:port", or a target as the library has it
  std::shared_ptr<const outbound::TlsOptions> tls;  // null: plaintext
  bool compresses = false;                          // what is sent, by gzip
  size_t message_max = size_t{16} << 20;            // bytes of one message that comes
};

using Metadata = std::vector<std::pair<std::string, std::string>>;

// Whether this may be sent: a name in lower case, a value of printable ASCII, or any bytes if the
// name ends in -bin.
bool is_metadata(std::string_view name, std::string_view value);
// Names that are the protocol's own.
bool is_reserved_metadata(std::string_view name);

struct Request {
  std::shared_ptr<const ChannelOptions> channel;
  std::string method;  // "/package.Service/Method"
  Metadata metadata;
  std::string message;
  os::Nanos timeout = os::kSecond;  // of everything, the time to connect included
};

// How much is asked at this moment.
struct ClientFigures {
  uint64_t calls = 0;    // not answered yet, and open streams
  uint64_t refused = 0;  // ever, since too many were under way
};

// A stream of messages in both directions, as the shard that opened it has it. Whoever has it hears
// it to its end before destroying it, since what is under way refers to it until then.
class Stream {
 public:
  virtual ~Stream() = default;
  // The next message of the server's, or why there is none: closed (it has ended the stream),
  // cancelled (we have, or the client ends), invalid and unavailable as of a call. As long as
  // messages are not asked for, the server is held back.
  virtual runtime::Task<Result<std::string>> next() = 0;
  // False: so much waits to be sent that this is not.
  virtual bool write(std::string message) = 0;
  // The end comes soon, and nothing before it.
  virtual void cancel() = 0;
};

// Calls GRPC servers of others: proxies' backends. Shared by all shards; ends when their
// threads have, and before they do.
class Client {
 public:
  virtual ~Client() = default;
  // The message that the server answers with. Errors: invalid (the request cannot be made),
  // timed_out, cancelled (the client ends), unavailable (anything else, any status but OK
  // included). Resumes on the shard that asked.
  virtual runtime::Task<Result<std::string>> call(Request request) = 0;
  // Opens a stream with its first message, and if `is_last`, the only one of ours. The timeout does
  // not count. Null: too many streams are open.
  virtual std::unique_ptr<Stream> open(Request request, bool is_last) = 0;
  // From any thread.
  virtual ClientFigures figures() const { return {}; }
};

}  // namespace gyre::grpc
