#include <string>
#include <string_view>

#include "api/decode.h"
#include "api/payload.h"
#include "base/check.h"
#include "harness.h"
#include "protocol/json.h"

namespace gyre::api {
namespace {

namespace json = protocol::json;

// What the first byte chooses from, with room for methods to come: a corpus keeps its meaning.
constexpr size_t kChoices = 64;
static_assert(kCommandMethods < kChoices);

void check_raw(const Raw& raw) {
  GYRE_CHECK(raw.bytes.empty() != raw.is_json);
  if (!raw.is_json) return;
  GYRE_CHECK(json::validate(raw.bytes));
  std::string compact;
  json::append_compact_html_safe(compact, raw.bytes);
  GYRE_CHECK(json::validate(compact));
  std::string again;
  json::append_compact_html_safe(again, compact);
  GYRE_CHECK(again == compact);
}

// Any bytes as text: the result is JSON.
void check_text(std::string_view text) {
  std::string escaped;
  json::append_string(escaped, text);
  GYRE_CHECK(json::validate(escaped));
  GYRE_CHECK(json::is_utf8(escaped));
}

// A binary form wins where it can be read.
void check_payload(const Raw& data, const std::string& b64data) {
  check_raw(data);
  const Answer<Raw> payload = take_payload(data, b64data);
  if (payload) GYRE_CHECK(payload->is_json == (b64data.empty() && data.is_json));
}

void check_tags(const protocol::Tags& tags) {
  for (size_t i = 1; i < tags.size(); ++i) GYRE_CHECK(tags[i - 1].first < tags[i].first);
}

void check_request(const AnyRequest& request) {
  if (const auto* publish = std::get_if<PublishRequest>(&request)) {
    check_payload(publish->data, publish->b64data);
    check_tags(publish->tags);
  }
  if (const auto* broadcast = std::get_if<BroadcastRequest>(&request)) {
    check_payload(broadcast->data, broadcast->b64data);
    check_tags(broadcast->tags);
    GYRE_CHECK(broadcast->channels.size() <= kElementsMax);
  }
}

// What is taken is JSON with bounds kept.
void check_endpoint(Method method, std::string_view body, fuzz::AllocationBound& bound) {
  bound.watch([&] {
    const Decoded<AnyRequest> request = decode_request(method, body);
    if (!request) return;
    GYRE_CHECK(json::validate(body));
    GYRE_CHECK(request->index() == static_cast<size_t>(method));
    check_request(*request);
  });
}

void check_commands(std::string_view body, fuzz::AllocationBound& bound) {
  bound.watch([&] {
    const Decoded<BatchRequest> batch = decode_batch(body);
    if (!batch) return;
    GYRE_CHECK(json::validate(body));
    GYRE_CHECK(batch->commands.size() <= kCommandsMax);
    for (const Command& command : batch->commands) {
      if (command) check_request(*command);
    }
  });
  bound.watch([&] {
    SingleCommandReader reader(body);
    do {
      const Decoded<SingleCommand> single = reader.next();
      if (!single) break;
      if (single->command) check_request(*single->command);
    } while (!reader.at_end());
  });
}

}  // namespace
}  // namespace gyre::api

// Any text as the body of an endpoint, which the first byte chooses: that of a command, or those
// that take several.
void gyre::fuzz::take_input(std::string_view input) {
  if (input.empty()) return;
  const size_t choice = static_cast<unsigned char>(input.front()) % api::kChoices;
  input.remove_prefix(1);
  AllocationBound bound(input.size(), AllocationBound::kOwn);
  api::check_text(input);
  if (choice < api::kCommandMethods) {
    api::check_endpoint(static_cast<api::Method>(choice), input, bound);
  } else {
    api::check_commands(input, bound);
  }
}
