#include "auth/jwt.h"

#include <simdjson.h>

#include "base/base64.h"
#include "protocol/json.h"

namespace gyre::auth {

std::optional<Jwt> Jwt::split(std::string_view token) {
  const size_t first = token.find('.');
  if (first == std::string_view::npos) return std::nullopt;
  const size_t second = token.find('.', first + 1);
  if (second == std::string_view::npos || token.find('.', second + 1) != std::string_view::npos) {
    return std::nullopt;
  }
  auto header = base64::decode_url(token.substr(0, first));
  auto claims = base64::decode_url(token.substr(first + 1, second - first - 1));
  auto signature = base64::decode_url(token.substr(second + 1));
  if (!header || !claims || !signature) return std::nullopt;
  return Jwt{std::move(*header), std::move(*claims), std::move(*signature),
             token.substr(0, second)};
}

namespace {

std::optional<std::string> header_member(const std::string& header, std::string_view name) {
  if (!protocol::json::validate(header)) return std::nullopt;
  simdjson::dom::parser parser;
  std::string_view text;
  if (parser.parse(header)[name].get(text) != simdjson::SUCCESS) return std::nullopt;
  return std::string(text);
}

}  // namespace

std::optional<std::string> Jwt::algorithm() const {
  return header_member(header, "alg");
}

std::string Jwt::key_id() const {
  return header_member(header, "kid").value_or(std::string());
}

}  // namespace gyre::auth
