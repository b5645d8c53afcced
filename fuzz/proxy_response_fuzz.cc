#include "proxy/decode.h"

#include "harness.h"

namespace gyre::fuzz {

namespace {

constexpr proxy::AnswerRules kRules{.has_capabilities = true};
using Bounds = auth::CapabilityBounds;

void check(bool is_well) {
  if (!is_well) __builtin_trap();
}

void check(const proxy::Capabilities& caps) {
  check(caps.list.size() <= Bounds::kEntriesMax);
  size_t channels = 0;
  for (const auth::Capability& one : caps.list) {
    channels += one.channels.size();
    check(one.allow.size() <= Bounds::kWordsMax);
  }
  check(channels <= Bounds::kChannelsMax);
}

// What has been granted must be sayable in the words of tokens, and within their bounds.
template <class Outcome>
void use(Outcome&) {}
void use(proxy::SubscribeResult& result) {
  static_cast<void>(proxy::options_of(result));
  check(result.allow.words.size() <= Bounds::kWordsMax);
}
void use(proxy::RefreshResult& result) {
  check(result.caps);
}
void use(proxy::ConnectResult& result) {
  for (auto& [channel, options] : result.subs) static_cast<void>(proxy::options_of(options));
  check(result.caps);
}

// What is read must stay within its bound, and an answer that is whole is none when cut off. One
// that is good with capabilities is good for those who do not heed them.
template <class Outcome>
void read_as(std::string_view input) {
  AllocationBound bound(input.size(), AllocationBound::kOwn);
  auto response = bound.watch([&] { return proxy::decode_response<Outcome>(input, kRules); });
  if (response && response->result) use(*response->result);
  const size_t last = input.find_last_not_of(" \t\r\n");
  if (!response || last == std::string_view::npos) return;
  check(!proxy::decode_response<Outcome>(input.substr(0, last), kRules));
  check(proxy::decode_response<Outcome>(input).has_value());
}

}  // namespace

// Any text as the answer of a backend to each kind of question.
void take_input(std::string_view input) {
  read_as<proxy::ConnectResult>(input);
  read_as<proxy::RefreshResult>(input);
  read_as<proxy::SubscribeResult>(input);
  read_as<proxy::PublishResult>(input);
  read_as<proxy::SubRefreshResult>(input);
  read_as<proxy::RpcResult>(input);
}

}  // namespace gyre::fuzz
