#include <string_view>

#include "api/decode.h"
#include "base/check.h"
#include "harness.h"
#include "protocol/json.h"

namespace gyre::api {
namespace {

void check_raw(const Raw& raw) {
  GYRE_CHECK(raw.bytes.empty() != raw.is_json);
  if (raw.is_json) GYRE_CHECK(protocol::json::validate(raw.bytes));
}

void check_tags(const protocol::Tags& tags) {
  for (size_t i = 1; i < tags.size(); ++i) GYRE_CHECK(tags[i - 1].first < tags[i].first);
}

void check_request(const AnyRequest& request) {
  if (const auto* publish = std::get_if<PublishRequest>(&request)) {
    check_raw(publish->data);
    check_tags(publish->tags);
  }
  if (const auto* broadcast = std::get_if<BroadcastRequest>(&request)) {
    check_raw(broadcast->data);
    check_tags(broadcast->tags);
    GYRE_CHECK(broadcast->channels.size() <= kElementsMax);
  }
}

// Any text as the body of every endpoint. What is taken is JSON with bounds kept.
void check_endpoints(std::string_view body, bool is_json, fuzz::AllocationBound& bound) {
  for (size_t i = 0; i < kCommandMethods; ++i) {
    bound.watch([&] {
      const Decoded<AnyRequest> request = decode_request(static_cast<Method>(i), body);
      if (!request) return;
      GYRE_CHECK(is_json);
      GYRE_CHECK(request->index() == i);
      check_request(*request);
    });
  }
}

void check_commands(std::string_view body, bool is_json, fuzz::AllocationBound& bound) {
  bound.watch([&] {
    const Decoded<BatchRequest> batch = decode_batch(body);
    if (!batch) return;
    GYRE_CHECK(is_json);
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

void gyre::fuzz::take_input(std::string_view input) {
  AllocationBound bound(input.size(), AllocationBound::kOwn);
  const bool is_json = protocol::json::validate(input);
  api::check_endpoints(input, is_json, bound);
  api::check_commands(input, is_json, bound);
}
