// What happens in a scenario: what clients, backends, other nodes and the world do.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "tests/simulation/scenario_world.h"

namespace gyre::sim {

// With room for deltas to be shorter.
std::string Scenario::payload() {
  return payload(chance(50) ? 500 + below(1500) : below(60));
}

std::string Scenario::payload(size_t size) {
  return fmt::format(R"({{"n":{},"p":"{}"}})", next_payload_++, std::string(size, 'x'));
}

// A member of an API request, with its comma.
std::string Scenario::maybe_tags() {
  if (chance(300)) return {};
  return fmt::format(R"(,"tags":{{"k":"{}"}})", chance(500) ? "a" : "b");
}

void Scenario::plan() {
  for (const auto& client : clients_) plan_for(*client);
  plan_api();
  if (store_) act_on_store();
}

void Scenario::plan_for(SdkClient& client) {
  agenda_.after(some_time(3 * kSecond), [this, &client] {
    if (!is_active_) return;
    if (!client.is_gone()) act(client);
    plan_for(client);
  });
}

void Scenario::act(SdkClient& client) {
  const ChannelKind& channel = some_channel();
  switch (below(16)) {
    case 0:
    case 1:
      return client.subscribe(channel);
    case 2:
      return client.unsubscribe(channel.name);
    case 3:
      // At once, so that one waits for the other.
      client.subscribe(channel);
      client.publish(some_channel().name, payload());
      if (chance(500)) client.unsubscribe(channel.name);
      return;
    case 4:
      return chance(100) ? client.finish_sending() : client.cut();
    case 5:
      if (!channel.has_presence) return;
      return chance(500) ? client.ask_presence(channel.name)
                         : client.ask_presence_stats(channel.name);
    case 6:
      if (channel.has_history) {
        client.ask_history(channel.name, static_cast<int32_t>(below(8)) - 1);
      }
      return;
    case 7:
      // Away for long, so that it misses more than is kept.
      client.set_patience(chance(300) ? 20 * kSecond : 500 * os::kMillisecond);
      return;
    case 8:
      if (!client.is_slow()) return;
      client.read_slowly(true);
      agenda_.after(some_time(6 * kSecond), [&client] { client.read_slowly(false); });
      return;
    case 10:
      if (proxied_.rpc) client.call();
      return;
    case 11:
      if (!wildcards_.empty()) return act_on_wildcard(client);
      return client.publish(channel.name, payload());
    case 9:
      for (uint64_t i = 2 + below(4); i > 0; --i) client.publish(some_channel().name, payload());
      return;
    default:
      return client.publish(channel.name, payload());
  }
}

void Scenario::act_on_wildcard(SdkClient& client) {
  const ChannelKind& wildcard = wildcards_[below(wildcards_.size())];
  if (chance(700)) return client.subscribe(wildcard);
  client.unsubscribe(wildcard.name);
}

// --- The server API

void Scenario::plan_api() {
  agenda_.after(some_time(kSecond), [this] {
    if (!is_active_) return;
    act_by_api();
    plan_api();
  });
}

void Scenario::act_by_api() {
  const SdkClient& client = some_client();
  switch (below(22)) {
    case 0:
      return unsubscribe_by_api(client, any_channel().name);
    case 1:
      return disconnect_by_api(client);
    case 2:
      return api_->cut();
    case 3: {
      const ChannelKind& channel = some_channel();
      if (channel.has_history && options_.engine == Engine::remote) {
        api_->call("history", fmt::format(R"({{"channel":"{}","limit":5}})", channel.name));
      }
      return;
    }
    case 4:
      if (has_floods_) flood();
      return;
    case 5:
      return subscribe_by_api(client, some_channel().name);
    case 8:
    case 9: {
      const ChannelKind& channel = any_channel();
      if (channel.has_presence) ask_presence_by_api(channel.name, chance(500));
      return;
    }
    case 10:
    case 11:
      if (has_moderation_) return moderate(client);
      return publish_by_api(any_channel().name, payload());
    case 6: {
      // Behind others it could come with an end that is past. Backends would not know of it.
      if (!api_->is_settled() || proxied_.refresh) return;
      const int64_t end = stage_.network().wall() / kSecond + 4 + static_cast<int64_t>(below(20));
      return api_->call("refresh", fmt::format(R"({{"user":"{}","expire_at":{}}})", client.user(),
                                               chance(700) ? end : 0));
    }
    case 12:
      if (!wildcards_.empty()) return act_on_wildcard_by_api(client);
      return publish_by_api(any_channel().name, payload());
    case 7:
      return publish_repeatedly(any_channel().name, payload());
    default:
      for (uint64_t i = chance(100) ? 15 : 1; i > 0; --i) {
        publish_by_api(any_channel().name, payload());
      }
  }
}

void Scenario::subscribe_by_api(const SdkClient& client, const std::string& channel) {
  attendance_->may_come(channel, client.user());
  api_->call("subscribe", fmt::format(R"({{"user":"{}","channel":"{}"}})", client.user(), channel));
}

void Scenario::act_on_wildcard_by_api(const SdkClient& client) {
  // Others are an error, whoever asks for them.
  if (chance(500)) return subscribe_by_api(client, wildcard_rule_);
  unsubscribe_by_api(client, wildcard_rule_);
}

void Scenario::ask_presence_by_api(const std::string& channel, bool counts_only) {
  const os::Nanos asked = stage_.network().now();
  api_->call(counts_only ? "presence_stats" : "presence",
             fmt::format(R"({{"channel":"{}"}})", channel),
             [this, channel, asked](std::string_view answer) {
               const auto read = read_presence_answer(answer);
               if (!read) return violation(fmt::format("no answer about presence: {}", answer));
               attendance_->answered(channel, asked, *read);
             });
}

void Scenario::flood() {
  const std::string channel = some_channel().name;
  for (int i = 0; i < 30; ++i) publish_by_api(channel, payload(1'500));
}

void Scenario::publish_by_api(const std::string& channel, const std::string& text) {
  if (chance(200)) {
    std::set<std::string> names;
    for (size_t i = 0; i < 3; ++i) names.insert(some_channel().name);
    std::string list;
    for (const std::string& name : names) {
      list += fmt::format("{}\"{}\"", list.empty() ? "" : ",", name);
    }
    return api_->call("broadcast",
                      fmt::format(R"({{"channels":[{}],"data":{}{}}})", list, text, maybe_tags()));
  }
  const std::string body = fmt::format(R"({{"channel":"{}","data":{}{}{}}})", channel, text,
                                       maybe_tags(), chance(50) ? R"(,"skip_history":true)" : "");
  api_->call("publish", body, [this, channel, text](std::string_view answer) {
    const auto place = ledger_.find(channel, text);
    if (!place) return violation("an answer to a publish that did not happen");
    const Ledger::Entry& entry = ledger_.at(channel, *place);
    const std::string expected = entry.offset == 0
                                     ? R"({"result":{}})"
                                     : fmt::format(R"({{"result":{{"offset":{},"epoch":"{}"}}}})",
                                                   entry.offset, entry.epoch);
    if (answer != expected) violation(fmt::format("{} and not {}", answer, expected));
  });
}

// As a backend does that got no answer in time. The ledger notices what is published twice.
void Scenario::publish_repeatedly(const std::string& channel, const std::string& text) {
  if (!is_reliable()) return;  // the simulated broker remembers no keys
  const std::string body = fmt::format(R"({{"channel":"{}","data":{},"idempotency_key":"{}"}})",
                                       channel, text, next_payload_);
  auto first = std::make_shared<std::string>();
  const auto hold = [this, first](std::string_view answer) {
    if (first->empty()) *first = answer;
    if (answer != *first) violation(fmt::format("{} and then {}", *first, answer));
  };
  api_->call("publish", body, hold);
  api_->call("publish", body, hold);
}

void Scenario::unsubscribe_by_api(const SdkClient& target, const std::string& channel) {
  std::vector<std::pair<const SdkClient*, SdkClient::Mark>> marks;
  for (const auto& client : clients_) {
    if (client->user() == target.user()) marks.emplace_back(client.get(), client->mark(channel));
  }
  const std::string body = fmt::format(R"({{"user":"{}","channel":"{}"}})", target.user(), channel);
  api_->call("unsubscribe", body, [this, marks, channel](std::string_view) {
    agenda_.after(10 * kSecond, [this, marks, channel] {
      if (engine_fails_ || record_.has_jumped_within(20 * kSecond)) return;
      for (const auto& [client, mark] : marks) {
        if (client->is_as_marked(mark) && client->mark(channel).endings == mark.endings) {
          record_.violation(client->name(), fmt::format("was not told that {} has ended", channel));
        }
      }
    });
  });
}

void Scenario::disconnect_by_api(const SdkClient& target) {
  std::vector<std::pair<const SdkClient*, SdkClient::Mark>> marks;
  for (const auto& client : clients_) {
    if (client->user() == target.user()) marks.emplace_back(client.get(), client->mark({}));
  }
  const std::string body =
      fmt::format(R"({{"user":"{}","disconnect":{{"code":{},"reason":"so"}}}})", target.user(),
                  chance(900) ? 4000 : 4501);
  api_->call("disconnect", body, [this, marks](std::string_view) {
    agenda_.after(10 * kSecond, [this, marks] {
      if (record_.has_jumped_within(20 * kSecond)) return;
      for (const auto& [client, mark] : marks) {
        if (client->is_as_marked(mark)) {
          record_.violation(client->name(), "was not disconnected");
        }
      }
    });
  });
}

// --- The world

// The broker's own life: publishers of other nodes, and now and then a restart without memory.
void Scenario::act_on_store() {
  agenda_.after(some_time(2 * kSecond), [this] {
    if (!is_active_) return;
    const ChannelKind& channel = any_channel();
    if (channel.has_history && chance(30)) {
      record_.note("store", fmt::format("forgets {}", channel.name));
      store_->forget(channel.name);
    } else {
      engine::PublishRequest request;
      request.channel = channel.name;
      request.publication = make_ref<protocol::Publication>(payload());
      request.publication->mark_data_as_json();
      request.publication->wants_delta = channel.has_delta;
      std::string ns = channel.name.substr(0, channel.name.find(':'));
      if (ns.starts_with('$')) ns.erase(0, 1);
      for (const auto& [name, its] : namespaces_) {
        if (name != ns || !its.has_history()) continue;
        request.history = {
            .size = its.history_size, .ttl = its.history_ttl, .meta_ttl = its.history_meta_ttl};
      }
      store_->publish(std::move(request));
    }
    act_on_store();
  });
}

// Another one takes its place, with whatever engine is left: all of a remote one, none of memory.
void Scenario::kill_node() {
  if (!is_up_) return;
  record_.note("world", "kills the node");
  is_up_ = false;
  killed_at_ = stage_.network().now();
  bans_.forget();
  node_->die();
  ghosts_.push_back(std::move(node_));
  if (is_reliable()) ledger_.forget();
  agenda_.after(some_time(2 * kSecond), [this] {
    record_.note("world", "starts a node");
    start_node();
  });
}

void Scenario::set_clock() {
  const os::Nanos change = some_time(60 * kSecond) - 30 * kSecond;
  record_.note("world", fmt::format("sets the clock by {} s", change / kSecond));
  stage_.network().set_wall_clock(change);
  record_.jumped();
}

// A killed node has ended its operations after a while, and must have left nothing.
void Scenario::bury_ghosts() {
  std::erase_if(ghosts_, [this](const std::unique_ptr<SimNode>& ghost) {
    // What it waits for may have been due while time stood still.
    if (record_.has_just_jumped()) return false;
    if (stage_.network().now() < ghost->died_at() + kGhostLife) return false;
    for (const std::string& one : ghost->leftovers()) violation("killed: " + one);
    return true;
  });
}

}  // namespace gyre::sim
