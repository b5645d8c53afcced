#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "protocol/announcement.h"
#include "protocol/publication.h"
#include "runtime/task.h"

namespace gyre::engine {

struct HistoryOptions {
  int32_t size = 0;             // publications kept; 0: no history
  std::chrono::seconds ttl{0};  // of all of them, counted from the last publish
  std::chrono::seconds meta_ttl{
      0};  // of offset and epoch, counted from the last use; 0: the broker's own

  bool is_on() const { return size > 0 && ttl.count() > 0; }
};

// What is to be published. Owns everything, since the broker may take its time.
struct PublishRequest {
  std::string channel;
  // The broker fills in offset and epoch if there is a history, and the time if there is none yet.
  // One that has a time and goes to a channel without history is not changed: it may be shared.
  Ref<protocol::Publication> publication;
  HistoryOptions history;
  // A second publish with the same key in the channel returns the first one's result; empty: none.
  std::string idempotency_key;
};

enum class Suppressed : uint8_t { no, by_idempotency, by_version };

struct PublishResult {
  protocol::StreamPosition position;  // zero without history
  Suppressed suppressed = Suppressed::no;
};

struct HistoryQuery {
  int32_t limit = 0;                              // 0: the position only; negative: all
  std::optional<protocol::StreamPosition> since;  // exclusive; an empty epoch is not compared
  bool reverse = false;                           // newest first
  std::chrono::seconds meta_ttl{0};
};

struct HistoryPage {
  std::vector<protocol::PublicationRef> publications;
  protocol::StreamPosition top;
};

// Where a broker delivers. Implemented by whoever owns the channels' homes.
class BrokerEvents {
 public:
  virtual ~BrokerEvents() = default;
  // In the order of the channel's stream. `epoch` is empty and the publication's offset 0 without
  // history.
  virtual void on_publication(std::string_view channel, const protocol::PublicationRef& publication,
                              std::string_view epoch) = 0;
  // Somebody has joined the channel or left it. In no order with publications.
  virtual void on_announcement(std::string_view channel,
                               const protocol::AnnouncementRef& announcement) = 0;
};

// What a broker can do that not each of them can.
struct Traits {
  // Every publication of the node comes to `on_publication`, in channels that nobody has subscribed
  // to as well: what wildcards need.
  bool delivers_all = false;
};

// Carries publications between nodes and keeps the history of channels. One instance for each home
// shard, used on that shard only. Every operation may wait, and may fail with Errc::unavailable or
// timed_out; a history with a wrong epoch fails with Errc::unrecoverable.
class Broker {
 public:
  virtual ~Broker() = default;
  virtual Traits traits() const { return {}; }
  virtual void attach(BrokerEvents& events) = 0;
  // Publications of the channel are delivered from the moment that the task has ended. A channel's
  // subscribes and unsubscribes take effect in the order in which they were asked for.
  virtual runtime::Task<Result<void>> subscribe(std::string channel) = 0;
  virtual runtime::Task<Result<void>> unsubscribe(std::string channel) = 0;
  virtual runtime::Task<Result<PublishResult>> publish(PublishRequest request) = 0;
  // The same where it takes no wait; else nothing has happened, the request is as it was, and
  // `publish` is to be asked. Saves a publication that is through at once a coroutine in each
  // layer.
  virtual std::optional<Result<PublishResult>> publish_at_once(PublishRequest& request) {
    static_cast<void>(request);
    return std::nullopt;
  }
  // Tells the channel's subscribers on all nodes; kept nowhere.
  virtual runtime::Task<Result<void>> announce(std::string channel,
                                               protocol::AnnouncementRef announcement) = 0;
  // Makes the channel's stream if there is none, as its position must not change afterwards.
  virtual runtime::Task<Result<HistoryPage>> history(std::string channel, HistoryQuery query) = 0;
  struct TopQuery {
    std::string channel;
    std::chrono::seconds meta_ttl{0};
  };
  // The tops of many streams in the order asked, each as a history with limit 0 tells it; the first
  // failure is that of all. A broker with servers behind it asks them in batches.
  virtual runtime::Task<Result<std::vector<protocol::StreamPosition>>> tops(
      std::vector<TopQuery> queries);
  // Removes the publications; offset and epoch stay.
  virtual runtime::Task<Result<void>> remove_history(std::string channel) = 0;
};

}  // namespace gyre::engine
