#pragma once

#include <cstddef>
#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "api/api_error.h"
#include "api/observer.h"
#include "api/requests.h"
#include "api/results.h"
#include "channel/namespaces.h"
#include "client/audience.h"
#include "client/moderation.h"
#include "client/user_statuses.h"
#include "hub/directory.h"
#include "runtime/memory_pressure.h"
#include "runtime/shard.h"
#include "runtime/shard_bound.h"
#include "runtime/task.h"

namespace gyre::api {

// What `info` tells of this node.
struct NodeFacts {
  std::string uid;
  std::string name;
  std::string version;
  os::Nanos started = 0;  // monotonic
  // The last figures; empty: there are none.
  std::function<std::shared_ptr<const NodeMetrics>()> metrics = {};
};

// Every method of the server API (spec server-api.md 3 and 4), whoever asks by whatever protocol.
// Checks come in the order of the specification; the first that fails is the answer. One for each
// shard, owned by its assembly; must outlive the commands that it runs.
class Service : runtime::ShardBound {
 public:
  struct Parts {
    runtime::Shard& shard;
    hub::Directory& directory;
    client::Audience& audience;
    NodeFacts node;
    runtime::MemoryPressure& memory = runtime::MemoryPressure::unlimited();
    client::Moderation* moderation = nullptr;       // null: its methods do not exist
    client::UserStatuses* user_statuses = nullptr;  // likewise
    size_t connections_max = 0;  // that an answer tells of; 0: nobody is told of any
  };
  Service(Parts parts, std::shared_ptr<const channel::Namespaces> namespaces)
      : shard_(parts.shard),
        directory_(parts.directory),
        audience_(parts.audience),
        node_(std::move(parts.node)),
        memory_(parts.memory),
        moderation_(parts.moderation),
        user_statuses_(parts.user_statuses),
        connections_max_(parts.connections_max),
        namespaces_(std::move(namespaces)) {}

  // The namespaces of a new configuration, for commands that begin from now on.
  void use(std::shared_ptr<const channel::Namespaces> namespaces) {
    namespaces_ = std::move(namespaces);
  }

  // A command that has begun: its answer where that took no wait, else the task that ends with it.
  struct Execution {
    std::optional<Answer<AnyResult>> answer = {};
    std::optional<runtime::Task<Answer<AnyResult>>> rest = {};
  };
  // Any command, with metrics.
  Execution begin(AnyRequest& request, Watch watch) { return begin_sharing(request, watch, 1); }
  runtime::Task<Answer<AnyResult>> execute(AnyRequest request, Watch watch);
  runtime::Task<BatchResult> batch(BatchRequest request, Watch watch);

  runtime::Task<Answer<PublishResult>> publish(PublishRequest request);
  runtime::Task<Answer<BroadcastResult>> broadcast(BroadcastRequest request);
  runtime::Task<Answer<EmptyResult>> subscribe(SubscribeRequest request);
  runtime::Task<Answer<EmptyResult>> unsubscribe(UnsubscribeRequest request);
  runtime::Task<Answer<EmptyResult>> disconnect(DisconnectRequest request);
  runtime::Task<Answer<EmptyResult>> refresh(RefreshRequest request);
  runtime::Task<Answer<PresenceResult>> presence(PresenceRequest request);
  runtime::Task<Answer<PresenceStatsResult>> presence_stats(PresenceStatsRequest request);
  runtime::Task<Answer<HistoryResult>> history(HistoryRequest request);
  runtime::Task<Answer<EmptyResult>> history_remove(HistoryRemoveRequest request);
  runtime::Task<Answer<ChannelsResult>> channels(ChannelsRequest request);
  runtime::Task<Answer<InfoResult>> info(InfoRequest request);
  // No methods are registered, and all namespaces are of type stream: these only refuse.
  runtime::Task<Answer<EmptyResult>> rpc(RpcRequest request);
  runtime::Task<Answer<EmptyResult>> map_publish(MapPublishRequest request);
  runtime::Task<Answer<EmptyResult>> map_remove(MapRemoveRequest request);
  runtime::Task<Answer<EmptyResult>> map_read_state(MapReadStateRequest request);
  runtime::Task<Answer<EmptyResult>> map_read_stream(MapReadStreamRequest request);
  runtime::Task<Answer<EmptyResult>> map_stats(MapStatsRequest request);
  runtime::Task<Answer<EmptyResult>> map_clear(MapClearRequest request);
  runtime::Task<Answer<EmptyResult>> shared_poll_publish(SharedPollPublishRequest request);

