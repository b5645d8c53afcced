// gyre_bench_load: drives a server of the Centrifugo protocol, or the floor, and says what each
// unit of work cost it. docs/benchmarks.md tells how to use it.
#include <sys/prctl.h>

#include "load/modes.h"

int main(int argc, char** argv) {
  using namespace gyre::bench;
  // Pacing and latency are in microseconds; the default slack of timers is 50 of them.
  prctl(PR_SET_TIMERSLACK, 1);
  const Options options = parse_options(argc, argv);
  switch (options.mode) {
    case Mode::idle:
      run_idle(options);
      break;
    case Mode::fanout:
      run_fanout(options);
      break;
    case Mode::channels:
      run_channels(options);
      break;
    case Mode::api:
      run_api(options);
      break;
    case Mode::publish:
      run_publish(options);
      break;
    case Mode::overload:
      run_overload(options);
      break;
    case Mode::stall:
      run_stall(options);
      break;
    case Mode::connect:
    case Mode::recover:
      run_storm(options);
      break;
  }
  return 0;
}
