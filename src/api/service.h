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
  };
  Service(Parts parts, std::shared_ptr<const channel::Namespaces> namespaces)
      : shard_(parts.shard),
        directory_(parts.directory),
        audience_(parts.audience),
        node_(std::move(parts.node)),
        memory_(parts.memory),
        namespaces_(std::move(namespaces)) {}

  // The namespaces of a new configuration, for commands that begin from now on.
  void use(std::shared_ptr<const channel::Namespaces> namespaces) {
    namespaces_ = std::move(namespaces);
  }

  // Any command, with metrics.
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

 private:
  struct Content;

  // `sharers`: how many commands of one request are under way at once and share what a broadcast
  // may take.
  runtime::Task<Answer<AnyResult>> execute_sharing(AnyRequest request, Watch watch, size_t sharers);
  runtime::Task<void> batch_command(Command* command, Watch watch, size_t sharers, size_t* entries,
                                    Reply* reply);

  // publishing.cc
  template <class Request>
  static Answer<Content> take_content(Request& request);
  static engine::PublishRequest to_engine(std::string channel, Content content,
                                          const channel::ChannelOptions& options);
  runtime::Task<Answer<BroadcastResult>> broadcast_sharing(BroadcastRequest request,
                                                           size_t sharers);
  runtime::Task<void> broadcast_to(std::string* channel, Content* content, bool is_last,
                                   Answer<PublishResult>* response);
  runtime::Task<Answer<PublishResult>> hand_over(engine::PublishRequest request);

  // What every command with a required channel checks first. Good until the next wait.
  Answer<const channel::ChannelOptions*> options_of(std::string_view channel) const;
  // What remains to be told of a command for channels of another type than stream.
  runtime::Task<Answer<EmptyResult>> refuse_type(std::string channel, bool is_complete);

  runtime::Shard& shard_;
  hub::Directory& directory_;
  client::Audience& audience_;
  const NodeFacts node_;
  runtime::MemoryPressure& memory_;
  std::shared_ptr<const channel::Namespaces> namespaces_;
};

}  // namespace gyre::api
