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

Answer<PublishResult> to_answer(Result<engine::PublishResult> published) {
  if (!published) return refuse(to_api_error(published.error()));
  return PublishResult{std::move(published->position)};
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
  // Of a broadcast: what its channels without history share, since nothing in it is theirs alone.
  // By whether it may be delivered as a delta.
  Ref<protocol::Publication> shared[2];
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

Ref<protocol::Publication> Service::to_publication(Content&& content, bool wants_delta) {
  auto publication = make_ref<protocol::Publication>(std::move(content.data.bytes));
  if (content.data.is_json) publication->mark_data_as_json();
  if (!content.tags.empty()) publication->set_tags(std::move(content.tags));
  publication->wants_delta = wants_delta;
  if (content.version != 0) publication->set_version(content.version);
  if (!content.version_epoch.empty()) {
    publication->set_version_epoch(std::move(content.version_epoch));
  }
  return publication;
}

engine::PublishRequest Service::to_engine(std::string channel, Content&& content,
                                          const channel::ChannelOptions& options) {
  std::string key = std::move(content.idempotency_key);
  const bool wants_delta = content.delta || options.delta_publish;
  const bool is_kept = !content.skip_history && options.has_history();
  engine::PublishRequest request{.channel = std::move(channel),
                                 .publication = to_publication(std::move(content), wants_delta),
                                 .history = {},
                                 .idempotency_key = std::move(key)};
  if (is_kept) {
    request.history = {.size = options.history_size,
                       .ttl = options.history_ttl,
                       .meta_ttl = options.history_meta_ttl};
  }
  return request;
}

runtime::Task<Answer<PublishResult>> Service::hand_over(engine::PublishRequest request) {
  co_return to_answer(co_await directory_.publish(std::move(request)));
}

Answer<engine::PublishRequest> Service::prepare(PublishRequest& request) const {
  check_shard();
  if (request.channel.empty()) return refuse(errors::kBadRequest);
  if (memory_.refuses_publish()) return refuse(errors::kTooManyRequests);
  GYRE_TRY(Content content, take_content(request));
  GYRE_TRY(const channel::ChannelOptions* options, options_of(request.channel));
  if (!accepts(options->publication_data_format, content.data)) return refuse(errors::kBadRequest);
  return to_engine(std::move(request.channel), std::move(content), *options);
}

runtime::Task<Answer<PublishResult>> Service::publish(PublishRequest request) {
  GYRE_CO_TRY(engine::PublishRequest prepared, prepare(request));
  co_return co_await hand_over(std::move(prepared));
}

// Most publications are through at once and cost no coroutine.
Service::Execution Service::begin_publish(PublishRequest& request, Watch watch) {
  const os::Nanos began = began_at(watch);
  Answer<engine::PublishRequest> prepared = prepare(request);
  Execution execution;
  if (!prepared) {
    execution.answer = refuse(prepared.error());
  } else if (auto published = directory_.publish_at_once(*prepared)) {
    execution.answer = to_answer(std::move(*published));
  } else {
    execution.rest = finish_publish(std::move(*prepared), watch, began);
    return execution;
  }
  report(watch, Method::publish, began, *execution.answer);
  return execution;
}

runtime::Task<Answer<AnyResult>> Service::finish_publish(engine::PublishRequest request,
                                                         Watch watch, os::Nanos began) {
  Answer<AnyResult> answer = co_await hand_over(std::move(request));
  report(watch, Method::publish, began, answer);
  co_return answer;
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
    return broadcast_to(request.channels[i], content, i + 1 == count, result.responses[i]);
  });
  co_return result;
}

std::optional<runtime::Task<void>> Service::broadcast_to(std::string& channel, Content& content,
                                                         bool is_last,
                                                         Answer<PublishResult>& response) {
  const auto options = options_of(channel);
  if (!options) {
    response = refuse(options.error());
    return std::nullopt;
  }
  if (!accepts((*options)->publication_data_format, content.data)) {
    response = refuse(errors::kBadRequest);
    return std::nullopt;
  }
  engine::PublishRequest request =
      to_engine_sharing(std::move(channel), content, is_last, **options);
  auto published = directory_.publish_at_once(request);
  if (!published) return finish_broadcast_to(std::move(request), &response);
  response = to_answer(std::move(*published));
  return std::nullopt;
}

engine::PublishRequest Service::to_engine_sharing(std::string channel, Content& content,
                                                  bool is_last,
                                                  const channel::ChannelOptions& options) const {
  if (options.has_history() && !content.skip_history) {
    // The others have made their copies when they began, so the last one needs none.
    Content own = is_last ? std::move(content) : content;
    return to_engine(std::move(channel), std::move(own), options);
  }
  const bool wants_delta = content.delta || options.delta_publish;
  Ref<protocol::Publication>& shared = content.shared[wants_delta];
  if (!shared) {
    shared = to_publication(Content(content), wants_delta);
    // Here, since channels at home on other shards must not change it any more.
    shared->time_ms = shard_.unix_milliseconds();
  }
  return {.channel = std::move(channel),
          .publication = shared,
          .history = {},
          .idempotency_key = content.idempotency_key};
}

runtime::Task<void> Service::finish_broadcast_to(engine::PublishRequest request,
                                                 Answer<PublishResult>* response) {
  *response = co_await hand_over(std::move(request));
}

}  // namespace gyre::api
