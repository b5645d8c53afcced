#include "proxy/encode.h"

#include <utility>

#include "protocol/json.h"

namespace gyre::proxy {

namespace {

namespace json = protocol::json;

bool append_value(std::string& out, std::string_view text) {
  json::append_string(out, text);
  return true;
}

// Base64, which has no need of escapes.
bool append_value(std::string& out, const std::string& text) {
  ((out += '"') += text) += '"';
  return true;
}

bool append_value(std::string& out, const std::vector<std::string_view>& texts) {
  char separator = '[';
  for (const std::string_view text : texts) {
    out += std::exchange(separator, ',');
    json::append_string(out, text);
  }
  out += ']';
  return true;
}

bool append_value(std::string& out, const protocol::RawView& raw) {
  if (!json::validate(raw)) return false;
  json::append_compact_html_safe(out, raw);
  return true;
}

}  // namespace

template <class Request>
Result<std::string> encode_json(const Request& request) {
  std::string out = "{";
  std::string_view broken;
  for_each_field<Request>([&](const auto& field) {
    const auto& value = request.*field.member;
    if (value.empty() && field.emit == Emit::nonzero) return;
    if (out.size() > 1) out += ',';
    ((out += '"') += field.name) += "\":";
    if (!append_value(out, value)) broken = field.name;
  });
  if (!broken.empty()) {
    return fail(Errc::invalid, std::string(broken) + " is not JSON; see binary_encoding");
  }
  out += '}';
  return out;
}

template Result<std::string> encode_json(const wire::ConnectRequest&);
template Result<std::string> encode_json(const wire::RefreshRequest&);
template Result<std::string> encode_json(const wire::SubscribeRequest&);
template Result<std::string> encode_json(const wire::PublishRequest&);
template Result<std::string> encode_json(const wire::SubRefreshRequest&);
template Result<std::string> encode_json(const wire::RpcRequest&);

}  // namespace gyre::proxy
