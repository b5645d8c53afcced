#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "protocol/fossil_delta.h"

// The first byte divides the rest into an origin and a text, which is made of the origin by way of
// a delta, and then taken for a delta itself.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  const size_t cut = input.size() * data[0] / 255;
  const std::string_view origin = input.substr(0, cut);
  const std::string_view text = input.substr(cut);
  std::string delta;
  gyre::protocol::append_fossil_delta(origin, text, delta);
  if (gyre::protocol::apply_fossil_delta(origin, delta, text.size()) != text) std::abort();
  static_cast<void>(gyre::protocol::apply_fossil_delta(origin, text, 1 << 20));
  return 0;
}
