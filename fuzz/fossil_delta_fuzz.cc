#include "protocol/fossil_delta.h"

#include "base/check.h"
#include "harness.h"

// The first byte divides the rest into an origin and a text, which is made of the origin by way of
// a delta, and then taken for a delta itself.
void gyre::fuzz::take_input(std::string_view input) {
  if (input.empty()) return;
  const size_t cut = (input.size() - 1) * static_cast<unsigned char>(input.front()) / 255;
  input.remove_prefix(1);
  const std::string_view origin = input.substr(0, cut);
  const std::string_view text = input.substr(cut);
  AllocationBound bound(input.size(), AllocationBound::kOwn);
  bound.watch([&] {
    std::string delta;
    protocol::append_fossil_delta(origin, text, delta);
    GYRE_CHECK(protocol::apply_fossil_delta(origin, delta, text.size()) == text);
  });
  // A delta may repeat its origin at will: the receiver's bound counts, not the delta's size.
  constexpr size_t kResultMax = 64 * 1024;
  const auto result =
      bound.watch([&] { return protocol::apply_fossil_delta(origin, text, kResultMax); });
  GYRE_CHECK(!result || result->size() <= kResultMax);
}
