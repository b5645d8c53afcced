#pragma once

#include <coroutine>
#include <cstdint>
#include <map>
#include <utility>

#include "hub/local_hub.h"
#include "proxy/subscribe_stream.h"
#include "runtime/shard.h"

namespace gyre::client {

class Session;

// The subscription streams that are open on a shard, by session and channel. Owned by the shard's
// assembly, and only there if the configuration has a proxy of that kind: sessions have no field
// for what few of them have.
class Streams {
 public:
  // One of them, in the frame of the coroutine that follows it.
  struct Followed {
    proxy::StreamRef stream;
    bool is_wanted = true;            // the subscription is there
    std::coroutine_handle<> resting;  // until its client has read
  };

  explicit Streams(runtime::Shard& shard) : shard_(shard) {}
  Streams(const Streams&) = delete;

  // One whose first message has not come: it is cancelled when its session ends. In the frame of
  // the coroutine that waits.
  class Opening {
   public:
    Opening(Streams& streams, const Session& session, proxy::SubscribeStream& stream);
    ~Opening();
    Opening(const Opening&) = delete;

   private:
    Streams& streams_;
    std::multimap<const Session*, proxy::SubscribeStream*>::iterator place_;
  };

  void add(const Session& session, hub::ChannelSlot channel, Followed& followed);
  // Null if there is none.
  Followed* find(const Session& session, hub::ChannelSlot channel) const;
  // The subscription has ended: what the backend still sends is nobody's.
  void stop(const Session& session, hub::ChannelSlot channel);
  void stop_all(const Session& session);
  // The session's client has read what was waiting for it.
  void wake(const Session& session);

 private:
  using Key = std::pair<const Session*, uint32_t>;
  using Map = std::map<Key, Followed*>;
  Map::iterator stop(Map::iterator place);
  void wake(Followed& followed);

  runtime::Shard& shard_;
  Map followed_;
  std::multimap<const Session*, proxy::SubscribeStream*> opening_;
};

}  // namespace gyre::client
