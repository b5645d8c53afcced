#pragma once

#include <concepts>
#include <cstdint>
#include <string_view>

namespace gyre::protocol {

// Whose push it is: the channel's, by its name, or by the number that the subscriber was told in
// place of the name (subscriptions.md 8). A view.
struct PushChannel {
  template <class Name>
    requires std::convertible_to<const Name&, std::string_view>
  PushChannel(const Name& channel) : name(channel) {}
  PushChannel(std::string_view channel, int64_t number) : name(channel), id(number) {}

  std::string_view name;
  int64_t id = 0;  // 0: by the name
};

}  // namespace gyre::protocol
