#pragma once

#include <array>
#include <cstddef>
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

// Makes room for a request of the kind I that has been met in a command, and answers where it is to
// be decoded: in the command, or, when one of higher priority is already there, in `unused`, since
// it still has to be well-formed.
template <size_t I>
std::variant_alternative_t<I, Request>& request_slot(
    Command& command, std::variant_alternative_t<I, Request>& unused) {
  const size_t present = command.request.index();
  command.has_send |= I == static_cast<size_t>(RequestKind::send);
  command.several |= present != 0 && present != I;
  if (present == I) return std::get<I>(command.request);
  return present == 0 || I < present ? command.request.emplace<I>() : unused;
}

}  // namespace gyre::protocol