  // connections.cc
  runtime::Task<Answer<ConnectionsResult>> connections(ConnectionsRequest request);

  // user_status.cc
  runtime::Task<Answer<EmptyResult>> update_user_status(UpdateUserStatusRequest request);
  runtime::Task<Answer<UserStatusesResult>> get_user_status(GetUserStatusRequest request);
  runtime::Task<Answer<EmptyResult>> delete_user_status(DeleteUserStatusRequest request);

  // moderation.cc
  runtime::Task<Answer<EmptyResult>> block_user(BlockUserRequest request);
  runtime::Task<Answer<EmptyResult>> unblock_user(UnblockUserRequest request);
  runtime::Task<Answer<EmptyResult>> revoke_token(RevokeTokenRequest request);
  runtime::Task<Answer<EmptyResult>> invalidate_user_tokens(InvalidateUserTokensRequest request);

 private:
  struct Content;

  // `sharers`: how many commands of one request are under way at once and share what a broadcast
  // may take.
  Execution begin_sharing(AnyRequest& request, Watch watch, size_t sharers);
  runtime::Task<Answer<AnyResult>> execute_sharing(AnyRequest request, Watch watch, size_t sharers);
  // A piece of a batch; none when it is done.
  std::optional<runtime::Task<void>> begin_in_batch(Command& command, Watch watch, size_t sharers,
                                                    size_t* entries, Reply& reply);
  static runtime::Task<void> finish_in_batch(runtime::Task<Answer<AnyResult>> rest, size_t* entries,
                                             Reply* reply);

  // publishing.cc
  template <class Request>
  static Answer<Content> take_content(Request& request);
  static engine::PublishRequest to_engine(std::string channel, Content&& content,
                                          const channel::ChannelOptions& options);
  // The same of a broadcast, for one of its channels.
  engine::PublishRequest to_engine_sharing(std::string channel, Content& content, bool is_last,
                                           const channel::ChannelOptions& options) const;
  static Ref<protocol::Publication> to_publication(Content&& content, bool wants_delta);
  // All checks of a publish command, after which it goes to the channel's home.
  Answer<engine::PublishRequest> prepare(PublishRequest& request) const;
  Execution begin_publish(PublishRequest& request, Watch watch);
  runtime::Task<Answer<AnyResult>> finish_publish(engine::PublishRequest request, Watch watch,
                                                  os::Nanos began);
  runtime::Task<Answer<BroadcastResult>> broadcast_sharing(BroadcastRequest request,
                                                           size_t sharers);
  std::optional<runtime::Task<void>> broadcast_to(std::string& channel, Content& content,
                                                  bool is_last, Answer<PublishResult>& response);
  runtime::Task<void> finish_broadcast_to(engine::PublishRequest request,
                                          Answer<PublishResult>* response);
  // Tells the observer of a command that has ended.
  void report(const Watch& watch, Method method, os::Nanos began,
              const Answer<AnyResult>& answer) const;
  os::Nanos began_at(const Watch& watch) const {
    return watch.observer ? shard_.kernel().monotonic() : 0;
  }
  runtime::Task<Answer<PublishResult>> hand_over(engine::PublishRequest request);

  runtime::Task<Answer<PresenceResult>> presence_page(PresenceRequest request);

  // What every command with a required channel checks first; a wildcard is none. Good until the
  // next wait.
  Answer<const channel::ChannelOptions*> options_of(std::string_view channel) const;
  // What those check that are about subscriptions, to channels or wildcards.
  Answer<void> check_name(std::string_view name) const;
  // What remains to be told of a command for channels of another type than stream.
  runtime::Task<Answer<EmptyResult>> refuse_type(std::string channel, bool is_complete);

  runtime::Shard& shard_;
  hub::Directory& directory_;
  client::Audience& audience_;
  const NodeFacts node_;
  runtime::MemoryPressure& memory_;
  client::Moderation* const moderation_;
  client::UserStatuses* const user_statuses_;
  const size_t connections_max_;
  std::shared_ptr<const channel::Namespaces> namespaces_;
};

}  // namespace gyre::api
