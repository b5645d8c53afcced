#include "tests/simulation/sim_backend.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <iterator>

#include "runtime/call.h"

namespace gyre::sim {

namespace {

using proxy::Event;
namespace dom = simdjson::dom;

constexpr std::string_view kAddress = "http://backend/";
// Between what the wheel of a shard says and what it does, with messages on their way.
constexpr os::Nanos kSlack = 4 * os::kSecond;
// In which a client that reads has heard of an end.
constexpr os::Nanos kToldWithin = 8 * os::kSecond;

std::string text_of(const dom::object& object, const char* key) {
  std::string_view value;
  return object[key].get(value) == simdjson::SUCCESS ? std::string(value) : std::string();
}

// Answers that are none.
constexpr std::string_view kRubbish[] = {"",
                                         "oops",
                                         "[]",
                                         R"({"result":5})",
                                         R"({"result":{)",
                                         "\xff",
                                         R"("{}")",
                                         R"({"error":7})",
                                         R"({"result":[1]})",
                                         "{}{"};
constexpr int kStatuses[] = {500, 404, 302, 204, 503};

}  // namespace

// What is asked, as far as it takes to answer.
struct SimBackend::Question {
  Event event = Event::connect;
  std::string client;
  std::string user;
  std::string channel;
  std::string data;  // as the client has sent it
  std::string key;
  uint64_t life = 0;  // whose end it is about
};

std::string SimBackend::next_key(std::string_view user) {
  return fmt::format(R"({{"q":{},"user":"{}"}})", next_key_++, user);
}

const Ruling* SimBackend::find(Event event, std::string_view key) const {
  const auto found = rulings_.find(std::pair(event, std::string(key)));
  return found == rulings_.end() ? nullptr : &found->second;
}

bool SimBackend::has_disconnected(const std::string& client, uint32_t code) const {
  const auto found = disconnected_.find(client);
  return found != disconnected_.end() && std::ranges::count(found->second, code) > 0;
}

// --- What it says

SimBackend::Said SimBackend::judge(const Question& question) {
  Said said;
  said.ruling.event = question.event;
  said.ruling.client = question.client;
  said.ruling.channel = question.channel;
  os::Nanos most = 50 * os::kMillisecond;
  if (!is_calm_ && chance(100)) most = kTimeouts[static_cast<size_t>(question.event)] * 9 / 10;
  said.delay = static_cast<os::Nanos>(network_.below(static_cast<uint64_t>(most)));
  if (is_calm_) {
    accept(question, said);
  } else {
    misbehave(question, said);
  }
  return said;
}

void SimBackend::misbehave(const Question& question, Said& said) {
  using Kind = Ruling::Kind;
  Ruling& ruling = said.ruling;
  const bool decides_an_end =
      question.event == Event::refresh || question.event == Event::sub_refresh;
  // An answer may have more parts than count; the first of them does.
  const std::string_view more =
      chance(200) ? R"(,"result":{"expire_at":4000000000,"user":"x"})" : "";
  if (chance(options_.hangs)) {
    ruling.kind = Kind::fails;
    said.is_silent = true;
  } else if (chance(options_.fails)) {
    ruling.kind = Kind::fails;
    if (chance(500)) {
      said.body = kRubbish[network_.below(std::size(kRubbish))];
    } else {
      said.status = kStatuses[network_.below(std::size(kStatuses))];
      said.body = R"({"result":{"user":"x","expire_at":4000000000}})";
    }
  } else if (chance(options_.fails / 4)) {
    ruling.kind = Kind::breaks_base64;
    const bool has_data = question.event == Event::publish || question.event == Event::rpc;
    said.body = fmt::format(R"({{"result":{{"b64{}":"*"}}}})", has_data ? "data" : "info");
  } else if (chance(options_.disconnects)) {
    ruling.kind = Kind::disconnects;
    ruling.code = chance(950) ? 4100 : 4502;
    said.body = fmt::format(
        R"({{"disconnect":{{"code":{},"reason":"so"}},"error":{{"code":1,"message":"no"}}{}}})",
        ruling.code, decides_an_end ? std::string_view() : more);
    ruling.is_over = decides_an_end;
  } else if (chance(options_.refuses)) {
    ruling.kind = Kind::refuses;
    ruling.code = static_cast<uint32_t>(1000 + network_.below(3));
    said.body = fmt::format(R"({{"error":{{"code":{},"message":"no"}}{}}})", ruling.code,
                            decides_an_end ? std::string_view() : more);
    ruling.is_over = decides_an_end;
  } else {
    accept(question, said);
  }
}

void SimBackend::accept(const Question& question, Said& said) {
  Ruling& ruling = said.ruling;
  switch (question.event) {
    case Event::connect:
      return accept_connect(question, said);
    case Event::publish:
      return accept_publish(question, said);
    case Event::refresh:
    case Event::sub_refresh:
      return prolong(question, said);
    case Event::subscribe:
      if (!is_calm_ && chance(300)) ruling.end = some_end();
      said.body = ruling.end > 0 ? fmt::format(R"({{"result":{{"expire_at":{}}}}})", ruling.end)
                  : chance(500)  ? "{}"
                                 : R"({"result":{"data":{"d":1}}})";
      return;
    case Event::rpc:
      ruling.said = fmt::format(R"({{"to":{}}})", question.data);
      said.body = fmt::format(R"({{"result":{{"data":{}}}}})", ruling.said);
      return;
    case Event::subscribe_stream:
      return;  // not asked over HTTP
  }
}

void SimBackend::accept_connect(const Question& question, Said& said) {
  Ruling& ruling = said.ruling;
  if (!is_calm_ && chance(5)) {
    ruling.kind = Ruling::Kind::knows_nobody;
    said.body = "{}";
    return;
  }
  // One that has ended already, at times.
  if (!is_calm_ && chance(300)) ruling.end = chance(50) ? unix_now() - 5 : some_end();
  simdjson::dom::parser parser;
  const std::string user = text_of(dom::object(parser.parse(question.data)), "user");
  std::string channels;
  std::string subs;
  while (!options_.channels.empty() && ruling.channels.size() < 2 && chance(300)) {
    const std::string& channel = options_.channels[network_.below(options_.channels.size())];
    if (std::ranges::count(ruling.channels, channel) > 0) continue;
    ruling.channels.push_back(channel);
    if (chance(500)) {
      channels += fmt::format("{}\"{}\"", channels.empty() ? "" : ",", channel);
    } else {
      subs += fmt::format("{}\"{}\":{{}}", subs.empty() ? "" : ",", channel);
    }
  }
  said.body =
      fmt::format(R"({{"result":{{"user":"{}","expire_at":{},"channels":[{}],"subs":{{{}}}}}}})",
                  user, ruling.end, channels, subs);
}

// As it is, or other data in its place, which is as unique.
void SimBackend::accept_publish(const Question& question, Said& said) {
  said.ruling.said = question.data;
  std::string result;
  const auto add = [&result](std::string_view member) {
    result += (result.empty() ? "" : ",") + std::string(member);
  };
  if (chance(300)) {
    said.ruling.said = fmt::format(R"({{"by":"backend","of":{}}})", question.data);
    add(R"("data":)" + said.ruling.said);
  }
  if (chance(300)) add(R"("tags":{"k":"a"})");
  if (chance(100)) add(R"("skip_history":true)");
  if (chance(700)) add(R"("delta":true)");
  said.body = result.empty() ? "{}" : R"({"result":{)" + result + "}}";
}

// Something has come to its end.
void SimBackend::prolong(const Question& question, Said& said) {
  Ruling& ruling = said.ruling;
  const bool is_subscription = question.event == Event::sub_refresh;
  if (is_calm_) {
    ruling.end = unix_now() + 3600;
  } else if (chance(500)) {
    ruling.end = some_end();
  } else if (is_subscription && chance(300)) {
    said.body = R"({"result":{}})";  // without an end from now on
    return;
  } else {
    ruling.is_over = true;
    constexpr std::string_view kOver[] = {"{}", R"({"result":{"expired":true}})",
                                          R"({"result":{"expire_at":7}})"};
    said.body = kOver[network_.below(std::size(kOver))];
    return;
  }
  said.body = fmt::format(R"({{"result":{{"expire_at":{}}}}})", ruling.end);
}

// --- What comes of it

void SimBackend::note(const Question& question, const Said& said) {
  constexpr std::string_view kKinds[] = {"yes",    "refuses", "disconnects",
                                         "nobody", "fails",   "breaks base64"};
  record_.note(
      "backend",
      fmt::format("{} {} {}: {}{}{}", proxy::name_of(question.event), question.channel,
                  question.event == Event::publish ? question.data.substr(0, 14) : question.key,
                  kKinds[static_cast<size_t>(said.ruling.kind)],
                  said.is_silent ? " by silence" : "",
                  said.ruling.end > 0 ? fmt::format(", to {}", said.ruling.end) : ""));
}

void SimBackend::told(const Question& question, const Said& said) {
  using Kind = Ruling::Kind;
  Ruling& ruling = rulings_.at({question.event, question.key});
  ruling.answered = network_.now();
  note(question, said);
  const std::string& client = ruling.client;
  if (question.event == Event::refresh || question.event == Event::sub_refresh) {
    const auto life = lives_.find({client, ruling.channel});
    // What it was about has ended meanwhile, and perhaps begun anew.
    if (life == lives_.end() || life->second.number != question.life) return;
    // It may have been on its way for longer than it grants.
    if (ruling.end > 0 && ruling.end <= unix_now()) ruling.is_over = true;
    if (ruling.kind == Kind::breaks_base64) {
      disconnected_[client].push_back(0);
      must_go(client, {}, "stays, though its backend's answer has broken base64");
    } else if (ruling.is_over) {
      must_go(client, ruling.channel, "goes on, though its backend has ended it");
    } else {
      const int64_t end = ruling.kind == Kind::fails ? unix_now() + 60 : ruling.end;
      begin_life(client, ruling.channel, end, network_.now());
    }
    return;
  }
  if (ruling.kind == Kind::disconnects) {
    disconnected_[client].push_back(ruling.code);
    must_go(client, {}, "stays, though its backend has disconnected it");
  }
  if (ruling.kind != Kind::accepts) return;
  const bool is_asked_again =
      question.event == Event::connect ? options_.asks_refresh : options_.asks_sub_refresh;
  if (question.event == Event::connect || question.event == Event::subscribe) {
    begin_life(client, ruling.channel, is_asked_again ? ruling.end : 0, network_.now());
  }
}

void SimBackend::lives_until(const std::string& client, int64_t end, os::Nanos since) {
  if (options_.asks_refresh && !lives_.contains({client, {}})) begin_life(client, {}, end, since);
}

// At the end somebody must ask, unless the client has gone.
void SimBackend::begin_life(const std::string& client, const std::string& channel, int64_t end,
                            os::Nanos since) {
  const std::pair key(client, channel);
  lives_.erase(key);
  if (end <= 0) return;
  const uint64_t number = next_life_++;
  lives_[key] = {.end = end, .since = since, .number = number};
  os::Nanos most = kSlack;
  if (!channel.empty()) {
    most += (options_.subscription_grace + 1) * os::kSecond + 2 * options_.presence_interval;
  }
  const os::Nanos wait = std::max<os::Nanos>(end * os::kSecond - network_.wall(), 0) + most;
  agenda_.after(wait, [this, key, number] {
    const auto found = lives_.find(key);
    if (found == lives_.end() || found->second.number != number || found->second.was_asked) return;
    if (record_.has_jumped_since(found->second.since) || watch_(key.first, key.second) == 0) return;
    violation(fmt::format("nobody asks whether {} goes on{}", key.first,
                          key.second.empty() ? "" : " in " + key.second));
  });
}

// Not before the end, and not long after it.
void SimBackend::check_asked(Question& question) {
  const auto [found, is_new] = lives_.try_emplace({question.client, question.channel});
  Life& life = found->second;
  life.was_asked = true;
  if (is_new) {
    if (!question.channel.empty()) violation(fmt::format("asked about {}", question.key));
    life.number = next_life_++;  // of a token that its client has not told yet
  }
  question.life = life.number;
  if (is_new) return;
  if (record_.has_jumped_since(life.since)) return;
  const int64_t grace = question.channel.empty() ? 0 : options_.subscription_grace;
  const os::Nanos due = (life.end + grace) * os::kSecond;
  const os::Nanos most =
      kSlack + (question.channel.empty() ? 0 : os::kSecond + 2 * options_.presence_interval);
  if (network_.wall() < due || network_.wall() > due + most) {
    violation(fmt::format("asked about {} {} s after its end", question.key,
                          static_cast<double>(network_.wall() - due) / os::kSecond));
  }
}

void SimBackend::must_go(const std::string& client, const std::string& channel,
                         std::string_view why) {
  const uint64_t seen = watch_(client, channel);
  // A connect that is refused has not been seen yet; it must not come to be.
  if (seen == 0 && !channel.empty()) return;
  agenda_.after(kToldWithin, [this, client, channel, why, seen] {
    const uint64_t now = watch_(client, channel);
    if (now == 0 || (seen != 0 && now != seen)) return;
    if (record_.has_jumped_within(2 * kToldWithin)) return;
    violation(fmt::format("{} {} {}", client, channel, why));
  });
}

// --- The way to it

// Suspends on the shard that asks.
class BackendLine::Wait {
 public:
  Wait(Agenda& agenda, os::Nanos time) : agenda_(agenda), time_(time) {}
  bool await_ready() const { return false; }
  void await_suspend(std::coroutine_handle<> coroutine) {
    agenda_.after(time_, [&shard = *runtime::Shard::current(), coroutine] {
      runtime::send_errand(shard, [coroutine] { coroutine.resume(); });
    });
  }
  void await_resume() const {}

