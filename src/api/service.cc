#include "api/service.h"

#include <algorithm>
#include <charconv>
#include <tuple>
#include <type_traits>
#include <utility>

#include "api/concurrently.h"
#include "api/payload.h"
#include "base/glob.h"
#include "channel/permissions.h"

namespace gyre::api {

namespace {

// How many commands of a parallel batch are under way at once (spec server-api.md 4).
constexpr size_t kBatchWidth = 1024;
// Publications, clients and channels that the replies of a batch may hold together; a command that
// goes beyond gets error 111.
constexpr size_t kBatchEntriesMax = 1'000'000;
// A longer pattern matches no channel that a client could have subscribed to.
constexpr size_t kPatternBytesMax = 4096;
// Answers are in the order of their keys, as the reference's, unless sorting would hold up the
// shard.
constexpr size_t kSortedMax = 16'384;

// Of a page of presence; one who asks for more gets so many, and a cursor.
constexpr size_t kPresencePageMax = 10'000;

std::string_view client_of(const engine::MemberRef& member) {
  return member->info.client;
}

template <class Item, class Key>
void sort_if_short(std::vector<Item>& items, Key key) {
  if (items.size() <= kSortedMax) std::ranges::sort(items, {}, key);
}

size_t entries_of(const AnyResult& result) {
  if (const auto* history = std::get_if<HistoryResult>(&result)) {
    return history->page.publications.size();
  }
  if (const auto* presence = std::get_if<PresenceResult>(&result)) return presence->members.size();
  if (const auto* channels = std::get_if<ChannelsResult>(&result)) return channels->channels.size();
  if (const auto* facts = std::get_if<ConnectionsResult>(&result)) return facts->connections.size();
  if (const auto* users = std::get_if<UserStatusesResult>(&result)) return users->statuses.size();
  return 0;
}

void report_error(Observer& observer, Method method, protocol::ErrorCode error) {
  char digits[10];
  const auto [end, failure] = std::to_chars(std::begin(digits), std::end(digits), error.code);
  observer.on_error(method, {digits, static_cast<size_t>(end - digits)});
}

template <class T>
runtime::Task<Answer<AnyResult>> widen(runtime::Task<Answer<T>> command) {
  GYRE_CO_TRY(T result, co_await std::move(command));
  co_return AnyResult(std::move(result));
}

// By Method.
constexpr std::tuple kCommands{&Service::publish,
                               &Service::broadcast,
                               &Service::subscribe,
                               &Service::unsubscribe,
                               &Service::disconnect,
                               &Service::history,
                               &Service::history_remove,
                               &Service::presence,
                               &Service::presence_stats,
                               &Service::info,
                               &Service::rpc,
                               &Service::refresh,
                               &Service::channels,
                               &Service::map_publish,
                               &Service::map_remove,
                               &Service::map_read_state,
                               &Service::map_read_stream,
                               &Service::map_stats,
                               &Service::map_clear,
                               &Service::shared_poll_publish,
                               &Service::connections,
                               &Service::update_user_status,
                               &Service::get_user_status,
                               &Service::delete_user_status,
                               &Service::block_user,
                               &Service::unblock_user,
                               &Service::revoke_token,
                               &Service::invalidate_user_tokens};

template <size_t I>
runtime::Task<Answer<AnyResult>> start(Service& service, AnyRequest& request) {
  return widen((service.*std::get<I>(kCommands))(std::move(*std::get_if<I>(&request))));
}

runtime::Task<Answer<AnyResult>> start(Service& service, AnyRequest& request) {
  using Start = runtime::Task<Answer<AnyResult>> (*)(Service&, AnyRequest&);
  return [&]<size_t... I>(std::index_sequence<I...>) {
    static constexpr Start kStarts[] = {&start<I>...};
    return kStarts[request.index()](service, request);
  }(std::make_index_sequence<kCommandMethods>());
}

std::optional<bool> value_of(const std::optional<BoolValue>& flag) {
  if (!flag) return std::nullopt;
  return flag->value;
}

auth::Override to_override(const SubscribeOverride& from) {
  return {.presence = value_of(from.presence),
          .join_leave = value_of(from.join_leave),
          .force_push_join_leave = value_of(from.force_push_join_leave),
          .force_positioning = value_of(from.force_positioning),
          .force_recovery = value_of(from.force_recovery)};
}

std::optional<protocol::StreamPosition> to_position(std::optional<Position> from) {
  if (!from) return std::nullopt;
  return protocol::StreamPosition{.offset = from->offset, .epoch = std::move(from->epoch)};
}

template <class Request>
client::Target take_target(Request& request) {
  return {.user = std::move(request.user),
          .client = std::move(request.client),
          .session = std::move(request.session),
          .spared = {}};
}

}  // namespace

Answer<const channel::ChannelOptions*> Service::options_of(std::string_view channel) const {
  if (channel.empty()) return refuse(errors::kBadRequest);
  const channel::Namespace* found = namespaces_->find(namespaces_->parse(channel));
  if (!found) return refuse(errors::kUnknownChannel);
  const channel::WildcardRules* wildcards = namespaces_->wildcards();
  if (wildcards && wildcards->kind_of(channel) != channel::WildcardRules::Kind::channel) {
    return refuse(errors::kBadRequest);
  }
  return &found->options();
}

Answer<void> Service::check_name(std::string_view name) const {
  if (namespaces_->is_wildcard(name)) {
    if (!namespaces_->find(namespaces_->parse(name))) return refuse(errors::kUnknownChannel);
    return {};
  }
  GYRE_TRY([[maybe_unused]] auto options, options_of(name));
  return {};
}

void Service::report(const Watch& watch, Method method, os::Nanos began,
                     const Answer<AnyResult>& answer) const {
  if (!watch.observer) return;
  watch.observer->on_command(method, shard_.kernel().monotonic() - began);
  if (!answer) {
    if (watch.counts_errors) report_error(*watch.observer, method, answer.error());
    return;
  }
  const auto* broadcast = std::get_if<BroadcastResult>(&*answer);
  if (!broadcast) return;
  for (const Answer<PublishResult>& response : broadcast->responses) {
    if (response) continue;
    report_error(*watch.observer, Method::broadcast_publish, response.error());
  }
}

Service::Execution Service::begin_sharing(AnyRequest& request, Watch watch, size_t sharers) {
  if (auto* publish = std::get_if<PublishRequest>(&request)) return begin_publish(*publish, watch);
  return {.rest = execute_sharing(std::move(request), watch, sharers)};
}

runtime::Task<Answer<AnyResult>> Service::execute(AnyRequest request, Watch watch) {
  return execute_sharing(std::move(request), watch, 1);
}

runtime::Task<Answer<AnyResult>> Service::execute_sharing(AnyRequest request, Watch watch,
                                                          size_t sharers) {
  const Method method = method_of(request);
  const os::Nanos began = began_at(watch);
  auto* broadcast = std::get_if<BroadcastRequest>(&request);
  Answer<AnyResult> answer = co_await (
      broadcast ? widen(broadcast_sharing(std::move(*broadcast), sharers)) : start(*this, request));
  report(watch, method, began, answer);
  co_return answer;
}

runtime::Task<BatchResult> Service::batch(BatchRequest request, Watch watch) {
  check_shard();
  const size_t count = request.commands.size();
  const size_t width = request.parallel ? kBatchWidth : 1;
  const size_t sharers = std::clamp<size_t>(count, 1, width);
  size_t entries = 0;
  BatchResult result;
  result.replies.resize(count);
  co_await concurrently(&shard_, count, width, [&](size_t i) {
    return begin_in_batch(request.commands[i], watch, sharers, &entries, result.replies[i]);
  });
  co_return result;
}

std::optional<runtime::Task<void>> Service::begin_in_batch(Command& command, Watch watch,
                                                           size_t sharers, size_t* entries,
                                                           Reply& reply) {
  if (!command) {
    reply.answer = refuse(command.error());
    const bool is_unknown = command.error().code == errors::kNotFound.code;
    if (is_unknown && watch.observer) {
      report_error(*watch.observer, Method::unknown, command.error());
    }
    return std::nullopt;
  }
  reply.method = method_of(*command);
  Execution execution = begin_sharing(*command, watch, sharers);
  if (!execution.answer) return finish_in_batch(std::move(*execution.rest), entries, &reply);
  reply.answer = std::move(*execution.answer);
  return std::nullopt;
}

runtime::Task<void> Service::finish_in_batch(runtime::Task<Answer<AnyResult>> rest, size_t* entries,
                                             Reply* reply) {
  reply->answer = co_await std::move(rest);
  if (!reply->answer) co_return;
  const size_t more = entries_of(*reply->answer);
  if (more > kBatchEntriesMax - *entries) {
    reply->answer = refuse(errors::kTooManyRequests);
  } else {
    *entries += more;
  }
}

runtime::Task<Answer<EmptyResult>> Service::subscribe(SubscribeRequest request) {
  check_shard();
  GYRE_CO_TRY_VOID(check_name(request.channel));
  const channel::ChannelName name = namespaces_->parse(request.channel);
  // To the backend an order that no rule allows is as wrong as one that makes no sense.
  if (channel::refusal_of_wildcard(*namespaces_, name)) co_return refuse(errors::kBadRequest);
  GYRE_CO_TRY(Raw info, take_payload(std::move(request.info), request.b64info));
  GYRE_CO_TRY(Raw data, take_payload(std::move(request.data), request.b64data));
  client::SubscribeOrder order{
      .channel = std::move(request.channel),
      .info = std::move(info.bytes),
      .data = std::move(data.bytes),
      .override_options = to_override(request.override_options.value_or(SubscribeOverride())),
      .recover_since = to_position(std::move(request.recover_since)),
      .expire_at = request.expire_at};
  Result<void> result = co_await audience_.subscribe(take_target(request), std::move(order));
  if (!result) co_return refuse(errors::kInternal);
  co_return EmptyResult();
}

runtime::Task<Answer<EmptyResult>> Service::unsubscribe(UnsubscribeRequest request) {
  check_shard();
  if (!request.channel.empty()) GYRE_CO_TRY_VOID(check_name(request.channel));
  co_await audience_.unsubscribe(take_target(request), std::move(request.channel),
                                 protocol::unsubscribes::kServer);
  co_return EmptyResult();
}

runtime::Task<Answer<EmptyResult>> Service::disconnect(DisconnectRequest request) {
  check_shard();
  protocol::Disconnect reason = protocol::disconnects::kForceNoReconnect;
  if (request.disconnect) {
    reason = {.code = request.disconnect->code, .reason = std::move(request.disconnect->reason)};
  }
  client::Target target = take_target(request);
  target.spared = std::move(request.whitelist);
  co_await audience_.disconnect(std::move(target), std::move(reason));
  co_return EmptyResult();
}

runtime::Task<Answer<EmptyResult>> Service::refresh(RefreshRequest request) {
  check_shard();
  client::RefreshOrder order{.is_expired = request.expired,
                             .expire_at = request.expire_at,
                             .info = std::move(request.info.bytes)};
  co_await audience_.refresh(take_target(request), std::move(order));
  co_return EmptyResult();
}

runtime::Task<Answer<PresenceResult>> Service::presence(PresenceRequest request) {
  check_shard();
  GYRE_CO_TRY(const channel::ChannelOptions* options, options_of(request.channel));
  if (!options->presence) co_return refuse(errors::kNotAvailable);
  // A cursor is of a page, and says nothing by itself.
  const bool is_page = request.limit > 0;
  if (request.limit < 0 || (!is_page && !request.cursor.empty())) {
    co_return refuse(errors::kBadRequest);
  }
  if (is_page) co_return co_await presence_page(std::move(request));
  auto members = co_await directory_.presence(std::move(request.channel));
  if (!members) co_return refuse(to_api_error(members.error()));
  sort_if_short(*members, client_of);
  co_return PresenceResult{.members = std::move(*members)};
}

runtime::Task<Answer<PresenceResult>> Service::presence_page(PresenceRequest request) {
  const auto limit = std::min(static_cast<size_t>(request.limit), kPresencePageMax);
  auto page = co_await directory_.presence_page(std::move(request.channel),
                                                std::move(request.cursor), limit);
  if (!page && page.error().code == Errc::invalid) co_return refuse(errors::kBadRequest);
  if (!page) co_return refuse(to_api_error(page.error()));
  co_return PresenceResult{.members = std::move(page->members), .cursor = std::move(page->cursor)};
}

runtime::Task<Answer<PresenceStatsResult>> Service::presence_stats(PresenceStatsRequest request) {
  check_shard();
  GYRE_CO_TRY(const channel::ChannelOptions* options, options_of(request.channel));
  if (!options->presence) co_return refuse(errors::kNotAvailable);
  auto stats = co_await directory_.presence_stats(std::move(request.channel));
  if (!stats) co_return refuse(to_api_error(stats.error()));
  co_return PresenceStatsResult{*stats};
}

runtime::Task<Answer<HistoryResult>> Service::history(HistoryRequest request) {
  check_shard();
  GYRE_CO_TRY(const channel::ChannelOptions* options, options_of(request.channel));
  if (!options->has_history()) co_return refuse(errors::kNotAvailable);
  engine::HistoryQuery query{.limit = request.limit,
                             .since = to_position(std::move(request.since)),
                             .reverse = request.reverse,
                             .meta_ttl = options->history_meta_ttl};
  auto page = co_await directory_.history(std::move(request.channel), std::move(query));
  if (!page) co_return refuse(to_api_error(page.error()));
  co_return HistoryResult{std::move(*page)};
}

runtime::Task<Answer<EmptyResult>> Service::history_remove(HistoryRemoveRequest request) {
  check_shard();
  GYRE_CO_TRY(const channel::ChannelOptions* options, options_of(request.channel));
  if (!options->has_history()) co_return refuse(errors::kNotAvailable);
  auto done = co_await directory_.remove_history(std::move(request.channel));
  if (!done) co_return refuse(to_api_error(done.error()));
  co_return EmptyResult();
}

runtime::Task<Answer<ChannelsResult>> Service::channels(ChannelsRequest request) {
  check_shard();
  std::shared_ptr<const Glob> filter;
  if (!request.pattern.empty()) {
    // A malformed pattern is an internal error at the reference, too.
    if (request.pattern.size() > kPatternBytesMax) co_return refuse(errors::kInternal);
    Result<Glob> glob = Glob::compile(request.pattern);
    if (!glob) co_return refuse(errors::kInternal);
    filter = std::make_shared<const Glob>(std::move(*glob));
  }
  ChannelsResult result{co_await audience_.channels(std::move(filter))};
  sort_if_short(result.channels, &std::pair<std::string, uint32_t>::first);
  co_return result;
}

runtime::Task<Answer<InfoResult>> Service::info(InfoRequest) {
  check_shard();
  const client::Totals totals = co_await audience_.totals();
  InfoResult result;
  result.nodes.push_back({.uid = node_.uid,
                          .name = node_.name,
                          .version = node_.version,
                          .clients = totals.clients,
                          .users = totals.users,
                          .channels = totals.channels,
                          .subscriptions = totals.subscriptions,
                          .uptime = (shard_.now() - node_.started) / os::kSecond,
                          .metrics = node_.metrics ? node_.metrics() : nullptr});
  co_return result;
}

runtime::Task<Answer<EmptyResult>> Service::rpc(RpcRequest request) {
  if (request.method.empty()) co_return refuse(errors::kBadRequest);
  co_return refuse(errors::kNotFound);
}

runtime::Task<Answer<EmptyResult>> Service::refuse_type(std::string channel, bool is_complete) {
  check_shard();
  if (!is_complete) co_return refuse(errors::kBadRequest);
  GYRE_CO_TRY([[maybe_unused]] auto options, options_of(channel));
  co_return refuse(errors::kBadRequest);
}

runtime::Task<Answer<EmptyResult>> Service::map_publish(MapPublishRequest request) {
  const bool is_complete = !request.key.empty() && take_payload({}, request.b64data);
  return refuse_type(std::move(request.channel), is_complete);
}

runtime::Task<Answer<EmptyResult>> Service::map_remove(MapRemoveRequest request) {
  return refuse_type(std::move(request.channel), !request.key.empty());
}

runtime::Task<Answer<EmptyResult>> Service::map_read_state(MapReadStateRequest request) {
  return refuse_type(std::move(request.channel), true);
}

runtime::Task<Answer<EmptyResult>> Service::map_read_stream(MapReadStreamRequest request) {
  return refuse_type(std::move(request.channel), true);
}

runtime::Task<Answer<EmptyResult>> Service::map_stats(MapStatsRequest request) {
  return refuse_type(std::move(request.channel), true);
}

runtime::Task<Answer<EmptyResult>> Service::map_clear(MapClearRequest request) {
  return refuse_type(std::move(request.channel), true);
}

runtime::Task<Answer<EmptyResult>> Service::shared_poll_publish(SharedPollPublishRequest request) {
  const bool is_complete = !request.key.empty() && request.version > 0;
  return refuse_type(std::move(request.channel), is_complete);
}

}  // namespace gyre::api
