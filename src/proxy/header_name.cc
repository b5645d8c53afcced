#include "proxy/header_name.h"

#include <algorithm>

namespace gyre::proxy {

namespace {

char lower(char byte) {
  return byte >= 'A' && byte <= 'Z' ? static_cast<char>(byte | 0x20) : byte;
}

char upper(char byte) {
  return byte >= 'a' && byte <= 'z' ? static_cast<char>(byte & ~0x20) : byte;
}

}  // namespace

bool equals_ignoring_case(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, {}, lower, lower);
}

std::string in_lower_case(std::string_view name) {
  std::string result(name);
  std::ranges::transform(result, result.begin(), lower);
  return result;
}

std::string canonical_header(std::string_view name) {
  std::string result(name);
  bool is_start = true;
  for (char& byte : result) {
    byte = is_start ? upper(byte) : lower(byte);
    is_start = byte == '-';
  }
  return result;
}

bool is_connection_header(std::string_view name) {
  // Accept-Encoding too, since what we cannot unpack must not be asked for.
  static constexpr std::string_view kNames[] = {"accept-encoding",
                                                "connection",
                                                "content-length",
                                                "expect",
                                                "host",
                                                "keep-alive",
                                                "proxy-connection",
                                                "te",
                                                "trailer",
                                                "transfer-encoding",
                                                "upgrade"};
  return std::ranges::any_of(
      kNames, [name](std::string_view one) { return equals_ignoring_case(one, name); });
}

}  // namespace gyre::proxy
