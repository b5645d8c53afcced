#pragma once

#include <memory>
#include <string>

#include "load/options.h"
#include "load/probe.h"
#include "load/report.h"
#include "load/swarm.h"
#include "load/verifier.h"

namespace gyre::bench {

void run_idle(const Options& options);
void run_fanout(const Options& options);
void run_channels(const Options& options);
void run_api(const Options& options);
void run_publish(const Options& options);
void run_stall(const Options& options);
void run_overload(const Options& options);
/// Both `connect` and `recover`.
void run_storm(const Options& options);

/// A report that begins with what every mode tells.
Report begin_report(const Options& options);
/// CPU figures of a measured stretch in which `count` units of work were done.
void add_cpu(Report& report, const Stopwatch& watch, double count, std::string_view unit,
             std::string_view units);
void add_faults(Report& report, const Faults& faults);

/// The token of subscriber `index`, or nothing if connections are anonymous.
std::string token_of(const Options& options, uint32_t index);
/// A login to channel `index % channels`, or to `subscriptions` channels of its own.
Script subscriber_script(const Options& options);

}  // namespace gyre::bench
