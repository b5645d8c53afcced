#include "proxy/decode.h"

#include "harness.h"

namespace gyre::fuzz {

namespace {

// What has been granted must be sayable in the words of tokens.
template <class Outcome>
void use(Outcome&) {}
void use(proxy::SubscribeResult& result) {
  static_cast<void>(proxy::options_of(result));
}
void use(proxy::ConnectResult& result) {
  for (auto& [channel, options] : result.subs) static_cast<void>(proxy::options_of(options));
}

// What is read must stay within its bound, and an answer that is whole is none when cut off.
template <class Outcome>
void read_as(std::string_view input) {
  AllocationBound bound(input.size(), AllocationBound::kOwn);
  auto response = bound.watch([&] { return proxy::decode_response<Outcome>(input); });
  if (response && response->result) use(*response->result);
  const size_t last = input.find_last_not_of(" \t\r\n");
  if (!response || last == std::string_view::npos) return;
  if (proxy::decode_response<Outcome>(input.substr(0, last))) __builtin_trap();
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
