#include "http/conversation.h"

#include <utility>

namespace gyre::http {
namespace {

// A body that nobody wants is read and dropped up to here, so that the connection lives on; beyond,
// it ends.
constexpr uint64_t kDroppedBodyMax = 256 * 1024;

// From here on a body is not copied.
constexpr size_t kLongBody = 256 * 1024;

// How a request that does not parse is answered.
Response failure_answer(const RequestParser::Failure& failure) {
  std::string text = std::to_string(failure.status);
  text.append(" ").append(status_text(failure.status)).append(": ").append(failure.reason);
  return Response(failure.status, "text/plain; charset=utf-8", std::move(text));
}

}  // namespace

Exchange::~Exchange() {
  if (link_) answer(Response::error(500));
}

bool Exchange::is_open() const {
  return link_ && link_->conversation;
}

void Exchange::answer(const Response& response) {
  if (Ref<Link> link = std::exchange(link_, nullptr); link && link->conversation) {
    link->conversation->answer(response, request_);
  }
}

void Exchange::answer(Response&& response) {
  if (response.body.size() < kLongBody) return answer(std::as_const(response));
  if (Ref<Link> link = std::exchange(link_, nullptr); link && link->conversation) {
    link->conversation->answer_in_place(std::move(response), request_);
  }
}

void Exchange::take_over(const Response& head, std::unique_ptr<Takeover> takeover) {
  if (Ref<Link> link = std::exchange(link_, nullptr); link && link->conversation) {
    link->conversation->take_over(head, request_, std::move(takeover));
  }
}

Conversation::Conversation(const Rules& rules, Owner& owner)
    : rules_(rules), owner_(owner), parser_(rules.limits) {}

Conversation::~Conversation() {
  if (link_) link_->conversation = nullptr;
}

void Conversation::receive(std::string_view bytes) {
  if (waiting_for() >= Waiting::end) {
    // Behind a takeover they belong to the successor; behind the end to nobody.
    if (takeover_) backlog_.append(bytes);
    return;
  }
  if (is_answering_ || !backlog_.empty()) {
    backlog_.append(bytes);
    return;
  }
  const size_t consumed = run(bytes);
  if (!is_over_) backlog_.assign(bytes.substr(consumed));
}

// Feeds the parser until it wants more, a handler keeps its request, or enough answers wait to be
// taken. Returns how much it took.
size_t Conversation::run(std::string_view bytes) {
  is_running_ = true;
  size_t consumed = 0;
  while (!is_over_ && !is_answering_ && !takeover_ && !is_full()) {
    const auto step = parser_.feed(bytes.substr(consumed));
    consumed += step.consumed;
    if (step.progress == RequestParser::Progress::need_more) break;
    switch (step.progress) {
      case RequestParser::Progress::head:
        on_head();
        // The client may have sent the body without waiting.
        if (!is_over_ && parser_.request().expects_continue && consumed == bytes.size()) {
          output_ += "HTTP/1.1 100 Continue\r\n\r\n";
        }
        break;
      case RequestParser::Progress::complete:
        on_request();
        break;
      default:
        on_failure();
    }
  }
  is_running_ = false;
  return consumed;
}

void Conversation::on_head() {
  const Request& request = parser_.request();
  auto [route, answer] = look_up(rules_.router, request);
  route_ = route;
  refusal_ = std::move(answer);
  if (route && route->admit) refusal_ = route->admit(request);
  const bool is_trusted = route && route->is_trusting && !refusal_;
  if (!is_trusted && is_too_fast()) return cut_short(Response::error(429), request);
  if (!refusal_) {
    parser_.limit_body(route->body_bytes_max);
  } else if (request.expects_continue) {  // it is told before it sends the body, and may send it or
                                          // not
    cut_short(*refusal_, request);
  } else {
    parser_.limit_body(kDroppedBodyMax);
  }
}

bool Conversation::is_too_fast() {
  if (!rules_.rate || rules_.rate.take(rate_state_, rules_.now())) return false;
  rules_.too_fast->add();
  return true;
}

void Conversation::on_request() {
  Request request = parser_.take();
  ++requests_;
  if (refusal_) {
    send(*std::exchange(refusal_, std::nullopt), request, request.keep_alive);
    return;
  }
  if (!link_) link_ = make_ref<Exchange::Link>(this);
  is_answering_ = true;
  route_->handle(Exchange(link_, std::move(request)));
}

void Conversation::on_failure() {
  const Request& request = parser_.request();
  if (refusal_) {
    cut_short(*refusal_, request);
  } else if (parser_.failure().status == 413 && route_) {
    cut_short(route_->too_large, request);
  } else {
    // The request's parts are not to be trusted, its version neither.
    cut_short(failure_answer(parser_.failure()), Request());
  }
}

Envelope Conversation::envelope(const Request& request, bool keeps) const {
  return {.date = rules_.date ? rules_.date() : std::string_view(),
          .keep_alive = keeps,
          .version_minor = request.version_minor,
          .is_head_request = request.is("HEAD")};
}

void Conversation::send(const Response& response, const Request& request, bool keeps) {
  keeps = keeps && !is_draining_;
  response.append_to(output_, envelope(request, keeps));
  if (!keeps) is_over_ = true;
}

void Conversation::cut_short(const Response& response, const Request& request) {
  is_cut_short_ = true;
  send(response, request, false);
}

void Conversation::answer(const Response& response, const Request& request) {
  is_answering_ = false;
  if (is_over_) return;  // too late
  send(response, request, request.keep_alive);
  after_answer();
}

void Conversation::answer_in_place(Response&& response, const Request& request) {
  if (!output_.empty()) return answer(response, request);  // behind what waits
  is_answering_ = false;
  if (is_over_) return;
  const bool keeps = request.keep_alive && !is_draining_;
  output_ = std::move(response).encode_in_place(envelope(request, keeps));
  if (!keeps) is_over_ = true;
  after_answer();
}

void Conversation::take_over(const Response& head, const Request& request,
                             std::unique_ptr<Takeover> takeover) {
  is_answering_ = false;
  if (is_over_) return;
  output_ += head.encode_head(envelope(request, true));
  takeover_ = std::move(takeover);
  after_answer();
}

void Conversation::after_answer() {
  if (is_running_) return;  // `run` goes on by itself
  resume();
  owner_.on_answer();
}

// Goes on with what has waited for an answer.
void Conversation::resume() {
  if (backlog_.empty() || takeover_ || is_over_) return;
  const std::string bytes = std::exchange(backlog_, {});
  const size_t consumed = run(bytes);
  if (!is_over_) backlog_.assign(bytes, consumed);
}

void Conversation::expire() {
  switch (waiting_for()) {
    case Waiting::head:
    case Waiting::body:
      cut_short(Response::error(408), Request());
      break;
    case Waiting::handler:
      send(Response::error(503), Request(), false);
      break;
    default:
      is_over_ = true;
  }
}

void Conversation::drain() {
  is_draining_ = true;
  if (waiting_for() == Waiting::idle || waiting_for() == Waiting::first_head) {
    if (parser_.is_idle() && backlog_.empty()) is_over_ = true;
  }
}

Conversation::Waiting Conversation::waiting_for() const {
  if (takeover_) return Waiting::takeover;
  if (is_over_) return Waiting::end;
  if (is_answering_) return Waiting::handler;
  if (parser_.is_in_body()) return Waiting::body;
  if (requests_ == 0) return Waiting::first_head;
  return parser_.is_idle() ? Waiting::idle : Waiting::head;
}

Conversation::TakenOver Conversation::take_takeover() {
  return {std::exchange(takeover_, nullptr), std::exchange(backlog_, {})};
}

}  // namespace gyre::http
