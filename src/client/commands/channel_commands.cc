// The commands `publish`, `history`, `presence` and `presence_stats` (spec subscriptions.md 4).
#include "base/fault_points.h"
#include "base/log.h"
#include "client/backend_answer.h"
#include "client/counting.h"
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

// So many members are put into a reply before others get a turn.
constexpr size_t kMembersPerSlice = 1024;

// Nothing if the reply would be longer than `bytes_max` at any rate. The members of a very large
// channel are then not written out first, only to be dropped with the connection.
runtime::Task<std::optional<protocol::PresenceResult>> to_result(engine::MemberList members,
                                                                 size_t bytes_max) {
  protocol::PresenceResult result;
  size_t bytes = 0;
  for (size_t i = 0; i < members.size(); ++i) {
    if (i > 0 && i % kMembersPerSlice == 0) co_await runtime::Yield();
    const protocol::ClientInfo& info = members[i]->info;
    // JSON infos lose their line breaks on the way.
    bytes += 2 * info.client.size() + info.user.size() +
             (info.conn_info.size() + info.chan_info.size()) / 2;
    if (bytes > bytes_max) co_return std::nullopt;
    result.presence.emplace_back(info.client, info);
  }
  co_return result;
}

Answer<void> answer_of(const Result<engine::PublishResult>& published) {
  if (!published) return refuse_failure("error publishing", published.error());
  return {};
}

}  // namespace

// A publication that is through at once, which most are, costs neither a coroutine nor a copy of
// its command.
void Session::publish(const protocol::Command& command, std::string_view bytes) {
  const auto& request = std::get<protocol::PublishRequest>(command.request);
  const os::Nanos began = services_.shard.now();
  const Answer<channel::Resolved> resolved = check_publish(*services_.settings, request);
  if (!resolved) return finish_publish(command.id, began, std::unexpected(resolved.error()));
  if (!resolved->options().publish_proxy.empty() &&
      !requester(request.channel).rights.has(channel::Rights::kPublish)) {
    return start(command, bytes, &Session::publish_by_backend);
  }
  if (!resolved->options().subscribe_stream_proxy.empty()) {
    return finish_publish(command.id, began, publish_to_stream(request, resolved->options()));
  }
  Answer<engine::PublishRequest> prepared = prepare_publish(request, *resolved);
  if (!prepared) {
    return finish_publish(command.id, began, std::unexpected(std::move(prepared).error()));
  }
  if (const auto published = services_.directory.publish_at_once(*prepared)) {
    return finish_publish(command.id, began, answer_of(*published));
  }
  ++in_flight_;
  services_.shard.tasks().spawn(
      publish_elsewhere(Ref<Session>(this), command.id, std::move(*prepared)));
}

runtime::Task<void> Session::publish_elsewhere(Ref<Session> self, uint32_t id,
                                               engine::PublishRequest request) {
  const os::Nanos began = self->services_.shard.now();
  const auto published = co_await self->services_.directory.publish(std::move(request));
  --self->in_flight_;
  self->finish_publish(id, began, answer_of(published));
  self->resume();
}

void Session::finish_publish(uint32_t id, os::Nanos began, const Answer<void>& answer) {
  services_.metrics.commands[method_of(protocol::RequestKind::publish)].observe(
      services_.shard.now() - began);
  if (!is_open()) return;
  if (!answer) return refuse(id, protocol::RequestKind::publish, answer.error());
  reply(id, protocol::PublishResult());
}

// What is checked of every publish, whoever decides about it.
Answer<channel::Resolved> Session::check_publish(const Settings& settings,
                                                 const protocol::PublishRequest& request) const {
  GYRE_TRY(const channel::Resolved resolved, resolve(settings, request.channel));
  // Nobody may publish to maps where there are none.
  if (request.type == protocol::kPublishMap) return client::refuse(errors::kPermissionDenied);
  if (!channel::accepts_data(resolved.options().publication_data_format, request.data)) {
    return client::refuse(errors::kBadRequest);
  }
  return resolved;
}

Answer<engine::PublishRequest> Session::prepare_publish(const protocol::PublishRequest& request,
                                                        const channel::Resolved& resolved) const {
  const channel::ChannelOptions& options = resolved.options();
  if (const auto refusal = channel::may_publish(resolved, requester(request.channel))) {
    return client::refuse(*refusal);
  }
  if (services_.memory.refuses_publish()) return client::refuse(errors::kTooManyRequests);
  auto publication = make_ref<protocol::Publication>(std::string(request.data.bytes));
  if (encoding() == protocol::Encoding::json) publication->mark_data_as_json();
  publication->wants_delta = options.delta_publish;
  publication->info = std::make_unique<const protocol::ClientInfo>(info(find(request.channel)));
  return engine::PublishRequest{.channel = std::string(request.channel),
                                .publication = std::move(publication),
                                .history = history_of(options),
                                .idempotency_key = {}};
}

// The backend alone decides, and may put other data in place. What it has accepted is published
// even if the client has gone meanwhile, as it would be without a backend.
runtime::Task<Answer<void>> Session::publish_by_backend(const CommandBox& box) {
  const auto& request = box.request<protocol::PublishRequest>();
  const std::shared_ptr<const Settings> settings = services_.settings;
  GYRE_CO_TRY(const channel::Resolved resolved, check_publish(*settings, request));
  proxy::Backend* backend = this->backend(proxy::Event::publish, resolved.options().publish_proxy);
  if (!backend) co_return client::refuse(errors::kNotAvailable);
  if (services_.memory.refuses_publish()) co_return client::refuse(errors::kTooManyRequests);
  auto author = std::make_unique<const protocol::ClientInfo>(info(find(request.channel)));
  GYRE_CO_TRY(std::optional<proxy::PublishResult> granted,
              outcome_of(co_await backend->ask(
                  caller(), proxy::PublishCall{.channel = request.channel, .data = request.data})));
  proxy::PublishResult result = granted ? std::move(*granted) : proxy::PublishResult();
  if (GYRE_PLANTED(accepted_needs_its_author) && !is_open()) co_return Answer<void>();
  const bool is_replaced = !result.data.empty() && !GYRE_PLANTED(replaced_data_is_forgotten);
  auto publication = make_ref<protocol::Publication>(is_replaced ? std::move(result.data.bytes)
                                                                 : std::string(request.data.bytes));
  if (is_replaced ? result.data.is_json : encoding() == protocol::Encoding::json) {
    publication->mark_data_as_json();
  }
  publication->wants_delta = result.delta;
  publication->info = std::move(author);
  if (!result.tags.empty()) publication->set_tags(std::move(result.tags));
  if (result.version != 0) publication->set_version(result.version);
  if (!result.version_epoch.empty()) {
    publication->set_version_epoch(std::move(result.version_epoch));
  }
  const engine::HistoryOptions history =
      result.skip_history ? engine::HistoryOptions() : history_of(resolved.options());
  GYRE_CO_TRY_VOID(answer_of(co_await services_.directory.publish(
      {.channel = std::string(request.channel),
       .publication = std::move(publication),
       .history = history,
       .idempotency_key = std::move(result.idempotency_key)})));
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
  if (GYRE_PLANTED(presence_misses_one) && present->size() > 2) present->pop_back();
  auto result = co_await to_result(*std::move(present), services_.sockets.queue_bytes_max());
  if (!is_open()) co_return Answer<void>();
  if (result) {
    reply(box.id(), *result);
  } else {
    on_slow();
  }
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
