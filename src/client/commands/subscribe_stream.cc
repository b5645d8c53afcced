// Subscriptions whose publications a backend streams (spec proxies.md, subscribe_stream).
#include "base/log.h"
#include "client/backend_answer.h"
#include "client/joining.h"
#include "client/streams.h"

namespace gyre::client {

namespace {

namespace errors = protocol::errors;

}  // namespace

runtime::Task<Answer<void>> Session::open_stream(const protocol::SubscribeRequest& request,
                                                 const channel::Resolved& resolved,
                                                 SubscribePlan& plan, proxy::StreamRef& stream) {
  stream = plan.backend->open(caller(), {.channel = request.channel, .data = request.data},
                              plan.is_bidirectional);
  if (!stream) co_return client::refuse(errors::kInternal);
  std::optional<Streams::Opening> opening(std::in_place, *services_.streams, *this, *stream);
  GYRE_CO_TRY(std::optional<proxy::SubscribeResult> result, outcome_of(co_await stream->first()));
  opening.reset();
  if (result && result->expire_at > 0) plan.end = result->expire_at;
  auto granted = result ? proxy::options_of(*result) : auth::SubscriptionOptions();
  // There is no stream of the channel's own to have a place in.
  granted.override_options.force_positioning.reset();
  granted.override_options.force_recovery.reset();
  grant(granted, plan);
  co_return result ? allow(result->allow, request, resolved, plan) : Answer<void>();
}

// Unless the subscription has ended at once, since nobody wanted it any more.
void Session::start_following(const std::string& channel, proxy::StreamRef stream) {
  const Subscription* subscription = is_open() ? find(channel) : nullptr;
  if (!subscription || subscription->is(Subscription::kJoining)) return;
  services_.shard.tasks().spawn(
      follow(Ref<Session>(this), channel, subscription->channel, std::move(stream)));
}

// Hands on what comes, from the reply to the subscribe until the subscription or the stream ends.
runtime::Task<void> Session::follow(Ref<Session> self, std::string channel, hub::ChannelSlot slot,
                                    proxy::StreamRef stream) {
  struct Rest {
    Session& session;
    Streams::Followed& followed;
    bool await_ready() const { return !followed.is_wanted || !session.is_clogged(); }
    void await_suspend(std::coroutine_handle<> coroutine) {
      followed.resting = coroutine;
      session.services_.sockets.notify_when_flushed(session.socket_);
    }
    void await_resume() const {}
  };

  Streams& streams = *self->services_.streams;
  const protocol::PushChannel told(channel, self->push_id(*self->find(slot)));
  Streams::Followed followed{.stream = std::move(stream), .resting = {}};
  streams.add(*self, slot, followed);
  Errc why = Errc::closed;
  while (followed.is_wanted) {
    // As long as the client does not read, the backend is not read either.
    co_await Rest{*self, followed};
    if (!followed.is_wanted) break;
    Result<proxy::StreamPublication> next = co_await followed.stream->next();
    if (!followed.is_wanted) break;
    if (!next) {
      why = next.error().code;
      break;
    }
    self->push_streamed(told, std::move(*next));
  }
  if (!followed.is_wanted) co_return;
  self->detach(*self->find(slot));
  self->push_unsubscribe(channel, why == Errc::closed ? protocol::unsubscribes::kServer
                                                      : protocol::unsubscribes::kInsufficientState);
}

// To this client alone, past the channel: without an offset.
void Session::push_streamed(const protocol::PushChannel& channel,
                            proxy::StreamPublication publication) {
  protocol::Publication push(std::move(publication.data));
  if (!publication.tags.empty()) push.set_tags(std::move(publication.tags));
  std::string& out = services_.message_buffer();
  if (protocol::encode_push(encoding(), protocol::Envelope::reply, channel, push, out)) {
    send(metrics::FrameType::push_publication, out);
  } else {
    close(protocol::disconnects::kInappropriateProtocol);
  }
}

Answer<void> Session::publish_to_stream(const protocol::PublishRequest& request,
                                        const channel::ChannelOptions& options) {
  const hub::ChannelSlot slot = services_.hub.find(request.channel);
  Streams::Followed* followed =
      options.is_subscribe_stream_bidirectional && services_.streams && slot != hub::ChannelSlot()
          ? services_.streams->find(*this, slot)
          : nullptr;
  if (!followed) return client::refuse(errors::kNotAvailable);
  if (!followed->stream->publish(request.data)) return client::refuse(errors::kTooManyRequests);
  return {};
}

}  // namespace gyre::client
