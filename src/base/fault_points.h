#pragma once

#include <cstdint>
#include <string_view>

// Bugs that are put in on purpose, and rare paths that are made common: both for the simulation
// (tests/simulation), neither for servers.
//
// They are a compile-time switch, GYRE_FAULT_POINTS, which only the preset `simulation` sets. Where
// it is not set, both macros are the constant `false`, and the optimiser leaves nothing of what
// they guard. Where it is set, one program has all of the bugs and a variable selects at most one,
// so that one build proves the checker against each of them; a build per bug would prove the same.

// clang-format off
#define GYRE_PLANTED_BUGS(bug)                                                                     \
  bug(join_ahead_of_deliveries, "a subscribe is answered at the store's top, not at what was delivered") \
  bug(recover_any_epoch, "recovery does not compare epochs")                                       \
  bug(recover_over_gap, "recovery does not see that history has lost what comes first")            \
  bug(recover_short_of_top, "recovery does not see that the newest are missing")                   \
  bug(stale_is_delivered, "a repeated publication goes to positioned subscribers")                 \
  bug(gap_is_not_seen, "a gap in the offsets is no loss")                                          \
  bug(epoch_change_is_not_seen, "a stream that begins anew is no loss")                            \
  bug(loss_forgets_first, "a loss is not told to the first subscriber of the channel")             \
  bug(loss_is_not_told, "a lost subscription ends without a word")                                 \
  bug(retired_home_stays_subscribed, "a join during the broker's unsubscribe does not subscribe again") \
  bug(last_loss_is_not_seen, "the position check does not notice that deliveries are behind")      \
  bug(moved_receiver_is_not_told, "a subscription does not learn its new place in the channel")    \
  bug(delta_from_any_base, "a delta is made although the publication before it was missed")        \
  bug(delta_ready_at_once, "a new subscriber's first publication may be a delta")                  \
  bug(judgement_outlives_delivery, "a filter's judgement is used for the next publication, too")   \
  bug(leave_is_not_told, "a client that is cut off leaves without an announcement")                \
  bug(left_client_stays_present, "a closed connection stays in presence")                          \
  bug(closed_join_stays_present, "a connection that closes while it joins stays in presence")      \
  bug(unwanted_goes_live, "an unsubscribe that waits for the join is answered and forgotten")      \
  bug(server_unsubscribe_misses_join, "the API's unsubscribe skips subscriptions under way")       \
  bug(backlog_out_of_order, "a frame that waits a second time goes behind its successors")         \
  bug(paused_reading_is_forgotten, "reading does not go on when the backlog has become short")     \
  bug(channel_limit_off_by_one, "one subscription more than the limit")                            \
  bug(refresh_keeps_old_end, "a refreshed connection ends when the old token does")                \
  bug(expiry_is_not_armed, "a connection outlives its token")                                      \
  bug(user_list_loses_predecessor, "the list of a user's connections breaks when one leaves")      \
  bug(disconnect_on_first_shard, "the API's disconnect reaches one shard only")                    \
  bug(subscriber_rights_for_all, "what subscribers may do, everybody may")                         \
  bug(user_list_is_ignored, "a channel limited to users is open to all")                           \
  bug(rest_is_overwritten, "a rest that is cut again forgets how far it was")                      \
  bug(slow_is_not_cut, "a full queue has no consequence")                                          \
  bug(byte_account_drifts, "what has been sent alone stays on the account")                        \
  bug(mailbox_turns_over, "three messages at once arrive in the wrong order")                      \
  bug(ready_rest_is_dropped, "coroutines beyond a turn's limit are never resumed")                 \
  bug(lent_timer_is_missed, "an owner sleeps past a timer that a lent turn has armed")             \
  bug(wake_is_skipped, "a message to a sleeper wakes nobody when turns are not lent")              \
  bug(gathered_wake_is_kept, "a wake-up that a turn in work has taken stands for the next one too") \
  bug(history_one_short, "history keeps one publication less than it should")                      \
  bug(epoch_survives_expiry, "a stream that has expired begins anew in its old epoch")             \
  bug(history_skips_first, "history behind a position leaves the first one out")                   \
  bug(idempotency_is_forgotten, "a publish that is repeated is delivered again")                   \
  bug(delta_over_aside, "a delta is made over a publication that history does not keep")           \
  bug(position_is_a_base, "who recovers nothing is taken to have the publication of its position") \
  bug(cache_begins_with_older, "where only the newest publication counts, an older one is recovered") \
  bug(cache_is_not_recovered_unasked, "auto_cache_recover waits to be asked")                      \
  bug(backend_failure_is_consent, "a backend that fails has nothing against it")                   \
  bug(backend_refusal_is_forgotten, "a subscribe goes on though its backend has refused it")       \
  bug(replaced_data_is_forgotten, "a publication goes out as it was, not as its backend has made it") \
  bug(accepted_needs_its_author, "what a backend has accepted is dropped if its author has left")  \
  bug(granted_channels_are_forgotten, "channels that a backend gives with a connection are not joined") \
  bug(failed_refresh_ends, "a connection ends when its backend does not answer")                   \
  bug(refresh_is_asked_once, "a connection that its backend has prolonged lives for ever")         \
  bug(refresh_holds_commands, "commands wait while a backend is asked for a connection's end")     \
  bug(expired_subscription_stays, "a subscription goes on though its backend has ended it")        \
  bug(subscription_is_asked_early, "the grace of an expired subscription is forgotten")            \
  bug(token_of_any_channel, "a subscription token is good for every channel")                      \
  bug(token_of_any_user, "a subscription token is good for every user")                            \
  bug(private_needs_no_token, "private channels are subscribed to without a token")                \
  bug(subscription_outlives_token, "the end that a subscription token sets is forgotten")          \
  bug(sub_refresh_keeps_old_end, "a refreshed subscription ends when its old token does")          \
  bug(expired_token_refreshes, "a subscription goes on by a token that is over")                   \
  bug(revoked_token_keeps_channel, "a subscription goes on though its token is revoked")           \
  bug(wildcard_on_first_shard, "a wildcard gets what is published on the first shard only")        \
  bug(wildcard_needs_no_rule, "a wildcard is subscribed to though no rule allows it")              \
  bug(wildcard_has_user_lists, "a wildcard stands for channels of some users, too")                \
  bug(wildcard_star_takes_rest, "a star at the end stands for more than one token")                \
  bug(wildcard_leaves_others, "a wildcard is taken out though other shards listen to it")          \
  bug(older_connection_stays, "a user who may have one connection keeps the older one as well")    \
  bug(newer_connection_goes, "of a user's connections the newer one makes way")                    \
  bug(rpc_answer_is_lost, "an RPC is answered without what its backend has said")                  \
  bug(blocked_user_slips_in, "a user who is blocked while connecting comes in")                    \
  bug(revocation_on_first_shard, "revoked tokens are looked for on one shard only")                \
  bug(refreshed_token_is_not_kept, "a token that refreshed a connection cannot be revoked")        \
  bug(users_are_counted_by_connection, "presence_stats counts a user with two connections twice")  \
  bug(presence_misses_one, "an answer about presence leaves one out where there are several")      \
  bug(channels_share_a_push_id, "all channels stand under one number in pushes")                   \
  bug(answer_before_the_question, "a shared read answers those who have asked after it began")
