#include "auth/jwk.h"

#include <simdjson.h>

#include <optional>

#include "base/base64.h"
#include "protocol/json.h"

namespace gyre::auth {

namespace {

using KeyObject = simdjson::dom::element;

std::string_view key_member(const KeyObject& key, std::string_view name) {
  std::string_view text;
  return key[name].get(text) == simdjson::SUCCESS ? text : std::string_view();
}

std::optional<PublicKey> key_of(const KeyObject& key) {
  const auto part = [&key](std::string_view name) {
    return base64::decode_url(key_member(key, name)).value_or(std::string());
  };
  const std::string_view kind = key_member(key, "kty");
  Result<PublicKey> read = fail(Errc::invalid, "a key of another kind");
  if (kind == "RSA") read = PublicKey::from_rsa(part("n"), part("e"));
  if (kind == "EC") read = PublicKey::from_point(key_member(key, "crv"), part("x"), part("y"));
  if (kind == "OKP" && key_member(key, "crv") == "Ed25519")
    read = PublicKey::from_ed25519(part("x"));
  if (!read) return std::nullopt;
  return std::move(*read);
}

}  // namespace

bool Jwk::verifies(std::string_view name, std::string_view text, std::string_view signature) const {
  const Algorithm* wanted = Algorithm::find(name);
  if (!wanted || wanted->family != key.family()) return false;
  if (!algorithm.empty() && algorithm != name) return false;
  return key.verifies(*wanted, text, signature);
}

Result<std::vector<Jwk>> read_key_set(std::string_view json) {
  if (!protocol::json::validate(json)) return fail(Errc::malformed, "a key set is not JSON");
  simdjson::dom::parser parser;
  simdjson::dom::array keys;
  if (parser.parse(json)["keys"].get(keys) != simdjson::SUCCESS) {
    return fail(Errc::malformed, "a key set has no list of keys");
  }
  std::vector<Jwk> result;
  for (const KeyObject key : keys) {
    if (!key.is_object() || key_member(key, "use") != "sig") continue;
    const std::string_view id = key_member(key, "kid");
    if (id.empty()) continue;
    if (std::optional<PublicKey> read = key_of(key)) {
      result.push_back({std::string(id), std::string(key_member(key, "alg")), std::move(*read)});
    }
  }
  return result;
}

}  // namespace gyre::auth
