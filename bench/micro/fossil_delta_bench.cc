// What a delta costs the server, and what it saves:
//   cmake --build --preset release --target bench_micro &&
//   build/release/bench/micro/fossil_delta_bench
// `delta_percent` is the size of the deltas in percent of the payloads, on the wire of JSON clients
// `json_percent` of what such a client would get in full.

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <random>
#include <string>
#include <vector>

#include "base/check.h"
#include "hub/delta_payload.h"
#include "protocol/fossil_delta.h"

namespace gyre::hub {
namespace {

// Payloads in a row, as a channel would publish them.
using Series = std::vector<std::string>;
constexpr int kLength = 64;

// A list of prices, of which few change from one to the next.
Series prices(size_t rows) {
  std::mt19937 random(1);
  std::vector<unsigned> cents(rows);
  for (unsigned& one : cents) one = random() % 100'000;
  Series series;
  for (int i = 0; i < kLength; ++i) {
    cents[random() % rows] += 7;
    cents[random() % rows] -= 3;
    std::string text = R"({"prices":[)";
    for (size_t row = 0; row < rows; ++row) {
      text += fmt::format(R"({}{{"symbol":"S{:04}","bid":{}.{:02},"open":true}})",
                          row == 0 ? "" : ",", row, cents[row] / 100, cents[row] % 100);
    }
    series.push_back(text + fmt::format(R"(],"time":{}}})", 1'760'000'000 + i));
  }
  return series;
}

// A text that grows at its end.
Series document(size_t bytes) {
  std::mt19937 random(2);
  std::string text = R"({"text":")";
  while (text.size() < bytes) text += fmt::format("word{} ", random() % 1000);
  Series series;
  for (int i = 0; i < kLength; ++i) {
    text += fmt::format("word{} ", random() % 1000);
    series.push_back(text + "\"}");
  }
  return series;
}

// Nothing in common: what a delta costs in vain.
Series noise(size_t bytes) {
  std::mt19937 random(3);
  Series series;
  for (int i = 0; i < kLength; ++i) {
    std::string text(1, '"');
    while (text.size() < bytes) text += static_cast<char>('a' + random() % 26);
    series.push_back(text + '"');
  }
  return series;
}

struct Sizes {
  size_t full = 0;
  size_t delta = 0;
  void tell(benchmark::State& state, const char* name) const {
    state.SetBytesProcessed(static_cast<int64_t>(full));
    state.counters[name] = 100.0 * static_cast<double>(delta) / static_cast<double>(full);
  }
};

std::string make_delta(const std::string& origin, const std::string& target) {
  std::string delta;
  protocol::append_fossil_delta(origin, target, delta);
  return delta;
}

void encode(benchmark::State& state, const Series& series) {
  std::string delta;
  Sizes sizes;
  size_t at = 1;
  for (auto _ : state) {
    delta.clear();
    protocol::append_fossil_delta(series[at - 1], series[at], delta);
    benchmark::DoNotOptimize(delta);
    sizes.full += series[at].size();
    sizes.delta += delta.size();
    at = at + 1 < series.size() ? at + 1 : 1;
  }
  sizes.tell(state, "delta_percent");
  GYRE_CHECK(protocol::apply_fossil_delta(series[0], make_delta(series[0], series[1]),
                                          series[1].size()) == series[1]);
}

// With everything around it: checked for UTF-8, written as a JSON string, compared with the whole.
void payload(benchmark::State& state, const Series& series) {
  std::vector<protocol::PublicationRef> publications;
  for (const std::string& text : series) {
    publications.push_back(make_ref<protocol::Publication>(text));
  }
  constexpr auto kJson = protocol::Encoding::json;
  Sizes sizes;
  size_t at = 1;
  for (auto _ : state) {
    const auto delta = delta_payload(kJson, *publications[at - 1], *publications[at]);
    benchmark::DoNotOptimize(delta);
    state.PauseTiming();
    const auto full = full_payload(kJson, *publications[at]);
    sizes.full += full->size();
    sizes.delta += delta ? delta->size() : full->size();
    at = at + 1 < publications.size() ? at + 1 : 1;
    state.ResumeTiming();
  }
  sizes.tell(state, "json_percent");
}

BENCHMARK_CAPTURE(encode, prices_1kb, prices(22));
BENCHMARK_CAPTURE(encode, prices_10kb, prices(220));
BENCHMARK_CAPTURE(encode, prices_100kb, prices(2200));
BENCHMARK_CAPTURE(encode, document_4kb, document(4000));
BENCHMARK_CAPTURE(encode, noise_1kb, noise(1000));
BENCHMARK_CAPTURE(encode, noise_100kb, noise(100'000));
BENCHMARK_CAPTURE(payload, prices_1kb, prices(22));
BENCHMARK_CAPTURE(payload, prices_10kb, prices(220));
BENCHMARK_CAPTURE(payload, document_4kb, document(4000));

}  // namespace
}  // namespace gyre::hub
