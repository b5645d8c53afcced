#pragma once

#include <string_view>

#include "api/method.h"
#include "os/kernel.h"

namespace gyre::api {

// Told what the API does, for metrics (spec server-api.md 5). One for each face (HTTP, GRPC,
// consumers) and shard, called on that shard; owned by the shard's assembly.
class Observer {
 public:
  virtual ~Observer() = default;
  virtual void on_command(Method method, os::Nanos duration) = 0;
  // `error`: the code in decimal, or what failed before and after the command: read_body,
  // unmarshal, marshal.
  virtual void on_error(Method method, std::string_view error) = 0;
};

// Who is told of a command. The single-endpoint API counts no errors but those of a broadcast's
// channels.
struct Watch {
  Observer* observer = nullptr;  // may be null
  bool counts_errors = true;
};

}  // namespace gyre::api