// clang-format on

// Paths that few runs would take.
#define GYRE_FAULT_LIST(point)                                                           \
  point(small_drain)             /* a turn takes one message at a time */                \
      point(small_batch)         /* a turn resumes one coroutine at a time */            \
      point(eager_gather)        /* a turn looks for more before it sends a little */    \
      point(deferred_lent_flush) /* a lent turn leaves the output to the owner */        \
      point(bulk_delivery)       /* a delivery goes the way of those to very many */     \
      point(bulk_cut)            /* a slice of bulk output ends after one connection */  \
      point(late_wake)           /* a wake-up reaches a turn that is in work already */  \
      point(late_call)           /* a call to the shard itself gives way first */        \
      point(short_record)        /* a home does not record what arrives during a join */ \
      point(no_linger)           /* a home retires at its first chance */                \
      point(small_backlog)       /* a session stops reading behind one frame */          \
      point(new_epoch)           /* the memory engine forgets a stream */

namespace gyre::fault {

enum class Bug : uint8_t {
  none,
#define GYRE_ENUMERATE(name, text) name,
  GYRE_PLANTED_BUGS(GYRE_ENUMERATE)
#undef GYRE_ENUMERATE
};

enum class Point : uint8_t {
#define GYRE_ENUMERATE(name) name,
  GYRE_FAULT_LIST(GYRE_ENUMERATE)
#undef GYRE_ENUMERATE
};

struct BugText {
  Bug bug;
  std::string_view name;
  std::string_view text;
};
inline constexpr BugText kBugs[] = {
#define GYRE_ENUMERATE(name, text) {Bug::name, #name, text},
    GYRE_PLANTED_BUGS(GYRE_ENUMERATE)
#undef GYRE_ENUMERATE
};

inline constexpr std::string_view kPoints[] = {
#define GYRE_ENUMERATE(name) #name,
    GYRE_FAULT_LIST(GYRE_ENUMERATE)
#undef GYRE_ENUMERATE
};

// Decides whether a fault strikes where the code has come to; the simulated world's, from its seed.
class Chooser {
 public:
  virtual ~Chooser() = default;
  virtual bool strikes(Point point) = 0;
};

#ifdef GYRE_FAULT_POINTS
inline constexpr bool kCompiledIn = true;
inline Bug planted = Bug::none;                  // set before the first world begins
inline thread_local Chooser* chooser = nullptr;  // of the world that this thread runs
#define GYRE_PLANTED(name) (::gyre::fault::planted == ::gyre::fault::Bug::name)
#define GYRE_FAULT(name) \
  (::gyre::fault::chooser && ::gyre::fault::chooser->strikes(::gyre::fault::Point::name))
#else
inline constexpr bool kCompiledIn = false;
#define GYRE_PLANTED(name) false
#define GYRE_FAULT(name) false
#endif

}  // namespace gyre::fault
