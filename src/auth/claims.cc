#include "auth/claims.h"

#include <simdjson.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "base/base64.h"
#include "protocol/json.h"

namespace gyre::auth {

namespace {

namespace dom = simdjson::ondemand;

constexpr size_t kPathMax = 16;

// What follows throws simdjson_error inside of read_claims only: its own way of telling a wrong
// type.

bool is_null(dom::value value) {
  bool null = false;
  return value.is_null().get(null) == simdjson::SUCCESS && null;
}

std::string text_of(dom::value value) {
  return std::string(std::string_view(value.get_string()));
}

std::string raw_of(dom::value value) {
  std::string_view text = simdjson::to_json_string(value).value();
  while (!text.empty() && text.find_last_of(" \t\r\n") == text.size() - 1) text.remove_suffix(1);
  return std::string(text);
}

int64_t seconds_of(dom::value value) {
  // A NumericDate may have a fraction (RFC 7519, 2).
  const double seconds = value.get_double();
  constexpr double kLimit = 9e15;
  if (!(seconds > -kLimit && seconds < kLimit))
    throw simdjson::simdjson_error(simdjson::NUMBER_ERROR);
  return static_cast<int64_t>(seconds);
}

std::vector<std::string> texts_of(dom::value value) {
  std::vector<std::string> texts;
  for (auto element : value.get_array()) texts.push_back(text_of(element.value()));
  return texts;
}

std::vector<std::string> audience_of(dom::value value) {
  if (value.type() == dom::json_type::string) return {text_of(value)};
  return texts_of(value);
}

std::optional<bool> flag_of(dom::value value) {
  std::optional<bool> flag = false;
  for (auto field : value.get_object()) {
    if (std::string_view(field.unescaped_key()) == "value") flag = bool(field.value().get_bool());
  }
  return flag;
}

Override override_of(dom::value value) {
  Override result;
  for (auto field : value.get_object()) {
    const std::string_view key = field.unescaped_key();
    dom::value flag = field.value();
    if (is_null(flag)) continue;
    if (key == "presence") result.presence = flag_of(flag);
    if (key == "join_leave") result.join_leave = flag_of(flag);
    if (key == "force_push_join_leave") result.force_push_join_leave = flag_of(flag);
    if (key == "force_positioning") result.force_positioning = flag_of(flag);
    if (key == "force_recovery") result.force_recovery = flag_of(flag);
  }
  return result;
}

// Options with their binary forms, which win over the others when they are not empty.
struct RawOptions {
  SubscriptionOptions plain;
  std::string b64info, b64data;  // not decoded yet

