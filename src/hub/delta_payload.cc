#include "hub/delta_payload.h"

#include "protocol/fossil_delta.h"
#include "protocol/json.h"

namespace gyre::hub {

namespace {

std::string as_json_string(std::string_view text) {
  std::string quoted;
  quoted.reserve(text.size() + text.size() / 8 + 2);
  protocol::json::append_string(quoted, text);
  return quoted;
}

}  // namespace

std::optional<std::string> full_payload(protocol::Encoding encoding,
                                        const protocol::Publication& publication) {
  if (encoding == protocol::Encoding::protobuf) return publication.data;
  if (!publication.data_is_json()) return std::nullopt;
  return as_json_string(publication.data);
}

std::optional<std::string> delta_payload(protocol::Encoding encoding,
                                         const protocol::Publication& base,
                                         const protocol::Publication& publication) {
  std::string delta;
  protocol::append_fossil_delta(base.data, publication.data, delta);
  if (delta.size() >= publication.data.size()) return std::nullopt;
  if (encoding == protocol::Encoding::protobuf) return delta;
  if (!publication.data_is_json()) return std::nullopt;
  if (!protocol::json::is_utf8(delta)) return std::nullopt;
  return as_json_string(delta);
}

std::vector<protocol::PublicationRef> with_deltas(
    protocol::Encoding encoding, const std::vector<protocol::PublicationRef>& publications) {
  std::vector<protocol::PublicationRef> result;
  result.reserve(publications.size());
  const protocol::Publication* base = nullptr;
  for (const protocol::PublicationRef& publication : publications) {
    std::optional<std::string> payload;
    if (base) payload = delta_payload(encoding, *base, *publication);
    const bool is_delta = payload.has_value();
    if (!payload) payload = full_payload(encoding, *publication);
    base = publication.get();
    if (!payload) {
      result.push_back(publication);
      continue;
    }
    auto changed = make_ref<protocol::Publication>(*publication);
    changed->data = std::move(*payload);
    changed->delta = is_delta;
    if (!changed->epoch().empty()) changed->set_epoch("");
    if (changed->version() != 0) changed->set_version(0);
    if (encoding == protocol::Encoding::json) changed->mark_data_as_json();
    result.push_back(std::move(changed));
  }
  return result;
}

}  // namespace gyre::hub
