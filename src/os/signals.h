#pragma once

#include "os/kernel.h"

namespace gyre::os {

enum class Signal : uint8_t { none, hangup, interrupt, terminate };

// From now on the process is not ended by SIGHUP, SIGINT and SIGTERM: they wait for `next_signal`.
// To be called before any thread is started, since threads inherit it. A closed pipe is no signal
// either.
void hold_signals();

// The next one that arrives, or none when `timeout` has passed. For one thread.
Signal next_signal(Nanos timeout);

}  // namespace gyre::os
