#include "load/options.h"

#include <charconv>
#include <functional>
#include <map>
#include <string_view>
#include <variant>

#include "load/fail.h"

namespace gyre::bench {
namespace {

constexpr std::string_view kUsage = R"(usage: gyre_bench_load MODE [--flag value]...

modes
  idle       open --connections, report the server's memory per connection and idle CPU
  fanout     closed loop: --window publications to --connections subscribers of one channel
  channels   open loop: --rate publications/s over --channels, --connections subscribers in all
  api        --publishers connections publish to nobody, one request in flight each
  publish    --connections clients publish, one publication in flight each
  stall      open loop: --rate publications/s to --connections that never read and --good that do
  overload   --excess times as many API requests as the server can carry, and how it recovers
  connect    connect, subscribe, disconnect, --concurrency at a time
  recover    the same, and recover --missed publications in each subscription

where
  --server HOST:PORT (127.0.0.1:8000)  --pid N (the server's)  --path P  --api-path P
  --api-key K  --protocol json|protobuf  --raw (the upgrade is the subscription)
who
  --connections N  --channel NAME  --channels N  --own-channels  --subscriptions N
  --token-secret S (HS256)  --one-user
what
  --window N  --publishers N  --size BYTES  --rate N  --batch N  --broadcast N  --missed N
  --concurrency N  --good N  --gather-us N (receivers look only so often)  --excess X
  --members N (in the channel meanwhile)  --delta (fossil)  --filters N (different ones, all pass)
how long, in seconds
  --duration S  --warmup S  --settle S  --cpu-seconds S  --patience S (until a stalled one is cut)
how
  --warm-connections N  --per-thread N  --opening N  --verify  --label TEXT
)";

using Target = std::variant<bool*, uint32_t*, double*, std::string*, int*,
                            std::function<void(std::string_view)>>;

template <class Number>
Number number(std::string_view flag, std::string_view text) {
  Number value{};
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) {
    fail("--{}: '{}' is not a number", flag, text);
  }
  return value;
}

void assign(std::string_view flag, const Target& target, std::string_view text) {
  std::visit(
      [&](const auto& to) {
        using To = std::decay_t<decltype(to)>;
        if constexpr (std::is_same_v<To, std::string*>) {
          *to = text;
        } else if constexpr (std::is_same_v<To, std::function<void(std::string_view)>>) {
          to(text);
        } else if constexpr (!std::is_same_v<To, bool*>) {
          *to = number<std::remove_pointer_t<To>>(flag, text);
        }
      },
      target);
}

Mode parse_mode(std::string_view text) {
  for (Mode mode : {Mode::idle, Mode::fanout, Mode::channels, Mode::api, Mode::publish,
                    Mode::connect, Mode::recover, Mode::stall, Mode::overload}) {
    if (name(mode) == text) return mode;
  }
  fail("unknown mode '{}'\n{}", text, kUsage);
}

std::map<std::string_view, Target> flags_of(Options& options) {
  return {
      {"server",
       [&](std::string_view text) {
         const size_t colon = text.rfind(':');
         if (colon == std::string_view::npos) fail("--server: HOST:PORT");
         options.host = text.substr(0, colon);
         options.port = number<uint16_t>("server", text.substr(colon + 1));
       }},
      {"protocol",
       [&](std::string_view text) {
         if (text != "json" && text != "protobuf") fail("--protocol: json or protobuf");
         options.protocol = text == "json" ? Protocol::json : Protocol::protobuf;
       }},
      {"pid", &options.pid},
      {"path", &options.path},
      {"api-path", &options.api_path},
      {"api-key", &options.api_key},
      {"raw", &options.raw},
      {"connections", &options.connections},
      {"channel", &options.channel},
      {"channels", &options.channels},
      {"own-channels", &options.own_channels},
      {"subscriptions", &options.subscriptions},
      {"token-secret", &options.token_secret},
      {"one-user", &options.one_user},
      {"window", &options.window},
      {"publishers", &options.publishers},
      {"size", &options.size},
      {"rate", &options.rate},
      {"batch", &options.batch},
      {"broadcast", &options.broadcast},
      {"missed", &options.missed},
      {"concurrency", &options.concurrency},
      {"members", &options.members},
      {"delta", &options.delta},
      {"filters", &options.filters},
      {"gather-us", &options.gather_us},
      {"good", &options.good},
      {"duration", &options.duration},
      {"warmup", &options.warmup},
      {"settle", &options.settle},
      {"cpu-seconds", &options.cpu_seconds},
      {"patience", &options.patience},
      {"excess", &options.excess},
      {"warm-connections", &options.warm_connections},
      {"per-thread", &options.per_thread},
      {"opening", &options.opening},
      {"verify", &options.verify},
      {"label", &options.label},
  };
}

void check(const Options& options) {
  const auto at_least_one = [](std::string_view flag, uint32_t value) {
    if (value == 0) fail("--{} must be at least 1", flag);
  };
  at_least_one("connections", options.connections);
  at_least_one("channels", options.channels);
  at_least_one("subscriptions", options.subscriptions);
  at_least_one("window", options.window);
  at_least_one("rate", options.rate);
  at_least_one("batch", options.batch);
  at_least_one("broadcast", options.broadcast);
  at_least_one("concurrency", options.concurrency);
  at_least_one("good", options.good);
  at_least_one("per-thread", options.per_thread);
  at_least_one("opening", options.opening);
  if (options.batch > 1 && options.broadcast > 1)
    fail("--batch and --broadcast exclude each other");
  if ((options.delta || options.filters > 0) && options.protocol != Protocol::json)
    fail("--delta and --filters are for --protocol json");
  if (options.delta && options.filters > 0) fail("--delta and --filters exclude each other");
  if (options.delta && options.verify) fail("a delta has no stamp that --verify could read");
  if (options.members > 0 && options.mode != Mode::connect)
    fail("--members is for the mode connect");
}

}  // namespace

std::string_view name(Mode mode) {
  switch (mode) {
    case Mode::idle:
      return "idle";
    case Mode::fanout:
      return "fanout";
    case Mode::channels:
      return "channels";
    case Mode::api:
      return "api";
    case Mode::publish:
      return "publish";
    case Mode::stall:
      return "stall";
    case Mode::overload:
      return "overload";
    case Mode::connect:
      return "connect";
    case Mode::recover:
      return "recover";
  }
  return "";
}

Options parse_options(int argc, char** argv) {
  if (argc < 2) fail("no mode\n{}", kUsage);
  if (std::string_view(argv[1]) == "--help") {
    fmt::print("{}", kUsage);
    std::exit(0);
  }
  Options options;
  options.mode = parse_mode(argv[1]);
  const auto flags = flags_of(options);
  for (int at = 2; at < argc; ++at) {
    std::string_view word = argv[at];
    if (!word.starts_with("--")) fail("'{}' is not a flag", word);
    word.remove_prefix(2);
    const size_t equals = word.find('=');
    const std::string_view flag = word.substr(0, equals);
    const auto found = flags.find(flag);
    if (found == flags.end()) fail("unknown flag --{}\n{}", flag, kUsage);
    if (auto* on = std::get_if<bool*>(&found->second)) {
      if (equals != std::string_view::npos) fail("--{} takes no value", flag);
      **on = true;
    } else if (equals != std::string_view::npos) {
      assign(flag, found->second, word.substr(equals + 1));
    } else if (++at < argc) {
      assign(flag, found->second, argv[at]);
    } else {
      fail("--{} needs a value", flag);
    }
  }
  check(options);
  return options;
}

}  // namespace gyre::bench
