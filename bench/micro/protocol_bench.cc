// What the protocol costs per message:
//   cmake --build --preset release --target bench_micro && build/release/bench/micro/protocol_bench

#include <benchmark/benchmark.h>

#include <string>

#include "protocol/command_reader.h"
#include "protocol/encoder.h"
#include "protocol/json.h"

namespace gyre::protocol {
namespace {

constexpr std::string_view kPayload =
    R"({"id":4711,"text":"The quick brown fox jumps over the lazy dog","tags":["a","b"],"price":12.50,"ok":true})";

Request subscribe() {
  return SubscribeRequest{.channel = "news:europe",
                          .token = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiI0MiJ9.c2ln",
                          .recover = true,
                          .epoch = "aMjJ",
                          .offset = 1234,
                          .flag = 1};
}

Request publish() {
  return PublishRequest{.channel = "news:europe", .data = kPayload};
}

void decode(benchmark::State& state, Encoding encoding, const Request& request) {
  std::string frame;
  encode_command(encoding, 5, request, frame);
  Command command;
  for (auto _ : state) {
    CommandReader reader(encoding, frame);
    benchmark::DoNotOptimize(reader.next(command));
    benchmark::DoNotOptimize(command);
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * frame.size()));
}

PublicationRef publication(bool by_client) {
  auto made = make_ref<Publication>(std::string(kPayload));
  made->offset = 123456;
  if (by_client) {
    made->info = std::make_unique<const ClientInfo>(
        ClientInfo{.user = "42", .client = "a47d0f7d-fecc-4ecd-92a5-3a470e6de3f6"});
  }
  return made;
}

void encode(benchmark::State& state, Encoding encoding, bool by_client) {
  const PublicationRef made = publication(by_client);
  std::string out;
  for (auto _ : state) {
    out.clear();
    benchmark::DoNotOptimize(encode_push(encoding, Envelope::reply, "news:europe", *made, out));
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * out.size()));
}

BENCHMARK_CAPTURE(decode, json_subscribe, Encoding::json, subscribe());
BENCHMARK_CAPTURE(decode, json_publish, Encoding::json, publish());
BENCHMARK_CAPTURE(decode, protobuf_subscribe, Encoding::protobuf, subscribe());
BENCHMARK_CAPTURE(decode, protobuf_publish, Encoding::protobuf, publish());
BENCHMARK_CAPTURE(encode, json_publication, Encoding::json, false);
BENCHMARK_CAPTURE(encode, json_publication_of_client, Encoding::json, true);
BENCHMARK_CAPTURE(encode, protobuf_publication, Encoding::protobuf, false);
BENCHMARK_CAPTURE(encode, protobuf_publication_of_client, Encoding::protobuf, true);

void validate_payload(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(json::validate(kPayload));
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * kPayload.size()));
}
BENCHMARK(validate_payload);

}  // namespace
}  // namespace gyre::protocol
