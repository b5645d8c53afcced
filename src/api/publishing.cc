#include <algorithm>
#include <utility>

#include "api/concurrently.h"
#include "api/payload.h"
#include "api/service.h"
#include "channel/permissions.h"

namespace gyre::api {

namespace {

// How many channels of a broadcast are under way at once (spec server-api.md 3).
constexpr size_t kBroadcastWidth = 1024;
// Each of them has a copy of the payload, as each becomes a publication with an offset of its own.
constexpr size_t kBroadcastBytes = size_t{64} * 1024 * 1024;

bool accepts(channel::DataFormat format, const Raw& data) {
  // Parsed once is enough.
  if (data.is_json && format == channel::DataFormat::json) return true;
  if (data.is_json && format == channel::DataFormat::json_object) {
    return data.bytes.starts_with('{');
  }
  return channel::accepts_data(format, data.bytes);
}

}  // namespace

// What is published, wherever it goes.
struct Service::Content {
  Raw data;
  protocol::Tags tags;
  std::string idempotency_key;
  std::string version_epoch;
  uint64_t version = 0;
  bool skip_history = false;
  bool delta = false;
};

template <class Request>
Answer<Service::Content> Service::take_content(Request& request) {
  GYRE_TRY(Raw data, take_payload(std::move(request.data), request.b64data));
  return Content{.data = std::move(data),
                 .tags = std::move(request.tags),
                 .idempotency_key = std::move(request.idempotency_key),
                 .version_epoch = std::move(request.version_epoch),
                 .version = request.version,
                 .skip_history = request.skip_history,
                 .delta = request.delta};
}

engine::PublishRequest Service::to_engine(std::string channel, Content content,
                                          const channel::ChannelOptions& options) {
  auto publication = make_ref<protocol::Publication>(std::move(content.data.bytes));
  if (content.data.is_json) publication->mark_data_as_json();
  if (!content.tags.empty()) publication->set_tags(std::move(content.tags));
  publication->wants_delta = content.delta || options.delta_publish;
  if (content.version != 0) publication->set_version(content.version);
  if (!content.version_epoch.empty()) {
    publication->set_version_epoch(std::move(content.version_epoch));
  }
  engine::PublishRequest request{.channel = std::move(channel),
                                 .publication = std::move(publication),
                                 .history = {},
                                 .idempotency_key = std::move(content.idempotency_key)};
  if (!content.skip_history && options.has_history()) {
    request.history = {.size = options.history_size,
                       .ttl = options.history_ttl,
                       .meta_ttl = options.history_meta_ttl};
  }
  return request;
}

runtime::Task<Answer<PublishResult>> Service::hand_over(engine::PublishRequest request) {
  Result<engine::PublishResult> result = co_await directory_.publish(std::move(request));
  if (!result) co_return refuse(to_api_error(result.error()));
  co_return PublishResult{std::move(result->position)};
}

runtime::Task<Answer<PublishResult>> Service::publish(PublishRequest request) {
  check_shard();
  if (request.channel.empty()) co_return refuse(errors::kBadRequest);
  if (memory_.refuses_publish()) co_return refuse(errors::kTooManyRequests);
  GYRE_CO_TRY(Content content, take_content(request));
  GYRE_CO_TRY(const channel::ChannelOptions* options, options_of(request.channel));
  if (!accepts(options->publication_data_format, content.data)) {
    co_return refuse(errors::kBadRequest);
  }
  co_return co_await hand_over(to_engine(std::move(request.channel), std::move(content), *options));
}

runtime::Task<Answer<BroadcastResult>> Service::broadcast(BroadcastRequest request) {
  return broadcast_sharing(std::move(request), 1);
}

runtime::Task<Answer<BroadcastResult>> Service::broadcast_sharing(BroadcastRequest request,
                                                                  size_t sharers) {
  check_shard();
  const size_t count = request.channels.size();
  if (count == 0) co_return refuse(errors::kBadRequest);
  if (memory_.refuses_publish()) co_return refuse(errors::kTooManyRequests);
  GYRE_CO_TRY(Content content, take_content(request));
  const size_t copies = kBroadcastBytes / sharers / std::max<size_t>(1, content.data.bytes.size());
  const size_t width =
      std::clamp<size_t>(copies, 1, std::max<size_t>(1, kBroadcastWidth / sharers));
  BroadcastResult result;
  result.responses.resize(count);
  co_await concurrently(&shard_, count, width, [&](size_t i) {
    return broadcast_to(&request.channels[i], &content, i + 1 == count, &result.responses[i]);
  });
  co_return result;
}

runtime::Task<void> Service::broadcast_to(std::string* channel, Content* content, bool is_last,
                                          Answer<PublishResult>* response) {
  const auto options = options_of(*channel);
  if (!options) {
    *response = refuse(options.error());
  } else if (!accepts((*options)->publication_data_format, content->data)) {
    *response = refuse(errors::kBadRequest);
  } else {
    // The others have made their copies when they began, so the last one needs none.
    Content own = is_last ? std::move(*content) : *content;
    *response = co_await hand_over(to_engine(std::move(*channel), std::move(own), **options));
  }
}

}  // namespace gyre::api
