#include "hub/home.h"

#include <algorithm>
#include <cstdlib>

#include "runtime/call.h"

namespace gyre::hub {

// Resumes a join when the channel has reached an offset, or when the grace period is over.
class Home::CatchUp final : runtime::Timer {
 public:
  CatchUp(Home& home, uint64_t offset) : home_(home), offset_(offset) {}
  bool await_ready() const { return home_.position_->offset >= offset_; }
  void await_suspend(std::coroutine_handle<> coroutine) {
    coroutine_ = coroutine;
    home_.catching_up_.push_back(this);
    runtime::Shard& shard = home_.homes_.shard_;
    shard.timers().arm(*this, shard.now() + Homes::kCatchUpGrace);
  }
  // Whether the offset was reached in time.
  bool await_resume() const { return home_.position_->offset >= offset_; }

  void check() {
    if (await_ready()) finish();
  }

 private:
  void on_timer() override { finish(); }
  void finish() {
    cancel();
    std::erase(home_.catching_up_, this);
    // Not from within the delivery that got us there.
    home_.homes_.shard_.resume_later(coroutine_);
  }
  Home& home_;
  uint64_t offset_;
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
    : homes_(homes), name_(make_ref<const SharedName>(channel)) {}
Home::~Home() = default;

runtime::Task<Result<void>> Home::ensure_subscribed() {
  if (!is_subscribed_) {
    homes_.count(metrics::Action::broker_subscribe);
    GYRE_CO_TRY_VOID(co_await homes_.broker_.subscribe(name_->text));
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
  // One more than the limit is asked for, so that a cut can be told from an end.
  engine::HistoryQuery query{.limit = wish.since ? wish.recovery_limit : 0,
                             .since = std::nullopt,
                             .reverse = false,
                             .meta_ttl = wish.meta_ttl};
  meta_ttl_ = wish.meta_ttl;
  // The epoch is compared here: a wrong one is an answer, not an error.
  if (wish.since) query.since = protocol::StreamPosition{wish.since->offset, ""};
  ++readers_;
  homes_.count(wish.since ? metrics::Action::history_recover : metrics::Action::history_stream_top);
  Result<engine::HistoryPage> page = co_await homes_.broker_.history(name_->text, query);
  if (page && !position_) adopt(page->top);
  bool caught_up = true;
  if (page) {
    if (position_->epoch != page->top.epoch) {
      caught_up = false;  // the store has begun anew, or has lost what we had seen
    } else {
      caught_up = co_await CatchUp(*this, page->top.offset);
    }
  }
  --readers_;
  std::vector<protocol::PublicationRef> arrivals;
  if (page) arrivals = arrivals_of(page->top.epoch);
  if (readers_ == 0) arrivals_.clear();
  if (!page) co_return std::unexpected(std::move(page).error());
  if (!caught_up) lose_to(page->top);
  Joined joined{.position = *position_, .recovery = {}};
  if (wish.since) joined.recovery = recover(*wish.since, *position_, page->publications, arrivals);
  co_return joined;
}

std::vector<protocol::PublicationRef> Home::arrivals_of(const std::string& epoch) const {
  std::vector<protocol::PublicationRef> result;
  for (const Arrival& arrival : arrivals_) {
    if (arrival.epoch == epoch) result.push_back(arrival.publication);
  }
  return result;
}

// The channel's first position. What arrived while it was being asked for had none to be held
// against.
void Home::adopt(const protocol::StreamPosition& top) {
  position_ = top;
  for (const protocol::PublicationRef& publication : arrivals_of(top.epoch)) {
    if (publication->offset == position_->offset + 1) ++position_->offset;
  }
}

void Home::listen(runtime::ShardId shard) {
  cancel();
  if (std::ranges::find(listeners_, shard) != listeners_.end()) return;
  if (listeners_.empty()) homes_.count_listened(1);
  listeners_.push_back(shard);
}

void Home::leave(runtime::ShardId shard) {
  if (std::erase(listeners_, shard) > 0 && listeners_.empty()) homes_.count_listened(-1);
  linger_if_unused();
}

void Home::linger_if_unused() {
  if (operations_ == 0 && listeners_.empty() && !is_retiring_) {
    homes_.shard_.timers().arm(*this, homes_.shard_.now() + kLinger);
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
  if (std::exchange(is_subscribed_, false)) {
    // A failure leaves deliveries for a channel that nobody has; they are dropped.
    homes_.count(metrics::Action::broker_unsubscribe);
    static_cast<void>(co_await homes_.broker_.unsubscribe(name_->text));
  }
  is_retiring_ = false;
  if (operations_ == 0 && listeners_.empty()) {
    const SharedNameRef name = name_;  // the key outlives the home that it lies in
    homes_.homes_.erase(name->text);
  }
}

void Home::arrived(const protocol::PublicationRef& publication, std::string_view epoch) {
  const Verdict verdict = judge(*publication, epoch);
  if (readers_ > 0 && arrivals_.size() < kArrivalsMax) {
    arrivals_.push_back({publication, std::string(epoch)});
  }
  for (runtime::ShardId shard : listeners_) {
    LocalHub* hub = homes_.hubs_[shard.value];
    runtime::send_errand(homes_.shard_.set()[shard], [hub, name = name_, publication, verdict] {
      hub->deliver(name->text, publication, verdict);
    });
  }
  if (!catching_up_.empty()) {
    const std::vector<CatchUp*> waiting = catching_up_;
    for (CatchUp* join : waiting) join->check();
  }
}

// Continuity is judged once for the channel, not for each subscriber (spec subscriptions.md, 5.4).
Verdict Home::judge(const protocol::Publication& publication, std::string_view epoch) {
  if (!position_ || publication.offset == 0) return Verdict::next;
  if (position_->epoch != epoch) {
    if (!position_->epoch.empty()) lose();
    position_ = {publication.offset, std::string(epoch)};
    return Verdict::next;
  }
  if (publication.offset <= position_->offset) return Verdict::stale;
  if (publication.offset > position_->offset + 1 || homes_.is_late(publication)) lose();
  position_->offset = publication.offset;
  return Verdict::next;
}

void Home::lose_to(const protocol::StreamPosition& top) {
  lose();
  position_ = top;
}

void Home::lose() {
  for (runtime::ShardId shard : listeners_) {
    LocalHub* hub = homes_.hubs_[shard.value];
    runtime::send_errand(homes_.shard_.set()[shard],
                         [hub, name = name_] { hub->lose(name->text); });
  }
}

Homes::Homes(runtime::Shard& shard, engine::Broker& broker, const std::vector<LocalHub*>& hubs,
             metrics::ShardMetrics* metrics, os::Nanos max_lag)
    : shard_(shard), broker_(broker), hubs_(hubs), metrics_(metrics), max_lag_(max_lag) {
  broker_.attach(*this);
}
Homes::~Homes() = default;

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
  auto found = homes_.find(channel);
  if (found == homes_.end()) {
    auto home = std::make_unique<Home>(*this, channel);
    const std::string_view key = home->name()->text;
    found = homes_.emplace(key, std::move(home)).first;
  }
  Home& home = *found->second;
  co_return co_await home.join(shard, std::move(wish));
}

void Homes::leave(std::string_view channel, runtime::ShardId shard) {
  check_shard();
  if (const auto found = homes_.find(channel); found != homes_.end()) found->second->leave(shard);
}

std::vector<Homes::Stand> Homes::positioned() const {
  check_shard();
  std::vector<Stand> result;
  for (const auto& [name, home] : homes_) {
    if (const protocol::StreamPosition* position = home->position()) {
      result.push_back({home->name(), home->meta_ttl(), *position});
    }
  }
  return result;
}

bool Homes::is_behind(const Stand& stand, const protocol::StreamPosition& top) {
  const auto found = homes_.find(stand.channel->text);
  if (found == homes_.end()) return false;
  Home& home = *found->second;
  const protocol::StreamPosition* position = home.position();
  // A channel that has begun anew since the question was asked is not what the answer is about.
  if (!position || position->epoch != stand.position.epoch) return false;
  if (top.epoch != position->epoch || top.offset < stand.position.offset) {
    home.lose_to(top);
    return false;
  }
  return top.offset > position->offset;
}

void Homes::insist(const SharedName& channel, const protocol::StreamPosition& top) {
  const auto found = homes_.find(channel.text);
  if (found == homes_.end()) return;
  const protocol::StreamPosition* position = found->second->position();
  if (position && position->epoch == top.epoch && position->offset < top.offset) {
    found->second->lose_to(top);
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
  if (const auto found = homes_.find(channel); found != homes_.end()) {
    found->second->arrived(publication, epoch);
  }
}

}  // namespace gyre::hub
