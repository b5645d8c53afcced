#include "hub/home.h"

#include <algorithm>
#include <cstdlib>

#include "base/fault_points.h"
#include "base/hash.h"
#include "hub/wildcards.h"
#include "runtime/call.h"

namespace gyre::hub {

// Resumes a join when the channel has reached the top of what was read, when it has begun a new
// stream instead, or when the grace period is over.
class Home::CatchUp final : runtime::Timer {
 public:
  CatchUp(Home& home, const protocol::StreamPosition& top) : home_(home), top_(top) {}
  bool await_ready() const {
    return home_.position_->offset >= top_.offset || home_.position_->epoch != top_.epoch;
  }
  void await_suspend(std::coroutine_handle<> coroutine) {
    coroutine_ = coroutine;
    home_.reading_->catching_up.push_back(this);
    runtime::Shard& shard = home_.homes_.shard_;
    shard.timers().arm(*this, shard.now() + Homes::kCatchUpGrace);
  }
  // Whether it was in time.
  bool await_resume() const { return await_ready(); }

  void check() {
    if (await_ready()) finish();
  }

 private:
  void on_timer() override { finish(); }
  void finish() {
    cancel();
    std::erase(home_.reading_->catching_up, this);
    // Not from within the delivery that got us there.
    home_.homes_.shard_.resume_later(coroutine_);
  }
  Home& home_;
  const protocol::StreamPosition& top_;  // in the join's frame
  std::coroutine_handle<> coroutine_;
};

struct Home::Operation {
  explicit Operation(Home& owner) : home(owner) { ++home.operations_; }
  Operation(const Operation&) = delete;
  ~Operation() {
    --home.operations_;
    home.linger_if_unused();
  }
  Home& home;
};

Home::Home(Homes& homes, std::string_view channel)
    : homes_(homes), name_(SharedName::make(channel)) {}
Home::~Home() = default;

runtime::Task<Result<void>> Home::ensure_subscribed() {
  if (!is_subscribed_) {
    homes_.count(metrics::Action::broker_subscribe);
    may_be_subscribed_ = true;
    GYRE_CO_TRY_VOID(co_await homes_.broker_.subscribe(std::string(name_->text())));
    is_subscribed_ = true;
  }
  co_return Result<void>();
}

runtime::Task<Result<Joined>> Home::join(runtime::ShardId shard, JoinWish wish) {
  Operation operation(*this);
  GYRE_CO_TRY_VOID(co_await ensure_subscribed());
  Joined joined;
  if (wish.positioned) {
    Result<Joined> positioned = co_await join_positioned(std::move(wish));
    if (!positioned) co_return std::unexpected(std::move(positioned).error());
    joined = std::move(*positioned);
  }
  listen(shard);
  co_return joined;
}

runtime::Task<Result<Joined>> Home::join_positioned(JoinWish wish) {
  engine::HistoryQuery query{.limit = wish.since ? wish.recovery_limit : 0,
                             .since = std::nullopt,
                             .reverse = false,
                             .meta_ttl = wish.meta_ttl};
  if (wish.since && wish.is_cache) {
    // With a filter the newest publication may not be the one that is wanted.
    query.limit = wish.filter ? wish.recovery_limit : 1;
    query.reverse = true;
  }
  meta_ttl_ = wish.meta_ttl;
  // The epoch is compared here: a wrong one is an answer, not an error.
  if (wish.since && !wish.is_cache) {
    query.since = protocol::StreamPosition{wish.since->offset, ""};
  }
  keeps_last_ |= wish.wants_delta;
  if (!reading_) reading_ = std::make_unique<Reading>();
  ++reading_->readers;
  homes_.count(wish.since ? metrics::Action::history_recover : metrics::Action::history_stream_top);
  Result<engine::HistoryPage> page =
      co_await homes_.broker_.history(std::string(name_->text()), query);
  if (page && !position_) adopt(page->top);
  bool caught_up = true;
  bool has_moved_on = false;
  if (page) {
    if (position_->epoch != page->top.epoch) {
      caught_up = false;  // the store has begun anew, or has lost what we had seen
    } else {
      caught_up = GYRE_PLANTED(join_ahead_of_deliveries) || co_await CatchUp(*this, page->top);
      // What was read belongs to a stream that is over.
      has_moved_on = position_->epoch != page->top.epoch;
    }
  }
  std::vector<protocol::PublicationRef> arrivals;
  if (page) arrivals = arrivals_of(page->top.epoch);
  if (--reading_->readers == 0) reading_.reset();
  if (!page) co_return std::unexpected(std::move(page).error());
  if (!caught_up) lose_to(page->top);
  Joined joined{.position = *position_, .recovery = {}};
  if (GYRE_PLANTED(join_ahead_of_deliveries)) joined.position = page->top;
  if (wish.since && !has_moved_on) joined.recovery = recover_from(wish, *page, arrivals);
  co_return joined;
}

Recovery Home::recover_from(const JoinWish& wish, const engine::HistoryPage& page,
                            const std::vector<protocol::PublicationRef>& arrivals) const {
  if (wish.is_cache) {
    return recover_cache(*wish.since, *position_, page.publications, arrivals, wish.filter.get());
  }
  Recovery recovery = recover(*wish.since, *position_, page.publications, arrivals);
  if (wish.filter) apply_filter(*wish.filter, recovery.publications);
  return recovery;
}

std::vector<protocol::PublicationRef> Home::arrivals_of(const std::string& epoch) const {
  std::vector<protocol::PublicationRef> result;
  for (const Arrival& arrival : reading_->arrivals) {
    if (arrival.epoch == epoch) result.push_back(arrival.publication);
  }
  return result;
}

// The channel's first position. What arrived while it was being asked for had none to be held
// against.
void Home::adopt(const protocol::StreamPosition& top) {
  position_ = top;
  // As in lose_to.
  if (!GYRE_PLANTED(delta_from_any_base)) last_.reset();
  for (const protocol::PublicationRef& publication : arrivals_of(top.epoch)) {
    if (publication->offset == position_->offset + 1) ++position_->offset;
  }
}

void Home::listen(runtime::ShardId shard) {
  cancel();
  if (listeners_.empty()) homes_.count_listened(1);
  listeners_.insert(shard);
}

void Home::leave(runtime::ShardId shard) {
  const bool had_listeners = !listeners_.empty();
  listeners_.erase(shard);
  if (had_listeners && listeners_.empty()) homes_.count_listened(-1);
  linger_if_unused();
}

void Home::linger_if_unused() {
  if (operations_ == 0 && listeners_.empty() && !is_retiring_) {
    const os::Nanos linger = GYRE_FAULT(no_linger) ? 0 : kLinger;
    homes_.shard_.timers().arm(*this, homes_.shard_.now() + linger);
  }
}

void Home::on_timer() {
  if (operations_ > 0 || !listeners_.empty()) return;
  homes_.shard_.tasks().spawn(retire());
}

runtime::Task<void> Home::retire() {
  is_retiring_ = true;
  // Forgotten before the wait: a join that comes meanwhile subscribes anew and brings its own
  // position.
  position_.reset();
  last_.reset();
  keeps_last_ = false;
  is_subscribed_ = GYRE_PLANTED(retired_home_stays_subscribed) && is_subscribed_;
  // An answer that says no, or did not come, does not say that the broker does not deliver.
  if (std::exchange(may_be_subscribed_, false)) {
    // A failure leaves deliveries for a channel that nobody has; they are dropped.
    homes_.count(metrics::Action::broker_unsubscribe);
    static_cast<void>(co_await homes_.broker_.unsubscribe(std::string(name_->text())));
  }
  is_retiring_ = false;
  if (operations_ > 0 || !listeners_.empty()) co_return;
  if (may_be_subscribed_) {
    linger_if_unused();  // somebody has come and gone meanwhile
  } else {
    homes_.erase(*this);
  }
}

void Home::arrived(const protocol::PublicationRef& publication, std::string_view epoch) {
  const Verdict verdict = judge(*publication, epoch);
  if (reading_ && reading_->arrivals.size() < kArrivalsMax && !GYRE_FAULT(short_record)) {
    reading_->arrivals.push_back({publication, std::string(epoch)});
  }
  const protocol::PublicationRef base = take_base(publication, verdict);
  listeners_.for_each([&](runtime::ShardId shard) {
    LocalHub* hub = homes_.hubs_[shard.value];
    runtime::send_errand(homes_.shard_.set()[shard],
                         [hub, name = name_, publication, verdict, base] {
                           hub->deliver(name->text(), publication, verdict, base);
                         });
  });
  if (reading_ && !reading_->catching_up.empty()) {
    const std::vector<CatchUp*> waiting = reading_->catching_up;
    for (CatchUp* join : waiting) join->check();
  }
}

protocol::PublicationRef Home::take_base(const protocol::PublicationRef& publication,
                                         Verdict verdict) {
  if (!keeps_last_ || verdict == Verdict::stale) return nullptr;
  if (publication->offset == 0) {
    // Not one of the stream, but what its subscribers would make the next one of: that comes whole.
    if (!GYRE_PLANTED(delta_over_aside)) last_.reset();
    return nullptr;
  }
  protocol::PublicationRef before = std::exchange(last_, publication);
  const bool is_next =
      before && (before->offset + 1 == publication->offset || GYRE_PLANTED(delta_from_any_base));
  return is_next && publication->wants_delta ? before : nullptr;
}

void Home::announced(const protocol::AnnouncementRef& announcement) {
  listeners_.for_each([&](runtime::ShardId shard) {
    LocalHub* hub = homes_.hubs_[shard.value];
    runtime::send_errand(homes_.shard_.set()[shard], [hub, name = name_, announcement] {
      hub->announce(name->text(), announcement);
    });
  });
}

// Continuity is judged once for the channel, not for each subscriber (spec subscriptions.md, 5.4).
Verdict Home::judge(const protocol::Publication& publication, std::string_view epoch) {
  if (!position_ || publication.offset == 0) return Verdict::next;
  if (position_->epoch != epoch) {
    if (!position_->epoch.empty() && !GYRE_PLANTED(epoch_change_is_not_seen)) lose();
    last_.reset();
    position_ = {publication.offset, std::string(epoch)};
    return Verdict::next;
  }
  if (publication.offset <= position_->offset) {
    return GYRE_PLANTED(stale_is_delivered) ? Verdict::next : Verdict::stale;
  }
  const bool has_gap = publication.offset > position_->offset + 1 && !GYRE_PLANTED(gap_is_not_seen);
  if (has_gap || homes_.is_late(publication)) lose();
  position_->offset = publication.offset;
  return Verdict::next;
}

void Home::lose_to(const protocol::StreamPosition& top) {
  lose();
  // What stands before the new position is not known here, and may be of another stream.
  if (!GYRE_PLANTED(delta_from_any_base)) last_.reset();
  position_ = top;
}

void Home::lose() {
  listeners_.for_each([&](runtime::ShardId shard) {
    LocalHub* hub = homes_.hubs_[shard.value];
    runtime::send_errand(homes_.shard_.set()[shard],
                         [hub, name = name_] { hub->lose(name->text()); });
  });
}

Homes::Homes(runtime::Shard& shard, engine::Broker& broker, const std::vector<LocalHub*>& hubs,
             metrics::ShardMetrics* metrics, os::Nanos max_lag)
    : shard_(shard),
      broker_(broker),
      hubs_(hubs),
      metrics_(metrics),
      max_lag_(max_lag),
      index_(Access{&homes_, &seed_}) {
  shard_.kernel().random(&seed_, sizeof(seed_));
  broker_.attach(*this);
}
Homes::~Homes() = default;

uint64_t Homes::Access::hash(uint32_t slot) const {
  return hash_text((*homes)[slot].name()->text(), *seed);
}

Home* Homes::find(std::string_view channel) {
  const uint32_t slot = index_.find(channel, hash_text(channel, seed_));
  return slot == Slab<Home>::kNone ? nullptr : &homes_[slot];
}

void Homes::erase(Home& home) {
  const std::string_view channel = home.name()->text();
  const uint64_t hash = hash_text(channel, seed_);
  const uint32_t slot = index_.find(channel, hash);
  index_.erase(slot, hash);
  homes_.erase(slot);
}

bool Homes::is_late(const protocol::Publication& publication) const {
  return max_lag_ > 0 && publication.time_ms > 0 &&
         (shard_.unix_milliseconds() - publication.time_ms) * os::kMillisecond > max_lag_;
}

void Homes::count_listened(int change) {
  listened_ += static_cast<size_t>(change);
  if (!metrics_) return;
  metrics_->num_channels.set(static_cast<int64_t>(listened_));
}

runtime::Task<Result<Joined>> Homes::join(std::string channel, runtime::ShardId shard,
                                          JoinWish wish) {
  check_shard();
  Home* found = find(channel);
  if (!found) {
    const uint32_t slot = homes_.emplace(*this, channel);
    index_.insert(slot, hash_text(channel, seed_));
    found = &homes_[slot];
  }
  Home& home = *found;
  co_return co_await home.join(shard, std::move(wish));
}

void Homes::leave(std::string_view channel, runtime::ShardId shard) {
  check_shard();
  if (Home* home = find(channel)) home->leave(shard);
}

std::vector<Homes::Stand> Homes::positioned() {
  check_shard();
  std::vector<Stand> result;
  homes_.for_each([&](uint32_t, Home& home) {
    if (const protocol::StreamPosition* position = home.position()) {
      result.push_back({home.name(), home.meta_ttl(), *position});
    }
  });
  return result;
}

bool Homes::is_behind(const Stand& stand, const protocol::StreamPosition& top) {
  Home* found = find(stand.channel->text());
  if (!found) return false;
  Home& home = *found;
  const protocol::StreamPosition* position = home.position();
  // A channel that has begun anew since the question was asked is not what the answer is about.
  if (!position || position->epoch != stand.position.epoch) return false;
  if (top.epoch != position->epoch || top.offset < stand.position.offset) {
    home.lose_to(top);
    return false;
  }
  return top.offset > position->offset && !GYRE_PLANTED(last_loss_is_not_seen);
}

void Homes::insist(const SharedName& channel, const protocol::StreamPosition& top) {
  Home* home = find(channel.text());
  if (!home) return;
  const protocol::StreamPosition* position = home->position();
  if (position && position->epoch == top.epoch && position->offset < top.offset) {
    home->lose_to(top);
  }
}

void Homes::on_publication(std::string_view channel, const protocol::PublicationRef& publication,
                           std::string_view epoch) {
  check_shard();
  if (metrics_) {
    metrics_->messages_received[metrics::BrokerMessage::publication].add();
    if (publication->time_ms > 0) {
      metrics_->pub_sub_lag.observe(std::abs(shard_.unix_milliseconds() - publication->time_ms) *
                                    os::kMillisecond);
    }
  }
  if (Home* home = find(channel)) home->arrived(publication, epoch);
  if (wildcards_ && !wildcards_->empty()) [[unlikely]]
    wildcards_->arrived(channel, publication);
}

void Homes::on_announcement(std::string_view channel,
                            const protocol::AnnouncementRef& announcement) {
  check_shard();
  if (metrics_) {
    metrics_
        ->messages_received[announcement->is_join ? metrics::BrokerMessage::join
                                                  : metrics::BrokerMessage::leave]
        .add();
  }
  if (Home* home = find(channel)) home->announced(announcement);
}

}  // namespace gyre::hub
