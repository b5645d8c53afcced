#pragma once

#include <string_view>

#include "client/session.h"

namespace gyre::client {

// A subscription on its way to being live: reserved in the session, so that a second subscribe
// finds it, and counted as a join in the hub. Undone at the end of its life unless it went live.
// Lives in the coroutine that subscribes, which keeps the session alive.
class Session::Joining {
 public:
  Joining(Session& session, const SubscribePlan& plan);
  Joining(const Joining&) = delete;
  ~Joining();

  hub::ChannelSlot channel() const { return channel_; }
  // What the subscription is going to be is known only now.
  void set_flags(uint16_t flags);
  // The home has the client in the channel's presence now.
  void mark_present() { is_present_ = true; }

  // The next delivery is the subscriber's. To be called in the turn of the home's answer, with the
  // reply written; the session must be open. Afterwards it may not be.
  void go_live(const SubscribePlan& plan, const hub::Joined& joined);

 private:
  Session& session_;
  hub::ChannelSlot channel_;
  bool is_present_ = false;
  bool is_live_ = false;
};

// What a subscribe asks for that it does not get in any case.
struct Session::Wishes {
  channel::StreamWish stream;
  bool is_recovering = false;
  bool follows_members = false;
};

// What a subscription is going to be, when everything has been checked.
struct Session::SubscribePlan {
  std::string channel;
  uint16_t flags = 0;  // Subscription::Flag
  Source source = Source::unknown;
  channel::Rights rights;                  // that its token or backend gives
  std::optional<std::string> wildcard_of;  // a wildcard's namespace; nothing: it is a channel
  bool is_recoverable = false;
  bool was_recovering = false;
  bool rejects_unrecovered = false;               // SubscribeRequest::flag, bit 1
  std::optional<protocol::StreamPosition> since;  // to recover from
  std::optional<int64_t> end;                     // Unix seconds
  std::optional<auth::Claims> token;              // that allows it, if it is kept
  std::string info;
  std::string data;
  std::chrono::seconds history_meta_ttl{0};
  bool recovers_cache = false;       // only the newest publication
  bool has_delta = false;            // negotiated
  bool announces = false;            // the channel is told of join and leave
  bool wants_announcements = false;  // of others, and its own
  std::shared_ptr<const protocol::TagsFilter> filter = nullptr;
  std::shared_ptr<const channel::DeliveryRule> delivery = nullptr;  // of the namespace
  proxy::Backend* backend = nullptr;  // that decides; null: it has been decided
  bool is_streamed = false;           // and sends the publications
  bool is_bidirectional = false;      // and gets the client's

  void set_flag(Subscription::Flag flag, bool is_set) {
    flags = static_cast<uint16_t>(is_set ? flags | flag : flags & ~flag);
  }
  void set_stream(channel::StreamWish granted) {
    set_flag(Subscription::kPositioned, granted.positioned);
    is_recoverable = granted.recoverable;
  }
  // What a wildcard's subscription is, whatever it has been granted: channels that nobody lists
  // have no common stream, presence or base of deltas.
  void keep_to_live() {
    set_stream({.positioned = false, .recoverable = false});
    set_flag(Subscription::kPresent, false);
    announces = wants_announcements = has_delta = false;
    delivery = nullptr;  // the newest of all channels is not the newest of each
  }
  bool is_wildcard() const { return wildcard_of.has_value(); }
  bool is_positioned() const { return flags & Subscription::kPositioned; }
  bool is_present() const { return flags & Subscription::kPresent; }
  bool is_by_push_id() const { return flags & Subscription::kByPushId; }
};

// A server-side subscription of the connect in work.
struct Session::ServerSide {
  SubscribePlan plan;
  Answer<hub::Joined> joined = {};
};

}  // namespace gyre::client