  bool take(std::string_view key, dom::value value) {
    if (key == "info") {
      plain.info = raw_of(value);
    } else if (key == "b64info") {
      b64info = text_of(value);
    } else if (key == "data") {
      plain.data = raw_of(value);
    } else if (key == "b64data") {
      b64data = text_of(value);
    } else if (key == "override") {
      plain.override_options = override_of(value);
    } else {
      return false;
    }
    return true;
  }
  // Names the first claim that is no base64 in `undecodable`.
  SubscriptionOptions finish(std::string& undecodable) && {
    const auto decode = [&](std::string_view name, const std::string& text, std::string& into) {
      if (text.empty()) return;
      if (auto bytes = base64::decode(text)) {
        into = std::move(*bytes);
      } else if (undecodable.empty()) {
        undecodable = name;
      }
    };
    decode("b64info", b64info, plain.info);
    decode("b64data", b64data, plain.data);
    return std::move(plain);
  }
};

SubscriptionOptions options_of(dom::value value, std::string& undecodable) {
  RawOptions options;
  if (is_null(value)) return {};
  for (auto field : value.get_object()) {
    const std::string key(std::string_view(field.unescaped_key()));
    dom::value inner = field.value();
    if (!is_null(inner)) options.take(key, inner);
  }
  return std::move(options).finish(undecodable);
}

void check(bool is_well) {
  if (!is_well) throw simdjson::simdjson_error(simdjson::INCORRECT_TYPE);
}

std::vector<std::string> allow_of(dom::value value) {
  std::vector<std::string> words;
  for (auto element : value.get_array()) {
    check(CapabilityBounds::has_room_for_word(words));
    words.push_back(text_of(element.value()));
  }
  return words;
}

Capability capability_of(dom::value value, CapabilityBounds& bounds) {
  Capability result;
  for (auto field : value.get_object()) {
    const std::string key(std::string_view(field.unescaped_key()));
    dom::value inner = field.value();
    if (is_null(inner)) continue;
    if (key == "channels") {
      result.channels.clear();
      for (auto element : inner.get_array()) {
        check(bounds.take_channel());
        result.channels.push_back(text_of(element.value()));
      }
    } else if (key == "match") {
      const std::optional<Capability::Match> match = match_of(text_of(inner));
      check(match.has_value());
      result.match = *match;
    } else if (key == "allow") {
      result.allow = allow_of(inner);
    }
  }
  return result;
}

std::vector<Capability> capabilities_of(dom::value value) {
  std::vector<Capability> result;
  CapabilityBounds bounds;
  for (auto element : value.get_array()) {
    check(bounds.take_entry());
    result.push_back(capability_of(element.value(), bounds));
  }
  return result;
}

bool take_capabilities(Claims& claims, std::string_view key, dom::value value) {
  if (key == "caps") {
    claims.capabilities = capabilities_of(value);
  } else if (key == "allow") {
    claims.allow = allow_of(value);
  } else {
    return false;
  }
  return true;
}

void take_claim(Claims& claims, RawOptions& options, std::string_view key, dom::value value) {
  if (key == "sub") {
    claims.subject = text_of(value);
  } else if (key == "exp") {
    claims.expires = seconds_of(value);
  } else if (key == "nbf") {
    claims.not_before = seconds_of(value);
  } else if (key == "iat") {
    claims.issued_at = seconds_of(value);
  } else if (key == "expire_at") {
    claims.expire_at = seconds_of(value);
  } else if (key == "iss") {
    claims.issuer = text_of(value);
  } else if (key == "jti") {
    claims.id = text_of(value);
  } else if (key == "aud") {
    claims.audience = audience_of(value);
  } else if (key == "channel") {
    claims.channel = text_of(value);
  } else if (key == "client") {
    claims.client = text_of(value);
  } else if (key == "meta") {
    claims.meta = raw_of(value);
  } else if (key == "channels") {
    claims.channels = texts_of(value);
  } else if (key == "subs") {
    for (auto field : value.get_object()) {
      std::string channel(std::string_view(field.unescaped_key()));
      claims.subs.emplace_back(std::move(channel), options_of(field.value(), claims.undecodable));
    }
  } else {
    options.take(key, value);
  }
}

// A text as it is, a number in decimal without an exponent, anything else by its JSON.
std::string as_user_id(dom::value value) {
  const dom::json_type type = value.type();
  if (type == dom::json_type::string) return text_of(value);
  std::string raw = raw_of(value);
  const bool is_plain = raw.find_first_not_of("0123456789", raw[0] == '-') == std::string::npos;
  if (type != dom::json_type::number || is_plain) return raw;
  double number = 0;
  const auto [end, error] = std::from_chars(raw.data(), raw.data() + raw.size(), number);
  if (error != std::errc()) throw simdjson::simdjson_error(simdjson::NUMBER_ERROR);
  std::array<char, 400> digits;  // the longest double has 309 before its point
  const auto written =
      std::to_chars(digits.data(), digits.data() + digits.size(), number, std::chars_format::fixed);
  if (written.ec != std::errc()) throw simdjson::simdjson_error(simdjson::NUMBER_ERROR);
  return {digits.data(), written.ptr};
}

// The source text of the value at the path; nothing if it is not there, or null.
std::optional<std::string> find_raw(dom::document& document, const MetaRule& rule) {
  document.rewind();
  dom::object object = document.get_object();
  dom::value value;
  for (size_t i = 0; i < rule.path.size(); ++i) {
    if (i > 0 && value.get_object().get(object) != simdjson::SUCCESS) return std::nullopt;
    if (object.find_field_unordered(rule.path[i]).get(value) != simdjson::SUCCESS) {
      return std::nullopt;
    }
  }
  if (is_null(value)) return std::nullopt;
  return raw_of(value);
}

void append_member(std::string& object, std::string_view name, std::string_view raw) {
  if (object.size() > 1) object += ',';
  protocol::json::append_string(object, name);
  object.append(":").append(raw);
}

// Meta with what the rules have found; a meta that is no object has no room for it. The parser is
// done with the claims.
std::string with_found(dom::parser& parser, std::string_view meta,
                       const std::vector<std::pair<std::string_view, std::string>>& found) {
  size_t size = meta.size();
  for (const auto& [name, raw] : found) size += name.size() + raw.size() + 4;
  std::string result;
  result.reserve(size + 2);
  result = "{";
  if (meta.starts_with('{')) {
    const simdjson::padded_string padded(meta);
    dom::document document = parser.iterate(padded);
    for (auto field : document.get_object()) {
      const std::string name(std::string_view(field.unescaped_key()));
      const std::string raw = raw_of(field.value());
      const auto is_same = [&](const auto& one) { return one.first == name; };
      if (std::ranges::none_of(found, is_same)) append_member(result, name, raw);
    }
  }
  for (const auto& [name, raw] : found) append_member(result, name, raw);
  return result += '}';
}

void apply_meta_rules(Claims& claims, dom::parser& parser, dom::document& document,
                      std::span<const MetaRule> rules) {
  std::vector<std::pair<std::string_view, std::string>> found;
  for (const MetaRule& rule : rules) {
    if (auto raw = find_raw(document, rule)) found.emplace_back(rule.field, std::move(*raw));
  }
  if (!found.empty()) claims.meta = with_found(parser, claims.meta, found);
}

Claims read(std::string_view json, const ClaimRules& rules) {
  dom::parser parser;
  const simdjson::padded_string padded(json);
  dom::document document = parser.iterate(padded);
  Claims claims;
  RawOptions options;
  for (auto field : document.get_object()) {
    const std::string key(std::string_view(field.unescaped_key()));
    dom::value value = field.value();
    if (is_null(value)) continue;
    // A value can be read once; the user's claim may be one of the others as well.
    if (!rules.user_id_claim.empty() && key == rules.user_id_claim) {
      claims.user_id = as_user_id(value);
      if (key == "sub") claims.subject = claims.user_id;
      continue;
    }
    if (rules.has_capabilities && take_capabilities(claims, key, value)) continue;
    take_claim(claims, options, key, value);
  }
  claims.options = std::move(options).finish(claims.undecodable);
  if (!rules.meta.empty()) apply_meta_rules(claims, parser, document, rules.meta);
  return claims;
}

}  // namespace

Result<MetaRule> MetaRule::create(std::string field, std::string_view path) {
  MetaRule rule{.field = std::move(field), .path = {""}};
  for (size_t i = 0; i < path.size(); ++i) {
    if (path[i] == '.') {
      if (rule.path.back().empty()) return fail(Errc::invalid, "a name in the path is empty");
      if (rule.path.size() == kPathMax) return fail(Errc::invalid, "the path is too long");
      rule.path.emplace_back();
      continue;
    }
    if (path[i] == '\\') {
      ++i;
      if (i == path.size()) return fail(Errc::invalid, "the path ends with a backslash");
    }
    rule.path.back() += path[i];
  }
  if (rule.path.back().empty()) return fail(Errc::invalid, "a name in the path is empty");
  return rule;
}

std::expected<Claims, Problem> read_claims(std::string_view json, const ClaimRules& rules) {
  // On-demand parsing lets broken JSON pass where it is not looked at.
  if (!protocol::json::validate(json)) {
    return std::unexpected(Problem{Problem::Kind::invalid, "claims are not JSON"});
  }
  try {
    return read(json, rules);
  } catch (const simdjson::simdjson_error& error) {
    return std::unexpected(Problem{Problem::Kind::invalid, std::string("claims: ") + error.what()});
  }
}

}  // namespace gyre::auth
