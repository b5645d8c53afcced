#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string_view>
#include <variant>

#include "protocol/messages.h"

namespace gyre::protocol {

// Name and number of each request in a Command, by its index in Request (framing.md 3.1).
struct RequestField {
  std::string_view name;
  int number;
};
inline constexpr std::array<RequestField, std::variant_size_v<Request>> kRequestFields = {{
    {"", 0},
    {"connect", 4},
    {"ping", 11},
    {"subscribe", 5},
    {"unsubscribe", 6},
    {"publish", 7},
    {"presence", 8},
    {"presence_stats", 9},
    {"history", 10},
    {"rpc", 13},
    {"send", 12},
    {"refresh", 14},
    {"sub_refresh", 15},
}};

// Notes in the command that it has a request of the kind I, and answers where that is to be
// decoded: in the command, or, when one of higher priority is already there, in `unused`, since it
// still has to be well-formed. One that is there twice is handed out as it is, to be merged into or
// replaced.
template <size_t I>
std::variant_alternative_t<I, Request>& request_slot(
    Command& command, std::optional<std::variant_alternative_t<I, Request>>& unused) {
  const size_t present = command.request.index();
  command.has_send |= I == static_cast<size_t>(RequestKind::send);
  command.several |= present != 0 && present != I;
  if (present == I) return std::get<I>(command.request);
  return present == 0 || I < present ? command.request.emplace<I>() : unused.emplace();
}

}  // namespace gyre::protocol
