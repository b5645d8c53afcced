#include "api/http_api.h"

#include <openssl/crypto.h>

#include <utility>

#include "api/decode.h"
#include "api/encode.h"
#include "http/query.h"

namespace gyre::api {

namespace {

// What follows the scheme in `Authorization: apikey KEY`: two fields with blanks around them.
std::optional<std::string_view> key_of(std::string_view authorization) {
  constexpr std::string_view kBlank = " \t";
  const auto next = [&] {
    authorization.remove_prefix(
        std::min(authorization.find_first_not_of(kBlank), authorization.size()));
    const std::string_view field = authorization.substr(0, authorization.find_first_of(kBlank));
    authorization.remove_prefix(field.size());
    return field;
  };
  const std::string_view scheme = next();
  const std::string_view key = next();
  if (!http::equals_ignoring_case(scheme, "apikey") || !next().empty()) return std::nullopt;
  return key;
}

}  // namespace

HttpApi::HttpApi(runtime::Shard& shard, Service& service, Observer* observer,
                 const Options& options)
    : shard_(shard), service_(service), observer_(observer), options_(options) {}

void HttpApi::add_routes(http::Router<http::Route>& router) {
  std::string prefix = options_.prefix;
  while (prefix.ends_with('/')) prefix.pop_back();
  const auto add = [&](std::string path, std::function<void(http::Exchange)> handle) {
    router.add(std::move(path), {.handle = std::move(handle),
                                 .admit = [this](const http::Request& head) { return admit(head); },
                                 .is_trusting = !options_.insecure,
                                 .body_bytes_max = options_.body_bytes_max});
  };
  add(prefix, [this](http::Exchange exchange) {
    shard_.tasks().spawn(serve_single_endpoint(std::move(exchange)));
  });
  add(prefix + "/batch",
      [this](http::Exchange exchange) { shard_.tasks().spawn(serve_batch(std::move(exchange))); });
  for (size_t i = 0; i < kCommandMethods; ++i) {
    const auto method = static_cast<Method>(i);
    if (!options_.methods.has(method)) continue;
    add(prefix + "/" + std::string(name_of(method)),
        [this, method](http::Exchange exchange) { serve_command(method, std::move(exchange)); });
  }
}

std::optional<http::Response> HttpApi::admit(const http::Request& head) const {
  if (!head.is("POST")) return http::Response(405);
  if (!options_.insecure && !has_key(head)) return http::Response(401);
  return std::nullopt;
}

bool HttpApi::is_key(const std::optional<std::string_view>& text) const {
  return text && text->size() == options_.key.size() &&
         CRYPTO_memcmp(text->data(), options_.key.data(), text->size()) == 0;
}

bool HttpApi::has_key(const http::Request& head) const {
  if (options_.key.empty()) return false;
  const std::string_view own_header = head.headers.value("X-API-Key");
  // Once that header is there, the other one does not count.
  if (is_key(own_header.empty() ? key_of(head.headers.value("Authorization")) : own_header)) {
    return true;
  }
  const auto parameter = http::query_value(head.query, "api_key");
  return parameter && is_key(*parameter);
}

bool HttpApi::tells_errors_by_status(const http::Request& request) const {
  return options_.transport_errors ||
         request.headers.value("X-Centrifugo-Error-Mode") == "transport";
}

void HttpApi::count(Method method, std::string_view error) {
  if (observer_) observer_->on_error(method, error);
}

http::Response HttpApi::undecodable(Method method, Errc failure) {
  count(method, "unmarshal");
  // More elements than we take is a body that is too large.
  return failure == Errc::too_large ? http::Response(413) : http::Response::error(400);
}

http::Response HttpApi::unencodable(Method method) {
  count(method, "marshal");
  return http::Response::error(500);
}

// A command that takes no wait is answered in the event that brings it, without a coroutine.
void HttpApi::serve_command(Method method, http::Exchange exchange) {
  Decoded<AnyRequest> request = decode_request(method, exchange.request().body);
  if (!request) return exchange.answer(undecodable(method, request.error()));
  Service::Execution execution = service_.begin(*request, {.observer = observer_});
  if (execution.answer) {
    if (const auto response = short_response(exchange.request(), *execution.answer)) {
      return exchange.answer(*response);
    }
  }
  shard_.tasks().spawn(finish_command(method, std::move(exchange), std::move(execution)));
}

std::optional<http::Response> HttpApi::short_response(const http::Request& request,
                                                      const Answer<AnyResult>& answer) const {
  std::string text;
  if (!answer && tells_errors_by_status(request)) {
    append_error(text, answer.error());
    return http::Response(http_status_of(answer.error()), "application/json", std::move(text));
  }
  text = "{";
  if (!append_short_answer(text, answer)) return std::nullopt;
  text += '}';
  return http::Response::json(std::move(text));
}

runtime::Task<void> HttpApi::finish_command(Method method, http::Exchange exchange,
                                            Service::Execution execution) {
  const Answer<AnyResult> answer =
      execution.answer ? std::move(*execution.answer) : co_await std::move(*execution.rest);
  if (!exchange.is_open()) co_return;
  if (const auto response = short_response(exchange.request(), answer)) {
    exchange.answer(*response);
    co_return;
  }
  std::string text = "{";
  if (!co_await append_answer(&text, &answer)) {
    exchange.answer(unencodable(method));
    co_return;
  }
  text += '}';
  exchange.answer(http::Response::json(std::move(text)));
}

runtime::Task<void> HttpApi::serve_batch(http::Exchange exchange) {
  Decoded<BatchRequest> request = decode_batch(exchange.request().body, options_.methods);
  if (!request) {
    exchange.answer(undecodable(Method::batch, request.error()));
    co_return;
  }
  const BatchResult result = co_await service_.batch(std::move(*request), {.observer = observer_});
  if (!exchange.is_open()) co_return;
  std::string text;
  const bool is_encoded = co_await append_batch(&text, &result);
  exchange.answer(is_encoded ? http::Response::json(std::move(text)) : unencodable(Method::batch));
}

runtime::Task<void> HttpApi::serve_single_endpoint(http::Exchange exchange) {
  if (is_draining_) {
    exchange.answer(http::Response(503));
    co_return;
  }
  std::string replies;
  std::optional<http::Response> failure = co_await run_single_commands(&exchange, &replies);
  exchange.answer(failure ? std::move(*failure) : http::Response::json(std::move(replies)));
}

// Commands that stand before a malformed one are executed, and their replies are lost, as at the
// reference.
runtime::Task<std::optional<http::Response>> HttpApi::run_single_commands(
    const http::Exchange* exchange, std::string* replies) {
  SingleCommandReader reader(exchange->request().body, options_.methods);
  size_t done = 0;
  do {
    Decoded<SingleCommand> single = reader.next();
    if (!single) {
      co_return single.error() == Errc::too_large ? http::Response(413)
                                                  : http::Response::error(400);
    }
    Answer<AnyResult> answer = refuse(errors::kNotFound);
    if (single->command) {
      answer = co_await service_.execute(std::move(*single->command),
                                         {.observer = observer_, .counts_errors = false});
    } else {
      answer = refuse(single->command.error());
    }
    if (done++ > 0) *replies += '\n';
    *replies += '{';
    if (single->id != 0) replies->append("\"id\":").append(std::to_string(single->id)).append(",");
    if (!co_await append_answer(replies, &answer) || replies->size() > kAnswerBytesMax) {
      co_return http::Response::error(500);
    }
    *replies += '}';
    if (done % 64 == 0) co_await runtime::Yield();
  } while (!reader.at_end());
  co_return std::nullopt;
}

}  // namespace gyre::api
