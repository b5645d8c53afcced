#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <string_view>

#include "api/requests.h"
#include "protocol/json_scanner.h"

// JSON to requests, by the decoding rules of spec server-api.md 1. Whatever a request says twice,
// the last one counts.
namespace gyre::api {

// Elements of all lists and maps of a body, and commands of a batch. A few bytes of text become a
// string or a request with dozens, so the size of the body alone is no bound of memory.
inline constexpr size_t kElementsMax = 1'000'000;
inline constexpr size_t kCommandsMax = 100'000;

// Errc::malformed, or Errc::too_large for more than the above.
template <class T>
using Decoded = std::expected<T, Errc>;

// `known`: other commands of a batch are found to be no method.
Decoded<AnyRequest> decode_request(Method method, std::string_view body);
Decoded<BatchRequest> decode_batch(std::string_view body, MethodSet known = MethodSet::all());

// A command of the single-endpoint API (6).
struct SingleCommand {
  uint32_t id = 0;
  Command command;
};

// The commands of a body one after another, as each is executed before the next one is read. The
// text must outlive it.
class SingleCommandReader {
 public:
  explicit SingleCommandReader(std::string_view body, MethodSet known = MethodSet::all())
      : scanner_(body), known_(known) {}

  Decoded<SingleCommand> next();
  bool at_end();

 private:
  protocol::json::Scanner scanner_;
  const MethodSet known_;
  size_t commands_ = 0;
};

}  // namespace gyre::api
