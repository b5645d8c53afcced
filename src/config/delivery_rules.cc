#include <optional>

#include "config/rules.h"

// The rules of gyre.delivery.
namespace gyre::config::rules {

namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;

constexpr std::string_view kDeliveryKey = "gyre.delivery";
constexpr nanoseconds kBatchStep = milliseconds(100);  // of the server's timers
constexpr nanoseconds kBatchDelayMost = seconds(60);
constexpr int64_t kBatchSizeMost = 10'000;

std::optional<Tree> paced_namespace(const Tree& root, const std::string& name) {
  if (name.empty()) return root.section("channel.without_namespace");
  for (const Tree& options : root.list("channel.namespaces")) {
    if (options.text("name") == name) return options;
  }
  return std::nullopt;
}

void check_slow_consumer(Report& report, const Tree& root, const Tree& rule) {
  report.one_of(rule, "slow_consumer", {"disconnect", "keep_latest", "resubscribe"});
  const int64_t bytes = rule.integer("slow_consumer_bytes");
  if (bytes == 0) return;
  if (rule.text("slow_consumer") == "disconnect") {
    report.add(rule, "slow_consumer_bytes",
               "slow_consumer_bytes means nothing with slow_consumer \"disconnect\", which is "
               "bounded by client.queue_max_size");
  } else if (bytes < 0 || bytes >= root.integer("client.queue_max_size")) {
    report.add(
        rule, "slow_consumer_bytes",
        "slow_consumer_bytes must be below client.queue_max_size, where the connection ends, "
        "and not negative");
  }
}

void check_batches(Report& report, const Tree& rule) {
  const nanoseconds delay = rule.duration("batch_max_delay");
  const int64_t size = rule.integer("batch_max_size");
  if (delay < nanoseconds(0) || delay > kBatchDelayMost || delay % kBatchStep != nanoseconds(0)) {
    report.add(rule, "batch_max_delay",
               "batch_max_delay must be a multiple of 100ms up to 60s; 0: no batches");
  }
  if (size < 1 || size > kBatchSizeMost) {
    report.add(rule, "batch_max_size",
               fmt::format("batch_max_size must be from 1 to {}", kBatchSizeMost));
  }
  if (rule.boolean("batch_flush_latest") && delay == nanoseconds(0)) {
    report.add(rule, "batch_flush_latest",
               "batch_flush_latest means nothing without batch_max_delay");
  }
}

// To leave publications out does not go with what counts on every one of them.
void check_skipping(Report& report, const Tree& rule, const Tree& options) {
  const auto refuse = [&](std::string_view key, std::string_view what, std::string_view fix) {
    report.add(
        rule, key,
        fmt::format("{} does not go with {} of the namespace, as it leaves publications out: {}",
                    key, what, fix));
  };
  const auto check = [&](std::string_view key, std::string_view fix) {
    for (const char* option :
         {"force_positioning", "allow_positioning", "force_recovery", "allow_recovery"}) {
      if (options.boolean(option)) refuse(key, option, fix);
    }
    if (!options.texts("allowed_delta_types").empty()) refuse(key, "allowed_delta_types", fix);
  };
  if (rule.text("slow_consumer") == "keep_latest") {
    check("slow_consumer",
          "use \"resubscribe\" instead of \"keep_latest\", or a namespace without");
  }
  if (!rule.boolean("batch_flush_latest")) return;
  constexpr std::string_view kFix = "leave batch_flush_latest off, or use a namespace without";
  check("batch_flush_latest", kFix);
  if (options.boolean("allow_tags_filter")) {
    refuse("batch_flush_latest", "allow_tags_filter", kFix);
  }
}

}  // namespace

void check_delivery(Report& report, const Tree& root) {
  Names names;
  for (const Tree& rule : root.list(kDeliveryKey)) {
    const std::string& name = rule.text("namespace");
    auto context = report.in(fmt::format("in {} (\"{}\")", kDeliveryKey, name));
    if (!names.insert(name).second) {
      report.add(rule, "namespace", "the namespace has two rules; make one of them");
    }
    check_slow_consumer(report, root, rule);
    check_batches(report, rule);
    if (const std::optional<Tree> options = paced_namespace(root, name)) {
      check_skipping(report, rule, *options);
    } else {
      report.add(rule, "namespace",
                 fmt::format("there is no namespace \"{}\" in channel.namespaces", name));
    }
  }
}

}  // namespace gyre::config::rules
