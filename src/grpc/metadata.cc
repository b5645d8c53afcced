#include <algorithm>

#include "grpc/client.h"

namespace gyre::grpc {

namespace {

constexpr std::string_view kBinarySuffix = "-bin";

bool is_name_byte(char byte) {
  return (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') || byte == '-' ||
         byte == '_' || byte == '.';
}

}  // namespace

bool is_metadata(std::string_view name, std::string_view value) {
  if (name.empty() || !std::ranges::all_of(name, is_name_byte)) return false;
  return name.ends_with(kBinarySuffix) ||
         std::ranges::all_of(value, [](char byte) { return byte >= ' ' && byte <= '~'; });
}

bool is_reserved_metadata(std::string_view name) {
  static constexpr std::string_view kNames[] = {"content-type", "te", "user-agent"};
  return name.starts_with("grpc-") || std::ranges::find(kNames, name) != std::end(kNames);
}

}  // namespace gyre::grpc
