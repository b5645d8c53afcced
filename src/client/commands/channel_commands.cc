// The commands `publish`, `history`, `presence` and `presence_stats` (spec subscriptions.md 4).
#include "base/log.h"
#include "client/session.h"

namespace gyre::client {

namespace {

namespace errors = protocol::errors;

std::unexpected<Refusal> refuse_failure(std::string_view what, const Error& error) {
  log::error(what, {{"error", error.context}});
  return client::refuse(errors::kInternal);
}

engine::HistoryOptions history_of(const channel::ChannelOptions& options) {
  if (!options.has_history()) return {};
  return {.size = options.history_size,
          .ttl = options.history_ttl,
          .meta_ttl = options.history_meta_ttl};
}

}  // namespace

runtime::Task<Answer<void>> Session::publish(const CommandBox& box) {
  const auto& request = box.request<protocol::PublishRequest>();
  GYRE_CO_TRY(const channel::Resolved resolved, resolve(*services_.settings, request.channel));
  // Nobody may publish to maps where there are none.
  if (request.type == protocol::kPublishMap) co_return client::refuse(errors::kPermissionDenied);
  const channel::ChannelOptions& options = resolved.options();
  if (!channel::accepts_data(options.publication_data_format, request.data)) {
    co_return client::refuse(errors::kBadRequest);
  }
  if (const auto refusal = channel::may_publish(resolved, requester(request.channel))) {
    co_return client::refuse(*refusal);
  }
  if (services_.memory.refuses_publish()) co_return client::refuse(errors::kTooManyRequests);
  auto publication = make_ref<protocol::Publication>(std::string(request.data.bytes));
  if (encoding() == protocol::Encoding::json) publication->mark_data_as_json();
  publication->wants_delta = options.delta_publish;
  publication->info = std::make_unique<const protocol::ClientInfo>(info(find(request.channel)));
  const auto published =
      co_await services_.directory.publish({.channel = std::string(request.channel),
                                            .publication = std::move(publication),
                                            .history = history_of(options),
                                            .idempotency_key = {}});
  if (!published) co_return refuse_failure("error publishing", published.error());
  reply(box.id(), protocol::PublishResult());
  co_return Answer<void>();
}

runtime::Task<Answer<void>> Session::history(const CommandBox& box) {
  const auto& request = box.request<protocol::HistoryRequest>();
  const std::shared_ptr<const Settings> settings = services_.settings;
  GYRE_CO_TRY(const channel::Resolved resolved, resolve(*settings, request.channel));
  if (const auto refusal = channel::may_read_history(resolved, requester(request.channel))) {
    co_return client::refuse(*refusal);
  }
  engine::HistoryQuery query{.limit = request.limit,
                             .since = std::nullopt,
                             .reverse = request.reverse,
                             .meta_ttl = resolved.options().history_meta_ttl};
  const int32_t most = settings->history_max_publication_limit;
  if (most > 0 && (query.limit < 0 || query.limit > most)) query.limit = most;
  if (request.since) {
    if (request.reverse && request.since->offset == 0) {
      co_return client::refuse(errors::kBadRequest);
    }
    query.since = {.offset = request.since->offset, .epoch = std::string(request.since->epoch)};
  }
  const auto page =
      co_await services_.directory.history(std::string(request.channel), std::move(query));
  if (!page && page.error().code == Errc::unrecoverable) {
    co_return client::refuse(errors::kUnrecoverablePosition);
  }
  if (!page) co_return refuse_failure("error reading history", page.error());
  protocol::HistoryResult result;
  result.publications = page->publications;
  result.epoch = page->top.epoch;
  result.offset = page->top.offset;
  reply(box.id(), result);
  co_return Answer<void>();
}

runtime::Task<Answer<void>> Session::presence(const CommandBox& box) {
  const auto& request = box.request<protocol::PresenceRequest>();
  GYRE_CO_TRY(const channel::Resolved resolved, resolve(*services_.settings, request.channel));
  if (const auto refusal = channel::may_see_presence(resolved, requester(request.channel))) {
    co_return client::refuse(*refusal);
  }
  auto present = co_await services_.directory.presence(std::string(request.channel));
  if (!present) co_return refuse_failure("error reading presence", present.error());
  protocol::PresenceResult result;
  for (protocol::ClientInfo& one : *present) {
    std::string client = one.client;
    result.presence.emplace_back(std::move(client), std::move(one));
  }
  reply(box.id(), result);
  co_return Answer<void>();
}

runtime::Task<Answer<void>> Session::presence_stats(const CommandBox& box) {
  const auto& request = box.request<protocol::PresenceStatsRequest>();
  GYRE_CO_TRY(const channel::Resolved resolved, resolve(*services_.settings, request.channel));
  if (const auto refusal = channel::may_see_presence(resolved, requester(request.channel))) {
    co_return client::refuse(*refusal);
  }
  const auto stats = co_await services_.directory.presence_stats(std::string(request.channel));
  if (!stats) co_return refuse_failure("error reading presence", stats.error());
  reply(box.id(),
        protocol::PresenceStatsResult{.num_clients = stats->clients, .num_users = stats->users});
  co_return Answer<void>();
}

}  // namespace gyre::client