 private:
  Agenda& agenda_;
  const os::Nanos time_;
};

runtime::Task<Result<outbound::HttpResponse>> BackendLine::fetch(outbound::HttpRequest request) {
  if (is_dead_) {
    co_await Wait(backend_.agenda_, os::kMillisecond);
    co_return fail(Errc::unavailable, "no connection");
  }
  SimBackend::Question question;
  const std::string_view name = std::string_view(request.url).substr(kAddress.size());
  while (proxy::name_of(question.event) != name) {
    question.event = static_cast<Event>(static_cast<int>(question.event) + 1);
  }
  {
    dom::parser parser;
    const dom::object body(parser.parse(request.body));
    question.client = text_of(body, "client");
    question.user = text_of(body, "user");
    question.channel = text_of(body, "channel");
    dom::element data;
    if (body["data"].get(data) == simdjson::SUCCESS) question.data = simdjson::minify(data);
  }
  question.key = !question.data.empty()     ? question.data
                 : question.channel.empty() ? question.client
                                            : question.client + " " + question.channel;
  ++backend_.questions_;
  if (question.event == Event::refresh || question.event == Event::sub_refresh) {
    backend_.check_asked(question);
  }
  const SimBackend::Said said = backend_.judge(question);
  if (!backend_.rulings_.insert_or_assign(std::pair(question.event, question.key), said.ruling)
           .second &&
      !question.data.empty()) {
    backend_.violation(fmt::format("asked twice about {}", question.key));
  }
  co_await Wait(backend_.agenda_, said.is_silent ? request.timeout : said.delay);
  if (is_dead_) co_return fail(Errc::unavailable, "no connection");
  backend_.told(question, said);
  if (said.is_silent) co_return fail(Errc::timed_out, "no answer");
  co_return outbound::HttpResponse{.status = said.status, .body = said.body};
}

}  // namespace gyre::sim
