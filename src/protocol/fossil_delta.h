#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

// The Fossil delta format (spec subscriptions.md 6.3): how to make one payload of another. Works on
// bytes and knows nothing of their meaning.
namespace gyre::protocol {

// Appends to `out` what makes `target` of `origin`. Any pair of texts has a delta; for very
// different ones it is longer than the target, which is for the caller to judge. Time is linear in
// both, however they are made.
void append_fossil_delta(std::string_view origin, std::string_view target, std::string& out);

// The target, or nothing if the delta is broken, is not one of this origin, or makes more than
// `bytes_max`. What clients do; here for tests, and for whoever receives deltas.
std::optional<std::string> apply_fossil_delta(std::string_view origin, std::string_view delta,
                                              size_t bytes_max);

}  // namespace gyre::protocol
